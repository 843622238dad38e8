package connectortest

import (
	"maps"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// catalogue: everything is declared, typed and bounded, and the list does not change.
func (f Fixture) catalogue(t *testing.T) {
	c, _ := f.open(t)
	if err := c.Catalogue().Check(); err != nil {
		t.Error(err)
	}
	if got := c.Target(); got != got.Target() || got.Plane() != c.Catalogue().Plane {
		t.Errorf("the target %q is not of the plane %q, or has a path", got, c.Catalogue().Plane)
	}
	if len(c.Catalogue().Operations) == 0 || len(c.Catalogue().Readers) == 0 {
		t.Error("there is nothing to do or nothing to read")
	}
}

// parameters: whatever does not fit its declaration is refused with its own code, by every operation and reader.
func (f Fixture) parameters(t *testing.T) {
	c, _ := f.open(t)
	wrote := f.Writes(t)
	for _, o := range c.Catalogue().Operations {
		t.Run(short(o.Name), func(t *testing.T) {
			refuses(t, o.Parameters, func(with writ.Parameters) error {
				_, err := c.Plan(t.Context(), connector.Draft{Key: "k", Operation: o.Name, With: with, Scope: []writ.Location{c.Target()}})
				return err
			})
		})
	}
	for _, r := range c.Catalogue().Readers {
		t.Run(short(r.Name), func(t *testing.T) {
			refuses(t, r.Parameters, func(with writ.Parameters) error {
				_, err := c.Observe(t.Context(), connector.Query{Reader: r.Name, With: with, Scope: []writ.Location{c.Target()}, Limit: 1 << 10})
				return err
			})
		})
	}
	if n := f.Writes(t); n != wrote {
		t.Errorf("refusing parameters wrote %d times", n-wrote)
	}
}

func short(n writ.OperationName) string { _, s, _ := strings.Cut(string(n), "/"); return s }

// hostile are names that would mean something to an interpreter.
var hostile = []string{"", "../../x", "a/b", "a b", "a;b", "$(id)", "a\nb", "a%2fb", "A", "{{x}}", "x?y=z", strings.Repeat("a", 300)}

// refuses tries every way in which a parameter can be wrong, one at a time.
func refuses(t *testing.T, declared []connector.Parameter, try func(writ.Parameters) error) {
	t.Helper()
	good := writ.Parameters{}
	for _, p := range declared {
		good[p.Name] = fitting(p)
	}
	with := func(name string, v writ.Value) writ.Parameters {
		m := maps.Clone(good)
		m[name] = v
		return m
	}
	check := func(what string, with writ.Parameters, code writ.Reason) {
		t.Helper()
		if err := try(with); writ.ReasonOf(err) != code {
			t.Errorf("%s: got %v, want the refusal %s", what, err, code)
		}
	}
	check("another parameter", with("command", writ.String("id")), writ.ReasonUnknownParameter)
	for _, p := range declared {
		if !p.Optional {
			m := maps.Clone(good)
			delete(m, p.Name)
			check("no "+p.Name, m, writ.ReasonMissingParameter)
		}
		wrong := writ.Int(1)
		if p.Type == connector.TypeInteger {
			wrong = writ.String("1")
		}
		check(p.Name+" of another type", with(p.Name, wrong), writ.ReasonParameterType)
		switch p.Type {
		case connector.TypeInteger:
			check(p.Name+" too small", with(p.Name, writ.Int(p.Min-1)), writ.ReasonParameterBound)
			check(p.Name+" too large", with(p.Name, writ.Int(p.Max+1)), writ.ReasonParameterBound)
		case connector.TypeName, connector.TypeEnum, connector.TypeQuantity:
			for _, s := range hostile {
				check(p.Name+" hostile", with(p.Name, writ.String(s)), writ.ReasonParameterBound)
			}
		}
	}
}

// fitting is a value that a parameter takes.
func fitting(p connector.Parameter) writ.Value {
	switch p.Type {
	case connector.TypeInteger:
		return writ.Int(p.Max)
	case connector.TypeBool:
		return writ.Bool(true)
	case connector.TypeEnum:
		return writ.String(p.Values[0])
	case connector.TypeQuantity:
		return writ.String("1")
	}
	return writ.String("nothing-has-this-name")
}
