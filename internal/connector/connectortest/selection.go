package connectortest

import (
	"errors"
	"maps"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Selection proves over a connector's whole catalogue that nothing is ever selected by saying nothing: whatever takes a
// parameter that says which object is meant refuses to do without it, or with an empty or a sweeping one, and nothing
// acts in an empty scope. asked counts the requests that the target got; none of this may reach it.
func Selection(t *testing.T, c connector.Connector, scope []writ.Location, asked func() int) {
	t.Helper()
	type entry struct {
		name   writ.OperationName
		params []connector.Parameter
		try    func(writ.Parameters, []writ.Location) error
	}
	var all []entry
	for _, o := range c.Catalogue().Operations {
		all = append(all, entry{o.Name, o.Parameters, func(with writ.Parameters, scope []writ.Location) error {
			_, err := c.Plan(t.Context(), connector.Draft{Key: "pln_01HZZZZZZZZZZZZZZZZZZZZZZZ.1", Operation: o.Name, With: with, Scope: scope})
			return err
		}})
	}
	for _, r := range c.Catalogue().Readers {
		all = append(all, entry{r.Name, r.Parameters, func(with writ.Parameters, scope []writ.Location) error {
			_, err := c.Observe(t.Context(), connector.Query{Reader: r.Name, With: with, Scope: scope, Limit: 1 << 10})
			return err
		}})
	}
	for _, e := range all {
		t.Run(string(e.name), func(t *testing.T) {
			refused := func(what string, with writ.Parameters, scope []writ.Location) {
				t.Helper()
				before := asked()
				err := e.try(with, scope)
				if _, ok := errors.AsType[*writ.Refusal](err); !ok {
					t.Errorf("%s: %v", what, err)
				}
				if n := asked() - before; n != 0 {
					t.Errorf("%s: the target was asked %d times", what, n)
				}
			}
			good := complete(e.params)
			refused("an empty scope", good, nil)
			for _, p := range e.params {
				with := maps.Clone(good)
				delete(with, p.Name)
				if !p.Optional {
					refused(p.Name+" is missing", with, scope)
				}
				if p.Type == connector.TypeName || p.Type == connector.TypeEnum {
					for _, sweeping := range []string{"", "*", "all ", "%", "a,b"} {
						with[p.Name] = writ.String(sweeping)
						refused(p.Name+" is "+sweeping, with, scope)
					}
				}
				with[p.Name] = writ.Value{}
				refused(p.Name+" has no value", with, scope)
			}
			if len(e.params) > 0 {
				refused("nothing is said at all", nil, scope)
			}
		})
	}
}

// complete gives every parameter an acceptable value.
func complete(ps []connector.Parameter) writ.Parameters {
	out := writ.Parameters{}
	for _, p := range ps {
		switch p.Type {
		case connector.TypeInteger:
			out[p.Name] = writ.Int(p.Min)
		case connector.TypeBool:
			out[p.Name] = writ.Bool(true)
		case connector.TypeEnum:
			out[p.Name] = writ.String(p.Values[0])
		case connector.TypeQuantity:
			out[p.Name] = writ.String("1")
		default:
			out[p.Name] = writ.String("x")
		}
	}
	return out
}
