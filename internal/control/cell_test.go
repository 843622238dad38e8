package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ledger"
)

const (
	first   = "first-journal-of-the-cell"
	standby = "second-journal-of-the-cell"
)

// join asks as a process that has just started.
func (w *world) join(instance string, held int64) assignment.Joined {
	w.t.Helper()
	out, err := w.ctl.Join(w.ctx, runnerID, assignment.Join{Claim: assignment.Claim{Instance: instance}, Held: held})
	must(w.t, err)
	return out
}

func (w *world) beat(instance string, epoch int64, debts ...assignment.Debt) (assignment.Joined, error) {
	return w.ctl.Join(w.ctx, runnerID, assignment.Join{Claim: assignment.Claim{Instance: instance, Epoch: epoch}, Debts: debts})
}

func TestI13OneProcessHoldsACell(t *testing.T) {
	w := quietWorld(t)
	if j := w.join(first, 0); j.Epoch != 1 || !j.Kept {
		t.Fatalf("the first: %+v", j)
	}
	_, err := w.beat(first, 1)
	must(t, err)
	// Another stands by until the holder is silent for long enough, and not a moment sooner.
	w.pass(assignment.SilentAfter - time.Second)
	if j := w.join(standby, 0); j.Epoch != 0 || j.Holder != first {
		t.Errorf("beside a holder that lives: %+v", j)
	}
	_, err = w.beat(first, 1)
	must(t, err)
	w.pass(assignment.SilentAfter)
	if j := w.join(standby, 0); j.Epoch != 2 || j.Kept || w.count(writ.EntryCell) != 2 {
		t.Errorf("after its silence: %+v", j)
	}
	_, err = w.beat(first, 1)
	refused(t, err, writ.ReasonFenced)
	// The old one is no more than a standby now, also when it was restarted.
	if j := w.join(first, 1); j.Epoch != 0 || j.Holder != standby {
		t.Errorf("the old holder: %+v", j)
	}
	// The same journal again: its lock proves that the process before is dead, and its epoch is not renewed.
	_, err = w.beat(standby, 2)
	must(t, err)
	if j := w.join(standby, 2); j.Epoch != 3 || !j.Kept {
		t.Errorf("a restart: %+v", j)
	}
	_, err = w.beat(standby, 2)
	refused(t, err, writ.ReasonFenced)
	// It died before it could write down what it was given.
	if j := w.join(standby, 2); j.Epoch != 4 || !j.Kept {
		t.Errorf("a restart before the journal knew: %+v", j)
	}
	_, err = w.beat(standby, 4)
	must(t, err)
	// An old copy of the journal is nobody.
	if j := w.join(standby, 2); !j.Restored || j.Epoch != 0 {
		t.Errorf("an old copy: %+v", j)
	}
	for _, bad := range []assignment.Join{{}, {Claim: assignment.Claim{Instance: "short"}}, {Claim: assignment.Claim{Instance: first, Epoch: -1}}} {
		_, err := w.ctl.Join(w.ctx, runnerID, bad)
		refused(t, err, writ.ReasonForm)
	}
}

// A runner that dies with work in its hands gets it back when it starts again, and not only when its turn would be over.
// Another process gets nothing before that.
func TestD02ARunnerThatStartsAgainGetsItsWorkBackAtOnce(t *testing.T) {
	w := quietWorld(t)
	in := w.incident("shop").ID
	ev := evidence(w, in)
	w.join(first, 0)
	_, err := w.beat(first, 1)
	must(t, err)
	_, err = w.ctl.Propose(w.ctx, repair, writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: workload, Evidence: []writ.EvidenceID{ev}})
	must(t, err)
	next := func(epoch int64) *assignment.Assignment {
		a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{Claim: assignment.Claim{Instance: first, Epoch: epoch}})
		must(t, err)
		return a
	}
	given := next(1)
	if again := next(1); given == nil || again != nil {
		t.Fatalf("given %+v, and then %+v", given, again)
	}
	w.join(standby, 0) // it stands by, and changes nothing
	if again := next(1); again != nil {
		t.Fatalf("while its process lives it was given %+v again", again)
	}
	if j := w.join(first, 1); j.Epoch != 2 {
		t.Fatalf("%+v", j)
	}
	if again := next(2); again == nil || again.ID != given.ID {
		t.Errorf("after a restart it was given %+v, want %s", again, given.ID)
	}
}

// The state is in rows alone: a control plane that was started since says the same.
func TestI13AnotherControlPlaneOnTheSameStoreFencesToo(t *testing.T) {
	w := quietWorld(t)
	w.join(first, 0)
	_, err := w.beat(first, 1)
	must(t, err)
	again, err := control.New(w.config)
	must(t, err)
	w.ctl = again
	if j := w.join(standby, 0); j.Epoch != 0 {
		t.Errorf("%+v", j)
	}
	_, err = w.ctl.Next(w.ctx, runnerID, assignment.Ask{Claim: assignment.Claim{Instance: standby, Epoch: 1}})
	refused(t, err, writ.ReasonFenced)
	_, err = w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	refused(t, err, writ.ReasonFenced)
	_, err = w.ctl.Next(w.ctx, runnerID, assignment.Ask{Claim: assignment.Claim{Instance: first, Epoch: 1}})
	must(t, err)
}

// claimed delivers as a process of the cell.
func (h *held) claimed(c assignment.Claim, entries ...[]byte) assignment.Delivered {
	h.r.w.t.Helper()
	d, err := h.r.w.ctl.Deliver(h.r.w.ctx, runnerID, assignment.Delivery{Run: h.b.Run, Entries: entries, Claim: c})
	must(h.r.w.t, err)
	return d
}

// inCell is a granted run whose runner has joined as the first process.
func inCell(t *testing.T, changes ...func(*control.Config)) (*world, *held, assignment.Claim) {
	t.Helper()
	w := newWorld(t, changes...)
	_, h := w.granted()
	w.join(first, 0)
	_, err := w.beat(first, 1)
	must(t, err)
	c := assignment.Claim{Instance: first, Epoch: 1}
	w.runner.claim(c)
	return w, h, c
}

func TestTOC03AStaleProcessIsRefusedEveryStep(t *testing.T) {
	w, h, old := inCell(t)
	w.pass(assignment.SilentAfter)
	if j := w.join(standby, 0); j.Epoch != 2 || len(j.Takeover) != 0 {
		t.Fatalf("a run that had not begun is not taken over: %+v", j)
	}
	d := h.claimed(old, h.leaseEntry(), h.intent())
	if d.Refused == nil || d.Refused.Code != writ.ReasonFenced || d.Epoch != 0 || w.count(writ.EntryLease)+w.count(writ.EntryStepIntent) != 0 {
		t.Errorf("%+v", d)
	}
	err := w.ctl.AnswerAssignment(w.ctx, runnerID, assignment.Answer{Assignment: h.a.ID, Refused: &assignment.Refused{Code: writ.ReasonSpent}, Claim: old})
	refused(t, err, writ.ReasonFenced)
	if s := w.run(h.b.Run).State; s != writ.RunGranted {
		t.Errorf("the run is %s", s)
	}
}

// A run was begun, and its process falls silent: the next one is told what is open, ends it, and whatever the first one
// says later of the past is taken, but no step and no end.
func TestTOC03ATakenOverRunEndsUncertainAndTheLateProcessMovesNothing(t *testing.T) {
	w, h, old := inCell(t)
	lease, intent := h.leaseEntry(), h.intent()
	if d := h.claimed(old, lease, intent); d.Refused != nil || d.Epoch != 1 {
		t.Fatalf("%+v", d)
	}
	w.pass(assignment.SilentAfter)
	j := w.join(standby, 0)
	if len(j.Takeover) != 1 {
		t.Fatalf("%+v", j)
	}
	told := j.Takeover[0]
	if told.Run != h.b.Run || told.Grant != h.grant.Grant || !told.GrantLeaf.Equal(h.leaf) || !told.PlanDigest.Equal(h.digest) || told.Unknown != 1 ||
		len(told.Open) != 1 || !told.Open[0].Leaf.Equal(ledger.LeafHash(intent)) || len(told.Leases) != 1 || told.Leases[0].Lease != h.lease ||
		!told.Leases[0].Leaf.Equal(ledger.LeafHash(lease)) {
		t.Errorf("%+v", told)
	}
	now := assignment.Claim{Instance: standby, Epoch: 2}
	unknown := h.seal(writ.EntryStepEffect, writ.EffectBody{Run: h.b.Run, Step: h.plan.Steps[0].Key, Effect: writ.Unknown, Reason: writ.ReasonTakenOver},
		writ.Ref{Rel: "intent", Leaf: ledger.LeafHash(intent)})
	end := h.seal(writ.EntryRun, writ.RunBody{
		Run: h.b.Run, Grant: h.grant.Grant, Plan: h.plan.ID, PlanDigest: h.digest, State: writ.RunUncertain, Reason: writ.ReasonTakenOver, Unknown: 1,
	})
	if d := h.claimed(now, unknown, h.revoke(lease), h.probe(lease, true, true), end); d.Refused != nil || d.Epoch != 2 {
		t.Fatalf("%+v", d.Refused)
	}
	if r := w.run(h.b.Run); r.State != writ.RunUncertain || r.Reason != writ.ReasonTakenOver {
		t.Errorf("%s for %s", r.State, r.Reason)
	}
	if j, err := w.beat(standby, 2); err != nil || len(j.Takeover) != 0 {
		t.Errorf("once it is ended nothing is left: %+v %v", j, err)
	}
	// The first one comes back.
	for name, e := range map[string][]byte{"its call's outcome": h.effect(intent, writ.Applied), "its end": h.end(writ.RunSucceeded, "")} {
		if d := h.claimed(old, e); d.Refused == nil || d.Refused.Code != writ.ReasonFenced {
			t.Errorf("%s was taken: %+v", name, d)
		}
	}
	if d := h.claimed(old, h.revoke(lease), h.probe(lease, true, true)); d.Refused != nil || d.Epoch != 0 {
		t.Errorf("what it did to its own lease: %+v", d)
	}
	if w.count(writ.EntryRun) != 1 || w.run(h.b.Run).State != writ.RunUncertain {
		t.Errorf("%d ends", w.count(writ.EntryRun))
	}
}

func TestI06ADebtClosesTheCellUntilItIsPaid(t *testing.T) {
	w, h, c := inCell(t)
	lease, intent := h.leaseEntry(), h.intent()
	h.claimed(c, lease, intent)
	h.claimed(c, h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.end(writ.RunSucceeded, ""))
	w.pass(10 * time.Minute) // the cooldown of what just ran
	debt := assignment.Debt{Lease: h.lease, Run: h.b.Run, Target: target, Name: "writ-owed", Since: w.now()}
	for range 2 { // a heartbeat repeats it
		_, err := w.beat(first, 1, debt)
		must(t, err)
	}
	if w.count(writ.EntryDebt) != 1 || !strings.Contains(w.logs.String(), "cannot be proven dead") {
		t.Errorf("%d entries; log %s", w.count(writ.EntryDebt), w.logs)
	}
	again, err := control.New(w.config) // it survives the process
	must(t, err)
	w.ctl = again
	if r := w.glance().Runners[0]; len(r.Debts) != 1 || r.Debts[0].Name != "writ-owed" || r.Alive != 1 {
		t.Errorf("status %+v", r)
	}
	s := w.propose(repair, w.restart(w.incident("shop").ID))
	if s.State != writ.PlanDenied || s.Reason != writ.ReasonLeaseDebt || !strings.Contains(s.Detail, "writ-owed") {
		t.Errorf("a grant beside a debt: %s %s %s", s.State, s.Reason, s.Detail)
	}
	// That nothing is reported any more does not pay it: the record must show the death.
	_, err = w.beat(first, 1)
	must(t, err)
	if len(w.glance().Runners[0].Debts) != 1 {
		t.Error("the debt is gone while its lease is alive on the record")
	}
	h.claimed(c, h.probe(lease, true, true))
	_, err = w.beat(first, 1)
	must(t, err)
	if len(w.glance().Runners[0].Debts) != 0 || w.count(writ.EntryDebt) != 2 {
		t.Errorf("%+v, %d entries", w.glance().Runners[0].Debts, w.count(writ.EntryDebt))
	}
	if s := w.propose(repair, w.restart(w.incident("shop").ID)); s.State != writ.PlanGranted {
		t.Errorf("after it was paid: %s %s", s.State, s.Detail)
	}
}

func TestI06ASilentRunnerWithLiveLeasesIsSaidAloud(t *testing.T) {
	w, h, c := inCell(t)
	h.claimed(c, h.leaseEntry(), h.intent())
	w.pass(time.Minute + time.Second)
	if r := w.glance().Runners[0]; !r.Silent || r.Alive != 1 {
		t.Errorf("%+v", r)
	}
	_, err := w.beat(first, 1)
	must(t, err)
	if w.glance().Runners[0].Silent {
		t.Error("it was heard, and counts as silent")
	}
}

func TestI06AnOrphansEndIsOnTheRecordWithoutARun(t *testing.T) {
	w, h, c := inCell(t)
	e := w.runner.seal(writ.EntryOrphan, "", writ.OrphanBody{Runner: runnerID, Target: target, Name: "writ-lost", Revoked: true, PowerGone: true, IdentityGone: true})
	d, err := w.ctl.Deliver(w.ctx, runnerID, assignment.Delivery{Entries: [][]byte{e}, Claim: c})
	must(t, err)
	if len(d.Receipts) != 1 || w.count(writ.EntryOrphan) != 1 {
		t.Errorf("%+v", d)
	}
	if _, err := w.ctl.Deliver(w.ctx, runnerID, assignment.Delivery{Entries: [][]byte{e}, Claim: c}); err != nil || w.count(writ.EntryOrphan) != 1 {
		t.Errorf("again: %v, %d entries", err, w.count(writ.EntryOrphan))
	}
	stray := h.leaseEntry()
	if _, err := w.ctl.Deliver(w.ctx, runnerID, assignment.Delivery{Entries: [][]byte{stray}, Claim: c}); err == nil {
		t.Error("an entry of a run was taken without one")
	}
}
