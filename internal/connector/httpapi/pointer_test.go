package httpapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/httpapi"
)

// The examples of RFC 6901 section 5, and what must not be a pointer.
func TestPointersAreThoseOfRFC6901(t *testing.T) {
	const doc = `{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}`
	for p, want := range map[string]any{
		"/foo/0": "bar", "/": json.Number("0"), "/a~1b": json.Number("1"), "/c%d": json.Number("2"), "/i\\j": json.Number("5"), "/ ": json.Number("7"), "/m~0n": json.Number("8"),
	} {
		if v, ok, err := httpapi.FindPointer(p, doc); err != nil || !ok || v != want {
			t.Errorf("%q: %v %v %v", p, v, ok, err)
		}
	}
	for _, p := range []string{"/foo/2", "/foo/-1", "/foo/00", "/foo/-", "/foo/0/x", "/nothing"} {
		if v, ok, err := httpapi.FindPointer(p, doc); err != nil || ok {
			t.Errorf("%q: %v %v %v", p, v, ok, err)
		}
	}
	for _, p := range []string{"", "foo", "/~", "/~2", "/a~"} {
		if _, _, err := httpapi.FindPointer(p, doc); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q was taken: %v", p, err)
		}
	}
}

func FuzzPointer(f *testing.F) {
	f.Add("/a~1b/0", `{"a/b":[1]}`)
	f.Fuzz(func(t *testing.T, p, doc string) {
		if v, ok, err := httpapi.FindPointer(p, doc); (err != nil || !ok) && v != nil {
			t.Fatalf("%q in %q: %v without being found", p, doc, v)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("services/{x}", "checkout")
	f.Add("{{x}}", "a")
	f.Fuzz(func(t *testing.T, s, x string) {
		got, err := httpapi.ExpandTemplate(s, x)
		if err != nil {
			return
		}
		if want := strings.ReplaceAll(s, "{x}", x); got != want {
			t.Fatalf("%q with %q: %q", s, x, got)
		}
	})
}
