package control_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ident"
)

func (w *world) book() writ.PlaybookRecord {
	w.t.Helper()
	all, err := w.ctl.PlaybookRecords(w.ctx, human("ann"), "restart-workload", "shop")
	must(w.t, err)
	if len(all) != 1 {
		w.t.Fatalf("%d records", len(all))
	}
	return all[0]
}

func (w *world) record(agent string) writ.AgentRecord {
	w.t.Helper()
	all, err := w.ctl.AgentRecords(w.ctx, human("ann"), agent)
	must(w.t, err)
	return all[0]
}

// decision is what a person signs about the record of restart-workload on shop.
func (w *world) decision(sub string, to writ.Tier, changes ...func(*writ.AutonomyStatement)) writ.AutonomyStatement {
	w.t.Helper()
	r := w.book()
	nonce, err := ident.Nonce(rand.Reader)
	must(w.t, err)
	s := writ.AutonomyStatement{
		Type: writ.AutonomyType, Playbook: r.Playbook, Service: r.Service, From: r.Stands, To: to, Record: r.Digest, Person: writ.Person{Iss: idp, Sub: sub},
		Nonce: nonce, NotBefore: writ.Instant(w.now()), Expires: writ.Instant(w.now().Add(5 * time.Minute)),
	}
	for _, f := range changes {
		f(&s)
	}
	return s
}

// decide signs a decision with a person's key and hands it in as that person.
func (w *world) decide(s writ.AutonomyStatement, key string) error {
	w.t.Helper()
	b, err := s.Bytes()
	must(w.t, err)
	sig, err := approval.SignAutonomy(b, w.people[key], rand.Reader)
	must(w.t, err)
	_, err = w.ctl.DecideAutonomy(w.ctx, s.Person.Principal(), writ.AutonomyAsk{Statement: b, Signature: sig, Reason: "the record says so"})
	return err
}

// quick lets three verified runs carry a move.
func quick(c *control.Config) { c.Autonomy.Verified = 3 }

// repeat runs restart-workload on shop n times.
func (w *world) repeat(n int, end writ.RunState) {
	w.t.Helper()
	for range n {
		w.allowed(repair, w.restart(w.incident("shop").ID)).endedAs(end)
		w.pass(time.Hour)
	}
}

func TestD10AFailureTakesAPlaybooksAutonomyAtOnce(t *testing.T) {
	for _, state := range []writ.RunState{writ.RunUndone, writ.RunUncertain} {
		w := newWorld(t)
		w.repeat(1, state)
		if r := w.book(); r.Own != writ.T1 || r.Stands != writ.T2 || r.Since == nil || r.Streak != 0 {
			t.Errorf("%s: %+v", state, r)
		}
		s := w.proposed(second, w.restart(w.incident("shop").ID))
		if s.State != writ.PlanWaiting || s.Decision.Tier != writ.T2 || len(s.Decision.TierBecause) != 1 {
			t.Errorf("%s: the next plan is %s at %s because %v", state, s.State, s.Decision.Tier, s.Decision.TierBecause)
		}
		if b := w.bodies(writ.EntryAutonomy)[0].(*writ.AutonomyBody); b.Change != writ.AutonomyDropped || b.From != writ.T1 || b.To != writ.T2 || b.Tally.Runs != 1 {
			t.Errorf("%s: the ledger tells %+v", state, b)
		}
	}
}

// What was stopped did not fail, and what applied nothing says nothing about the repair.
func TestWhatWasStoppedIsNoFailure(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	lease, intent := h.begin()
	h.deliver(h.effect(intent, writ.Applied), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunUndone, writ.ReasonStopped))
	if r := w.book(); r.Stands != writ.T1 || r.Stopped != 1 || w.count(writ.EntryAutonomy) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestD10PeopleDecideAMoveThatTheRecordCarries(t *testing.T) {
	w := newWorld(t, quick, anyTimes(t))
	w.repeat(1, writ.RunUndone)
	w.repeat(2, writ.RunSucceeded)
	refused(t, w.decide(w.decision("ann", writ.T1), "ann"), writ.ReasonNotEarned)
	w.repeat(1, writ.RunSucceeded)
	r := w.book()
	if r.Proposed == nil || r.Proposed.From != writ.T2 || r.Proposed.To != writ.T1 || r.Proposed.Needs != 2 || r.Verified != 3 || r.Asked != 3 || r.Alone != 0 {
		t.Fatalf("%+v, proposed %+v", r, r.Proposed)
	}
	// Whoever may not decide it.
	refused(t, w.decide(w.decision("ana", writ.T1, func(s *writ.AutonomyStatement) { s.Person.Sub = "eve" }), "ann"), writ.ReasonApproverUnknown)
	refused(t, w.decide(w.decision("ann", writ.T1), "bob"), writ.ReasonApproverUnknown)
	stale := w.decision("ann", writ.T1, func(s *writ.AutonomyStatement) { s.Record = writ.DigestOf([]byte("another")) })
	refused(t, w.decide(stale, "ann"), writ.ReasonAutonomyMoved)
	// One is not enough, and the same one twice is still one.
	once := w.decision("ann", writ.T1)
	must(t, w.decide(once, "ann"))
	refused(t, w.decide(once, "ann"), writ.ReasonApprovalReplayed)
	refused(t, w.decide(w.decision("ann", writ.T1), "ann"), writ.ReasonApproverConflict)
	if r := w.book(); r.Stands != writ.T2 || len(r.Proposed.Answers) != 1 {
		t.Errorf("after one answer: %+v", r)
	}
	must(t, w.decide(w.decision("bob", writ.T1), "bob"))
	if r := w.book(); r.Stands != writ.T1 || r.Proposed != nil || r.Streak != 0 {
		t.Errorf("after two: %+v", r)
	}
	if s := w.proposed(second, w.restart(w.incident("shop").ID)); s.State != writ.PlanGranted {
		t.Errorf("the next plan is %s because %v", s.State, s.Decision.TierBecause)
	}
	// One of them is enough for more care, and needs no proposal.
	must(t, w.decide(w.decision("bob", writ.T2), "bob"))
	if r := w.book(); r.Stands != writ.T2 {
		t.Errorf("after one asked for more care: %+v", r)
	}
	var changes []writ.AutonomyChange
	for _, b := range w.bodies(writ.EntryAutonomy) {
		changes = append(changes, b.(*writ.AutonomyBody).Change)
	}
	if want := []writ.AutonomyChange{writ.AutonomyDropped, writ.AutonomyProposed, writ.AutonomyMoved, writ.AutonomyMoved}; !slices.Equal(changes, want) || w.count(writ.EntryAutonomyAnswer) != 3 {
		t.Errorf("%v", changes)
	}
}

// TestPitfall14NoRecordTakesAPlaybookBelowItsOwnTier: however good a record is.
func TestPitfall14NoRecordTakesAPlaybookBelowItsOwnTier(t *testing.T) {
	w := newWorld(t, quick, anyTimes(t))
	w.repeat(4, writ.RunSucceeded)
	if r := w.book(); r.Stands != writ.T1 || r.Proposed != nil {
		t.Errorf("%+v", r)
	}
	s := w.decision("ann", writ.T1, func(s *writ.AutonomyStatement) { s.From, s.To = writ.T2, writ.T1 })
	refused(t, w.decide(s, "ann"), writ.ReasonAutonomyMoved)
}

func TestR75AnAgentWhoseRecordTurnsNegativeLosesT1UntilAPersonRestoresIt(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	w.repeat(1, writ.RunUndone)
	if r := w.record("repair"); r.Lost || r.Balance != -1 {
		t.Errorf("after one: %+v", r)
	}
	w.repeat(1, writ.RunUncertain)
	r := w.record("repair")
	if !r.Lost || r.Balance != -2 || r.Undone != 1 || r.Uncertain != 1 {
		t.Fatalf("after two: %+v", r)
	}
	in := w.incident("shop").ID
	mine := w.proposed(repair, w.pod(in))
	if mine.State != writ.PlanWaiting || mine.Decision.Tier != writ.T2 || !factsOf(t, mine).AutonomyLost {
		t.Errorf("its next plan is %s at %s because %v", mine.State, mine.Decision.Tier, mine.Decision.TierBecause)
	}
	_, err := w.ctl.Withdraw(w.ctx, repair, mine.ID, "")
	must(t, err)
	if other := w.proposed(second, w.pod(in)); other.State != writ.PlanGranted || factsOf(t, other).AutonomyLost {
		t.Errorf("another agent's is %s because %v", other.State, other.Decision.TierBecause)
	}
	w.runner.take().succeed()
	restore := func(sub string) writ.AutonomyStatement {
		return w.decision(sub, writ.T1, func(s *writ.AutonomyStatement) {
			s.Playbook, s.Service, s.Agent, s.From, s.Record = "", "", &repair, writ.T2, w.record("repair").Digest
		})
	}
	refused(t, w.decide(restore("rob"), "rob"), writ.ReasonApproverConflict) // who answers for it
	refused(t, w.decide(restore("carl"), "carl"), writ.ReasonApproverUnknown)
	must(t, w.decide(restore("ann"), "ann"))
	if r := w.record("repair"); r.Lost || r.Balance != 0 || r.Undone != 1 {
		t.Errorf("restored: %+v", r)
	}
	refused(t, w.decide(restore("ann"), "ann"), writ.ReasonNothingLost)
	w.pass(time.Hour)
	if s := w.proposed(repair, w.pod(w.incident("shop").ID)); s.State != writ.PlanGranted {
		t.Errorf("its next plan is %s because %v", s.State, s.Decision.TierBecause)
	}
}

func TestR75WhatPeopleTakeBackIsHarm(t *testing.T) {
	w := newWorld(t)
	w.puttingBack(nil)
	in := w.incident("shop").ID
	w.allowed(repair, w.restart(in)).succeed()
	if r := w.record("repair"); r.Balance != 1 {
		t.Errorf("%+v", r)
	}
	u, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{})
	must(t, err)
	if p := w.settled(human("bob"), u.Runs[0].Plan); p.State == writ.PlanWaiting {
		_, err := w.approve(p.ID, "ann", "owner")
		must(t, err)
	}
	w.runner.take().succeed()
	if r := w.record("repair"); r.Harm != 1 || !r.Lost || r.Runs != 1 {
		t.Errorf("the agent's: %+v", r)
	}
	if r := w.book(); r.Harm != 1 || r.Stands != writ.T2 || r.Runs != 1 {
		t.Errorf("the playbook's: %+v", r)
	}
}

// TestD10ARecordIsWhatTheLedgerTells: whoever counts the entries finds the same numbers.
func TestD10ARecordIsWhatTheLedgerTells(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	for _, end := range []writ.RunState{writ.RunSucceeded, writ.RunFailed, writ.RunUndone, writ.RunSucceeded, writ.RunUncertain} {
		w.repeat(1, end)
	}
	by, want := map[writ.PlanID]writ.Principal{}, writ.Tally{}
	for _, e := range w.entries() {
		switch b := e.Body.(type) {
		case *writ.ProposalBody:
			by[b.Plan] = b.By
		case *writ.RunBody:
			if !by[b.Plan].Same(repair) {
				t.Errorf("run %s is of %s", b.Run, by[b.Plan])
			}
			want.Runs++
			switch b.State {
			case writ.RunSucceeded:
				want.Verified++
			case writ.RunUndone:
				want.Undone++
			case writ.RunUncertain:
				want.Uncertain++
			case writ.RunFailed:
				want.Failed++
			}
		}
	}
	if r := w.record("repair"); r.Tally != want || w.book().Tally != want {
		t.Errorf("%+v and %+v, the ledger tells %+v", r.Tally, w.book().Tally, want)
	}
}

func TestPeopleWhoKeepSayingNoAreProposedMoreCare(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	w.repeat(1, writ.RunUndone)
	for range 3 {
		s := w.proposed(repair, w.restart(w.incident("shop").ID))
		_, err := w.answer(s.ID, w.statement(s.ID, "ann", "owner", writ.Reject), "ann")
		must(t, err)
		w.pass(time.Hour)
	}
	r := w.book()
	if r.Rejected != 3 || r.Proposed == nil || r.Proposed.To != writ.T3 || r.Proposed.Needs != 1 {
		t.Fatalf("%+v %+v", r, r.Proposed)
	}
	must(t, w.decide(w.decision("bob", writ.T3), "bob"))
	if r := w.book(); r.Stands != writ.T3 {
		t.Errorf("%+v", r)
	}
}

func TestOnlyPeopleSeeRecordsAndDecide(t *testing.T) {
	w := newWorld(t)
	_, err := w.ctl.PlaybookRecords(w.ctx, repair, "", "")
	refused(t, err, writ.ReasonKind)
	_, err = w.ctl.AgentRecords(w.ctx, repair, "")
	refused(t, err, writ.ReasonKind)
	for want, c := range map[writ.Reason]struct {
		by  writ.Principal
		ask writ.AutonomyAsk
	}{
		writ.ReasonKind:         {repair, writ.AutonomyAsk{Reason: "x"}},
		writ.ReasonAutonomyForm: {human("ann"), writ.AutonomyAsk{Statement: []byte("{}"), Reason: "x"}},
		writ.ReasonForm:         {human("ann"), writ.AutonomyAsk{}},
	} {
		_, err := w.ctl.DecideAutonomy(w.ctx, c.by, c.ask)
		refused(t, err, want)
	}
}
