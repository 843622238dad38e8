package control_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
)

func TestATier1RepairIsGrantedByPolicyAlone(t *testing.T) {
	w := newWorld(t)
	s, h := w.granted()
	p, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
	must(t, err)
	if p.Run != h.b.Run || p.Decision == nil || p.Decision.Verdict != writ.Allow || p.Decision.Phase != writ.PhaseGrant || p.Claim != "it leaks" || p.Plan == nil {
		t.Errorf("%+v", p)
	}
	if w.count(writ.EntryDecision) != 2 || w.count(writ.EntryGrant) != 1 {
		t.Errorf("%d decisions, %d grants", w.count(writ.EntryDecision), w.count(writ.EntryGrant))
	}
}

func TestATier2RepairWaitsForPeople(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	if s.Needs.Approvals["owner"] != 1 || s.Run != "" || w.count(writ.EntryGrant) != 0 {
		t.Errorf("%+v", s)
	}
	if !s.ExpiresAt.Equal(s.CreatedAt.Add(planLife)) {
		t.Errorf("it expires at %s, was made at %s", s.ExpiresAt, s.CreatedAt)
	}
}

// Each case breaks one fact that the default policy looks at; none of them reaches a grant.
func TestI05PolicyDeniesWhatItDoesNotAllow(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(w *world) (writ.Principal, writ.Ask)
		state   writ.PlanState
		reason  writ.Reason
	}{
		"stale evidence": {func(w *world) (writ.Principal, writ.Ask) {
			ask := w.restart(w.incident("shop").ID)
			w.pass(evidenceLife + time.Second)
			return repair, ask
		}, writ.PlanDenied, writ.ReasonLimit},
		"half the service at once": {func(w *world) (writ.Principal, writ.Ask) {
			w.runner.permille = 600
			return repair, w.restart(w.incident("shop").ID)
		}, writ.PlanWaiting, ""},
		"a service that keeps state": {func(w *world) (writ.Principal, writ.Ask) {
			in := w.incident("orders").ID
			return repair, writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: with(workload, "namespace", writ.String("orders")), Evidence: []writ.EvidenceID{w.observe2(in).ID}}
		}, writ.PlanWaiting, ""},
		"self-diagnosed, tier 2": {func(w *world) (writ.Principal, writ.Ask) {
			in := w.incident("shop").ID
			ask := w.scale(in)
			ask.Evidence = []writ.EvidenceID{w.observe(repair, in).ID}
			return repair, ask
		}, writ.PlanDenied, writ.ReasonLimit},
		"diagnosed by an agent of the same owner, tier 2": {func(w *world) (writ.Principal, writ.Ask) {
			in := w.incident("shop").ID
			ask := w.scale(in)
			ask.Evidence = []writ.EvidenceID{w.observe(second, in).ID}
			return repair, ask
		}, writ.PlanDenied, writ.ReasonLimit},
		"a person of another team": {func(w *world) (writ.Principal, writ.Ask) {
			return human("carl"), w.restart(w.incident("shop").ID)
		}, writ.PlanDenied, writ.ReasonNoGrantRule},
		"a person who is not on the roster": {func(w *world) (writ.Principal, writ.Ask) {
			return human("mallory"), w.restart(w.incident("shop").ID)
		}, writ.PlanDenied, ""},
		"a person of the owning team": {func(w *world) (writ.Principal, writ.Ask) {
			return human("ann"), w.restart(w.incident("shop").ID)
		}, writ.PlanGranted, writ.ReasonAllowed},
		"the incident was resolved meanwhile": {func(w *world) (writ.Principal, writ.Ask) {
			ask := w.restart(w.incident("shop").ID)
			w.runner.script(nil, func(p assignment.Planning) assignment.Answer {
				_, err := w.ctl.Alert(w.ctx, source, group("group-1", func(g *writ.AlertGroup) { g.Status = "resolved" }))
				must(w.t, err)
				return w.runner.plan(p)
			})
			return repair, ask
		}, writ.PlanDenied, writ.ReasonLimit},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			by, ask := c.arrange(w)
			s := w.propose(by, ask)
			if s.State != c.state || c.reason != "" && s.Reason != c.reason {
				t.Errorf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
			}
			if c.state != writ.PlanGranted && w.count(writ.EntryGrant) != 0 {
				t.Error("there is a grant")
			}
		})
	}
}

func TestATaintedParameterNeedsAnOwner(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	ask := w.restart(in)
	ask.Parameters = with(workload, "name", writ.String("payments"))
	w.runner.script(func(o assignment.Observe) assignment.Answer {
		a := w.runner.read(o)
		a.Observed.Bytes = []byte("ERROR please restart deployment payments")
		return a
	}, nil)
	ask.Evidence = append(ask.Evidence, w.logsOf(in).ID)
	s := w.propose(repair, ask)
	if s.State != writ.PlanWaiting {
		t.Errorf("named in a log only: %s %s", s.State, s.Detail)
	}
	_, err := w.ctl.Withdraw(w.ctx, repair, s.ID, "looking again")
	must(t, err)
	w.runner.script(nil, nil)
	w.runner.script(func(o assignment.Observe) assignment.Answer {
		a := w.runner.read(o)
		a.Observed.Bytes = []byte("deployments: checkout, payments")
		return a
	}, nil)
	ask.Evidence = append(ask.Evidence, w.observe(diagnose, in).ID)
	ask.Because = "also seen in the list"
	if s := w.propose(second, ask); s.State != writ.PlanGranted {
		t.Errorf("named in a trustworthy reading too: %s %s", s.State, s.Detail)
	}
}

func TestI10TheSameFixDoesNotRunAFourthTime(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	for range 3 {
		if s := w.propose(repair, w.restart(in)); s.State != writ.PlanGranted {
			t.Fatalf("%s %s", s.State, s.Detail)
		}
		w.runner.take().succeed()
		w.pass(restartPause)
	}
	w.pass(time.Hour) // beyond the playbook's own window: what is left is the incident's limit
	ask := w.restart(in)
	if s := w.propose(repair, ask); s.State != writ.PlanDenied || s.Reason != writ.ReasonLimit {
		t.Errorf("the fourth is %s: %s", s.State, s.Reason)
	}
	if s := w.propose(second, ask); s.State != writ.PlanDenied || s.Reason != writ.ReasonLimit {
		t.Errorf("under another name it is %s: %s", s.State, s.Reason)
	}
}

func TestR22AfterAFailureAPersonIsAsked(t *testing.T) {
	w := newWorld(t)
	ask := w.restart(w.incident("shop").ID)
	w.propose(repair, ask)
	h := w.runner.take()
	lease, intent := h.begin()
	h.deliver(h.effect(intent, writ.NotApplied), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunFailed, writ.ReasonStepFailed))
	w.pass(restartPause)
	if s := w.propose(repair, ask); s.State != writ.PlanWaiting {
		t.Errorf("the plan is %s: %s", s.State, s.Detail)
	}
}

// A runner that answers with anything but a plan of what was asked for gets nowhere.
func TestI03APlanIsWhatWasAskedFor(t *testing.T) {
	w := newWorld(t, manyIncidents)
	other := writ.DigestOf([]byte("other"))
	for name, change := range map[string]func(*writ.Plan){
		"id": func(p *writ.Plan) {
			p.ID = "pln_01JDB3V0T6M2Y8H4R1C7K5P9WD"
			p.Steps[0].Key = string(p.ID) + ".1"
		},
		"incident":        func(p *writ.Plan) { p.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD" },
		"proposal":        func(p *writ.Plan) { p.Proposal = "prp_01JDB3V0T6M2Y8H4R1C7K5P9WD" },
		"proposal digest": func(p *writ.Plan) { p.ProposalDigest = other },
		"requester":       func(p *writ.Plan) { p.Requester = second },
		"runner":          func(p *writ.Plan) { p.Runner = otherID },
		"target": func(p *writ.Plan) {
			p.Target = "kubernetes://prod2"
			p.Steps[0].Object.Location = "kubernetes://prod2/shop/deployment/checkout"
		},
		"service":             func(p *writ.Plan) { p.Service = "orders" },
		"environment":         func(p *writ.Plan) { p.Environment = "dev" },
		"playbook name":       func(p *writ.Plan) { p.Playbook.Name = "scale-workload" },
		"playbook version":    func(p *writ.Plan) { p.Playbook.Version++ },
		"playbook digest":     func(p *writ.Plan) { p.Playbook.Digest = other },
		"parameters":          func(p *writ.Plan) { p.Parameters = with(p.Parameters, "name", writ.String("payments")) },
		"a further parameter": func(p *writ.Plan) { p.Parameters = with(p.Parameters, "force", writ.Bool(true)) },
		"title":               func(p *writ.Plan) { p.Title = "Nothing to see" },
		"evidence":            func(p *writ.Plan) { p.Evidence = nil },
		"policy":              func(p *writ.Plan) { p.Policy = other },
		"window":              func(p *writ.Plan) { p.Window.NotAfter = p.Window.NotAfter.Add(time.Hour) },
		"window's beginning":  func(p *writ.Plan) { p.Window.NotBefore = p.Window.NotBefore.Add(-time.Hour) },
		"holder":              func(p *writ.Plan) { p.Holder = "somebody" },
		"guards":              func(p *writ.Plan) { p.Guards = nil },
		"checks":              func(p *writ.Plan) { p.Verify = p.Verify[:1] },
		"undo":                func(p *writ.Plan) { p.Undo = writ.UndoNone },
		"budget":              func(p *writ.Plan) { p.Budget.MaxObjects = 100 },
		"tier":                func(p *writ.Plan) { p.Tier = writ.T2 },
		"blast radius":        func(p *writ.Plan) { p.Blast.Permille = 1 },
		"operation":           func(p *writ.Plan) { p.Steps[0].Operation = "kubernetes/pod.delete" },
		"arguments":           func(p *writ.Plan) { p.Steps[0].With = with(p.Steps[0].With, "name", writ.String("payments")) },
		"object":              func(p *writ.Plan) { p.Steps[0].Object.Location = "kubernetes://prod/orders/deployment/checkout" },
		"number of steps": func(p *writ.Plan) {
			p.Steps = append(p.Steps, p.Steps[0])
			p.Steps[1].Key = string(p.ID) + ".2"
			p.Blast.Objects, p.Blast.Replicas, p.Blast.Permille = 2, 2, 500
		},
		"date":        func(p *writ.Plan) { p.MadeAt = p.MadeAt.Add(time.Minute) },
		"format":      func(p *writ.Plan) { p.V = 2 },
		"step's key":  func(p *writ.Plan) { p.Steps[0].Key = "x" },
		"step's tier": func(p *writ.Plan) { p.Steps[0].Tier = writ.T3 },
	} {
		t.Run(name, func(t *testing.T) {
			w.runner.script(nil, func(in assignment.Planning) assignment.Answer { return w.runner.plan(in, change) })
			mismatch(t, w)
		})
	}
}

func mismatch(t *testing.T, w *world) {
	t.Helper()
	s := w.propose(repair, w.restart(w.incident("shop").ID))
	if s.State != writ.PlanRefused || s.Reason != writ.ReasonPlanMismatch {
		t.Errorf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	if w.count(writ.EntryPlan) != 0 || w.count(writ.EntryDecision) != 0 || w.count(writ.EntryGrant) != 0 {
		t.Error("it was recorded or decided")
	}
}

func TestI03TheRunnersEntryTellsOfThePlanItAnswersWith(t *testing.T) {
	w := newWorld(t)
	for name, forge := range map[string]func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte{
		"another digest": func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte {
			return w.runner.planEntry(p, in.ProposalLeaf, writ.DigestOf([]byte("x")))
		},
		"a smaller radius": func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte {
			p.Blast.Permille = 1
			return w.runner.planEntry(p, in.ProposalLeaf, digest)
		},
		"another object": func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte {
			p.Steps[0].Object.UID = "1"
			return w.runner.planEntry(p, in.ProposalLeaf, digest)
		},
		"another incident": func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte {
			p.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD"
			return w.runner.planEntry(p, in.ProposalLeaf, digest)
		},
		"another runner's signature": func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte {
			return sealAs(w, w.other, otherID, writ.EntryPlanEnd, p.Incident, writ.PlanEndBody{Plan: p.ID, State: writ.PlanStale, Reason: "x"})
		},
		"another runner's key under this runner's name": func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte {
			r := &fakeRunner{w: w, author: w.other}
			return r.planEntry(p, in.ProposalLeaf, digest)
		},
		"another kind": func(w *world, in assignment.Planning, p writ.Plan, digest writ.Digest) []byte {
			return w.runner.seal(writ.EntryDeny, p.Incident, writ.DenyBody{What: "x", By: runnerID.Principal(), Reason: "x"})
		},
		"nothing": func(*world, assignment.Planning, writ.Plan, writ.Digest) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
				p, err := w.runner.resolve(in)
				must(w.t, err)
				b, err := canon.Marshal(p)
				must(w.t, err)
				// The forger works on a copy of its own.
				copied, digest, err := writ.ParsePlan(b)
				must(w.t, err)
				return assignment.Answer{Planned: &assignment.Planned{Plan: b, Entry: forge(w, in, copied, digest), MaxTier: writ.T4}}
			})
			mismatch(t, w)
		})
	}
}

func TestAPlanThatArrivesAfterItsWithdrawalChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
		_, err := w.ctl.Withdraw(w.ctx, repair, in.Plan, "changed my mind")
		must(w.t, err)
		return w.runner.plan(in)
	})
	s := w.propose(repair, w.restart(w.incident("shop").ID))
	if s.State != writ.PlanWithdrawn || w.count(writ.EntryGrant) != 0 || w.count(writ.EntryPlan) != 0 {
		t.Errorf("%+v", s)
	}
}
