package playbook

import (
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// MaxDescription bounds Describe in characters: agents read it in every conversation.
const MaxDescription = 2000

// Describe says in words what the playbook does and takes, for agents: at most MaxDescription characters.
func (p Playbook) Describe() string {
	var w strings.Builder
	fmt.Fprintf(&w, "%s, version %d (%s, %s), owned by %s.\n%s\n", p.Name, p.Version, p.Tier, p.Plane, p.Owner, p.Title)
	if p.Emergency {
		w.WriteString("For break-glass alone: people ask for it, and no agent can.\n")
	}
	if len(p.Parameters) > 0 {
		w.WriteString("Parameters:\n")
	}
	for _, q := range p.Parameters {
		fmt.Fprintf(&w, "- %s: %s; %s", q.Name, q.Title, q.Allowed())
		switch {
		case !q.Default.IsZero():
			fmt.Fprintf(&w, "; %s if left out", q.Default)
		case q.Optional:
			w.WriteString("; may be left out")
		}
		w.WriteString("\n")
	}
	if len(p.Evidence) > 0 {
		w.WriteString("Cite readings of:")
		for _, e := range p.Evidence {
			fmt.Fprintf(&w, " %s", e)
		}
		w.WriteString("\n")
	}
	conditions(&w, "Cite readings that show:\n", p.Observe)
	conditions(&w, "Runs only if:\n", p.Guards)
	w.WriteString("Does:\n")
	for _, s := range p.Steps {
		fmt.Fprintf(&w, "- %s\n", s.Operation)
	}
	conditions(&w, "Succeeds if:\n", p.Verify)
	switch p.Undo {
	case writ.UndoInverse:
		w.WriteString("Otherwise every step is undone.\n")
	default:
		w.WriteString("It cannot be undone.\n")
	}
	fmt.Fprintf(&w, "At most %d objects and %d permille of the service's ready capacity.", p.Limits.MaxObjects, p.Limits.MaxPermille)
	if p.Repeat.Cooldown > 0 {
		fmt.Fprintf(&w, "\nNot again on the same object for %s after it ended.", p.Repeat.Cooldown)
	}
	if p.Repeat.MaxAttempts > 0 {
		fmt.Fprintf(&w, "\nAt most %d times on the same object within %s.", p.Repeat.MaxAttempts, p.Repeat.Window)
	}
	return cut(w.String())
}

func conditions(w *strings.Builder, head string, cs []Condition) {
	if len(cs) > 0 {
		w.WriteString(head)
	}
	for _, c := range cs {
		fmt.Fprintf(w, "- %s: %s of %s %s %s", c.Name, c.Fact, c.Reader, strings.ReplaceAll(string(c.Op), "_", " "), c.Value)
		if c.WithinSeconds > 0 {
			fmt.Fprintf(w, ", within %d seconds", c.WithinSeconds)
		}
		w.WriteString("\n")
	}
}

func cut(s string) string {
	if r := []rune(s); len(r) > MaxDescription {
		return string(r[:MaxDescription-1]) + "…"
	}
	return s
}
