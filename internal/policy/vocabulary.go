package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// A Vocabulary is what a deployment can do: its planes, the operations and readers of its connectors' catalogues, and
// its published playbooks. The loader appends each as an action to the schema, in its plane's group and in mutate or
// observe. It is part of the bundle's digest.
type Vocabulary struct {
	Planes     []string             `json:"planes"`
	Operations []writ.OperationName `json:"operations"`
	Readers    []writ.OperationName `json:"readers,omitempty"`
	Playbooks  []Playbook           `json:"playbooks"`
	Upstreams  []writ.OperationName `json:"upstreams,omitempty"` // tools of upstreams: mcp/<upstream>.<tool>, in observe alone
}

// A Playbook is one published playbook's name and the plane it works on.
type Playbook struct {
	Name  string `json:"name"`
	Plane string `json:"plane"`
}

// PlaybookAction is the action that asks for a playbook.
func PlaybookAction(name string) string { return playbookPrefix + name }

const playbookPrefix = "playbook/"

// cutPlaybook is the other way round.
func cutPlaybook(action string) (name string, ok bool) {
	return strings.CutPrefix(action, playbookPrefix)
}

// ObserveEvidence is the action that asks for any reading; readers of the vocabulary are actions of their own.
const ObserveEvidence = "evidence.read"

// Groups of actions that every schema declares.
const (
	groupObserve = "observe"
	groupMutate  = "mutate"
)

// maxActions bounds the vocabulary: twenty connectors of a hundred operations, and as many playbooks.
const maxActions = 4000

// canonical returns the vocabulary checked and in one order, whatever order it came in.
func (v Vocabulary) canonical() (Vocabulary, error) {
	bad := func(what, name string) (Vocabulary, error) {
		return Vocabulary{}, fmt.Errorf("%w: vocabulary: %s %q", writ.ErrInvalid, what, writ.Printable(name, 60))
	}
	out := Vocabulary{
		Planes: slices.Clone(v.Planes), Operations: slices.Clone(v.Operations),
		Readers: slices.Clone(v.Readers), Playbooks: slices.Clone(v.Playbooks), Upstreams: slices.Clone(v.Upstreams),
	}
	slices.Sort(out.Upstreams)
	slices.Sort(out.Planes)
	slices.Sort(out.Operations)
	slices.Sort(out.Readers)
	slices.SortFunc(out.Playbooks, func(a, b Playbook) int { return strings.Compare(a.Name, b.Name) })
	if len(out.Operations) == 0 || len(out.Operations)+len(out.Readers)+len(out.Playbooks)+len(out.Upstreams) > maxActions {
		return Vocabulary{}, fmt.Errorf("%w: vocabulary: it needs operations, and at most %d actions", writ.ErrInvalid, maxActions)
	}
	seen := map[string]bool{groupObserve: true, groupMutate: true}
	for _, p := range out.Planes {
		if !writ.IsName(p) || strings.Contains(p, ".") || seen[p] {
			return bad("plane is no name, or stands twice:", p)
		}
		seen[p] = true
	}
	for _, list := range [][]writ.OperationName{out.Operations, out.Readers} {
		for _, o := range list {
			if _, err := writ.ParseOperationName(string(o)); err != nil || seen[string(o)] || !slices.Contains(out.Planes, o.Plane()) {
				return bad("operation or reader is no name of a plane, or stands twice:", string(o))
			}
			seen[string(o)] = true
		}
	}
	for _, o := range out.Upstreams {
		if _, err := writ.ParseOperationName(string(o)); err != nil || seen[string(o)] || o.Plane() != writ.PlaneUpstream || slices.Contains(out.Planes, writ.PlaneUpstream) {
			return bad("tool of an upstream is no name of one, or stands twice:", string(o))
		}
		seen[string(o)] = true
	}
	for _, p := range out.Playbooks {
		if !writ.IsName(p.Name) || seen[PlaybookAction(p.Name)] || !slices.Contains(out.Planes, p.Plane) {
			return bad("playbook is no name, of no plane, or stands twice:", p.Name)
		}
		seen[PlaybookAction(p.Name)] = true
	}
	return out, nil
}

// actions writes the vocabulary as Cedar declarations. All names have been checked: none holds a quote.
func (v Vocabulary) actions(planes []string) string {
	var w strings.Builder
	w.WriteString("\n")
	for _, p := range planes {
		fmt.Fprintf(&w, "action %q;\n", p)
	}
	declare := func(name, group, plane string) {
		fmt.Fprintf(&w, "action %q in [%q, %q] appliesTo { principal: [%s, %s], resource: [%s], context: Facts };\n",
			name, group, plane, typeAgent, typeHuman, typeService)
	}
	for _, o := range v.Operations {
		declare(string(o), groupMutate, o.Plane())
	}
	for _, r := range v.Readers {
		declare(string(r), groupObserve, r.Plane())
	}
	for _, o := range v.Upstreams {
		fmt.Fprintf(&w, "action %q in [%q] appliesTo { principal: [%s, %s], resource: [%s], context: Facts };\n", string(o), groupObserve, typeAgent, typeHuman, typeService)
	}
	for _, p := range v.Playbooks {
		declare(PlaybookAction(p.Name), groupMutate, p.Plane)
	}
	return w.String()
}

// completeSchema appends the vocabulary to the bundle's schema, and checks that the result describes exactly the
// facts that Decide hands over: no name, type or optionality may differ.
func completeSchema(src []byte, v Vocabulary) (*cedarx.Schema, []byte, error) {
	bare, err := cedarx.ParseSchema(fileSchema, src)
	if err != nil {
		return nil, nil, err
	}
	planes := bare.Enum(typePlane)
	for _, p := range v.Planes {
		if !slices.Contains(planes, p) {
			return nil, nil, fmt.Errorf("%s: entity %s does not list plane %q", fileSchema, typePlane, p)
		}
	}
	for _, p := range planes {
		if !writ.IsName(p) {
			return nil, nil, fmt.Errorf("%s: plane %q is no plain name", fileSchema, writ.Printable(p, 40))
		}
	}
	full := append(slices.Clone(src), v.actions(planes)...)
	s, err := cedarx.ParseSchema(fileSchema, full)
	if err != nil {
		return nil, nil, err
	}
	return s, full, checkSchema(s)
}

func checkSchema(s *cedarx.Schema) error {
	want := make([]cedarx.Attribute, 0, len(contextFacts))
	for _, f := range contextFacts {
		want = append(want, cedarx.Attribute{Name: string(f.name), Type: f.kind, Optional: f.optional})
	}
	slices.SortFunc(want, func(a, b cedarx.Attribute) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range s.Actions() {
		if d := differs(s.Context(a), want); d != "" {
			return fmt.Errorf("%s: action %q: context: %s", fileSchema, a, d)
		}
	}
	for kind, want := range map[string][]cedarx.Attribute{
		typeAgent:   {{Name: "autonomy", Type: "Long"}, {Name: "roles", Type: "Set<Role>"}, {Name: "suspended", Type: "Bool"}},
		typeHuman:   {{Name: "oncall", Type: "Bool"}},
		typeService: {{Name: "env", Type: typeEnv}, {Name: "owner", Type: typeTeam}, {Name: "stateful", Type: "Bool"}},
		typeTeam:    nil,
	} {
		got, ok := s.EntityAttributes(kind)
		if !ok {
			return fmt.Errorf("%s: entity %s is missing", fileSchema, kind)
		}
		if d := differs(got, want); d != "" {
			return fmt.Errorf("%s: entity %s: %s", fileSchema, kind, d)
		}
	}
	for _, kind := range []string{typeEnv, typeRole, typePlane} {
		if s.Enum(kind) == nil {
			return fmt.Errorf("%s: entity %s must be an enumeration", fileSchema, kind)
		}
	}
	groups := append(s.Enum(typePlane), groupObserve, groupMutate)
	for _, g := range groups {
		if !slices.Contains(s.Groups(), g) {
			return fmt.Errorf("%s: action group %q is missing", fileSchema, g)
		}
	}
	return nil
}

// differs names the first difference of two sorted lists of attributes.
func differs(got, want []cedarx.Attribute) string {
	for _, w := range want {
		i := slices.IndexFunc(got, func(g cedarx.Attribute) bool { return g.Name == w.Name })
		switch {
		case i < 0:
			return fmt.Sprintf("%q is missing", w.Name)
		case got[i] != w:
			return fmt.Sprintf("%q must be %s, optional: %t", w.Name, w.Type, w.Optional)
		}
	}
	for _, g := range got {
		if !slices.ContainsFunc(want, func(w cedarx.Attribute) bool { return w.Name == g.Name }) {
			return fmt.Sprintf("%q is a fact that nobody computes", g.Name)
		}
	}
	return ""
}
