package approval_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

func TestI03AnApprovalIsForOnePlanUnderOnePolicyOnly(t *testing.T) {
	other := writ.DigestOf([]byte("other"))
	for name, change := range map[string]func(*writ.Plan){
		"another plan": func(p *writ.Plan) {
			p.ID = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC"
			p.Steps[0].Key = string(p.ID) + ".1"
		},
		"another requester": func(p *writ.Plan) { p.Requester.Sub += "2" },
		"another runner":    func(p *writ.Plan) { p.Runner = "spiffe://example.com/runner/other" },
		"another policy":    func(p *writ.Plan) { p.Policy = other },
		"another incident":  func(p *writ.Plan) { p.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WE" },
		"other evidence":    func(p *writ.Plan) { p.Evidence = p.Evidence[:1] },
		"an edit":           func(p *writ.Plan) { p.Steps[0].Call.Query = "" },
		"an edited diff":    func(p *writ.Plan) { p.Steps[0].Diff[0].After += " " },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.approves(t, alice, "owner")
			if _, err := approval.Count(w.Question, []writ.Approval{a}); err != nil {
				t.Fatalf("the control case: %v", err)
			}
			w.replan(t, change)
			_, err := approval.Count(w.Question, []writ.Approval{a})
			wantReason(t, err, writ.ReasonApprovalMismatch)
		})
	}
}

func TestI03APolicyThatChangedSinceAsksAgain(t *testing.T) {
	w := newWorld(t)
	a := w.approves(t, alice, "owner")
	w.Policy = writ.DigestOf([]byte("a stricter policy"))
	_, err := approval.Count(w.Question, []writ.Approval{a})
	wantReason(t, err, writ.ReasonApprovalMismatch)
}

func TestBindNamesWhatDiffers(t *testing.T) {
	w := newWorld(t)
	s, err := approval.New(w.Plan, w.Digest, ask(t, alice, "owner"))
	must(t, err)
	other := writ.DigestOf([]byte("other"))
	for want, change := range map[string]func(*writ.ApprovalStatement){
		"plan":                func(s *writ.ApprovalStatement) { s.Plan = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC" },
		"incident":            func(s *writ.ApprovalStatement) { s.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WE" },
		"runner":              func(s *writ.ApprovalStatement) { s.Runner = "spiffe://example.com/runner/other" },
		"policy":              func(s *writ.ApprovalStatement) { s.PolicyDigest = other },
		"evidence":            func(s *writ.ApprovalStatement) { s.EvidenceDigest = other },
		"version of the plan": func(s *writ.ApprovalStatement) { s.PlanDigest = other },
	} {
		altered := s
		change(&altered)
		err := approval.Bind(altered, w.Plan, w.Digest, w.Policy)
		wantReason(t, err, writ.ReasonApprovalMismatch)
		if !strings.HasSuffix(err.Error(), "another "+want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	must(t, approval.Bind(s, w.Plan, w.Digest, w.Policy))
	s.PolicyDigest = other
	wantReason(t, approval.Bind(s, w.Plan, w.Digest, other), writ.ReasonApprovalMismatch) // the plan itself names another
}

func TestI02TheAgentsOwnerCannotAnswerForIt(t *testing.T) {
	w := newWorld(t)
	_, err := approval.Count(w.Question, []writ.Approval{w.approves(t, owner, "owner")})
	wantReason(t, err, writ.ReasonApproverConflict)
}

func TestI02TheAgentsOwnerCannotAnswerUnderAnotherAccount(t *testing.T) {
	w := newWorld(t)
	second := writ.Person{Iss: "https://github.example.com", Sub: "nine"}
	w.Roster[3].Accounts = []writ.Person{second}
	w.keys[second] = w.keys[owner]
	_, err := approval.Count(w.Question, []writ.Approval{w.approves(t, second, "owner")})
	wantReason(t, err, writ.ReasonApproverConflict)
}

func TestI05AnAgentWhoseOwnerIsNotKnownGetsNoAnswer(t *testing.T) {
	w := newWorld(t)
	a := w.approves(t, alice, "owner")
	w.Owner = writ.Person{}
	_, err := approval.Count(w.Question, []writ.Approval{a})
	wantReason(t, err, writ.ReasonApproverConflict)
	w.replan(t, func(p *writ.Plan) { p.Requester = carol.Principal() })
	if _, err := approval.Count(w.Question, []writ.Approval{w.approves(t, alice, "owner")}); err != nil {
		t.Errorf("a person who asks has no owner: %v", err)
	}
}

func TestI02NobodyAnswersWhatTheyAskedFor(t *testing.T) {
	w := newWorld(t)
	w.replan(t, func(p *writ.Plan) { p.Requester = alice.Principal() })
	_, err := approval.Count(w.Question, []writ.Approval{w.approves(t, alice, "owner")})
	wantReason(t, err, writ.ReasonApproverConflict)
	if _, err := approval.Count(w.Question, []writ.Approval{w.approves(t, bob, "owner")}); err != nil {
		t.Errorf("bob may: %v", err)
	}
}

func TestI02AnAgentOfTheSameNameAsAHumanIsNotThatHuman(t *testing.T) {
	w := newWorld(t)
	w.replan(t, func(p *writ.Plan) { p.Requester = writ.Principal{Kind: writ.KindAgent, Iss: alice.Iss, Sub: alice.Sub} })
	if _, err := approval.Count(w.Question, []writ.Approval{w.approves(t, alice, "owner")}); err != nil {
		t.Error(err)
	}
}

func TestASlotIsFilledByItsGroupOnly(t *testing.T) {
	w := newWorld(t)
	for name, a := range map[string]writ.Approval{
		"another team":                w.approves(t, carol, "owner"),
		"the team, but not on call":   w.approves(t, alice, "oncall"),
		"a slot that does not exist":  w.approves(t, alice, "admin"),
		"a group instead of the slot": w.approves(t, alice, "payments"),
	} {
		if _, err := approval.Count(w.Question, []writ.Approval{a}); writ.ReasonOf(err) != writ.ReasonApproverUnknown {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.Slots = nil
	if _, err := approval.Count(w.Question, []writ.Approval{w.approves(t, alice, "owner")}); writ.ReasonOf(err) != writ.ReasonApproverUnknown {
		t.Errorf("a service without slots: %v", err)
	}
}

func TestI02AKeyEnrolledAfterThePlanCannotAnswerIt(t *testing.T) {
	w := newWorld(t)
	a := w.approves(t, alice, "owner")
	w.Roster[0].Since = w.Plan.MadeAt
	if _, err := approval.Count(w.Question, []writ.Approval{a}); err != nil {
		t.Errorf("enrolled in time: %v", err)
	}
	w.Roster[0].Since = w.Plan.MadeAt.Add(1)
	_, err := approval.Count(w.Question, []writ.Approval{a})
	wantReason(t, err, writ.ReasonApproverUnknown)
}

func TestT4IsApprovedByTypingTheObjectsName(t *testing.T) {
	w := newWorld(t)
	w.replan(t, func(p *writ.Plan) { p.Tier = writ.T4 })
	if got := approval.Confirmation(w.Plan); got != "payments-api" {
		t.Fatalf("to type: %q", got)
	}
	if got := approval.Confirmation(writ.Plan{}); got != "" {
		t.Errorf("for no plan: %q", got)
	}
	a := ask(t, alice, "owner")
	if _, err := approval.New(w.Plan, w.Digest, a); err == nil {
		t.Error("a statement without it")
	}
	a.Typed = "payments-api"
	good, err := approval.New(w.Plan, w.Digest, a)
	must(t, err)
	if _, err := approval.Count(w.Question, []writ.Approval{sign(t, good, w.keys[alice])}); err != nil {
		t.Error(err)
	}
	for _, typed := range []string{"", "payments-API", "payments-api ", "yes"} {
		bad := good
		bad.Typed = typed
		_, err := approval.Count(w.Question, []writ.Approval{sign(t, bad, w.keys[alice])})
		wantReason(t, err, writ.ReasonApprovalMismatch)
	}
	no := ask(t, alice, "owner")
	no.Answer = writ.Reject
	if _, err := w.Judge(w.signed(t, no)); err != nil {
		t.Errorf("a rejection needs nothing typed: %v", err)
	}
}

// TestI12AnApprovalCountsForNoHigherTierThanItNames: what a person saw is what they signed. Who was shown a plan as of a tier has
// not approved what it became since; who was shown more has. The first form of the statement speaks for the plan's own tier.
func TestI12AnApprovalCountsForNoHigherTierThanItNames(t *testing.T) {
	w := newWorld(t) // whose plan is of T2
	named := func(tier writ.Tier) writ.ApprovalStatement {
		a := ask(t, alice, "owner")
		a.Tier, a.Typed = tier, approval.Confirmation(w.Plan)
		s, err := approval.New(w.Plan, w.Digest, a)
		must(t, err)
		if s.Tier != max(tier, w.Plan.Tier) {
			t.Errorf("it was shown as %s, and the statement says %s", tier, s.Tier)
		}
		return s
	}
	first := named(writ.T2)
	first.Type, first.Tier = writ.ApprovalTypeV1, writ.T0
	for _, c := range []struct {
		s       writ.ApprovalStatement
		inForce writ.Tier
		counts  bool
	}{
		{named(writ.T2), writ.T2, true},
		{named(writ.T2), writ.T1, true}, // never below its own
		{named(writ.T2), writ.T3, false},
		{named(writ.T3), writ.T4, false},
		{named(writ.T4), writ.T3, true},
		{named(writ.T4), 0, true}, // decided by nobody: T4
		{named(writ.T3), 0, false},
		{first, writ.T2, true},
		{first, writ.T3, false},
	} {
		q := w.Question
		q.Tier = c.inForce
		_, err := q.Judge(sign(t, c.s, w.keys[alice]))
		if c.counts && err != nil || !c.counts && writ.ReasonOf(err) != writ.ReasonApprovalMismatch {
			t.Errorf("it names %s, and %s is in force: %v", c.s.Tier, c.inForce, err)
		}
		c.s.Answer = writ.Reject
		if _, err := q.Judge(sign(t, c.s, w.keys[alice])); err != nil {
			t.Errorf("a no is one at any tier: %v", err)
		}
	}
	for name, c := range map[string]struct {
		of   string
		tier writ.Tier
	}{"the first form with a tier": {writ.ApprovalTypeV1, writ.T2}, "today's without": {writ.ApprovalType, writ.T0}} {
		s := named(writ.T2)
		s.Type, s.Tier = c.of, c.tier
		b, err := s.Bytes()
		must(t, err)
		if _, err := writ.ParseApprovalStatement(b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
