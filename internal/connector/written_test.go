package connector_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/connector"
)

func TestI04AReadingIsTakenApartByWhoCouldHaveWrittenIt(t *testing.T) {
	table := []string{"message", "metadata.labels", "items.*.note", "status.conditions"}
	for name, c := range map[string]struct {
		writable bool
		fields   []string
		bytes    string
		trusted  []string // names of "here" and "there" that are trusted; the others are not
	}{
		"a reader that only the target writes": {false, nil, `{"message":"here"}`, []string{"here"}},
		"a reader that others write whole":     {true, nil, `{"kind":"here"}`, nil},
		"a field of the table":                 {true, table, `{"message":"here","kind":"there"}`, []string{"there"}},
		"all below a field":                    {true, table, `{"metadata":{"labels":{"a":["here",{"b":"there"}]}}}`, nil},
		"a name below a field":                 {true, table, `{"metadata":{"labels":{"here":"x"},"name":"there"}}`, []string{"there"}},
		"a list has the path of its elements":  {true, table, `[{"status":{"conditions":[{"x":"here"}],"phase":"there"}}]`, []string{"there"}},
		"any name":                             {true, table, `{"items":{"q":{"note":"here","id":"there"}}}`, []string{"there"}},
		"a field of that name elsewhere":       {true, table, `{"spec":{"message":"here"}}`, []string{"here"}},
		"several lines":                        {true, table, "{\"message\":\"here\"}\n{\"kind\":\"there\"}\n", []string{"there"}},
		"escaped":                              {true, table, `{"message":"h\u0065re"}`, nil},
		"cut off":                              {true, table, `{"kind":"there"}` + "\n" + `{"kind":"here`, []string{"there"}},
		"no JSON at all":                       {true, table, `here there`, nil},
	} {
		r := connector.Reader{Name: "fake/x.get", Writable: c.writable, Fields: c.fields}
		trusted := r.Trusted([]byte(c.bytes))
		for _, s := range []string{"here", "there"} {
			want := false
			for _, x := range c.trusted {
				want = want || x == s
			}
			if connector.Names(trusted, s) != want {
				t.Errorf("%s: %q trusted: %v; trusted is %q", name, s, !want, trusted)
			}
		}
		if got := strings.Fields(string(trusted)); c.writable && !slices.Equal(got, c.trusted) {
			t.Errorf("%s: %q is trusted, want %q", name, got, c.trusted)
		}
	}
}

func TestI04AValueIsVouchedForAsAWholeNameOnly(t *testing.T) {
	for text, want := range map[string]bool{
		"v41": true, "release v41.": true, `"v41"`: true, "shop/v41:x": true, "": false, "v410": false, "rev41": false, "v41-rc1": false, "v4": false, "v410 v41": true, "äv41": false,
	} {
		if connector.Names([]byte(text), "v41") != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	if connector.Names([]byte("a b"), "") {
		t.Error("nothing is vouched for")
	}
}

func TestI04ATableOfFieldsIsChecked(t *testing.T) {
	for name, r := range map[string]connector.Reader{
		"an empty name":               {Writable: true, Fields: []string{"a..b"}},
		"of a reader nobody writes":   {Fields: []string{"a"}},
		"more than anybody looks up":  {Writable: true, Fields: make([]string, 33)},
		"a name longer than any name": {Writable: true, Fields: []string{strings.Repeat("x", 101)}},
	} {
		r.Name, r.Title = "fake/x.get", "x"
		if err := (connector.Catalogue{Plane: "fake", Readers: []connector.Reader{r}}).Check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzTrusted(f *testing.F) {
	f.Add([]byte(`{"a":{"b":"x"}}`), "a.b")
	f.Add([]byte("{\"a\":1}\n["), "a")
	f.Fuzz(func(t *testing.T, b []byte, field string) {
		r := connector.Reader{Name: "fake/x.get", Title: "x", Writable: true, Fields: []string{field}}
		if (connector.Catalogue{Plane: "fake", Readers: []connector.Reader{r}}).Check() != nil {
			return
		}
		trusted := r.Trusted(b)
		planted := append([]byte(`{"`+strings.Split(field, ".")[0]+`":0}`), b...)
		again := r.Trusted(planted)
		if len(again) > len(trusted) {
			t.Errorf("%q became more trusted by what stands before it", b)
		}
	})
}
