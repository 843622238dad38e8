package playbook

import (
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Bound is a playbook with its parameters filled in: what a runner resolves against live state.
type Bound struct {
	Parameters writ.Parameters // as given, with defaults
	Title      string
	Observe    []writ.Condition
	Guards     []writ.Condition
	Steps      []BoundStep
	Verify     []writ.Condition
	Tier       writ.Tier     // the playbook's own
	Undo       writ.UndoMode // likewise
	Limits     writ.Budget
}

// A BoundStep is one operation with concrete arguments.
type BoundStep struct {
	Operation writ.OperationName
	With      writ.Parameters
}

// Bind checks the parameters and fills them in. Refusals say unknown_parameter, missing_parameter, parameter_type or
// parameter_bound, name what is allowed, and hint at the nearest value that is. The given map is not changed.
func (p Playbook) Bind(given writ.Parameters) (Bound, error) {
	declared := make([]connector.Parameter, 0, len(p.Parameters))
	for _, q := range p.Parameters {
		d := q.Parameter
		d.Optional = d.Optional || !q.Default.IsZero()
		declared = append(declared, d)
	}
	if err := connector.CheckParameters(declared, given); err != nil {
		return Bound{}, err
	}
	values := writ.Parameters{}
	maps.Copy(values, given)
	for _, q := range p.Parameters {
		if _, ok := values[q.Name]; !ok && !q.Default.IsZero() {
			values[q.Name] = q.Default
		}
	}
	b := Bound{
		Parameters: values, Title: fill(p.Title, values), Observe: bindAll(p.Observe, values), Guards: bindAll(p.Guards, values), Verify: bindAll(p.Verify, values),
		Tier: p.Tier, Undo: p.Undo, Limits: p.Limits,
	}
	for _, s := range p.Steps {
		b.Steps = append(b.Steps, BoundStep{Operation: s.Operation, With: bindWith(s.With, values)})
	}
	return b, nil
}

func bindAll(cs []Condition, values writ.Parameters) []writ.Condition {
	var out []writ.Condition
	for _, c := range cs {
		v, _ := c.Value.bind(values) // Parse refuses a value that may be absent
		out = append(out, writ.Condition{
			Name: c.Name, Reader: c.Reader, With: bindWith(c.With, values), Fact: c.Fact, Op: c.Op, Value: v, WithinSeconds: c.WithinSeconds,
		})
	}
	return out
}

// bindWith leaves out arguments whose optional parameter has no value.
func bindWith(with map[string]Term, values writ.Parameters) writ.Parameters {
	out := writ.Parameters{}
	for name, t := range with {
		if v, ok := t.bind(values); ok {
			out[name] = v
		}
	}
	return out
}

func (t Term) bind(values writ.Parameters) (writ.Value, bool) {
	if t.Parameter == "" {
		return t.Literal, true
	}
	v, ok := values[t.Parameter]
	return v, ok
}

// placeholders returns the names in braces, in order.
func placeholders(title string) []string {
	var out []string
	for rest := title; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return out
		}
		name, next, _ := strings.Cut(after, "}")
		out = append(out, name)
		rest = next
	}
}

// fill writes values into the title in one pass: a value that looks like a placeholder is not filled again. Values are
// shown as people may see them.
func fill(title string, values writ.Parameters) string {
	var pairs []string
	for _, name := range sortedKeys(values) {
		pairs = append(pairs, "{"+name+"}", values[name].String())
	}
	return writ.Printable(strings.NewReplacer(pairs...).Replace(title), maxTitle*2)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
