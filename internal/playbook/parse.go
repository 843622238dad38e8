package playbook

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/playbook/strictyaml"
)

// The file as people write it.
type file struct {
	V          int             `yaml:"v"`
	Name       string          `yaml:"name"`
	Version    int             `yaml:"version"`
	Owner      string          `yaml:"owner"`
	Title      string          `yaml:"title"`
	Class      string          `yaml:"class"`
	Tier       string          `yaml:"tier"`
	Plane      string          `yaml:"plane"`
	Emergency  bool            `yaml:"emergency"`
	Parameters []parameterFile `yaml:"parameters"`
	Evidence   []string        `yaml:"evidence"`
	Observe    []conditionFile `yaml:"observe"`
	Guards     []conditionFile `yaml:"guards"`
	Steps      []stepFile      `yaml:"steps"`
	Verify     []conditionFile `yaml:"verify"`
	Undo       string          `yaml:"undo"`
	Limits     struct {
		MaxObjects  int `yaml:"max_objects"`
		MaxPermille int `yaml:"max_permille"`

		CooldownSeconds       int64 `yaml:"cooldown_seconds"`
		MaxAttempts           int   `yaml:"max_attempts"`
		AttemptsWindowSeconds int64 `yaml:"attempts_window_seconds"`
	} `yaml:"limits"`
}

type parameterFile struct {
	Name     string   `yaml:"name"`
	Type     string   `yaml:"type"`
	Title    string   `yaml:"title"`
	Optional bool     `yaml:"optional"`
	Min      int64    `yaml:"min"`
	Max      int64    `yaml:"max"`
	Values   []string `yaml:"values"`
	Default  any      `yaml:"default"`
}

type stepFile struct {
	Operation string         `yaml:"operation"`
	With      map[string]any `yaml:"with"`
}

type conditionFile struct {
	Name          string         `yaml:"name"`
	Reader        string         `yaml:"reader"`
	With          map[string]any `yaml:"with"`
	Fact          string         `yaml:"fact"`
	Op            string         `yaml:"op"`
	Value         any            `yaml:"value"`
	WithinSeconds int            `yaml:"within_seconds"`
}

// Parse reads one playbook and returns it with the digest of its source bytes. It refuses every fault that can be
// seen without a catalogue; Lint sees the rest. Errors wrap writ.ErrInvalid and name all faults of form.
func Parse(src []byte) (Playbook, writ.Digest, error) {
	p, found, err := decode(src)
	if err != nil {
		return Playbook{}, writ.Digest{}, err
	}
	if found = append(found, form(p)...); len(found) > 0 {
		var lines []string
		for _, f := range found {
			lines = append(lines, f.where()+f.Problem)
		}
		return Playbook{}, writ.Digest{}, fmt.Errorf("%w: playbook %q: %s", writ.ErrInvalid, writ.Printable(p.Name, 60), strings.Join(lines, "; "))
	}
	return p, writ.DigestOf(src), nil
}

// decode turns the YAML into a Playbook. Findings are values that have no typed form; an error means that the bytes
// are not of the file's shape at all.
func decode(src []byte) (Playbook, []Finding, error) {
	if len(src) > MaxBytes {
		return Playbook{}, nil, fmt.Errorf("%w: playbook: larger than %d bytes", writ.ErrInvalid, MaxBytes)
	}
	var f file
	if err := strictyaml.Unmarshal(src, &f); err != nil {
		return Playbook{}, nil, fmt.Errorf("playbook: %w", err)
	}
	r := reader{}
	p := Playbook{
		Name: f.Name, Version: f.Version, Owner: f.Owner, Title: f.Title, Class: f.Class, Plane: f.Plane, Emergency: f.Emergency,
		Undo: writ.UndoMode(f.Undo), Limits: writ.Budget{MaxObjects: f.Limits.MaxObjects, MaxPermille: f.Limits.MaxPermille},
	}
	// Seconds that cannot be a time stay out of range after this, and form says so.
	p.Repeat = Repeat{Cooldown: seconds(f.Limits.CooldownSeconds), MaxAttempts: f.Limits.MaxAttempts, Window: seconds(f.Limits.AttemptsWindowSeconds)}
	if f.V != writ.FormatVersion {
		r.say("v", fmt.Sprintf("v must be %d", writ.FormatVersion), "")
	}
	var err error
	if p.Tier, err = writ.ParseTier(f.Tier); err != nil {
		r.say("tier", "tier must be one of T1, T2, T3, T4", "")
		p.Tier = writ.T4
	}
	for i, q := range f.Parameters {
		at := fmt.Sprintf("parameters[%d]", i)
		p.Parameters = append(p.Parameters, Parameter{
			Parameter: connector.Parameter{
				Name: q.Name, Type: connector.Type(q.Type), Title: q.Title, Optional: q.Optional, Min: q.Min, Max: q.Max, Values: q.Values,
			},
			Default: r.value(at+".default", q.Default, true),
		})
	}
	for i, e := range f.Evidence {
		p.Evidence = append(p.Evidence, r.operation(fmt.Sprintf("evidence[%d]", i), e))
	}
	for i, s := range f.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		p.Steps = append(p.Steps, Step{Operation: r.operation(at+".operation", s.Operation), With: r.with(at+".with", s.With)})
	}
	p.Observe = r.conditions("observe", f.Observe)
	p.Guards = r.conditions("guards", f.Guards)
	p.Verify = r.conditions("verify", f.Verify)
	return p, r.found, nil
}

// seconds is a time of whole seconds, cut to what form refuses.
func seconds(n int64) time.Duration {
	const most = int64(2 * MaxWindow / time.Second)
	return time.Duration(max(-1, min(n, most))) * time.Second
}

// A reader converts YAML values and notes what it cannot convert.
type reader struct{ found []Finding }

func (r *reader) say(path, problem, hint string) {
	r.found = append(r.found, Finding{Path: path, Problem: problem, Hint: hint})
}

func (r *reader) operation(path, s string) writ.OperationName {
	n, err := writ.ParseOperationName(s)
	if err != nil {
		r.say(path, fmt.Sprintf("%q is no name of an operation or reader", writ.Printable(s, 60)), "write <plane>/<noun>.<verb>, such as kubernetes/workload.rollback")
	}
	return n
}

func (r *reader) conditions(list string, in []conditionFile) []Condition {
	var out []Condition
	for i, c := range in {
		at := fmt.Sprintf("%s[%d]", list, i)
		out = append(out, Condition{
			Name: c.Name, Reader: r.operation(at+".reader", c.Reader), With: r.with(at+".with", c.With), Fact: c.Fact,
			Op: writ.Comparison(c.Op), Value: r.term(at+".value", c.Value), WithinSeconds: c.WithinSeconds,
		})
	}
	return out
}

func (r *reader) with(path string, in map[string]any) map[string]Term {
	out := map[string]Term{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !writ.IsName(name) {
			r.say(path, fmt.Sprintf("%q is no name of a parameter", writ.Printable(name, 60)), "")
			continue
		}
		out[name] = r.term(path+"."+name, in[name])
	}
	return out
}

// term reads a literal, or "$name". The dollar is taken at the beginning only, and only before a whole name.
func (r *reader) term(path string, v any) Term {
	s, ok := v.(string)
	if !ok {
		return Term{Literal: r.value(path, v, false)}
	}
	name, isReference := strings.CutPrefix(s, "$")
	switch {
	case isReference && writ.IsName(name):
		return Term{Parameter: name}
	case strings.ContainsAny(s, "${}"):
		r.say(path, fmt.Sprintf("%q puts a parameter inside other text", writ.Printable(s, 60)), "use the parameter as the whole value, such as $name")
	}
	return Term{Literal: writ.String(s)}
}

func (r *reader) value(path string, v any, absent bool) writ.Value {
	switch v := v.(type) {
	case string:
		return writ.String(v)
	case bool:
		return writ.Bool(v)
	case uint64:
		if v <= canon.MaxInt {
			return writ.Int(int64(v))
		}
	case int64:
		if v >= -canon.MaxInt && v <= canon.MaxInt {
			return writ.Int(v)
		}
	case nil:
		if absent {
			return writ.Value{}
		}
	}
	r.say(path, "a value must be text, a whole number, true or false", "")
	return writ.Value{}
}
