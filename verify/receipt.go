package verify

import (
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/receipt"
)

// This file checks runners' receipts (docs/spec/receipt.md): each is signed by the key that signed its entry, tells of its
// run what the other entries tell, and follows the receipt before it.

// A link is one receipt in the chain of a runner's journal.
type link struct {
	index    int64
	seq      int64
	previous writ.Digest
	digest   writ.Digest
	run      writ.RunID
}

func (s *chain) receipt(index int64, e ledger.Entry, b writ.ReceiptBody) {
	g := s.of(index, e, b.Run)
	st, err := receipt.Open(b.Envelope, receipt.Key(s.c.keys.lookup(e.KeyID())))
	if err != nil {
		s.wrong(index, "receipt", "the receipt in entry %d is not one that its runner signed: %v", index, err)
		return
	}
	r := st.Predicate
	if r.Run != b.Run || !r.Runner.Principal().Same(e.Record.Actor) || r.Log != e.Record.Log || r.Incident != e.Record.Task {
		s.wrong(index, "receipt", "the receipt in entry %d is of another run, runner, incident or log than its entry", index)
		return
	}
	chain := string(r.Runner) + " " + r.Instance
	s.receipts[chain] = append(s.receipts[chain], link{index, r.Seq, r.Previous, writ.DigestOf(b.Envelope), r.Run})
	if g == nil {
		return
	}
	if g.receipt != nil {
		s.wrong(index, "receipt_twice", "run %s has two receipts", b.Run)
		return
	}
	g.receipt = &seen[receipt.Receipt]{index: index, entry: e, body: r}
	switch a := r.Authority; {
	case a.Grant != g.body.Grant || !a.Entry.Equal(g.entry.Hash) || a.Decision != g.body.Decision || !slices.Equal(a.Approvals, g.body.Approvals), !a.Duties.Equal(g.body.Duties),
		r.Plan != g.body.Plan, !st.PlanDigest().Equal(g.body.PlanDigest):
		s.wrong(index, "receipt", "the receipt of run %s names another grant, plan, decision, approvals or duties", b.Run)
	}
	for _, step := range r.Steps {
		s.receiptStep(index, g, step)
	}
	for key := range g.intents {
		if !slices.ContainsFunc(r.Steps, func(x receipt.Step) bool { return x.Step == key }) {
			s.wrong(index, "receipt", "the receipt of run %s leaves out step %s", b.Run, writ.Printable(key, 60))
		}
	}
}

// receiptStep compares one step with the intents and effects of its run.
func (s *chain) receiptStep(index int64, g *grant, r receipt.Step) {
	i := g.intents[r.Step]
	if i == nil {
		if r.Begun || r.Outcome != writ.NotApplied {
			s.absent(index, "receipt", "the receipt in entry %d tells of step %s, which no earlier entry begins", index, writ.Printable(r.Step, 60))
		}
		return
	}
	call, err := receipt.CallDigest(i.body.Call)
	switch {
	case err != nil || !call.Equal(r.Call) || r.Operation != i.body.Operation || r.Object != i.body.Object.Location:
		s.wrong(index, "receipt", "the receipt in entry %d tells of another call of step %s than its intent", index, r.Step)
	case i.after != "" && i.after != r.Outcome.String():
		s.wrong(index, "receipt", "the receipt in entry %d says that step %s was %s; its effect says %s", index, r.Step, r.Outcome, i.after)
	case r.Outcome == writ.Applied && !r.Sent.IsZero() && !r.Sent.Equal(i.body.Call.Body):
		s.wrong(index, "call", "step %s sent other bytes than its plan commits to", r.Step)
	}
}

// linked checks that receipts of one journal follow one another.
func (s *chain) linked() {
	known := map[writ.Digest]bool{}
	for _, all := range s.receipts {
		for _, l := range all {
			known[l.digest] = true
		}
	}
	for _, all := range s.receipts {
		slices.SortFunc(all, func(a, b link) int { return int(a.seq - b.seq) })
		for i, l := range all {
			if i == 0 { // a journal that was given a new name goes on where it was
				if l.seq > 1 && !known[l.previous] && s.c.r.Complete {
					s.open(l.index, "receipt_gap", "the receipt before the one of run %s is not in the log", l.run)
				}
				continue
			}
			switch before := all[i-1]; {
			case before.seq == l.seq:
				s.wrong(l.index, "receipt_chain", "the receipts in entries %d and %d have the same place in their chain", before.index, l.index)
			case before.seq+1 < l.seq:
				if s.c.r.Complete {
					s.open(l.index, "receipt_gap", "receipts %d to %d of the runner of run %s are not in the log", before.seq+1, l.seq-1, l.run)
				}
			case !l.previous.Equal(before.digest):
				s.c.find(altered, l.index, "receipt_chain", "the receipt in entry %d does not follow the one in entry %d", l.index, before.index)
			}
		}
	}
	for _, g := range s.granted {
		if g.receipt != nil && g.run != nil && g.receipt.body.State != g.run.body.State && g.run.body.Reason != writ.ReasonTakenOver {
			s.wrong(g.receipt.index, "receipt", "the receipt of run %s says %s; its end says %s", g.body.Run, g.receipt.body.State, g.run.body.State)
		}
	}
}
