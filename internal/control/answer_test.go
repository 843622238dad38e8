package control_test

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/grant"
)

func TestI02AnApprovalByAnOwnerGrantsThePlan(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	after, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if after.State != writ.PlanGranted || len(after.Approvals) != 1 || after.Approvals[0].Approver.Sub != "ann" || after.Approvals[0].Reason != "looks right" || after.Run == "" {
		t.Errorf("%+v", after)
	}
	h := w.runner.take()
	if h.b.Run != after.Run || len(h.b.Approvals) != 1 {
		t.Errorf("%+v", h.b)
	}
	d, err := h.b.Approvals[0].Digest()
	must(t, err)
	if len(h.grant.Approvals) != 1 || !h.grant.Approvals[0].Equal(d) {
		t.Error("the grant does not name the approval that it rests on")
	}
	seen, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if a := seen.Approvals[0]; a.Approver.Sub != "" || a.Key != "" || a.Reason != "" || seen.Plan != nil || seen.Claim != "" {
		t.Errorf("the agent sees who decided and why: %+v", a)
	}
}

func TestI02WhoMayNotApprove(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	mine := w.propose(human("ann"), w.scale(w.incident("shop").ID))
	if mine.State != writ.PlanWaiting {
		t.Fatalf("%s: %s", mine.State, mine.Detail)
	}
	for name, c := range map[string]struct {
		do   func() error
		want writ.Reason
	}{
		"the agent's human owner":    {func() error { _, err := w.approve(s.ID, "rob", "owner"); return err }, writ.ReasonApproverConflict},
		"the requester":              {func() error { _, err := w.approve(mine.ID, "ann", "owner"); return err }, writ.ReasonApproverConflict},
		"somebody of another team":   {func() error { _, err := w.approve(s.ID, "carl", "owner"); return err }, writ.ReasonApproverUnknown},
		"in a slot of another group": {func() error { _, err := w.approve(s.ID, "ann", "oncall"); return err }, writ.ReasonApproverUnknown},
		"a person who is not on the roster": {func() error {
			st := w.statement(s.ID, "ann", "owner", writ.Approve)
			st.Approver.Sub = "mallory"
			_, err := w.answer(s.ID, st, "ann")
			return err
		}, writ.ReasonApproverUnknown},
		"with another person's key": {func() error {
			_, err := w.answerAs(human("ann"), s.ID, w.statement(s.ID, "ann", "owner", writ.Approve), "bob")
			return err
		}, writ.ReasonApproverUnknown},
		"on another person's login": {func() error {
			_, err := w.answerAs(human("bob"), s.ID, w.statement(s.ID, "ann", "owner", writ.Approve), "ann")
			return err
		}, writ.ReasonApprovalMismatch},
		"an agent": {func() error {
			_, err := w.answerAs(repair, s.ID, w.statement(s.ID, "ann", "owner", writ.Approve), "ann")
			return err
		}, writ.ReasonKind},
		"a signature over other bytes": {func() error {
			a, b := w.statement(s.ID, "ann", "owner", writ.Approve), w.statement(s.ID, "ann", "owner", writ.Approve)
			x, err := a.Bytes()
			must(t, err)
			y, err := b.Bytes()
			must(t, err)
			sig, err := approval.Sign(x, w.people["ann"], rand.Reader)
			must(t, err)
			_, err = w.ctl.Answer(w.ctx, human("ann"), s.ID, y, sig, "")
			return err
		}, writ.ReasonApprovalSignature},
		"no signature": {func() error {
			b, err := w.statement(s.ID, "ann", "owner", writ.Approve).Bytes()
			must(t, err)
			_, err = w.ctl.Answer(w.ctx, human("ann"), s.ID, b, "", "")
			return err
		}, writ.ReasonApprovalSignature},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.do(), c.want) })
	}
	if now, err := w.ctl.Plan(w.ctx, human("bob"), s.ID, 0); err != nil || now.State != writ.PlanWaiting || len(now.Approvals) != 0 {
		t.Errorf("%+v %v", now, err)
	}
	if w.count(writ.EntryApproval) != 0 || w.count(writ.EntryGrant) != 0 {
		t.Error("an answer counted")
	}
}

func TestI03AnAnswerIsForOnePlanAndCountsOnce(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	first := w.propose(repair, w.scale(in))
	another := w.scale(in)
	another.Parameters = with(another.Parameters, "replicas", writ.Int(5))
	other := w.propose(second, another)
	st := w.statement(other.ID, "ann", "owner", writ.Approve)
	_, err := w.answer(first.ID, st, "ann")
	refused(t, err, writ.ReasonApprovalMismatch)
	st = w.statement(first.ID, "ann", "owner", writ.Approve)
	st.PolicyDigest = writ.DigestOf([]byte("another policy"))
	_, err = w.answer(first.ID, st, "ann")
	refused(t, err, writ.ReasonApprovalMismatch)
	st = w.statement(first.ID, "ann", "owner", writ.Approve)
	_, err = w.answer(first.ID, st, "ann")
	must(t, err)
	_, err = w.answer(first.ID, st, "ann") // the plan waits for nobody any more
	refused(t, err, writ.ReasonApprovalExpired)
	if w.count(writ.EntryApproval) != 1 {
		t.Errorf("%d approvals", w.count(writ.EntryApproval))
	}
}

// twoOwners makes every mutation of tier 2 wait for two owners, so that a plan still waits after the first.
func twoOwners(t *testing.T) func(*control.Config) {
	return func(c *control.Config) {
		c.Policy = loadPolicy(t, patched(t, map[string]string{
			`@approvals("1") @approvers("owner") @proof("tier")
@reason("Tier 2`: `@approvals("2") @approvers("owner") @proof("tier")
@reason("Tier 2`,
			"context.approvalsOwner + context.approvalsOncall < 1": "context.approvalsOwner < 2",
		}), c.Library)
	}
}

func TestI02OnePersonAnswersOnceAndTwoAreTwoPeople(t *testing.T) {
	w := newWorld(t, twoOwners(t))
	s := w.waiting()
	st := w.statement(s.ID, "ann", "owner", writ.Approve)
	after, err := w.answer(s.ID, st, "ann")
	must(t, err)
	if after.State != writ.PlanWaiting || len(after.Approvals) != 1 {
		t.Fatalf("after one answer: %+v", after)
	}
	_, err = w.answer(s.ID, st, "ann") // replayed
	refused(t, err, writ.ReasonApprovalReplayed)
	_, err = w.approve(s.ID, "ann", "owner") // a second statement of the same person
	refused(t, err, writ.ReasonApprovalReplayed)
	theirs := w.statement(s.ID, "bob", "owner", writ.Approve)
	theirs.Nonce = st.Nonce
	_, err = w.answer(s.ID, theirs, "bob")
	refused(t, err, writ.ReasonApprovalReplayed)
	after, err = w.approve(s.ID, "bob", "owner")
	must(t, err)
	if after.State != writ.PlanGranted {
		t.Errorf("after two answers: %s %s", after.State, after.Detail)
	}
	if h := w.runner.take(); len(h.b.Approvals) != 2 || len(h.grant.Approvals) != 2 {
		t.Errorf("%d approvals, %d in the grant", len(h.b.Approvals), len(h.grant.Approvals))
	}
}

func TestI02ManyAnswersAtOnceOfOnePersonCountOnce(t *testing.T) {
	w := newWorld(t, twoOwners(t))
	s := w.waiting()
	var all sync.WaitGroup
	for range 16 {
		st := w.statement(s.ID, "ann", "owner", writ.Approve)
		all.Go(func() { _, _ = w.answer(s.ID, st, "ann") })
	}
	all.Wait()
	if n := w.count(writ.EntryApproval); n != 1 || w.count(writ.EntryGrant) != 0 {
		t.Errorf("%d approvals, %d grants", n, w.count(writ.EntryGrant))
	}
}

// An approval that has lost its worth is neither counted nor named by the grant, and does not stand in its way.
func TestI05AnApprovalThatExpiresMeanwhileDoesNotCount(t *testing.T) {
	w := newWorld(t, twoOwners(t))
	s := w.waiting()
	st := w.statement(s.ID, "ann", "owner", writ.Approve)
	st.Expires = writ.Instant(w.now().Add(time.Minute))
	_, err := w.answer(s.ID, st, "ann")
	must(t, err)
	w.pass(2 * time.Minute)
	after, err := w.approve(s.ID, "bob", "owner")
	must(t, err)
	if after.State != writ.PlanWaiting || w.count(writ.EntryGrant) != 0 {
		t.Fatalf("one live approval of two was enough: %s", after.State)
	}
	after, err = w.approve(s.ID, "ana", "owner")
	must(t, err)
	if after.State != writ.PlanGranted {
		t.Fatalf("two live approvals: %s %s", after.State, after.Detail)
	}
	h := w.runner.take()
	if len(h.b.Approvals) != 2 || len(h.grant.Approvals) != 2 {
		t.Errorf("%d approvals, %d in the grant", len(h.b.Approvals), len(h.grant.Approvals))
	}
	claims, err := grant.Check(h.b.Grant, grant.Want{Issuer: issuer, Keys: w.grantKeys(), Runner: runnerID, Now: w.now(), Leeway: grant.MaxLeeway})
	must(t, err)
	must(t, grant.MatchApprovals(claims, h.b.Approvals))
	must(t, grant.Match(claims, h.plan, h.digest))
}

func TestI05AStatementOutsideItsLifeIsRefused(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	late := w.statement(s.ID, "ann", "owner", writ.Approve)
	early := late
	early.NotBefore = early.NotBefore.Add(time.Minute)
	_, err := w.answer(s.ID, early, "ann")
	refused(t, err, writ.ReasonApprovalExpired)
	w.pass(10 * time.Minute)
	_, err = w.answer(s.ID, late, "ann")
	refused(t, err, writ.ReasonApprovalExpired)
	long := w.statement(s.ID, "ann", "owner", writ.Approve)
	long.Expires = long.NotBefore.Add(writ.MaxApprovalLife + time.Second)
	b, err := long.Bytes()
	must(t, err)
	_, err = w.ctl.Answer(w.ctx, human("ann"), s.ID, b, "x", "")
	refused(t, err, writ.ReasonApprovalForm)
}

func TestI05ARejectionEndsThePlan(t *testing.T) {
	w := newWorld(t, twoOwners(t))
	s := w.waiting()
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	after, err := w.answer(s.ID, w.statement(s.ID, "bob", "owner", writ.Reject), "bob")
	must(t, err)
	if after.State != writ.PlanRejected || after.Reason != writ.ReasonRejected {
		t.Errorf("%+v", after)
	}
	_, err = w.approve(s.ID, "ana", "owner")
	refused(t, err, writ.ReasonApprovalExpired)
	if w.count(writ.EntryApproval) != 2 || w.count(writ.EntryPlanEnd) != 1 || w.count(writ.EntryGrant) != 0 {
		t.Error("the rejection is not the end")
	}
}

func TestI05AnAnswerAfterThePlansTimeIsRefused(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	w.pass(planLife) // and no sweep has come by
	_, err := w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApprovalExpired)
	must(t, w.ctl.SweepOnce(w.ctx))
	now, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
	must(t, err)
	if now.State != writ.PlanExpired || w.count(writ.EntryGrant) != 0 || w.count(writ.EntryApproval) != 0 {
		t.Errorf("%+v", now)
	}
	_, err = w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApprovalExpired)
}

// Both accounts of one human are one human: it may answer with either, and answers once.
func TestI02AnAccountOfAMemberAnswersForTheMember(t *testing.T) {
	w := newWorld(t, twoOwners(t), func(c *control.Config) {
		c.Roster[0].Accounts = []writ.Person{{Iss: "https://github.test", Sub: "ann-gh"}}
	})
	s := w.waiting()
	st := w.statement(s.ID, "ann", "owner", writ.Approve)
	st.Approver = writ.Person{Iss: "https://github.test", Sub: "ann-gh"}
	_, err := w.answerAs(writ.Principal{Kind: writ.KindHuman, Iss: "https://github.test", Sub: "ann-gh"}, s.ID, st, "ann")
	must(t, err)
	_, err = w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApprovalReplayed)
}

func TestI18AFreezeBetweenPlanAndApprovalDenies(t *testing.T) {
	for name, f := range map[string]struct {
		scope writ.FreezeScope
		value string
	}{
		"all": {writ.FreezeAll, ""}, "the agent": {writ.FreezeAgent, "repair"}, "the service": {writ.FreezeService, "shop"},
		"the playbook": {writ.FreezePlaybook, "scale-workload"}, "the target": {writ.FreezeTarget, string(target)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.waiting()
			z, err := w.ctl.Freeze(w.ctx, human("ann"), f.scope, f.value, "something is odd")
			must(t, err)
			after, err := w.approve(s.ID, "ann", "owner")
			must(t, err)
			if after.State != writ.PlanDenied || after.Reason != writ.ReasonFrozen || w.count(writ.EntryGrant) != 0 {
				t.Fatalf("%+v", after)
			}
			ask := w.scale(w.incident("shop").ID)
			_, err = w.ctl.Propose(w.ctx, repair, ask)
			refused(t, err, writ.ReasonFrozen)
			_, err = w.ctl.Unfreeze(w.ctx, human("bob"), z.ID, "it was nothing")
			must(t, err)
			if s := w.propose(repair, ask); s.State != writ.PlanWaiting {
				t.Errorf("after the freeze a plan is %s: %s", s.State, s.Detail)
			}
		})
	}
}

func TestI18AFreezeOfAnotherScopeDoesNotDeny(t *testing.T) {
	w := newWorld(t, func(c *control.Config) {
		c.Targets = append(c.Targets, control.Target{Location: "kubernetes://other", Runner: otherID, Catalogue: plane})
	})
	for scope, value := range map[writ.FreezeScope]string{
		writ.FreezeAgent: "second", writ.FreezeService: "orders", writ.FreezePlaybook: "restart-workload", writ.FreezeTarget: "kubernetes://other",
	} {
		_, err := w.ctl.Freeze(w.ctx, human("ann"), scope, value, "elsewhere")
		must(t, err)
	}
	if _, err := w.approve(w.waiting().ID, "ann", "owner"); err != nil {
		t.Error(err)
	}
	all, err := w.ctl.Freezes(w.ctx, human("ann"))
	if err != nil || len(all) != 4 {
		t.Errorf("%d freezes, %v", len(all), err)
	}
	for _, by := range []writ.Principal{repair, source, runnerID.Principal(), {}} {
		_, err := w.ctl.Freeze(w.ctx, by, writ.FreezeAll, "", "because")
		refused(t, err, writ.ReasonKind)
		_, err = w.ctl.Unfreeze(w.ctx, by, all[0].ID, "because")
		refused(t, err, writ.ReasonKind)
	}
	for _, id := range []writ.FreezeID{"frz_01JDB3V0T6M2Y8H4R1C7K5P9WD", "epoch", ""} {
		if _, err := w.ctl.Unfreeze(w.ctx, human("ann"), id, "because"); !errors.Is(err, writ.ErrNotFound) {
			t.Errorf("unfreezing %q: %v", id, err)
		}
	}
	_, err = w.ctl.Freeze(w.ctx, human("ann"), "everything", "", "because")
	refused(t, err, writ.ReasonForm)
	_, err = w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeService, "", "because")
	refused(t, err, writ.ReasonForm)
	_, err = w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "")
	refused(t, err, writ.ReasonForm)
}

func TestI03APlanOfAReplacedPlaybookIsNotGranted(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	name := s.Playbook.Name
	replaced := w.ctl.Library[name]
	replaced.Digest = writ.DigestOf([]byte("another text"))
	w.ctl.Library[name] = replaced
	after, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if after.State != writ.PlanDenied || after.Reason != writ.ReasonPlaybookAltered || after.Run != "" {
		t.Errorf("%s %s %s", after.State, after.Reason, after.Run)
	}
}
