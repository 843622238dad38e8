package strictyaml_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook/strictyaml"
)

type doc struct {
	A string         `yaml:"a"`
	N int            `yaml:"n"`
	M map[string]any `yaml:"m"`
}

func TestADocumentOfTheTypeIsTaken(t *testing.T) {
	var d doc
	if err := strictyaml.Unmarshal([]byte("a: x # why\nn: 3\nm: {k: true}\n"), &d); err != nil {
		t.Fatal(err)
	}
	if d.A != "x" || d.N != 3 || d.M["k"] != true {
		t.Errorf("read %+v", d)
	}
}

func TestWhatReadersDisagreeAboutIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown key":            "a: x\nb: y\n",
		"a repeated key":            "a: x\na: y\n",
		"a repeated nested key":     "m: {k: 1, k: 2}\n",
		"an anchor":                 "a: &x y\n",
		"an alias":                  "m: {k: &x 1, l: *x}\n",
		"a merge key":               "m:\n  <<: {k: 1}\n",
		"a tag":                     "a: !!str x\n",
		"a directive":               "%YAML 1.2\n---\na: x\n",
		"a second document":         "a: x\n---\na: y\n",
		"nothing":                   "",
		"another type":              "- a\n",
		"deep flow":                 "m: {k: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}\n",
		"deep lists":                "m:\n  k:\n    " + strings.Repeat("- ", 40) + "x\n",
		"a right-to-left character": "a: \"x\u202ey\"\n",
		"a zero-width space":        "a: x # \u200b\n",
		"an escape character":       "a: \"\x1b[2J\"\n",
		"bad UTF-8":                 "a: \xff\n",
		"too much":                  "a: " + strings.Repeat("x", strictyaml.MaxBytes),
	} {
		t.Run(name, func(t *testing.T) {
			var d doc
			if err := strictyaml.Unmarshal([]byte(text), &d); !errors.Is(err, writ.ErrInvalid) {
				t.Errorf("got %v, %+v", err, d)
			}
		})
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, s := range []string{"a: x\nn: 3\nm: {k: [1, 'two', true]}\n", "- - - x", "a: |\n  text\n", "m:\n  ? k\n  : v\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d doc
		if err := strictyaml.Unmarshal(b, &d); err != nil && !errors.Is(err, writ.ErrInvalid) {
			t.Fatalf("another kind of error: %v", err)
		}
	})
}
