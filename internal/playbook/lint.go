package playbook

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// A Finding is one fault of a playbook.
type Finding struct {
	Path    string // where, such as steps[0].with.replicas
	Line    int    // from 1; 0 when it is not known
	Problem string // one sentence
	Hint    string // what to do, if there is something simple
}

// String writes the finding on one line.
func (f Finding) String() string {
	s := f.where() + f.Problem
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	return s
}

func (f Finding) where() string {
	switch {
	case f.Line > 0:
		return fmt.Sprintf("line %d: %s: ", f.Line, f.Path)
	case f.Path != "":
		return f.Path + ": "
	}
	return ""
}

// LintSource finds everything that is wrong with a playbook's source, with lines.
func LintSource(src []byte, catalogues []connector.Catalogue) []Finding {
	p, found, err := decode(src)
	if err != nil {
		return []Finding{{Problem: err.Error()}}
	}
	found = append(found, Lint(p, catalogues)...)
	for i := range found {
		found[i].Line = line(src, found[i].Path)
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return a.Line - b.Line })
	return found
}

// line finds a path in the source, or the nearest part of it that is there.
func line(src []byte, path string) int {
	for path != "" {
		if at, err := yaml.PathString("$." + path); err == nil {
			if n, err := at.ReadNode(bytes.NewReader(src)); err == nil && n.GetToken() != nil {
				return n.GetToken().Position.Line
			}
		}
		cut := strings.LastIndexAny(path, ".[")
		path = path[:max(cut, 0)]
	}
	return 0
}

// Lint finds everything that is wrong with a playbook, given what the connectors can do. None means that its steps
// can be planned, bounded, verified and undone as it says.
func Lint(p Playbook, catalogues []connector.Catalogue) []Finding {
	l := linter{p: p, reader: reader{found: form(p)}}
	i := slices.IndexFunc(catalogues, func(c connector.Catalogue) bool { return c.Plane == p.Plane })
	if i < 0 {
		l.say("plane", fmt.Sprintf("no connector serves plane %q", writ.Printable(p.Plane, 40)), "")
		return l.found
	}
	l.catalogue, l.all = catalogues[i], catalogues
	for i, s := range p.Steps {
		l.step(fmt.Sprintf("steps[%d]", i), s)
	}
	for i, c := range p.Observe {
		l.condition(fmt.Sprintf("observe[%d]", i), c)
	}
	for i, c := range p.Guards {
		l.condition(fmt.Sprintf("guards[%d]", i), c)
	}
	for i, c := range p.Verify {
		l.condition(fmt.Sprintf("verify[%d]", i), c)
	}
	for i, e := range p.Evidence {
		if _, ok := l.reads(e); !ok {
			l.unknownReader(fmt.Sprintf("evidence[%d]", i), e)
		}
	}
	return l.found
}

type linter struct {
	reader
	p         Playbook
	catalogue connector.Catalogue
	all       []connector.Catalogue
}

// reads finds a reader: what a condition is about may be read on another plane than the one that is written to.
func (l *linter) reads(name writ.OperationName) (connector.Reader, bool) {
	for _, c := range l.all {
		if r, ok := c.Reader(name); ok && c.Plane == name.Plane() {
			return r, true
		}
	}
	return connector.Reader{}, false
}

func (l *linter) step(at string, s Step) {
	o, ok := l.catalogue.Operation(s.Operation)
	if !ok {
		var known []string
		for _, o := range l.catalogue.Operations {
			known = append(known, string(o.Name))
		}
		l.say(at+".operation", fmt.Sprintf("plane %s has no operation %q", l.p.Plane, s.Operation), "operations: "+strings.Join(known, ", "))
		return
	}
	if l.p.Tier < o.Tier {
		l.say("tier", fmt.Sprintf("the playbook is %s and its step %s is %s", l.p.Tier, o.Name, o.Tier), fmt.Sprintf("raise the playbook to %s", o.Tier))
	}
	if o.Inverse == writ.InverseNone {
		if l.p.Tier == writ.T1 {
			l.say(at, fmt.Sprintf("%s has no inverse, so the playbook cannot be T1", o.Name), "raise the tier")
		}
		if l.p.Undo == writ.UndoInverse {
			l.say("undo", fmt.Sprintf("%s has no inverse, so the playbook cannot be undone", o.Name), "say undo: none")
		}
	}
	l.arguments(at+".with", s.With, o.Parameters, string(o.Name))
}

func (l *linter) unknownReader(at string, name writ.OperationName) {
	var known []string
	for _, r := range l.catalogue.Readers {
		known = append(known, string(r.Name))
	}
	l.say(at, fmt.Sprintf("plane %s has no reader %q", l.p.Plane, name), "readers: "+strings.Join(known, ", "))
}

func (l *linter) condition(at string, c Condition) {
	r, ok := l.reads(c.Reader)
	if !ok {
		l.unknownReader(at+".reader", c.Reader)
		return
	}
	l.arguments(at+".with", c.With, r.Parameters, string(r.Name))
	i := slices.IndexFunc(r.Facts, func(f connector.Fact) bool { return f.Name == c.Fact })
	if i < 0 {
		var known []string
		for _, f := range r.Facts {
			known = append(known, f.Name)
		}
		l.say(at+".fact", fmt.Sprintf("%s has no fact %q", r.Name, writ.Printable(c.Fact, 60)), "facts: "+strings.Join(known, ", "))
		return
	}
	l.comparison(at, c, r.Facts[i])
}

// comparison checks that fact, value and operator fit. A pair that does not fit never holds.
func (l *linter) comparison(at string, c Condition, f connector.Fact) {
	if (c.Op == writ.AtLeast || c.Op == writ.AtMost) && f.Type != connector.TypeInteger {
		l.say(at+".op", fmt.Sprintf("%s compares whole numbers, and %q is %s", c.Op, f.Name, f.Type), "use equals or not_equals")
	}
	kind := l.kind(c.Value)
	if want := valueKind(f.Type); kind != want {
		l.say(at+".value", fmt.Sprintf("fact %q is %s, and the value is %s", f.Name, want, kind), "")
	}
}

// kind says what a term's value will be.
func (l *linter) kind(t Term) string {
	if q, ok := l.p.parameter(t.Parameter); ok {
		return valueKind(q.Type)
	}
	if _, ok := t.Literal.Int64(); ok {
		return valueKind(connector.TypeInteger)
	}
	if _, ok := t.Literal.IsTrue(); ok {
		return valueKind(connector.TypeBool)
	}
	return valueKind(connector.TypeName)
}

func valueKind(t connector.Type) string {
	switch t {
	case connector.TypeInteger:
		return "a whole number"
	case connector.TypeBool:
		return "true or false"
	}
	return "text"
}

// arguments checks what is handed to an operation or a reader against what it declares.
func (l *linter) arguments(at string, with map[string]Term, declared []connector.Parameter, what string) {
	for _, name := range sortedKeys(with) {
		i := slices.IndexFunc(declared, func(p connector.Parameter) bool { return p.Name == name })
		if i < 0 {
			var known []string
			for _, p := range declared {
				known = append(known, p.Name)
			}
			l.say(at+"."+name, fmt.Sprintf("%s has no parameter %q", what, name), "parameters: "+strings.Join(known, ", "))
			continue
		}
		l.argument(at+"."+name, with[name], declared[i], what)
	}
	for _, d := range declared {
		if _, ok := with[d.Name]; !ok && !d.Optional {
			l.say(at, fmt.Sprintf("%s needs %q: %s", what, d.Name, d.Allowed()), "")
		}
	}
}

func (l *linter) argument(at string, t Term, d connector.Parameter, what string) {
	if t.Parameter == "" {
		if d.Accept(t.Literal) != nil {
			l.say(at, fmt.Sprintf("%s takes as %q only %s", what, d.Name, d.Allowed()), "")
		}
		return
	}
	q, ok := l.p.parameter(t.Parameter)
	if !ok {
		return // said already
	}
	if q.maybeAbsent() && !d.Optional {
		l.say(at, fmt.Sprintf("%s needs %q, and parameter %q may have no value", what, d.Name, q.Name), "make it required, or give it a default")
	}
	switch {
	case q.Type == connector.TypeEnum && (d.Type == connector.TypeEnum || d.Type == connector.TypeName):
		for _, v := range q.Values {
			if d.Accept(writ.String(v)) != nil {
				l.say(at, fmt.Sprintf("parameter %q may be %q, and %s takes only %s", q.Name, v, what, d.Allowed()), "remove the value")
			}
		}
	case q.Type != d.Type:
		l.say(at, fmt.Sprintf("parameter %q is %s, and %s takes %s", q.Name, q.Type, what, d.Type), "")
	case q.Type == connector.TypeInteger && (q.Min < d.Min || q.Max > d.Max):
		l.say(at, fmt.Sprintf("parameter %q may be %d to %d, and %s takes only %s", q.Name, q.Min, q.Max, what, d.Allowed()), "narrow its bounds")
	}
}
