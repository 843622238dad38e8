package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/writ-dev/writ"
)

// Limits of a schema. References do not exist in it, so that checking a value takes time in proportion to both.
const (
	maxSchemaDepth = 6
	maxSchemaNodes = 300
	maxEnum        = 200
	maxPattern     = 300 // characters; patterns run in linear time
)

// Kinds of JSON values, as bits.
const (
	kindObject = 1 << iota
	kindArray
	kindString
	kindNumber
	kindInteger
	kindBoolean
	kindNull
)

var kindNames = map[string]int{
	"object": kindObject, "array": kindArray, "string": kindString, "number": kindNumber | kindInteger, "integer": kindInteger, "boolean": kindBoolean, "null": kindNull,
}

// A schema is a checked JSON Schema of the plain kind: types, properties, items, bounds, enumerations, patterns and anyOf.
// Whatever else narrows or refers (allOf, $ref, if, dependentSchemas …) is refused rather than ignored.
type schema struct {
	kinds                int
	properties           map[string]*schema
	required             []string
	items                *schema
	enum                 [][]byte // canonical
	pattern              *regexp.Regexp
	minLength, maxLength int // characters
	minItems, maxItems   int
	minimum, maximum     float64
	aboveMin, belowMax   bool // the bound itself is left out
	any                  []*schema
}

// wireSchema is the closed set of keywords.
type wireSchema struct {
	Schema           string                     `json:"$schema"`
	Type             json.RawMessage            `json:"type"`
	Properties       map[string]json.RawMessage `json:"properties"`
	Required         []string                   `json:"required"`
	Additional       json.RawMessage            `json:"additionalProperties"`
	Items            json.RawMessage            `json:"items"`
	Enum             []json.RawMessage          `json:"enum"`
	Const            json.RawMessage            `json:"const"`
	Pattern          string                     `json:"pattern"`
	MinLength        *int                       `json:"minLength"`
	MaxLength        *int                       `json:"maxLength"`
	MinItems         *int                       `json:"minItems"`
	MaxItems         *int                       `json:"maxItems"`
	Minimum          *float64                   `json:"minimum"`
	Maximum          *float64                   `json:"maximum"`
	ExclusiveMinimum *float64                   `json:"exclusiveMinimum"`
	ExclusiveMaximum *float64                   `json:"exclusiveMaximum"`
	AnyOf            []json.RawMessage          `json:"anyOf"`

	// These tell a reader something and narrow nothing.
	Title       json.RawMessage `json:"title"`
	Description json.RawMessage `json:"description"`
	Default     json.RawMessage `json:"default"`
	Examples    json.RawMessage `json:"examples"`
	Format      json.RawMessage `json:"format"`
	Deprecated  json.RawMessage `json:"deprecated"`
	ReadOnly    json.RawMessage `json:"readOnly"`
}

func parseSchema(b []byte) (*schema, error) {
	nodes := 0
	return (&schemaParser{&nodes}).parse(b, 1)
}

type schemaParser struct{ nodes *int }

func (p *schemaParser) parse(b []byte, depth int) (*schema, error) {
	if *p.nodes++; *p.nodes > maxSchemaNodes || depth > maxSchemaDepth {
		return nil, fmt.Errorf("it is deeper than %d or has more than %d parts", maxSchemaDepth, maxSchemaNodes)
	}
	if string(bytes.TrimSpace(b)) == "true" {
		return nil, errors.New("a part without a type takes anything")
	}
	var w wireSchema
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return nil, fmt.Errorf("a keyword is not of the plain kind: %s", writ.Printable(strings.TrimPrefix(err.Error(), "json: "), 100))
	}
	s := &schema{maxLength: maxString, maxItems: maxList, minimum: math.Inf(-1), maximum: math.Inf(1)}
	if err := s.types(w); err != nil {
		return nil, err
	}
	if err := s.bounds(w); err != nil {
		return nil, err
	}
	if err := p.parts(s, w, depth); err != nil {
		return nil, err
	}
	if s.kinds == 0 && len(s.any) == 0 && len(s.enum) == 0 {
		return nil, errors.New("a part without a type takes anything")
	}
	return s, nil
}

func (s *schema) types(w wireSchema) error {
	if len(w.Type) == 0 {
		return nil
	}
	var names []string
	if json.Unmarshal(w.Type, &names) != nil {
		names = make([]string, 1)
		if err := json.Unmarshal(w.Type, &names[0]); err != nil {
			return errors.New("type is a name or a list of names")
		}
	}
	for _, n := range names {
		k, ok := kindNames[n]
		if !ok {
			return fmt.Errorf("there is no type %q", writ.Printable(n, 40))
		}
		s.kinds |= k
	}
	return nil
}

func (s *schema) bounds(w wireSchema) error {
	for _, set := range []struct {
		from *int
		to   *int
		most int
	}{{w.MinLength, &s.minLength, maxString}, {w.MaxLength, &s.maxLength, maxString}, {w.MinItems, &s.minItems, maxList}, {w.MaxItems, &s.maxItems, maxList}} {
		if set.from != nil {
			if *set.from < 0 {
				return errors.New("a length is negative")
			}
			*set.to = min(*set.from, set.most)
		}
	}
	if w.Minimum != nil {
		s.minimum = *w.Minimum
	}
	if w.Maximum != nil {
		s.maximum = *w.Maximum
	}
	if e := w.ExclusiveMinimum; e != nil && *e >= s.minimum {
		s.minimum, s.aboveMin = *e, true
	}
	if e := w.ExclusiveMaximum; e != nil && *e <= s.maximum {
		s.maximum, s.belowMax = *e, true
	}
	if w.Pattern != "" {
		if len(w.Pattern) > maxPattern {
			return fmt.Errorf("a pattern has more than %d characters", maxPattern)
		}
		re, err := regexp.Compile(w.Pattern)
		if err != nil {
			return errors.New("a pattern is not one that can be checked in linear time")
		}
		s.pattern = re
	}
	if len(w.Const) > 0 {
		w.Enum = append(w.Enum, w.Const)
		if len(w.Enum) > 1 {
			return errors.New("enum and const together")
		}
	}
	if len(w.Enum) > maxEnum {
		return fmt.Errorf("an enumeration has more than %d values", maxEnum)
	}
	for _, e := range w.Enum {
		v, err := decode(e)
		if err != nil {
			return errors.New("an enumerated value is too deep")
		}
		b, err := canonical(v)
		if err != nil {
			return err
		}
		s.enum = append(s.enum, b)
	}
	return nil
}

func (p *schemaParser) parts(s *schema, w wireSchema, depth int) (err error) {
	// Arguments that the schema does not name are refused whatever additionalProperties says; a schema there would let an
	// agent choose names.
	if a := string(bytes.TrimSpace(w.Additional)); a != "" && a != "true" && a != "false" {
		return errors.New("additionalProperties is true or false")
	}
	s.properties, s.required = map[string]*schema{}, w.Required
	for name, b := range w.Properties {
		if s.properties[name], err = p.parse(b, depth+1); err != nil {
			return fmt.Errorf("%s: %w", writ.Printable(name, 40), err)
		}
	}
	for _, name := range w.Required {
		if s.properties[name] == nil {
			return fmt.Errorf("%q is required and not declared", writ.Printable(name, 40))
		}
	}
	if len(w.Items) > 0 {
		if s.items, err = p.parse(w.Items, depth+1); err != nil {
			return fmt.Errorf("items: %w", err)
		}
	} else if s.kinds&kindArray != 0 {
		return errors.New("a list says nothing of its items")
	}
	for _, b := range w.AnyOf {
		one, err := p.parse(b, depth+1)
		if err != nil {
			return fmt.Errorf("anyOf: %w", err)
		}
		s.any = append(s.any, one)
	}
	return nil
}
