package httpapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// A template is text with {parameter} in it. It has no other syntax: no conditions, no calls, no escapes.
type template []piece

type piece struct{ text, param string } // one of the two

// parseTemplate parses s, in which only the given parameters may stand.
func parseTemplate(s string, params []string) (template, error) {
	var t template
	for s != "" {
		text, rest, open := strings.Cut(s, "{")
		if strings.Contains(text, "}") {
			return nil, fmt.Errorf("%w: template %q has a } without a {", writ.ErrInvalid, writ.Printable(s, 80))
		}
		if text != "" {
			t = append(t, piece{text: text})
		}
		if !open {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !slices.Contains(params, name) {
			return nil, fmt.Errorf("%w: template %q: {%s} is not one of: %s", writ.ErrInvalid, writ.Printable(s, 80), writ.Printable(name, 40), strings.Join(params, ", "))
		}
		t, s = append(t, piece{param: name}), after
	}
	return t, nil
}

// expand puts the values in, each through escape.
func (t template) expand(with writ.Parameters, escape func(string) string) string {
	var b strings.Builder
	for _, p := range t {
		if p.param == "" {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(escape(plain(with[p.param])))
	}
	return b.String()
}

// uses lists the parameters that stand in t.
func (t template) uses() []string {
	var out []string
	for _, p := range t {
		if p.param != "" && !slices.Contains(out, p.param) {
			out = append(out, p.param)
		}
	}
	return out
}

// plain is a value as it stands in a path, a query or a scope. Values have passed CheckParameters, so strings are
// names or listed words.
func plain(v writ.Value) string {
	if s, ok := v.Str(); ok {
		return s
	}
	return v.String()
}

func same(s string) string { return s }
