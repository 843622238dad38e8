package receipt

import (
	"fmt"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Text renders a receipt for people. All of its text is printable.
func (s Statement) Text() string {
	var b strings.Builder
	r := s.Predicate
	fact := func(name, format string, a ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, writ.Printable(fmt.Sprintf(format, a...), 300))
	}
	fact("run", "%s %s %s", r.Run, r.State, r.Reason)
	fact("runner", "%s, receipt %d of journal %s", r.Runner, r.Seq, r.Instance)
	fact("plan", "%s %s", r.Plan, s.PlanDigest())
	fact("grant", "%s, entry %s", r.Authority.Grant, r.Authority.Entry)
	fact("decision", "%s under policy %s, %d approvals", r.Authority.Decision, r.Authority.Policy, len(r.Authority.Approvals))
	fact("time", "%s to %s", r.Started.UTC().Format(time.RFC3339), r.Ended.UTC().Format(time.RFC3339))
	for _, st := range r.Steps {
		fact("step", "%s %s on %s: %s", st.Step, st.Operation, st.Object, st.Outcome)
		fact("", "call %s", st.Call)
		if u := st.Undone; u != nil {
			fact("", "undo %s, restored %t", u.Outcome, u.Restored)
		}
	}
	fact("outcome", "%s", r.Outcome)
	fact("agrees", "%s: what was done, with what was authorised", r.Agrees)
	if r.Undo != "" {
		fact("undo", "writ incident undo %s --run %s", r.Incident, r.Undo)
	}
	if !r.Previous.IsZero() {
		fact("previous", "%s", r.Previous)
	}
	return b.String()
}
