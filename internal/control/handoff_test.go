package control_test

import (
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// hand passes an incident from one agent to another, for scaling and restarting up to tier 2.
func (w *world) hand(by writ.Principal, to string, in writ.IncidentID, changes ...func(*writ.HandOffAsk)) (writ.HandOffStatus, error) {
	ask := writ.HandOffAsk{Incident: in, To: to, Playbooks: []string{"scale-workload", "restart-workload"}, MaxTier: writ.T2, Because: "the cache is cold"}
	for _, f := range changes {
		f(&ask)
	}
	return w.ctl.HandOff(w.ctx, by, ask)
}

// handed is that, and must succeed.
func (w *world) handed(by writ.Principal, to string, in writ.IncidentID, changes ...func(*writ.HandOffAsk)) writ.HandOffStatus {
	w.t.Helper()
	h, err := w.hand(by, to, in, changes...)
	must(w.t, err)
	return h
}

func under(h writ.HandOffStatus, a writ.Ask) writ.Ask { a.HandOff = h.ID; return a }

func TestI11AHandOffPassesTheIncidentAndNoPower(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ask := w.scale(in)
	h := w.handed(diagnose, "repair", in)
	if h.FromName != "diagnose" || h.ToName != "repair" || h.Depth() != 1 || h.Claim != "the cache is cold" || w.count(writ.EntryHandOff) != 1 {
		t.Errorf("%+v", h)
	}
	s := w.propose(repair, under(h, ask))
	if s.State != writ.PlanWaiting {
		t.Fatalf("%s %s: %s", s.State, s.Reason, s.Detail)
	}
	got, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
	must(t, err)
	if len(got.Plan.Lineage) != 1 || !got.Plan.Lineage[0].Same(diagnose) {
		t.Errorf("the plan's lineage is %v", got.Plan.Lineage)
	}
	// Whoever answers for an agent in the lineage does not approve: ana owns the one that passed it on.
	_, err = w.approve(s.ID, "ana", "owner")
	refused(t, err, writ.ReasonApproverConflict)
	if s, err := w.approve(s.ID, "ann", "owner"); err != nil || s.State != writ.PlanGranted {
		t.Errorf("%s %v", s.State, err)
	}
}

func TestI11ARecipientAsksOnlyForWhatWasPassedOn(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ask := w.scale(in)
	only := w.handed(diagnose, "repair", in, func(a *writ.HandOffAsk) { a.Playbooks = []string{"restart-workload"} })
	_, err := w.ctl.Propose(w.ctx, repair, under(only, ask))
	refused(t, err, writ.ReasonHandOff)
	low := w.handed(diagnose, "repair", in, func(a *writ.HandOffAsk) { a.MaxTier = writ.T1 })
	if s := w.propose(repair, under(low, ask)); s.State != writ.PlanDenied || s.Reason != writ.ReasonHandOff {
		t.Errorf("a tier 2 plan under a hand-off up to tier 1: %s %s", s.State, s.Reason)
	}
	_, err = w.ctl.Propose(w.ctx, second, under(low, ask)) // it was not passed to this one
	refused(t, err, writ.ReasonUnknownHandOff)
	w.pass(16 * time.Minute)
	_, err = w.ctl.Propose(w.ctx, repair, under(only, ask))
	refused(t, err, writ.ReasonHandOff)
}

func TestI11AHandOffThatWidensIsRefusedAndRecorded(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	h := w.handed(diagnose, "repair", in)
	on := func(change func(*writ.HandOffAsk)) error {
		_, err := w.hand(repair, "second", in, func(a *writ.HandOffAsk) { a.Parent = h.ID; change(a) })
		return err
	}
	must(t, on(func(*writ.HandOffAsk) {}))
	refused(t, on(func(a *writ.HandOffAsk) { a.MaxTier = writ.T3 }), writ.ReasonHandOff)
	refused(t, on(func(a *writ.HandOffAsk) { a.To = "diagnose" }), writ.ReasonHandOff)
	refused(t, on(func(a *writ.HandOffAsk) { a.To = "asleep" }), writ.ReasonAgentSuspended)
	refused(t, on(func(a *writ.HandOffAsk) { a.To = "nobody" }), writ.ReasonUnknownAgent)
	refused(t, on(func(a *writ.HandOffAsk) { a.Playbooks = []string{"no-such"} }), writ.ReasonUnknownPlaybook)
	_, err := w.hand(second, "repair", in, func(a *writ.HandOffAsk) { a.Parent = h.ID })
	refused(t, err, writ.ReasonUnknownHandOff)
	_, err = w.hand(human("ann"), "repair", in)
	refused(t, err, writ.ReasonKind)
	if w.denials("hand off", writ.ReasonHandOff) != 2 || w.count(writ.EntryHandOff) != 2 {
		t.Errorf("%d refusals, %d hand-offs", w.denials("hand off", writ.ReasonHandOff), w.count(writ.EntryHandOff))
	}
}

func TestI11RevokingAHopRevokesItsSubtree(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	asks := []writ.Ask{w.scale(in), w.scaleTo(in, 4)}
	first := w.handed(diagnose, "repair", in)
	next := w.handed(repair, "second", in, func(a *writ.HandOffAsk) { a.Parent = first.ID })
	beside := w.handed(diagnose, "second", in)
	under1 := w.propose(second, under(next, asks[0]))
	aside := w.propose(second, under(beside, asks[1]))
	if under1.State != writ.PlanWaiting || aside.State != writ.PlanWaiting {
		t.Fatalf("%s %s %s", under1.State, aside.State, aside.Detail)
	}
	_, err := w.ctl.RevokeHandOff(w.ctx, second, first.ID) // neither giver nor recipient
	if writ.ReasonOf(err) == "" {
		t.Error("a stranger revoked it")
	}
	_, err = w.ctl.RevokeHandOff(w.ctx, diagnose, first.ID)
	must(t, err)
	for id, want := range map[writ.PlanID]writ.PlanState{under1.ID: writ.PlanWithdrawn, aside.ID: writ.PlanWaiting} {
		if s, err := w.ctl.Plan(w.ctx, human("ann"), id, 0); err != nil || s.State != want {
			t.Errorf("%s is %s, want %s: %v", id, s.State, want, err)
		}
	}
	_, err = w.ctl.Propose(w.ctx, second, under(next, w.scaleTo(in, 5)))
	refused(t, err, writ.ReasonHandOff)
	all, err := w.ctl.HandOffs(w.ctx, human("ann"), in)
	must(t, err)
	if len(all) != 3 || all[0].State != writ.HandOffRevoked || all[1].State != writ.HandOffRevoked || all[2].State != writ.HandOffOpen || w.count(writ.EntryHandOffEnd) != 2 {
		t.Errorf("%+v", all)
	}
}

func TestI11ARunUnderARevokedHopStops(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ask := w.scale(in)
	hop := w.handed(diagnose, "repair", in)
	s := w.propose(repair, under(hop, ask))
	if s, err := w.approve(s.ID, "ann", "owner"); err != nil || s.State != writ.PlanGranted {
		t.Fatalf("%s %v", s.State, err)
	}
	h := w.runner.take()
	_, err := w.ctl.RevokeHandOff(w.ctx, human("carl"), hop.ID)
	must(t, err)
	if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil || d.Refused.Code != writ.ReasonStopped {
		t.Errorf("%+v", d.Refused)
	}
}

func TestI11SuspendingAnAgentRevokesWhatItPassedOn(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	h := w.handed(diagnose, "repair", in)
	_, err := w.ctl.SetAgent(w.ctx, human("ann"), "diagnose", writ.AgentSuspended, "it makes things up")
	must(t, err)
	got, err := w.ctl.HandedOff(w.ctx, human("ann"), h.ID)
	must(t, err)
	if got.State != writ.HandOffRevoked {
		t.Error(got.State)
	}
}

// TestI10 gives an incident more hand-offs than it may have, from two replicas.
func TestI10TheHandOffsOfAnIncidentAreCountedOverAllSessions(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	other, err := control.New(w.config)
	must(t, err)
	ask := writ.HandOffAsk{Incident: in, To: "repair", Playbooks: []string{"restart-workload"}, MaxTier: writ.T1}
	n := 0
	for i := range 40 {
		ctl := w.ctl
		if i%2 == 1 {
			ctl = other
		}
		if _, err = ctl.HandOff(w.ctx, diagnose, ask); err != nil {
			break
		}
		n++
	}
	refused(t, err, writ.ReasonTooLarge)
	if errors.Is(err, writ.ErrBusy) {
		t.Errorf("%v is for now", err)
	}
	if n != 32 {
		t.Errorf("%d were taken", n)
	}
}

// An agent sees the hand-offs that are its own, and no other agent's.
func TestAnAgentSeesItsOwnHandOffs(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	h := w.handed(diagnose, "repair", in)
	for by, want := range map[writ.Principal]int{repair: 1, diagnose: 1, second: 0, human("carl"): 1} {
		all, err := w.ctl.HandOffs(w.ctx, by, in)
		must(t, err)
		if len(all) != want {
			t.Errorf("%s sees %d", by, len(all))
		}
	}
	if _, err := w.ctl.HandedOff(w.ctx, second, h.ID); writ.ReasonOf(err) != "not_found" {
		t.Error(err)
	}
}
