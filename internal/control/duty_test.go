package control_test

import (
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/grant"
)

// dutiful puts duties on the grant of low-risk repairs.
func dutiful(t *testing.T) func(*control.Config) {
	return func(c *control.Config) {
		c.Policy = loadPolicy(t, patched(t, map[string]string{
			`@id("grants/low-risk")`: `@id("grants/low-risk") @verify_within("90s") @notify("a") @review_within("24h")`,
		}), c.Library)
	}
}

func TestDutiesRideOnTheGrant(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b), dutiful(t))
	_, h := w.granted()
	want := writ.Duties{VerifyWithin: 90, Notify: []string{"a"}, ReviewWithin: 24 * 3600}
	claims, err := grant.Open(h.b.Grant, w.grantKeys())
	must(t, err)
	if !claims.Writ.Duties.Equal(want) || !h.grant.Duties.Equal(want) {
		t.Errorf("the grant carries %+v, its entry tells %+v", claims.Writ.Duties, h.grant.Duties)
	}
	for _, d := range w.bodies(writ.EntryDecision) {
		if d := d.(*writ.DecisionBody); !d.Duties.Equal(want) {
			t.Errorf("the decision at %s tells %+v", d.Phase, d.Duties)
		}
	}
	h.succeed()
	must(t, w.ctl.NotifyOnce(w.ctx, "a"))
	if got := a.got(); len(got) != 1 || got[0].Event != string(writ.NoticeRunEnded) {
		t.Errorf("the channel heard %+v", got)
	}
	if len(b.got()) != 0 {
		t.Error("another channel heard of it")
	}
	owed, _, err := w.ctl.Reviews(w.ctx, human("ann"), writ.ReviewOwed, 0, "")
	must(t, err)
	if len(owed) != 1 || owed[0].Run != h.b.Run || owed[0].Overdue || !owed[0].Due.Equal(w.now().Add(24*time.Hour)) || w.count(writ.EntryReviewDue) != 1 {
		t.Fatalf("%+v", owed)
	}
}

func TestAReviewThatAGrantDemandsIsOwedUntilSomebodyElseMakesIt(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b), dutiful(t))
	_, h := w.granted()
	h.succeed()
	w.pass(25 * time.Hour)
	must(t, w.ctl.SweepOnce(w.ctx))
	s, err := w.ctl.Status(w.ctx, human("ann"))
	must(t, err)
	if s.Reviews == nil || len(s.Reviews.Owed) != 1 || s.Reviews.Overdue != 1 {
		t.Fatalf("the status says %+v", s.Reviews)
	}
	make := func(sub string, v writ.ReviewVerdict, note string) error {
		_, err := w.ctl.ReviewRun(w.ctx, human(sub), h.b.Run, v, note)
		return err
	}
	refused(t, make("rob", writ.ReviewJustified, "mine"), writ.ReasonReviewOwn) // who answers for the agent
	refused(t, make("carl", writ.ReviewJustified, "x"), writ.ReasonApproverUnknown)
	refused(t, make("ann", "fine", "x"), writ.ReasonForm)
	refused(t, make("ann", writ.ReviewJustified, ""), writ.ReasonForm)
	must(t, make("ann", writ.ReviewNotJustified, "it hid the leak"))
	refused(t, make("bob", writ.ReviewJustified, "x"), writ.ReasonNoReviewOwed)
	if r := w.record("repair"); r.Harm != 1 || !r.Lost {
		t.Errorf("the agent's record: %+v", r)
	}
	if r := w.book(); r.Harm != 1 || r.Stands != writ.T2 {
		t.Errorf("the playbook's record: %+v", r)
	}
	if s, err := w.ctl.Status(w.ctx, human("ann")); err != nil || s.Reviews != nil {
		t.Errorf("afterwards the status says %+v, %v", s.Reviews, err)
	}
	if _, err := w.ctl.ReviewRun(w.ctx, repair, h.b.Run, writ.ReviewJustified, "x"); writ.ReasonOf(err) != writ.ReasonKind {
		t.Errorf("an agent's review: %v", err)
	}
}

func TestI05ASetWhoseChannelNobodyConfiguredIsNotPutInForce(t *testing.T) {
	w := quietWorld(t)
	c := w.config
	dutiful(t)(&c)
	if _, err := control.New(c); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("it began with such a set: %v", err)
	}
	if err := w.ctl.AdoptPolicy(w.ctx, control.PolicySet{Bundle: c.Policy}); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("it adopted such a set: %v", err)
	}
}

func TestR72WhatNobodyUsedIsReported(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.succeed()
	u, err := w.ctl.Unused(w.ctx, human("ann"), 24*time.Hour)
	must(t, err)
	names := map[string]bool{}
	for _, g := range u.Grants {
		names[g.ID] = true
	}
	for _, p := range u.Playbooks {
		names[p.Name] = true
	}
	for _, r := range u.Roles {
		names[r.Agent+" "+string(r.Role)] = true
	}
	for name, unused := range map[string]bool{
		"grants/low-risk": false, "grants/people-repair": true, "restart-workload": false, "scale-workload": true,
		"repair repair": false, "second repair": true, "diagnose diagnose": false,
	} {
		if names[name] != unused {
			t.Errorf("%s: unused %t", name, names[name])
		}
	}
	if !u.Complete || u.Entries != len(w.leaves()) {
		t.Errorf("complete %t, %d entries", u.Complete, u.Entries)
	}
	w.pass(48 * time.Hour) // all of it is out of the window now
	if u, err = w.ctl.Unused(w.ctx, human("ann"), 24*time.Hour); err != nil || len(u.Playbooks) != len(w.config.Library) {
		t.Errorf("two days later: %+v, %v", u, err)
	}
	_, err = w.ctl.Unused(w.ctx, human("ann"), time.Hour)
	refused(t, err, writ.ReasonForm)
	_, err = w.ctl.Unused(w.ctx, repair, 24*time.Hour)
	refused(t, err, writ.ReasonKind)
}
