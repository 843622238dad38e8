package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// Dry runs of one requester: each is a plan for a runner and entries in the ledger, and a way to feel for the edges of
// policy. A builder who tries things out by hand stays below it.
const (
	dryRuns      = 10
	dryRunWindow = time.Minute
)

// triesRow is when a requester's newest dry runs were, in milliseconds.
type triesRow struct {
	At []int64 `json:"at"`
}

// triesID is the row of a requester's dry runs.
func triesID(by writ.Principal) string {
	return writ.DigestOf([]byte("dry runs of " + by.String())).String()
}

// mayTry counts a dry run, and refuses one too many.
func (c *Control) mayTry(tx *store.Tx, by writ.Principal) error {
	key, now := triesID(by), c.now()
	doc, row, err := store.Load[triesRow](tx, store.Nonces, key)
	there := err == nil
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return err
	}
	since := millis(now.Add(-dryRunWindow))
	doc.At = slices.DeleteFunc(doc.At, func(at int64) bool { return at <= since })
	if len(doc.At) >= dryRuns {
		return &writ.Refusal{
			Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: time.Duration(doc.At[0]-since) * time.Millisecond,
			Detail: fmt.Sprintf("you have had %d dry runs within %s; that is the limit", dryRuns, dryRunWindow), Hint: "wait, or ask for the repair itself",
		}
	}
	doc.At = append(doc.At, millis(now))
	due := millis(now.Add(dryRunWindow))
	if !there {
		return store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: due}, doc)
	}
	row.Due = due
	return store.Save(tx, store.Nonces, row, row.State, doc)
}

// tried ends a dry run that policy would not deny: the plan is taken back in the transaction that decided it, with what
// would have happened. Its proposal, plan, decision and end are in the ledger like any other's.
func (c *Control) tried(tx *store.Tx, p planRow, row store.Row, plan writ.Plan, d writ.Decision) error {
	if ended, err := c.endRepeated(tx, p, row, plan); ended || err != nil {
		return err
	}
	would := "policy allows it as it is: it would run at once"
	if d.Verdict == writ.Requires {
		would = "it would wait for people: " + peopleOf(d.Requirements)
	}
	var steps []string
	for _, s := range plan.Steps {
		steps = append(steps, s.Title)
	}
	p.Reason = writ.ReasonDryRun
	return c.endPlan(tx, p, row, writ.PlanWithdrawn, assignment.Refused{
		Code: writ.ReasonDryRun, Detail: fmt.Sprintf("dry run, nothing was changed; %s. Steps: %s", would, strings.Join(steps, "; ")),
		Hint: "to have it done, propose the same without dry_run; it is decided anew then",
	})
}

// peopleOf says in words what people would be asked for.
func peopleOf(r writ.Requirements) string {
	var out []string
	for _, slot := range []string{"owner", "oncall"} {
		if n := r.Approvals[slot]; n > 0 {
			out = append(out, fmt.Sprintf("%d approval(s) by %s", n, slot))
		}
	}
	if r.Proof != "" {
		out = append(out, "with a proof of level "+string(r.Proof)+" or better")
	}
	if len(out) == 0 {
		return "an approval"
	}
	return strings.Join(out, ", ")
}
