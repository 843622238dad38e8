package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/writ-dev/writ"
)

// maxNamed bounds how much of an argument's name is repeated in an answer; what was given for it never is.
const maxNamed = 40

// An argument is one parameter of a tool.
type argument struct {
	name, about string
	field       int // of the tool's struct
	kind        reflect.Kind
	optional    bool
}

// words are how a kind is called in a schema and in a sentence. There are no others: parameters are flat scalars.
var words = map[reflect.Kind]struct{ schema, sentence string }{
	reflect.String: {"string", "text"}, reflect.Int: {"integer", "a whole number without quotes"}, reflect.Bool: {"boolean", "true or false without quotes"},
}

// argumentsOf reads the parameters of a tool from its struct: name and omitempty from the tag json, the rest from about.
func argumentsOf(t reflect.Type) (out []argument) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, more, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, argument{name: name, about: f.Tag.Get("about"), field: i, kind: f.Type.Kind(), optional: more == "omitempty"})
	}
	return out
}

// schemaOf is the JSON schema of a tool's parameters, closed.
func schemaOf(all []argument) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, a := range all {
		properties[a.name] = map[string]any{"type": words[a.kind].schema, "description": a.about}
		if !a.optional {
			required = append(required, a.name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// readArguments fills a tool's struct with a call's arguments. An optional one that is null counts as left out, since some
// clients send every parameter. A refusal names the argument and what is allowed there, and repeats nothing that was given.
func readArguments(tool string, all []argument, raw json.RawMessage, to reflect.Value) error {
	given, ok := members(raw)
	if !ok {
		return misfit(tool, all, "the arguments must be one JSON object that names each argument once")
	}
	for _, a := range all {
		v, there := given[a.name]
		delete(given, a.name)
		if v == nil && (!there || a.optional) {
			if !a.optional {
				return misfit(tool, all, fmt.Sprintf("%s is missing: %s", a.name, a.about))
			}
			continue
		}
		if !a.set(to.Field(a.field), v) {
			return misfit(tool, all, fmt.Sprintf("%s must be %s: %s", a.name, words[a.kind].sentence, a.about))
		}
	}
	for _, name := range sortedNames(given) {
		return misfit(tool, all, fmt.Sprintf("%s takes no argument %q", tool, writ.Printable(name, maxNamed)))
	}
	return nil
}

// members are those of a JSON object, each of which stands there once; without arguments there are none.
func members(raw json.RawMessage) (map[string]any, bool) {
	given := map[string]any{}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return given, true
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		t, err := d.Token()
		name, isName := t.(string)
		var v any
		if err != nil || !isName || d.Decode(&v) != nil {
			return nil, false
		}
		if _, twice := given[name]; twice {
			return nil, false
		}
		given[name] = v
	}
	_, err := d.Token() // its end; after it nothing can stand, since it came as one value of a message
	return given, err == nil
}

// set puts a value of the argument's kind into its field, and reports whether it is one.
func (a argument) set(to reflect.Value, v any) bool {
	switch v := v.(type) {
	case string:
		if a.kind == reflect.String {
			to.SetString(v)
			return true
		}
	case json.Number:
		if n, err := v.Int64(); err == nil && a.kind == reflect.Int {
			to.SetInt(n)
			return true
		}
	case bool:
		if a.kind == reflect.Bool {
			to.SetBool(v)
			return true
		}
	}
	return false
}

// misfit refuses a call with the way to make it.
func misfit(tool string, all []argument, detail string) error {
	var must, may []string
	for _, a := range all {
		if a.optional {
			may = append(may, a.name)
		} else {
			must = append(must, a.name+"=…")
		}
	}
	hint := fmt.Sprintf("call %s(%s)", tool, strings.Join(must, ", "))
	if len(may) > 0 {
		hint += ", with " + strings.Join(may, ", ") + " if needed"
	}
	return &writ.Refusal{Code: writ.ReasonForm, Detail: detail, Hint: hint, Kind: writ.ErrInvalid}
}
