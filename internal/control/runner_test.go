package control_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/playbook"
)

// secret stands in a reading that the runner's connector failed to redact: it must not come into the ledger even then.
const secret = "hunter2-correct-horse"

// fakeRunner answers assignments as a runner does, with real plans and really sealed entries, unless the test scripts
// something else. Runs are handed to the test.
type fakeRunner struct {
	w      *world
	author ledger.Author
	done   sync.WaitGroup
	end    context.CancelFunc // of start
	runs   chan assignment.Assignment

	mu       sync.Mutex
	reads    func(assignment.Observe) assignment.Answer  // nil reads a healthy workload
	plans    func(assignment.Planning) assignment.Answer // nil makes the plan that was asked for
	again    func(assignment.Reread) assignment.Answer   // nil finds everything as it was
	permille int
	units    []writ.Units // of every step; nil says nothing of units
	asked    atomic.Int64 // assignments handed out
	claims   assignment.Claim
}

// claim is what the runner calls with from here on.
func (r *fakeRunner) claim(c assignment.Claim) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims = c
}

func (r *fakeRunner) claimed() assignment.Claim {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.claims
}

func newRunner(w *world, author ledger.Author) *fakeRunner {
	return &fakeRunner{w: w, author: author, runs: make(chan assignment.Assignment, 1000), permille: 250}
}

// start serves until stop, or the world's end.
func (r *fakeRunner) start() {
	var ctx context.Context
	ctx, r.end = context.WithCancel(r.w.ctx)
	r.done.Go(func() {
		for ctx.Err() == nil {
			a, err := r.w.ctl.Next(ctx, runnerID, assignment.Ask{WaitSeconds: 20, Claim: r.claimed()})
			if writ.ReasonOf(err) == writ.ReasonFenced {
				time.Sleep(time.Millisecond) // the test has not told it yet that it holds the cell
				continue
			}
			if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				r.w.t.Errorf("next: %v", err)
				return
			}
			if a == nil {
				continue
			}
			r.asked.Add(1)
			if a.Kind == assignment.KindRun {
				r.runs <- *a
				continue
			}
			ans := r.respond(*a)
			ans.Assignment, ans.Claim = a.ID, r.claimed()
			if err := r.w.ctl.AnswerAssignment(r.w.ctx, runnerID, ans); err != nil && r.w.ctx.Err() == nil {
				r.w.t.Errorf("answer %s: %v", a.Kind, err)
			}
		}
	})
}

// stop returns when it serves no more.
func (r *fakeRunner) stop() {
	r.end()
	r.done.Wait()
}

func (r *fakeRunner) respond(a assignment.Assignment) assignment.Answer {
	r.mu.Lock()
	reads, plans, again := r.reads, r.plans, r.again
	r.mu.Unlock()
	if a.Kind == assignment.KindReread {
		if again == nil {
			again = func(in assignment.Reread) assignment.Answer { return r.rereads(in) }
		}
		return again(*a.Reread)
	}
	if a.Kind == assignment.KindObserve {
		if reads == nil {
			reads = r.read
		}
		return reads(*a.Observe)
	}
	if plans == nil {
		plans = func(p assignment.Planning) assignment.Answer { return r.plan(p) }
	}
	return plans(*a.Plan)
}

// script replaces how the runner reads or plans.
func (r *fakeRunner) script(reads func(assignment.Observe) assignment.Answer, plans func(assignment.Planning) assignment.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads, r.plans = reads, plans
}

// read names the workload and one pod of it, as far as the connector would; the rest is the same for all readers.
func (r *fakeRunner) read(o assignment.Observe) assignment.Answer {
	return assignment.Answer{Observed: &assignment.Observed{
		Source: "GET /apis/apps/v1/deployments", At: r.w.now(), Bytes: []byte("checkout-1 of checkout is unhealthy, password " + secret),
		Facts: writ.Observation{"paused": writ.Bool(false), "replicas": writ.Int(4), "unready": writ.Int(1)}, Redacted: 1,
	}}
}

// plan resolves a proposal; changes are made to the plan before it is sealed.
func (r *fakeRunner) plan(in assignment.Planning, changes ...func(*writ.Plan)) assignment.Answer {
	p, err := r.resolve(in)
	if err != nil {
		r.w.t.Errorf("plan: %v", err)
		return assignment.Answer{Refused: &assignment.Refused{Code: writ.ReasonForm, Detail: "the test's runner failed"}}
	}
	for _, f := range changes {
		f(&p)
	}
	b, err := canon.Marshal(p)
	if err != nil {
		r.w.t.Errorf("plan: %v", err)
	}
	return assignment.Answer{Planned: &assignment.Planned{Plan: b, Entry: r.planEntry(p, in.ProposalLeaf, writ.DigestOf(b)), MaxTier: writ.T4}}
}

func (r *fakeRunner) resolve(in assignment.Planning) (writ.Plan, error) {
	var prp writ.Proposal
	if err := canon.Parse(in.Proposal, &prp); err != nil {
		return writ.Plan{}, err
	}
	pb, _, err := playbook.Parse(in.Playbook)
	if err != nil {
		return writ.Plan{}, err
	}
	bound, err := pb.Bind(prp.Parameters)
	if err != nil {
		return writ.Plan{}, err
	}
	nonce, err := ident.Nonce(rand.Reader)
	if err != nil {
		return writ.Plan{}, err
	}
	p := writ.Plan{
		V: 1, ID: in.Plan, Incident: prp.Incident, Proposal: prp.ID, ProposalDigest: writ.DigestOf(in.Proposal), Requester: prp.By, Lineage: prp.Lineage,
		Runner: runnerID, Target: in.Target, Service: in.Service, Environment: in.Environment, Playbook: prp.Playbook,
		Parameters: bound.Parameters, Title: bound.Title, Evidence: prp.Evidence, Policy: in.Policy, Window: in.Window, Budget: bound.Limits,
		Holder: in.Holder, Observe: bound.Observe, Guards: bound.Guards, Verify: bound.Verify, Undo: bound.Undo, Emergency: prp.Emergency, Nonce: nonce, MadeAt: writ.Instant(r.w.now()),
	}
	r.mu.Lock()
	permille, units := r.permille, r.units
	r.mu.Unlock()
	name, ok := prp.Parameters["name"].Str()
	if !ok {
		name = "checkout"
	}
	for i, s := range bound.Steps {
		o, _ := plane.Operation(s.Operation)
		var salt [writ.SaltSize]byte
		if _, err := rand.Read(salt[:]); err != nil {
			return p, err
		}
		step := writ.Step{
			Key: fmt.Sprintf("%s.%d", p.ID, i+1), Operation: s.Operation, With: s.With, Tier: o.Tier, Title: o.Title,
			Object: writ.Object{Location: in.Scope[0] + writ.Location("/"+name), UID: "4711", Version: "12"},
			Call:   writ.Call{Method: "PATCH", Path: "/apis/apps/v1/namespaces/shop/deployments/checkout"},
			Diff:   []writ.Change{{Path: "spec.replicas", Before: "4", After: "3"}}, Inverse: writ.Inverse{Kind: o.Inverse, Title: "put it back"},
			Blast: writ.Blast{Objects: 1, Replicas: 1, Permille: permille}, Units: units, TimeoutSeconds: 30,
		}
		p.Steps = append(p.Steps, connector.Seal(step, salt, []byte(`{"spec":{}}`), []byte(`{"spec":{"replicas":4}}`)).Step)
	}
	p.Tier, p.Blast = plan.Tier(bound.Tier, p.Steps), plan.Blast(p.Steps)
	return p, nil
}

// planEntry seals the entry of a plan.
func (r *fakeRunner) planEntry(p writ.Plan, proposal, digest writ.Digest) []byte {
	evidence, err := p.EvidenceDigest()
	if err != nil {
		r.w.t.Errorf("evidence: %v", err)
	}
	body := writ.PlanBody{
		Plan: p.ID, PlanDigest: digest, ProposalDigest: p.ProposalDigest, Requester: p.Requester, Runner: p.Runner, Playbook: p.Playbook,
		Tier: p.Tier, Blast: p.Blast, Policy: p.Policy, EvidenceDigest: evidence, Holder: p.Holder, NotAfter: p.Window.NotAfter,
	}
	for _, s := range p.Steps {
		body.Objects = append(body.Objects, s.Object)
	}
	return r.seal(writ.EntryPlan, p.Incident, body, writ.Ref{Rel: "proposal", Leaf: proposal})
}

// seal makes one entry of this runner.
func (r *fakeRunner) seal(kind writ.EntryKind, task writ.IncidentID, body any, refs ...writ.Ref) []byte {
	return sealAs(r.w, r.author, runnerID, kind, task, body, refs...)
}

func sealAs(w *world, author ledger.Author, as writ.RunnerID, kind writ.EntryKind, task writ.IncidentID, body any, refs ...writ.Ref) []byte {
	nonce, err := ident.Nonce(rand.Reader)
	if err != nil {
		w.t.Errorf("seal: %v", err)
	}
	rec, err := writ.NewRecord(origin, kind, w.now(), task, as.Principal(), nonce, body, refs...)
	if err != nil {
		w.t.Errorf("seal %s: %v", kind, err)
	}
	leaf, err := ledger.Seal(rec, author)
	if err != nil {
		w.t.Errorf("seal %s: %v", kind, err)
	}
	return leaf
}

// held is a run that the test carries out in the runner's stead.
type held struct {
	r      *fakeRunner
	a      assignment.Assignment
	b      assignment.Bundle
	plan   writ.Plan
	digest writ.Digest
	grant  writ.GrantBody
	leaf   writ.Digest // of the grant's entry
	lease  writ.LeaseID
}

// take waits for a run.
func (r *fakeRunner) take() *held {
	r.w.t.Helper()
	select {
	case a := <-r.runs:
		h := &held{r: r, a: a, b: *a.Run}
		var err error
		h.plan, h.digest, err = writ.ParsePlan(h.b.Plan)
		must(r.w.t, err)
		e, err := ledger.Open(h.b.GrantLeaf)
		must(r.w.t, err)
		h.grant, h.leaf = *e.Body.(*writ.GrantBody), e.Hash
		h.lease, err = ident.Make[writ.LeaseID]("lse", r.w.now(), rand.Reader)
		must(r.w.t, err)
		return h
	case <-time.After(30 * time.Second):
		r.w.t.Fatal("no run was handed out")
	}
	return nil
}

func (h *held) seal(kind writ.EntryKind, body any, refs ...writ.Ref) []byte {
	return h.r.seal(kind, h.plan.Incident, body, append([]writ.Ref{{Rel: "grant", Leaf: h.leaf}}, refs...)...)
}

func (h *held) leaseEntry() []byte {
	return h.seal(writ.EntryLease, writ.LeaseBody{
		Lease: h.lease, Run: h.b.Run, Target: target, Tier: h.plan.Tier, Name: "writ-" + strings.ToLower(string(h.lease[4:])), Rights: []string{"patch one deployment"},
		Expires: writ.Instant(h.r.w.now().Add(time.Minute)),
	})
}

func (h *held) step() writ.StepBody {
	s := h.plan.Steps[0]
	return writ.StepBody{Run: h.b.Run, Grant: h.grant.Grant, Plan: h.plan.ID, PlanDigest: h.digest, Step: s.Key, Operation: s.Operation, Object: s.Object, Call: s.Call}
}

func (h *held) intent(changes ...func(*writ.StepBody)) []byte {
	b := h.step()
	for _, f := range changes {
		f(&b)
	}
	return h.seal(writ.EntryStepIntent, b)
}

func (h *held) effect(intent []byte, e writ.Effect) []byte {
	return h.seal(writ.EntryStepEffect, writ.EffectBody{Run: h.b.Run, Step: h.plan.Steps[0].Key, Effect: e, Status: 200, Version: "13", Sent: h.plan.Steps[0].Call.Body, Millis: 12},
		writ.Ref{Rel: "intent", Leaf: ledger.LeafHash(intent)})
}

func (h *held) check(holds bool) []byte {
	return h.seal(writ.EntryVerify, writ.VerifyBody{Run: h.b.Run, Check: "rolled-out", Fact: "complete", Value: writ.Bool(holds), Holds: holds, Millis: 100})
}

func (h *held) revoke(lease []byte) []byte {
	return h.seal(writ.EntryRevoke, writ.RevokeBody{Lease: h.lease, Run: h.b.Run, Name: "writ-" + strings.ToLower(string(h.lease[4:])), Done: true, Millis: 5},
		writ.Ref{Rel: "lease", Leaf: ledger.LeafHash(lease)})
}

func (h *held) probe(lease []byte, power, identity bool) []byte {
	return h.seal(writ.EntryProbe, writ.ProbeBody{Lease: h.lease, Run: h.b.Run, PowerGone: power, IdentityGone: identity, PowerStatus: 403, IdentityStatus: 401, Probes: 1},
		writ.Ref{Rel: "lease", Leaf: ledger.LeafHash(lease)})
}

func (h *held) end(state writ.RunState, reason writ.Reason) []byte {
	applied := 0
	if state == writ.RunSucceeded {
		applied = 1
	}
	return h.seal(writ.EntryRun, writ.RunBody{Run: h.b.Run, Grant: h.grant.Grant, Plan: h.plan.ID, PlanDigest: h.digest, State: state, Reason: reason, Applied: applied})
}

// deliver sends entries and checks that each receipt proves its entry.
func (h *held) deliver(entries ...[]byte) assignment.Delivered {
	h.r.w.t.Helper()
	d, err := h.r.w.ctl.Deliver(h.r.w.ctx, runnerID, assignment.Delivery{Run: h.b.Run, Entries: entries})
	must(h.r.w.t, err)
	for i, receipt := range d.Receipts {
		_, err := ledger.CheckReceipt(receipt, entries[i], h.r.w.config.Verifier, ledger.Head{})
		must(h.r.w.t, err)
	}
	return d
}

// begin delivers lease and first intent, and fails unless both were taken.
func (h *held) begin() (lease, intent []byte) {
	h.r.w.t.Helper()
	lease, intent = h.leaseEntry(), h.intent()
	if d := h.deliver(lease, intent); d.Refused != nil {
		h.r.w.t.Fatalf("refused: %+v", d.Refused)
	}
	return lease, intent
}

// succeed carries the whole run out.
func (h *held) succeed() {
	h.r.w.t.Helper()
	lease, intent := h.begin()
	h.deliver(h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunSucceeded, ""))
	must(h.r.w.t, h.r.w.ctl.AnswerAssignment(h.r.w.ctx, runnerID, assignment.Answer{Assignment: h.a.ID, Ended: true}))
}
