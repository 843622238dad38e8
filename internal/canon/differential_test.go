package canon

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

type closed struct {
	Name  string          `json:"name"`
	Count int64           `json:"count"`
	At    time.Time       `json:"at,omitzero"`
	Raw   json.RawMessage `json:"raw,omitempty"`
	Bytes []byte          `json:"bytes,omitempty"`
	In    *closed         `json:"in,omitempty"`
	List  []closed        `json:"list,omitempty"`
	Extra map[string]any  `json:"extra,omitempty"`
}

// A \u escape of a lone surrogate in a member's name is the one thing that the tokenizer lets pass and Check does not.
func FuzzAgainstTheTokenizer(f *testing.F) {
	for _, s := range []string{
		`{"count":3,"name":"api"}`, `{"count":9007199254740993,"name":"\ud800"}`, `[1,2,{"a":"\u0041\ud83d\ude00"}]`, `-0`, `0`, `01`, ` {"b":1,"a":[]} `,
		`{"name":"x","count":1,"raw":{"z":1,"a":[true,false]},"extra":{"\ue000":1,"\ud83d\ude00":2,"<":"\u2028"}}`, `"\ufffd"`, `{"\ufffd":1}`, `{"a":1,"a":2}`, `{"a":null}`,
		`1.5`, `1e3`, `[1,]`, `{,}`, `{"a":1,}`, `[1 2]`, `"\/\b\f\n\r\t\u0000\u001f"`, "\"\x7f\"", `9007199254740991`, `-9007199254740991`, `9007199254740992`, `[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`,
		`[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`, `{"at":"2026-01-02T03:04:05.006Z","bytes":"AAA=","count":1,"in":{"count":2,"name":""},"list":[{"count":1,"name":"<>&"}],"name":"\u003c"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		old, now := plainCheck(b), Check(b)
		if (old == nil) != (now == nil) && !bytes.Contains(b, []byte(`\u`)) {
			t.Fatalf("Check %q: plain %v, shipped %v", b, old, now)
		}
		if old != nil && now == nil {
			t.Fatalf("Check %q: plain %v, shipped accepts", b, old)
		}
		inPlace(t, b)
		for name, mk := range map[string]func() any{"closed": func() any { return new(closed) }, "any": func() any { return new(any) }, "map": func() any { return new(map[string]closed) }, "raw": func() any { return new(json.RawMessage) }} {
			v, w := mk(), mk()
			if o, n := plainParse(b, v), Parse(b, w); (o == nil) != (n == nil) {
				t.Fatalf("Parse %s %q: plain %v, shipped %v", name, b, o, n)
			}
			v, w = mk(), mk()
			o, n := plainParseLoose(b, v), ParseLoose(b, w)
			if (o == nil) != (n == nil) {
				t.Fatalf("ParseLoose %s %q: plain %v, shipped %v", name, b, o, n)
			}
			if o == nil {
				x, e1 := plainMarshal(v)
				y, e2 := Marshal(w)
				if (e1 == nil) != (e2 == nil) || !bytes.Equal(x, y) {
					t.Fatalf("Marshal %s %q: plain %q %v, shipped %q %v", name, b, x, e1, y, e2)
				}
			}
		}
		if json.Valid(b) {
			x, e1 := plainMarshal(json.RawMessage(b))
			y, e2 := Marshal(json.RawMessage(b))
			if (e1 == nil) != (e2 == nil) || !bytes.Equal(x, y) {
				t.Fatalf("Marshal %q: plain %q %v, shipped %q %v", b, x, e1, y, e2)
			}
		}
	})
}
