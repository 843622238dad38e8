package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// Limits of arguments: a question, not a document.
const (
	MaxArguments = 16 << 10 // bytes
	maxArgDepth  = 6
	maxString    = 4096 // characters
	maxList      = 100
	maxFact      = 200 // characters of a value that policy sees
)

// Arguments are those of one call, checked against the approved schema.
type Arguments struct {
	Canonical []byte
	values    map[string]any
}

// Check parses the arguments of a call strictly against the definition: nothing that it does not name, every type and
// bound, one meaning for all readers. It refuses with the name of the argument and what it may be.
func (d Definition) Check(b []byte) (Arguments, error) {
	s, err := d.schema()
	if err != nil {
		return Arguments{}, err
	}
	return s.arguments(b)
}

func (d Definition) schema() (*schema, error) {
	s, err := parseSchema(d.InputSchema)
	if err != nil {
		return nil, fmt.Errorf("%w: the approved schema: %w", writ.ErrInvalid, err)
	}
	return s, nil
}

func (s *schema) arguments(b []byte) (Arguments, error) {
	if len(b) > MaxArguments {
		return Arguments{}, wrong(writ.ReasonTooLarge, "the arguments have %d bytes; the limit is %d", len(b), MaxArguments)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		b = []byte("{}")
	}
	v, err := decode(b)
	if err != nil {
		return Arguments{}, wrong(writ.ReasonForm, "the arguments must be one JSON object without repeated names, at most %d levels deep", maxArgDepth)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return Arguments{}, wrong(writ.ReasonForm, "the arguments must be one JSON object")
	}
	if err := s.check("", m); err != nil {
		return Arguments{}, err
	}
	c, err := canonical(m)
	return Arguments{c, m}, err
}

// Facts are the named arguments as policy sees them: name=value, sorted. A list gives one of each item; what was not
// given gives none. An argument whose value policy could not see whole is refused.
func (a Arguments) Facts(names []string) ([]string, error) {
	out := []string{}
	for _, name := range names {
		values, ok := a.values[name].([]any)
		if !ok {
			v, given := a.values[name]
			if !given || v == nil {
				continue
			}
			values = []any{v}
		}
		for _, v := range values {
			text := ""
			switch v := v.(type) {
			case string:
				text = v
			case json.Number:
				text = v.String()
			case bool:
				text = strconv.FormatBool(v)
			default:
				return nil, wrong(writ.ReasonParameterType, "%s decides whether the call is allowed, and must be a plain value or a list of them", name)
			}
			if len(text) > maxFact || writ.Printable(text, maxFact) != text {
				return nil, wrong(writ.ReasonParameterBound, "%s decides whether the call is allowed, and must be plain text of at most %d characters", name, maxFact)
			}
			out = append(out, name+"="+text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func wrong(code writ.Reason, format string, args ...any) error {
	return &writ.Refusal{Code: code, Kind: writ.ErrInvalid, Detail: fmt.Sprintf(format, args...), Hint: "the tool's input schema says what it takes"}
}

// decode parses one JSON value with numbers as they are written, refusing names that stand twice, invalid text and depth.
func decode(b []byte) (any, error) {
	if err := unique(b); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

// unique walks the tokens of b for what encoding/json lets pass: names that stand twice, and text that is not UTF-8.
func unique(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("text that is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	type level struct {
		object bool
		names  map[string]bool
		name   bool // a name comes next
	}
	var stack []level
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(stack) - 1
		if delim, ok := t.(json.Delim); ok {
			switch delim {
			case '{', '[':
				if top+1 >= maxArgDepth {
					return errors.New("too deep")
				}
				stack = append(stack, level{object: delim == '{', names: map[string]bool{}, name: true})
				continue
			}
			stack = stack[:top]
		} else if top >= 0 && stack[top].object && stack[top].name {
			name, _ := t.(string)
			if stack[top].names[name] {
				return errors.New("a name stands twice")
			}
			stack[top].names[name], stack[top].name = true, false
			continue
		}
		if top = len(stack) - 1; top >= 0 {
			stack[top].name = true
		}
	}
}

func (s *schema) check(at string, v any) error {
	name := at
	if name == "" {
		name = "the arguments"
	}
	k := kindOf(v)
	if s.kinds != 0 && s.kinds&k == 0 {
		return wrong(writ.ReasonParameterType, "%s must be %s", name, s.wants())
	}
	if len(s.enum) > 0 {
		b, err := canonical(v)
		if err != nil || !slices.ContainsFunc(s.enum, func(e []byte) bool { return bytes.Equal(e, b) }) {
			return wrong(writ.ReasonParameterBound, "%s must be one of %s", name, writ.Printable(string(bytes.Join(s.enum, []byte(", "))), 300))
		}
	}
	if len(s.any) > 0 && !slices.ContainsFunc(s.any, func(one *schema) bool { return one.check(at, v) == nil }) {
		return wrong(writ.ReasonParameterType, "%s is of none of the forms that the tool takes", name)
	}
	switch v := v.(type) {
	case string:
		return s.checkString(name, v)
	case json.Number:
		return s.checkNumber(name, v)
	case []any:
		return s.checkList(name, at, v)
	case map[string]any:
		return s.checkObject(at, v)
	}
	return nil
}

func (s *schema) checkString(name, v string) error {
	if n := utf8.RuneCountInString(v); n < s.minLength || n > s.maxLength {
		return wrong(writ.ReasonParameterBound, "%s must have %d to %d characters", name, s.minLength, s.maxLength)
	}
	if s.pattern != nil && !s.pattern.MatchString(v) {
		return wrong(writ.ReasonParameterBound, "%s must match %s", name, writ.Printable(s.pattern.String(), 200))
	}
	return nil
}

func (s *schema) checkNumber(name string, v json.Number) error {
	f, err := v.Float64()
	if err != nil || math.Abs(f) > canon.MaxInt {
		return wrong(writ.ReasonParameterBound, "%s must be a number within 2^53-1", name)
	}
	if f < s.minimum || f > s.maximum || s.aboveMin && f == s.minimum || s.belowMax && f == s.maximum {
		return wrong(writ.ReasonParameterBound, "%s must be from %g to %g", name, s.minimum, s.maximum)
	}
	return nil
}

func (s *schema) checkList(name, at string, v []any) error {
	if len(v) < s.minItems || len(v) > s.maxItems {
		return wrong(writ.ReasonParameterBound, "%s must have %d to %d items", name, s.minItems, s.maxItems)
	}
	if s.items == nil { // one of anyOf has looked at them
		return nil
	}
	for i, e := range v {
		if err := s.items.check(fmt.Sprintf("%s[%d]", at, i), e); err != nil {
			return err
		}
	}
	return nil
}

func (s *schema) checkObject(at string, v map[string]any) error {
	if s.kinds&kindObject == 0 { // one of anyOf has looked at it
		return nil
	}
	within := func(name string) string {
		if at == "" {
			return writ.Printable(name, 60)
		}
		return at + "." + writ.Printable(name, 60)
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		p, known := s.properties[name]
		if !known {
			return wrong(writ.ReasonUnknownParameter, "there is no argument %s", within(name))
		}
		if err := p.check(within(name), v[name]); err != nil {
			return err
		}
	}
	for _, name := range s.required {
		if _, given := v[name]; !given {
			return wrong(writ.ReasonMissingParameter, "%s is required", within(name))
		}
	}
	return nil
}

func kindOf(v any) int {
	switch v := v.(type) {
	case map[string]any:
		return kindObject
	case []any:
		return kindArray
	case string:
		return kindString
	case bool:
		return kindBoolean
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return kindInteger
		}
		return kindNumber
	}
	return kindNull
}

// wants names the kinds for people.
func (s *schema) wants() string {
	out := ""
	for _, name := range []string{"object", "array", "string", "number", "integer", "boolean", "null"} {
		if k := kindNames[name]; s.kinds&k == k && (name != "integer" || s.kinds&kindNumber == 0) {
			if out != "" {
				out += " or "
			}
			out += name
		}
	}
	return out
}
