package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
)

// A param is one parameter of an endpoint: typed and bounded for the catalogue, with the document's own schema, which
// a value must pass as well.
type param struct {
	spec     connector.Parameter
	in       string // inPath, inQuery or inBody
	document string // its name in the document
	schema   *openapi3.Schema
}

// maxValues bounds an enumeration: more words than that are free text.
const maxValues = 100

// derive turns the document's schema of a parameter into the contract's. There is no free text: a string must be
// enumerated, or have a pattern and be a plain name (writ.IsName) besides.
func derive(document, in, title string, optional bool, s *openapi3.Schema, narrow []ParameterConfig) (param, error) {
	n := ParameterConfig{Name: document}
	if i := slices.IndexFunc(narrow, func(c ParameterConfig) bool { return cmp.Or(c.Document, c.Name) == document }); i >= 0 {
		n = narrow[i]
	}
	p := param{in: in, document: document, schema: s}
	p.spec = connector.Parameter{Name: n.Name, Title: writ.Printable(cmp.Or(n.Title, title, document), 120), Optional: optional}
	bad := func(format string, args ...any) (param, error) {
		return param{}, fmt.Errorf("parameter %q: %s", writ.Printable(document, 60), fmt.Sprintf(format, args...))
	}
	switch {
	case !writ.IsName(n.Name):
		return bad("its name must be a plain lower-case name; rename it under parameters")
	case s == nil || s.Type == nil || len(s.Type.Slice()) != 1:
		return bad("its schema must have exactly one type")
	case s.Nullable:
		return bad("it may be null, and there is no such value")
	}
	var err error
	switch {
	case s.Type.Is(openapi3.TypeBoolean):
		p.spec.Type = connector.TypeBool
	case s.Type.Is(openapi3.TypeInteger):
		p.spec.Type = connector.TypeInteger
		err = p.bounds(n)
	case s.Type.Is(openapi3.TypeString):
		err = p.words(n)
	default:
		return bad("it is %s: only whole numbers, truth values and bounded strings can be sent", s.Type.Slice()[0])
	}
	if err != nil {
		return bad("%v", err)
	}
	if (n.Min != nil || n.Max != nil) && p.spec.Type != connector.TypeInteger || len(n.Values) > 0 && p.spec.Type != connector.TypeEnum {
		return bad("the bounds under parameters do not fit its type")
	}
	return p, nil
}

func (p *param) bounds(n ParameterConfig) error {
	lo, hi := int64(-canon.MaxInt), int64(canon.MaxInt)
	if p.schema.Min != nil {
		lo = max(lo, int64(math.Ceil(*p.schema.Min)))
	}
	if p.schema.Max != nil {
		hi = min(hi, int64(math.Floor(*p.schema.Max)))
	}
	if n.Min != nil {
		if *n.Min < lo {
			return fmt.Errorf("min %d is below the document's %d", *n.Min, lo)
		}
		lo = *n.Min
	}
	if n.Max != nil {
		if *n.Max > hi {
			return fmt.Errorf("max %d is above the document's %d", *n.Max, hi)
		}
		hi = *n.Max
	}
	if p.schema.Min == nil && n.Min == nil || p.schema.Max == nil && n.Max == nil {
		return fmt.Errorf("a whole number needs a minimum and a maximum, in the document or under parameters")
	}
	if lo >= hi {
		return fmt.Errorf("its bounds %d to %d leave no choice", lo, hi)
	}
	p.spec.Min, p.spec.Max = lo, hi
	return nil
}

func (p *param) words(n ParameterConfig) error {
	if len(p.schema.Enum) == 0 && len(n.Values) == 0 {
		if p.schema.Pattern == "" {
			return fmt.Errorf("a string needs an enum or a pattern in the document, or values under parameters: free text is not sent")
		}
		p.spec.Type = connector.TypeName
		return nil
	}
	p.spec.Type = connector.TypeEnum
	for _, x := range p.schema.Enum {
		w, ok := x.(string)
		if !ok {
			return fmt.Errorf("its enum lists something that is not a string")
		}
		p.spec.Values = append(p.spec.Values, w)
	}
	if len(n.Values) > 0 {
		for _, w := range n.Values {
			if p.schema.VisitJSON(w) != nil {
				return fmt.Errorf("value %q is not allowed by the document", writ.Printable(w, 40))
			}
		}
		p.spec.Values = n.Values
	}
	if len(p.spec.Values) > maxValues {
		return fmt.Errorf("more than %d values", maxValues)
	}
	for _, w := range p.spec.Values {
		if !writ.IsName(w) && (p.in != inBody || writ.Printable(w, maxWord) != w) {
			return fmt.Errorf("value %q is not a plain name", writ.Printable(w, 40))
		}
	}
	return nil
}

// maxWord bounds one word of an enumeration in a body.
const maxWord = 100

// accept checks a value against the document's schema, after CheckParameters.
func (p param) accept(v writ.Value) error {
	var x any
	if s, ok := v.Str(); ok {
		x = s
	} else if i, ok := v.Int64(); ok {
		x = float64(i)
	} else {
		x, _ = v.IsTrue()
	}
	if p.schema.VisitJSON(x) != nil {
		return &writ.Refusal{
			Code: writ.ReasonParameterBound, Detail: fmt.Sprintf("%s does not fit the document's schema%s", p.spec.Name, p.rule()),
		}
	}
	return nil
}

func (p param) rule() string {
	if p.schema.Pattern == "" {
		return ""
	}
	return ", pattern " + writ.Printable(p.schema.Pattern, 100)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
