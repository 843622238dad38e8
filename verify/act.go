package verify

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// This file follows a run: no effect without an earlier intent (invariant I01), each step once (invariant I13), the
// granted plan's runner and no other, and no credential that outlives the run (invariant I06).

// granted returns the grant of a run, if the entry is signed by the runner that it was issued to.
func (s *chain) of(index int64, e ledger.Entry, run writ.RunID) *grant {
	g := s.runs[run]
	if g == nil {
		s.absent(index, "no_grant", "entry %d belongs to the run %s, which no earlier grant allows", index, writ.Printable(string(run), 40))
		return nil
	}
	if !e.Record.Actor.Same(g.body.Runner.Principal()) {
		s.wrong(index, "actor", "entry %d of run %s is by %s; the grant is for %s", index, run, e.Record.Actor, g.body.Runner)
		return nil
	}
	return g
}

func (s *chain) act(index int64, e ledger.Entry) {
	switch b := e.Body.(type) {
	case *writ.StepBody:
		if g := s.of(index, e, b.Run); g != nil {
			s.intent(index, e, g, *b)
		}
	case *writ.EffectBody:
		if g := s.of(index, e, b.Run); g != nil {
			s.effect(index, g, *b)
		}
	case *writ.UndoEffectBody:
		if g := s.of(index, e, b.Run); g != nil {
			s.undone(index, g, *b)
		}
	case *writ.VerifyBody:
		s.of(index, e, b.Run)
	case *writ.RunBody:
		if g := s.of(index, e, b.Run); g != nil {
			s.ended(index, e, g, *b)
		}
	}
}

func (s *chain) intent(index int64, e ledger.Entry, g *grant, b writ.StepBody) {
	undo := e.Record.Kind == writ.EntryUndoIntent
	i := &seen[writ.StepBody]{index: index, entry: e, body: b, undo: undo}
	if b.Grant != g.body.Grant || b.Plan != g.body.Plan || !b.PlanDigest.Equal(g.body.PlanDigest) {
		s.wrong(index, "digest", "the intent in entry %d is under another grant or plan than run %s", index, b.Run)
		return
	}
	s.begun = append(s.begun, i)
	if undo {
		switch {
		case g.intents[b.Step] == nil:
			s.absent(index, "undo_nothing", "entry %d undoes the step %s, which was never begun", index, writ.Printable(b.Step, 60))
		case g.undos[b.Step] != nil && g.undos[b.Step].after == "":
			s.wrong(index, "step_twice", "the undo of step %s is begun twice", b.Step)
		}
		g.undos[b.Step] = i
		return
	}
	switch {
	case g.intents[b.Step] != nil:
		s.wrong(index, "step_twice", "step %s is begun twice", writ.Printable(b.Step, 60))
		return
	case g.recall > 0:
		s.wrong(index, "recalled", "step %s is begun although entry %d took an approval back that the grant counts", writ.Printable(b.Step, 60), g.recall)
	case g.run != nil:
		s.wrong(index, "after_end", "step %s is begun after run %s had ended", writ.Printable(b.Step, 60), b.Run)
	}
	g.intents[b.Step], g.keys = i, append(g.keys, b.Step)
	if g.offline { // I01's exception: nobody could be asked
		return
	}
	d := s.steps[b.Step]
	switch {
	case d == nil:
		s.absent(index, "no_decision", "no earlier decision lets step %s begin", writ.Printable(b.Step, 60))
	case !d.body.PlanDigest.Equal(b.PlanDigest) || d.body.Verdict != writ.Allow:
		s.wrong(index, "decision", "the newest decision on step %s, entry %d, does not let it begin", b.Step, d.index)
	}
}

func (s *chain) effect(index int64, g *grant, b writ.EffectBody) {
	i := g.intents[b.Step]
	switch {
	case i == nil:
		s.absent(index, "no_intent", "the effect in entry %d follows no intent of step %s", index, writ.Printable(b.Step, 60))
		return
	case i.after != "":
		s.wrong(index, "step_twice", "step %s has two outcomes", b.Step)
		return
	case !b.Sent.IsZero() && !b.Sent.Equal(i.body.Call.Body):
		s.wrong(index, "call", "step %s sent other bytes than its plan commits to", b.Step)
	}
	i.after = b.Effect.String()
}

func (s *chain) undone(index int64, g *grant, b writ.UndoEffectBody) {
	i := g.undos[b.Step]
	switch {
	case i == nil:
		s.absent(index, "no_intent", "the undo in entry %d follows no intent to undo step %s", index, writ.Printable(b.Step, 60))
		return
	case i.after != "":
		s.wrong(index, "step_twice", "the undo of step %s has two outcomes", b.Step)
		return
	}
	i.after = b.Effect.String()
	if b.Restored {
		i.after = "restored"
	}
}

func (s *chain) ended(index int64, e ledger.Entry, g *grant, b writ.RunBody) {
	switch {
	case g.run != nil:
		s.wrong(index, "run_twice", "run %s ends twice", b.Run)
		return
	case b.Grant != g.body.Grant || b.Plan != g.body.Plan || !b.PlanDigest.Equal(g.body.PlanDigest):
		s.wrong(index, "digest", "the end of run %s is about another grant or plan", b.Run)
	case !b.State.Final():
		s.wrong(index, "run", "run %s ends in the state %q", b.Run, writ.Printable(string(b.State), 20))
	}
	g.run = &seen[writ.RunBody]{index: index, entry: e, body: b}
	applied := 0
	for _, i := range g.intents {
		if i.after == writ.Applied.String() {
			applied++
		}
	}
	if s.c.r.Complete && applied != b.Applied {
		s.wrong(index, "count", "run %s says that %d steps were applied; the log holds %d", b.Run, b.Applied, applied)
	}
}

// credential follows leases: about to be minted, revoked, probed.
func (s *chain) credential(index int64, e ledger.Entry) {
	switch b := e.Body.(type) {
	case *writ.LeaseBody:
		g := s.of(index, e, b.Run)
		if s.leases[b.Lease] != nil {
			s.wrong(index, "twice", "lease %s is minted twice", b.Lease)
			return
		}
		l := &lease{seen: seen[writ.LeaseBody]{index: index, entry: e, body: *b}}
		s.leases[b.Lease], s.leased = l, append(s.leased, l)
		if g != nil && g.plan != nil && b.Tier > g.plan.body.Tier {
			s.wrong(index, "lease", "the credential %s is of %s, its plan of %s", writ.Printable(b.Name, 60), b.Tier, g.plan.body.Tier)
		}
	case *writ.RevokeBody:
		if l := s.held(index, e, b.Lease, b.Run); l != nil && b.Done && !l.revoked {
			l.revoked, l.since = true, e.Record.Time
		}
	case *writ.ProbeBody:
		if l := s.held(index, e, b.Lease, b.Run); l != nil {
			l.power = l.power || b.PowerGone
			l.identity = l.identity || b.IdentityGone
			l.never = l.never || b.NeverMinted
			l.revoked = l.revoked || b.Expired
			if b.Expired && e.Record.Time.Before(l.body.Expires) {
				s.wrong(index, "lease", "entry %d says that the life of the credential %s is over before it is", index, writ.Printable(l.body.Name, 60))
			}
			if b.NeverMinted && (b.PowerStatus != 0 || b.IdentityStatus != 0) {
				s.wrong(index, "lease", "entry %d says that the credential %s was never minted, and that it was answered", index, writ.Printable(l.body.Name, 60))
			}
		}
	}
}

// unminted finds steps that were applied in runs of which every credential is said never to have been minted.
func (s *chain) unminted() {
	minted := map[writ.RunID]bool{}
	for _, l := range s.leased {
		minted[l.body.Run] = minted[l.body.Run] || !l.never
	}
	for _, i := range s.begun {
		if some, known := minted[i.body.Run]; known && !some && i.after == writ.Applied.String() {
			s.wrong(i.index, "lease", "step %s was applied, and no credential of run %s is said to have been minted", i.body.Step, i.body.Run)
		}
	}
}

func (s *chain) held(index int64, e ledger.Entry, id writ.LeaseID, run writ.RunID) *lease {
	l := s.leases[id]
	switch {
	case l == nil:
		s.absent(index, "no_lease", "entry %d ends the lease %s, which no earlier entry announced", index, writ.Printable(string(id), 40))
		return nil
	case l.body.Run != run || !l.entry.Record.Actor.Same(e.Record.Actor):
		s.wrong(index, "lease", "entry %d speaks of the lease %s for another run or runner", index, id)
		return nil
	}
	return l
}
