package verify

import (
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// Text renders the report for people. Every text from the bundle is printable.
func (r Report) Text() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("log      %s", writ.Printable(r.Origin, 80))
	if r.Size > 0 {
		p("head     size %d, root %s", r.Size, r.Root)
	}
	kind := "some of them"
	if r.Complete {
		kind = "complete"
	}
	p("bundle   %d entries, %s; %d pins", r.Entries, kind, r.Pins)
	p("")
	for _, c := range []struct {
		what string
		c    Claim
	}{{"nothing altered", r.Altered}, {"nothing missing", r.Missing}, {"authority", r.Authority}} {
		p("%-16s %s", c.what, word(c.c.Verdict))
		if c.c.Verdict != Violated { // the findings follow below
			for _, why := range c.c.Because {
				p("                 %s", why)
			}
		}
	}
	section := func(title string, list []Finding) {
		if len(list) == 0 {
			return
		}
		p("\n%s", title)
		for _, f := range list {
			at := "         "
			if f.Index >= 0 {
				at = fmt.Sprintf("#%-8d", f.Index)
			}
			p("  %s %-16s %s", at, f.Code, f.Text)
			for _, n := range f.Notes {
				p("%s", indent(n))
			}
		}
	}
	section("findings", r.Findings)
	section("begun and not ended", r.Open)
	section("reviews of break-glass that are owed", r.Owed)
	for _, l := range r.Plans {
		b.WriteString(l.text())
	}
	p("\nnot checked")
	for _, n := range r.Not {
		p("  %s", n)
	}
	p("\nverdict: %s", word(r.Verdict()))
	return b.String()
}

func word(v Verdict) string {
	switch v {
	case OK:
		return "ok"
	case Violated:
		return "VIOLATED"
	}
	return "cannot tell"
}

func (l Plan) text() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("\nplan %s  %s", l.Plan, l.Tier)
	p("  playbook  %s@%d", writ.Printable(l.Playbook.Name, 80), l.Playbook.Version)
	p("  digest    %s", l.Digest)
	p("  asked by  %s", writ.Printable(l.Requester.String(), 200))
	if l.Decision != "" {
		p("  decision  %s", writ.Printable(l.Decision, 200))
	}
	for _, a := range l.Approvers {
		p("  approved  %s", writ.Printable(a, 200))
	}
	if l.Mode == writ.ModeKey {
		p("  grant     held by the agent, under a key of its own")
	}
	if l.Run != "" {
		p("  run       %s  %s", l.Run, orUnknown(string(l.State)))
	}
	for _, s := range l.Steps {
		p("  step      %s on %s: %s: %s", s.Operation, s.Object, writ.Printable(s.Call, 200), orUnknown(s.Effect))
		if s.Undo != "" {
			p("            undo: %s", s.Undo)
		}
		if s.Settled != "" {
			p("            settled as %s by %s", s.Settled, writ.Printable(s.SettledBy.String(), 200))
		}
	}
	if l.Receipt != nil {
		p("  receipt   #%d: %s; as authorised: %s", l.Receipt.Index, l.Receipt.Outcome, l.Receipt.Agrees)
	}
	return b.String()
}

func orUnknown(s string) string {
	if s == "" {
		return "not recorded"
	}
	return s
}

func indent(note string) string {
	var b strings.Builder
	for line := range strings.Lines(note) {
		b.WriteString("            | " + writ.Printable(strings.TrimSuffix(line, "\n"), 200) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
