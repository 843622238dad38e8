package verify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// recall puts an entry that takes the approval back before entry n.
func (w *world) recall(n int, change func(*writ.RecallBody)) {
	w.items = slices.Insert(w.items, n, &item{
		kind: writ.EntryRecall, by: w.control, log: origin, actor: controlPlane, task: id[writ.IncidentID]("inc", 1), at: start.Add(time.Duration(n) * time.Second), nonce: fmt.Sprintf("recallnonce%012d", n),
		before: func(w *world, i *item) {
			d, err := w.approval.Digest()
			if err != nil {
				w.t.Fatal(err)
			}
			b := &writ.RecallBody{Approval: id[writ.ApprovalID]("apr", 1), Digest: d, Plan: id[writ.PlanID]("pln", 1), PlanDigest: digest("plan"), Approver: person}
			if change != nil {
				change(b)
			}
			i.body = b
		},
	})
	for _, i := range w.items {
		for r := range i.refs {
			if i.refs[r] >= n {
				i.refs[r]++
			}
		}
	}
}

func TestI02AnApprovalThatWasTakenBackBeforeTheRunCountsForNoGrantAndNoStep(t *testing.T) {
	t.Parallel()
	honest := newWorld(t)
	for name, x := range map[string]struct {
		at     int
		change func(*writ.RecallBody)
		code   string
	}{
		"taken back before the grant that counts it":     {granted, nil, "recalled"},
		"taken back after the grant, before its step":    {granted + 1, nil, "recalled"},
		"taken back after the run had begun":             {intent + 1, nil, "recall_late"},
		"taken back by somebody else":                    {granted, func(b *writ.RecallBody) { b.Approver.Sub = "u-99" }, "recall"},
		"of another plan's digest":                       {granted, func(b *writ.RecallBody) { b.PlanDigest = digest("other") }, "digest"},
		"of an approval that the log does not hold":      {granted, func(b *writ.RecallBody) { b.Digest = digest("other") }, "recall"},
		"of a plan that was never made, to hide another": {granted, func(b *writ.RecallBody) { b.Plan = id[writ.PlanID]("pln", 9) }, "no_plan"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.recall(x.at, x.change)
			wantFinding(t, raw(t, honest.bundle()), raw(t, w.bundle()), w.trust(), x.code)
		})
	}
}

func TestALogInWhichARecallStoppedTheRunVerifies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recall(granted+1, func(b *writ.RecallBody) { b.Run = id[writ.RunID]("run", 1) })
	var after []int
	for n := granted + 2; n < len(w.items); n++ {
		after = append(after, n)
	}
	w.drop(after...)
	w.items = append(w.items, &item{
		kind: writ.EntryPlanEnd, by: w.control, log: origin, actor: controlPlane, task: id[writ.IncidentID]("inc", 1), at: start.Add(time.Minute), nonce: "planendnonce00000000000001",
		body: &writ.PlanEndBody{Plan: id[writ.PlanID]("pln", 1), State: writ.PlanDone, Reason: writ.ReasonRevoked},
	})
	if r := judge(t, raw(t, w.bundle()), w.trust()); r.Verdict() == verify.Violated {
		t.Errorf("%s", r.Text())
	}
}
