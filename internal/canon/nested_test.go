package canon

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type outer struct {
	Body json.RawMessage `json:"body"`
	Kind string          `json:"kind"`
	More map[string]any  `json:"more,omitempty"`
}

type inner struct {
	Names []string `json:"names,omitempty"`
	Of    *inner   `json:"of,omitempty"`
	Size  int      `json:"size"`
}

var errKind = errors.New("no such kind")

// parts parses an outer and what its kind says its body is.
func (o *outer) parts(b []byte) (body any, err error) {
	err = ParseNested(b, o, "body", &o.Body, func() (_ any, err error) { body, err = o.empty(); return body, err })
	return body, err
}

func (o *outer) empty() (any, error) {
	switch o.Kind {
	case "inner":
		return new(inner), nil
	case "text":
		return new(string), nil
	case "list":
		return new([]inner), nil
	}
	return nil, errKind
}

// inTwo parses the whole and then the body.
func (o *outer) inTwo(b []byte) (body any, err error) {
	if err := Parse(b, o); err != nil {
		return nil, err
	}
	if body, err = o.empty(); err != nil {
		return nil, err
	}
	return body, Parse(o.Body, body)
}

func sameInParts(t *testing.T, b []byte) {
	t.Helper()
	var nested, whole outer
	got, err := nested.parts(b)
	want, wanted := whole.inTwo(b)
	if fmt.Sprint(err) != fmt.Sprint(wanted) {
		t.Fatalf("in parts: %v, whole and then the body: %v: %q", err, wanted, b)
	}
	if err == nil && (!reflect.DeepEqual(nested, whole) || !reflect.DeepEqual(got, want)) {
		t.Fatalf("in parts %+v %+v, whole and then the body %+v %+v: %q", nested, got, whole, want, b)
	}
}

var nestedTexts = []string{
	`{"body":{"size":1},"kind":"inner"}`, `{"body":{"names":["a","b"],"of":{"size":2},"size":1},"kind":"inner","more":{"body":{"size":"x"}}}`,
	`{"body":"text","kind":"text"}`, `{"body":[],"kind":"list"}`, `{"body":[{"size":1}],"kind":"list"}`, `{"body":0,"kind":"text"}`,
	`{"body":{"size":1},"kind":"none"}`, `{"kind":"inner"}`, `{"body":null,"kind":"inner"}`, `{"body":{"size":1,"size":1},"kind":"inner"}`,
	`{"body":{"size":1},"body":{"size":1},"kind":"inner"}`, `{"kind":"inner","body":{"size":1}}`, `{"body":{"size":1}, "kind":"inner"}`,
	`{"body":{"Size":1},"kind":"inner"}`, `{"Body":{"size":1},"kind":"inner"}`, `{"body":{"size":1,"what":2},"kind":"inner"}`, `{"body":{"size":1},"kind":"inner","what":2}`,
	`{"body":{"names":[],"size":1},"kind":"inner"}`, `{"body":{"size":1.5},"kind":"inner"}`, `{"body":{"size":"1"},"kind":"inner"}`, `{"body":{"size":1},"kind":7}`,
	`{"body":{"size":1},"kind":"inner"} `, `{"body":{"size":1},"kind":"inner"`, `[{"body":{"size":1}}]`, `"body"`, ``, `{"b\u006fdy":{"size":1},"kind":"inner"}`,
	`{"body":"` + "\xff" + `","kind":"text"}`, `{"body":` + strings.Repeat(`[`, MaxDepth) + strings.Repeat(`]`, MaxDepth) + `,"kind":"list"}`,
}

// TestWhatIsParsedInPartsIsParsedAsAWhole: ParseNested says what Parse says of the whole and then of the member, and in the same words.
func TestWhatIsParsedInPartsIsParsedAsAWhole(t *testing.T) {
	for _, text := range nestedTexts {
		sameInParts(t, []byte(text))
	}
	var o outer
	if body, err := o.parts([]byte(nestedTexts[1])); err != nil || body.(*inner).Of.Size != 2 || !strings.HasPrefix(string(o.Body), `{"names"`) {
		t.Errorf("%+v %v %v", o, body, err)
	}
	o = outer{}
	if _, err := o.parts([]byte(nestedTexts[6])); !errors.Is(err, errKind) {
		t.Errorf("the reader's own error: %v", err)
	}
}

// TestAMemberInCanonicalFormIsTakenAsItIs: MarshalNested gives what Marshal gives, whatever the member is.
func TestAMemberInCanonicalFormIsTakenAsItIs(t *testing.T) {
	for _, body := range []string{`{"a":1,"b":[]}`, `{ "b":[], "a":1}`, `"text"`, `0`, `{"a":1.5}`, `{"a":null}`, `{"a":1,"a":2}`, `{`, ``, `"` + "\xff" + `"`, `true`} {
		o := outer{Kind: "body", Body: json.RawMessage(body), More: map[string]any{"body": 0, `x","body":0,"kind":"`: `"body":0`}}
		want, wanted := Marshal(o)
		got, err := MarshalNested(&o, "body", &o.Body)
		if string(got) != string(want) || (err == nil) != (wanted == nil) || string(o.Body) != body {
			t.Errorf("%s: %s %v, Marshal says %s %v; the body is %s", body, got, err, want, wanted, o.Body)
		}
	}
	o := outer{Body: json.RawMessage(`1`)}
	if _, err := MarshalNested(&o, "none", &o.Body); err == nil {
		t.Error("a member that is not there was found")
	}
}

func FuzzWhatIsParsedInPartsIsParsedAsAWhole(f *testing.F) {
	for _, text := range nestedTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(sameInParts)
}
