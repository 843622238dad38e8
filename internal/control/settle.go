package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// Settle takes a person's word on what step number step (from 1) of an uncertain run did. It is an entry of the ledger,
// and said once. It unlocks the object, so who may say it is who could have approved the run: somebody who answers for the
// service, and neither asked for the run nor owns the agent that did (approver_unknown, approver_conflict).
func (c *Control) Settle(ctx context.Context, by writ.Principal, id writ.RunID, step int, as writ.Effect, reason string) (writ.RunStatus, error) {
	if err := c.settle(ctx, by, id, step, as, reason); err != nil {
		return writ.RunStatus{}, c.deny(ctx, "settle", by, "", err)
	}
	return c.Run(ctx, by, id, 0)
}

func (c *Control) settle(ctx context.Context, by writ.Principal, id writ.RunID, step int, as writ.Effect, reason string) error {
	if err := person(by); err != nil {
		return err
	}
	switch {
	case as != writ.Applied && as != writ.NotApplied:
		return &writ.Refusal{Code: writ.ReasonForm, Detail: "as is applied or not_applied", Hint: "if you cannot tell, leave the run unsettled", Kind: writ.ErrInvalid}
	case reason == "" || utf8.RuneCountInString(reason) > maxBecause:
		return &writ.Refusal{Code: writ.ReasonForm, Detail: fmt.Sprintf("reason must have 1 to %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	why, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(reason))
	if err != nil {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		run, row, err := store.Load[runRow](tx, store.Runs, string(id))
		if err != nil {
			return notFound(err, "run", string(id))
		}
		if run.Run.State != writ.RunUncertain {
			return &writ.Refusal{
				Code: writ.ReasonNotUncertain, Kind: writ.ErrConflict, Detail: fmt.Sprintf("run %s is %s; only a run that ended uncertain is settled", id, run.Run.State),
				Hint: "writ run show " + string(id),
			}
		}
		p, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
		if err != nil {
			return err
		}
		plan, digest, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return err
		}
		q, err := c.question(tx, p, plan, digest, p.tier(plan))
		if err != nil {
			return err
		}
		if err := q.Admits(by); err != nil {
			return hinted(err, "somebody else of "+p.Owner+" looks, and says it")
		}
		deeds, end, err := c.deeds(tx, run.Run, plan)
		if err != nil {
			return err
		}
		if !slices.Contains(asked(deeds), step) {
			return &writ.Refusal{Code: writ.ReasonNotUncertain, Kind: writ.ErrConflict, Detail: fmt.Sprintf("step %d of run %s is not in doubt", step, id), Hint: fmt.Sprintf("steps to be settled: %s", numbers(unsettled(run.Run, deeds)))}
		}
		key := plan.Steps[step-1].Key
		if s, ok := settledAs(run.Run, key); ok {
			return &writ.Refusal{Code: writ.ReasonSettled, Kind: writ.ErrConflict, Detail: fmt.Sprintf("step %d was settled as %s by %s at %s", step, s.As, name(s.By), s.At.Format("2006-01-02T15:04:05Z"))}
		}
		at := c.now()
		body := writ.SettleBody{Run: id, Plan: plan.ID, Step: key, As: as, By: by, Reason: why}
		if _, err := c.append(tx, writ.EntrySettle, run.Run.Incident, body, ref("run", end)...); err != nil {
			return err
		}
		run.Run.Settled = append(run.Run.Settled, writ.Settlement{Step: key, As: as, By: by, At: at})
		run.Reasons = append(run.Reasons, why)
		if run.Settled = len(unsettled(run.Run, deeds)) == 0; run.Settled {
			row.Key = "" // nobody looks for it by its service any more
		}
		if run.Settled && run.Held {
			run.Held = false
			if err := c.release(tx, run.Run); err != nil {
				return err
			}
		}
		return store.Save(tx, store.Runs, row, row.State, run)
	})
}

// hinted adds what to do to a refusal.
func hinted(err error, hint string) error {
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		with := *r
		with.Hint = hint
		return &with
	}
	return err
}

func numbers(ns []int) string {
	if len(ns) == 0 {
		return "none"
	}
	var out []string
	for _, n := range ns {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ", ")
}

// unsettledOn counts the runs on the plan's objects that ended uncertain and that nobody has settled.
func unsettledOn(tx *store.Tx, plan writ.Plan) (int, error) {
	runs, _, err := find[runRow](tx, store.Runs, store.Filter{Key: plan.Service, State: string(writ.RunUncertain)})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range runs {
		if r.Settled {
			continue
		}
		p, _, err := store.Load[planRow](tx, store.Plans, string(r.Run.Plan))
		if err != nil {
			return 0, err
		}
		other, _, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(other.Steps, func(s writ.Step) bool {
			return slices.ContainsFunc(plan.Steps, func(t writ.Step) bool { return s.Object.Location == t.Object.Location })
		}) {
			n++
		}
	}
	return n, nil
}

// addDoubts adds to a person's view of a run which run it put back and, when it is uncertain, what is to be settled.
func (c *Control) addDoubts(tx *store.Tx, by writ.Principal, run runRow, out *writ.RunStatus) error {
	p, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
	if err != nil {
		return err
	}
	out.Reverts = p.Proposal.Reverts
	if by.Kind != writ.KindHuman || run.Run.State != writ.RunUncertain || run.Settled {
		return nil
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return err
	}
	deeds, _, err := c.deeds(tx, run.Run, plan)
	if err != nil {
		return err
	}
	out.Open = doubts(run.Run, deeds)
	return nil
}

// addReasons adds the words of those who settled a run, which live off the ledger; people only.
func (c *Control) addReasons(ctx context.Context, by writ.Principal, s *writ.RunStatus) error {
	if by.Kind != writ.KindHuman || len(s.Settled) == 0 {
		return nil
	}
	var reasons []writ.Commitment
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		run, _, err := store.Load[runRow](tx, store.Runs, string(s.ID))
		reasons = run.Reasons
		return err
	})
	s.Settled = slices.Clone(s.Settled)
	for i := range min(len(reasons), len(s.Settled)) {
		if err == nil {
			s.Settled[i].Reason, err = c.text(ctx, reasons[i])
		}
	}
	return err
}
