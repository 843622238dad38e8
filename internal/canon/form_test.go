package canon

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// inPlace holds the look that writes nothing against the pass that writes the canonical form.
func inPlace(t *testing.T, b []byte) {
	t.Helper()
	var w work
	form, err := w.scan(nil, b)
	canonical, got := err == nil && bytes.Equal(form, b), isCanonical(b)
	if got != canonical {
		t.Fatalf("in place %t, by writing it %t (%v): %q", got, canonical, err, b)
	}
	if got {
		sameValues(t, b)
	}
	if (Canonical(b) == nil) != canonical {
		t.Fatalf("Canonical says %v, by writing it %t: %q", Canonical(b), canonical, b)
	}
}

// sameValues holds the values of a Text against those that Members and Elements find.
func sameValues(t *testing.T, b []byte) {
	t.Helper()
	var text Text
	text.Split([]byte(`{"before":[1,2]}`))
	if !text.Split(b) {
		t.Fatalf("it is canonical and does not split: %q", b)
	}
	var compare func(v Value, b []byte)
	compare = func(v Value, b []byte) {
		if !bytes.Equal(v.Bytes(), b) || v.IsObject() != (b[0] == '{') {
			t.Fatalf("%q is %q", v.Bytes(), b)
		}
		var names, values [][]byte
		err := Members(b, func(name, value []byte) error {
			names, values = append(names, name), append(values, value)
			return nil
		})
		if err != nil && v.IsObject() {
			return // a name with an escape, or more members than it takes
		}
		i := 0
		for name, value := range v.Members() {
			if i >= len(names) || !bytes.Equal(name, names[i]) {
				t.Fatalf("%q: member %d is %q", b, i, name)
			}
			compare(value, values[i])
			i++
		}
		if i < len(names) {
			t.Fatalf("%q: %d of %d members", b, i, len(names))
		}
	}
	compare(text.Root(), b)
}

var forms = []string{
	`{}`, `[]`, `""`, `0`, `-1`, `9007199254740991`, `true`, `false`, `{"a":[],"b":{"c":-5}}`, `["a\"b\\c\b\f\n\r\t\u0000\u001f"]`, "{\"\ue000\":1,\"\U0001f600\":2}",
	"{\"\U0001f600\":1,\"\ue000\":2}", `{"a\n":1,"b":2}`, `{"\n":1,"a":2}`, `{"\u0001":1,"\b":2,"\t":3}`, `{"\t":1,"\b":2}`, `{"a\"":1,"a\"":2}`, `{"b":1,"a\\":2}`, `{"":1,"a":2,"aa":3,"b":4}`, "[\"\x7f\u00e9\u2028\"]", `[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`,
	`[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`,
	`null`, `-0`, `01`, `-`, `1.0`, `1e1`, `9007199254740992`, `{"a":1,"a":2}`, `{"b":1,"a":2}`, `{"a" :1}`, `[1 ]`, ` 1`, `1 `, `"\/"`, `"\u0041"`, `"\u001F"`, `"\u000a"`, "\"\ufffd\"", "{\"\ufffd\":1}", "\"\x80\"",
	`{"a":1,}`, `[1,]`, `{,}`, `{"a"}`, `tru`, `nul`, `"`, `"\`, `"\u`, `"\u00`, `{"a":`, `[`, `{`, ``, `{"a":1}}`, `[1]]`, `"a""b"`, "\"\n\"", `{"a":tru}`,
}

func TestWhatIsCanonicalIsSeenInPlace(t *testing.T) {
	for _, s := range forms {
		inPlace(t, []byte(s))
	}
	r := rand.New(rand.NewPCG(3, 4))
	alphabet := []byte(`{}[]",:\/bnu0019-.e tfalsr` + "\n\x00\x1f\x7f\x80\xef\xbf\xbd")
	for range 200_000 {
		b := []byte(forms[r.IntN(len(forms))])
		for range 1 + r.IntN(3) {
			at := r.IntN(len(b) + 1)
			switch c := alphabet[r.IntN(len(alphabet))]; r.IntN(3) {
			case 0:
				b = append(b[:at:at], append([]byte{c}, b[at:]...)...)
			case 1:
				b = append(b[:at:at], b[min(at+1, len(b)):]...)
			default:
				if at < len(b) {
					b[at] = c
				}
			}
		}
		inPlace(t, b)
	}
}

// FuzzInPlace is the same for whatever the fuzzer thinks of.
func FuzzInPlace(f *testing.F) {
	for _, s := range forms {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { inPlace(t, b) })
}
