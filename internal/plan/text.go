package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Limits of what is shown of one text. A cut text ends in an ellipsis.
const (
	shortText = 120
	longText  = 400

	maxShownUnits = 20 // workloads of one step: more than a screen says less
)

func mark(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// Text renders a plan for people, from its own fields alone: it is what "writ plan show" and "writ approve" print. The
// same plan gives the same text. Everything that others may have written goes through writ.Printable, so nothing in a
// plan can move the cursor, hide, or look like another line.
func Text(p writ.Plan, digest writ.Digest) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	fact := func(name, format string, a ...any) { line("  %-10s %s", name, fmt.Sprintf(format, a...)) }

	line("%s  %s@%d  %s", p.ID, short(p.Playbook.Name), p.Playbook.Version, p.Tier)
	if e := p.Emergency; e != nil {
		line("  BREAK-GLASS %s%s%s", e.ID, mark(e.Drill, ", a drill"), mark(e.Offline, ", while the control plane is down"))
	}
	line("")
	line("  %s", long(p.Title))
	line("  If this goes wrong: %s.  %s", radius(p.Blast), undo(p))
	line("")
	for i, s := range p.Steps {
		step(line, i, s)
	}
	conditions(line, "Observed", p.Observe)
	conditions(line, "Before", p.Guards)
	conditions(line, "After", p.Verify)
	line("")
	fact("Asked by", "%s for %s", long(p.Requester.String()), p.Incident)
	for _, by := range p.Lineage {
		fact("Passed on", "by %s", long(by.String()))
	}
	fact("Service", "%s in %s", short(p.Service), short(p.Environment))
	fact("Runner", "%s on %s", short(string(p.Runner)), short(string(p.Target)))
	if len(p.Parameters) > 0 {
		fact("With", "%s", parameters(p.Parameters))
	}
	for _, e := range p.Evidence {
		fact("Evidence", "%s  read at %s", e.ID, instant(e.At))
	}
	fact("Limits", "%s, %s permille", count(p.Budget.MaxObjects, "object"), number(p.Budget.MaxPermille))
	fact("May start", "%s to %s", instant(p.Window.NotBefore), instant(p.Window.NotAfter))
	fact("Made", "%s from %s", instant(p.MadeAt), p.Proposal)
	fact("Playbook", "%s", p.Playbook.Digest)
	fact("Policy", "%s", p.Policy)
	fact("Holder", "%s", short(p.Holder))
	fact("Digest", "%s", digest)
	return b.String()
}

func step(line func(string, ...any), i int, s writ.Step) {
	line("  %d. %s  (%s, %s)", i+1, long(s.Title), short(string(s.Operation)), s.Tier)
	line("     %s   uid %s   version %s", long(string(s.Object.Location)), short(s.Object.UID), short(s.Object.Version))
	target := s.Call.Path
	if s.Call.Query != "" {
		target += "?" + s.Call.Query
	}
	line("     %s %s", short(s.Call.Method), long(target))
	if !s.Call.Body.IsZero() {
		line("     body %s %s", short(s.Call.ContentType), s.Call.Body)
	}
	if len(s.With) > 0 {
		line("     with %s", parameters(s.With))
	}
	for _, c := range s.Diff {
		switch {
		case c.Before == "":
			line("   + %s  %s", short(c.Path), long(c.After))
		case c.After == "":
			line("   - %s  %s", short(c.Path), long(c.Before))
		default:
			line("   ~ %s  %s  ->  %s", short(c.Path), long(c.Before), long(c.After))
		}
	}
	if s.Inverse.Kind == writ.InverseNone {
		line("     no undo")
	} else {
		line("     undo  %s (%s)", long(s.Inverse.Title), short(string(s.Inverse.Kind)))
	}
	if s.Owner != "" {
		line("     part of %s", long(string(s.Owner)))
	}
	for i, u := range s.Units {
		if i == maxShownUnits {
			line("     and %d workloads more", len(s.Units)-i)
			break
		}
		line("     %s: %d of %d ready, takes %s away at once, leaves %d or more (%s)", long(string(u.Workload)), u.Ready, u.Wanted, number(u.Down), u.Floor, short(string(u.By)))
	}
	line("     hits %s, within %s", radius(s.Blast), time.Duration(s.TimeoutSeconds)*time.Second)
	line("")
}

func conditions(line func(string, ...any), name string, cs []writ.Condition) {
	for i, c := range cs {
		if i > 0 {
			name = ""
		}
		within := ""
		if c.WithinSeconds > 0 {
			within = fmt.Sprintf(" within %s", time.Duration(c.WithinSeconds)*time.Second)
		}
		about := ""
		if len(c.With) > 0 {
			about = " of " + parameters(c.With)
		}
		line("  %-10s %s %s %s%s   %s%s", name, short(c.Fact), comparison(c.Op), c.Value, within, short(string(c.Reader)), about)
	}
}

func comparison(c writ.Comparison) string {
	switch c {
	case writ.Equals:
		return "="
	case writ.NotEquals:
		return "!="
	case writ.AtLeast:
		return ">="
	case writ.AtMost:
		return "<="
	}
	return "unknown comparison " + short(string(c))
}

func radius(b writ.Blast) string {
	s := fmt.Sprintf("%s, %s, up to %s permille of the service down at once", count(b.Objects, "object"), count(b.Replicas, "replica"), number(b.Permille))
	if b.Cluster {
		s += ", reaching beyond the service"
	}
	return s
}

func undo(p writ.Plan) string {
	if p.Undo == writ.UndoInverse {
		return "Undo: the inverse of each step, captured with the plan."
	}
	return "Undo: none."
}

func parameters(p writ.Parameters) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		out = append(out, short(k)+"="+p[k].String())
	}
	return strings.Join(out, " ")
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return number(n) + " " + noun
}

// number groups thousands, so that 10000 is not taken for 1000 at night.
func number(n int) string {
	if n < 0 {
		return "-" + number(-n)
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func short(s string) string { return writ.Printable(s, shortText) }

func long(s string) string { return writ.Printable(s, longText) }
