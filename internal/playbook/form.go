package playbook

import (
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// form finds the faults that can be seen without a catalogue.
func form(p Playbook) []Finding {
	var r reader
	switch {
	case !writ.IsName(p.Name):
		r.say("name", "name must be a plain lower-case name", "")
	case p.Version < 1:
		r.say("version", "version must be a whole number from 1 on", "")
	}
	if !writ.IsName(p.Owner) {
		r.say("owner", "there is no owner", "name the team that answers for this playbook")
	}
	if !writ.IsName(p.Class) {
		r.say("class", "class must be a plain name", "such as rollback, restart or capacity")
	}
	if !writ.IsName(p.Plane) {
		r.say("plane", "plane must name one kind of control plane", "such as kubernetes")
	}
	if p.Tier == writ.T0 {
		r.say("tier", "a playbook that writes is T1 to T4", "")
	}
	if p.Undo != writ.UndoInverse && p.Undo != writ.UndoNone {
		r.say("undo", "undo must be inverse or none", "")
	}
	if p.Undo == writ.UndoNone && p.Tier == writ.T1 {
		r.say("undo", "without an undo it cannot be T1", "say undo: inverse, or raise the tier")
	}
	if p.Limits.MaxObjects < 1 || p.Limits.MaxPermille < 1 || p.Limits.MaxPermille > 1000 {
		r.say("limits", "limits must bound the blast radius", "max_objects from 1 on, and max_permille from 1 to 1000")
	}
	switch again := p.Repeat; {
	case again.Cooldown < 0 || again.Cooldown > MaxWindow:
		r.say("limits", fmt.Sprintf("cooldown_seconds must be 0 to %d", int(MaxWindow.Seconds())), "")
	case again.MaxAttempts < 0 || again.MaxAttempts > MaxAttempts:
		r.say("limits", fmt.Sprintf("max_attempts must be 0 to %d", MaxAttempts), "")
	case again.Window < 0 || again.Window > MaxWindow:
		r.say("limits", fmt.Sprintf("attempts_window_seconds must be 0 to %d", int(MaxWindow.Seconds())), "")
	case (again.MaxAttempts == 0) != (again.Window == 0):
		r.say("limits", "max_attempts and attempts_window_seconds go together", "such as max_attempts: 3, attempts_window_seconds: 3600")
	}
	if len(p.Steps) == 0 || len(p.Steps) > writ.MaxSteps {
		r.say("steps", fmt.Sprintf("there must be 1 to %d steps", writ.MaxSteps), "")
	}
	if len(p.Verify) == 0 {
		r.say("verify", "nothing verifies the effect", "add a condition under verify")
	}
	if len(p.Observe) > writ.MaxConditions || len(p.Guards) > writ.MaxConditions || len(p.Verify) > writ.MaxConditions || len(p.Evidence) > writ.MaxConditions {
		r.say("guards", fmt.Sprintf("observe, guards, verify and evidence take at most %d entries each", writ.MaxConditions), "")
	}
	p.formTitle(&r)
	p.formParameters(&r)
	used := map[string]bool{}
	for i, s := range p.Steps {
		p.formWith(&r, fmt.Sprintf("steps[%d].with", i), s.With, used)
	}
	names := map[string]bool{}
	p.formConditions(&r, "observe", p.Observe, names, used)
	p.formConditions(&r, "guards", p.Guards, names, used)
	p.formConditions(&r, "verify", p.Verify, names, used)
	for i, q := range p.Parameters {
		if !used[q.Name] {
			r.say(fmt.Sprintf("parameters[%d]", i), fmt.Sprintf("parameter %q is not used", writ.Printable(q.Name, 60)), "remove it")
		}
	}
	return r.found
}

func (p Playbook) formTitle(r *reader) {
	if p.Title == "" || len(p.Title) > maxTitle || strings.ContainsAny(p.Title, "\n\t") {
		r.say("title", fmt.Sprintf("title must be one line of at most %d characters", maxTitle), "")
	}
	for _, name := range placeholders(p.Title) {
		if q, ok := p.parameter(name); !ok || q.maybeAbsent() {
			r.say("title", fmt.Sprintf("{%s} is no parameter that always has a value", writ.Printable(name, 60)), "")
		}
	}
}

func (p Playbook) formParameters(r *reader) {
	if len(p.Parameters) > maxParameters {
		r.say("parameters", fmt.Sprintf("more than %d parameters", maxParameters), "")
	}
	for i, q := range p.Parameters {
		at := fmt.Sprintf("parameters[%d]", i)
		name := writ.Printable(q.Name, 60)
		switch {
		case !writ.IsName(q.Name) || strings.Contains(q.Name, "."):
			r.say(at, fmt.Sprintf("parameter name %q must be plain", name), "")
		case slices.IndexFunc(p.Parameters, func(o Parameter) bool { return o.Name == q.Name }) != i:
			r.say(at, fmt.Sprintf("parameter %q stands twice", name), "")
		}
		if q.Title == "" || len(q.Title) > maxTitle || strings.ContainsAny(q.Title, "\n\t") {
			r.say(at, fmt.Sprintf("parameter %q needs a title of one line", name), "say what it means to an agent that has to fill it in")
		}
		bounded := q.Min != 0 || q.Max != 0
		switch q.Type {
		case connector.TypeInteger:
			if q.Min >= q.Max {
				r.say(at, fmt.Sprintf("parameter %q has no bounds", name), "give min and max")
			}
		case connector.TypeEnum:
			if len(q.Values) == 0 || slices.ContainsFunc(q.Values, func(v string) bool { return !writ.IsName(v) }) {
				r.say(at, fmt.Sprintf("parameter %q must list its values, plain names", name), "")
			}
		case connector.TypeName, connector.TypeBool, connector.TypeQuantity:
		default:
			r.say(at, fmt.Sprintf("parameter %q has the unknown type %q", name, writ.Printable(string(q.Type), 40)), "types: name, integer, bool, enum, quantity")
			continue
		}
		if bounded && q.Type != connector.TypeInteger || len(q.Values) > 0 && q.Type != connector.TypeEnum {
			r.say(at, fmt.Sprintf("parameter %q: min and max go with integer, values with enum", name), "")
		}
		if !q.Default.IsZero() && q.Accept(q.Default) != nil {
			r.say(at+".default", fmt.Sprintf("the default of %q must be %s", name, q.Allowed()), "")
		}
	}
}

func (p Playbook) formWith(r *reader, path string, with map[string]Term, used map[string]bool) {
	for _, name := range sortedKeys(with) {
		p.formTerm(r, path+"."+name, with[name], used)
	}
}

func (p Playbook) formTerm(r *reader, path string, t Term, used map[string]bool) {
	if t.Parameter == "" {
		return
	}
	used[t.Parameter] = true
	if _, ok := p.parameter(t.Parameter); !ok {
		r.say(path, fmt.Sprintf("there is no parameter %q", t.Parameter), "declare it under parameters")
	}
}

func (p Playbook) formConditions(r *reader, list string, cs []Condition, names, used map[string]bool) {
	for i, c := range cs {
		at := fmt.Sprintf("%s[%d]", list, i)
		if !writ.IsName(c.Name) || names[c.Name] {
			r.say(at, "a condition needs a plain name of its own", "")
		}
		names[c.Name] = true
		if !writ.IsName(c.Fact) {
			r.say(at+".fact", "a condition is about one fact of its reader", "")
		}
		switch c.Op {
		case writ.Equals, writ.NotEquals, writ.AtLeast, writ.AtMost:
		default:
			r.say(at+".op", "op must be equals, not_equals, at_least or at_most", "")
		}
		switch {
		case c.WithinSeconds < 0 || c.WithinSeconds > maxWithin:
			r.say(at+".within_seconds", fmt.Sprintf("within_seconds must be 0 to %d", maxWithin), "")
		case list != "verify" && c.WithinSeconds != 0:
			r.say(at+".within_seconds", "what is observed or guards a run is read once and does not wait", "remove within_seconds")
		}
		p.formWith(r, at+".with", c.With, used)
		p.formTerm(r, at+".value", c.Value, used)
		if q, ok := p.parameter(c.Value.Parameter); ok && q.maybeAbsent() {
			r.say(at+".value", fmt.Sprintf("parameter %q may have no value, and a condition needs one", q.Name), "give it a default, or make it required")
		}
	}
}
