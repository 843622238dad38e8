package control_test

import (
	"crypto/rand"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/approval/approvaltest"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/playbooks"
	"github.com/writ-dev/writ/policies"
)

const inEmergency = "emergency-restart"

// emergencyPlaybook is restart-workload as break-glass has it, of tier 2.
func emergencyPlaybook(t testing.TB) []byte {
	t.Helper()
	b, err := fs.ReadFile(playbooks.Library, "restart-workload.yaml")
	must(t, err)
	return []byte(strings.NewReplacer("name: restart-workload\n", "name: "+inEmergency+"\nemergency: true\n", "tier: T1", "tier: T2",
		"evidence: [kubernetes/workload.status]\n", "").Replace(string(b)))
}

// glassWorld is a control plane with one emergency playbook, which takes asks with security keys: everybody of checkout
// has one, and dora too.
func glassWorld(t testing.TB, changes ...func(*control.Config)) *world {
	t.Helper()
	keys := map[string]ssh.Signer{}
	w := newWorld(t, append([]func(*control.Config){func(c *control.Config) {
		must(t, c.Library.Add(emergencyPlaybook(t)))
		c.Policy = loadPolicy(t, policies.Dev(), c.Library)
		c.BreakGlass = control.BreakGlass{AskProof: writ.ProofC}
		for i := range c.Roster {
			k := securityKey(t, approvaltest.Touched|approvaltest.Verified)
			c.Roster[i].Keys = append(c.Roster[i].Keys, k.Line())
			keys[c.Roster[i].Sub] = k
		}
	}}, changes...)...)
	for sub, k := range keys {
		w.people["sk "+sub] = k
	}
	return w
}

func securityKey(t testing.TB, flags byte) *approvaltest.Key {
	t.Helper()
	k, err := approvaltest.NewKey(rand.Reader, flags)
	must(t, err)
	return k
}

// glass is what a person is about to sign for an incident.
func (w *world) glass(sub string, in writ.IncidentID) writ.BreakGlassStatement {
	w.t.Helper()
	nonce, err := ident.Nonce(rand.Reader)
	must(w.t, err)
	digest, err := workload.Digest()
	must(w.t, err)
	return writ.BreakGlassStatement{
		Type: writ.BreakGlassType, Incident: in, Service: "shop", Playbook: w.config.Library[inEmergency].Ref(), Parameters: digest,
		Asker: writ.Person{Iss: idp, Sub: sub}, Drill: in == "", Nonce: nonce, NotBefore: w.now(), Expires: w.now().Add(writ.MaxBreakGlassLife),
	}
}

func (w *world) signGlass(s writ.BreakGlassStatement, key ssh.Signer) writ.BreakGlassAsk {
	w.t.Helper()
	b, err := s.Bytes()
	must(w.t, err)
	sig, err := approval.SignAsk(b, key, rand.Reader)
	must(w.t, err)
	return writ.BreakGlassAsk{Statement: b, Signature: sig, Parameters: workload, Justification: "the shop is down"}
}

// breakGlass asks as a person with their security key.
func (w *world) breakGlass(sub string, in writ.IncidentID) (writ.BreakGlass, error) {
	w.t.Helper()
	return w.ctl.AskBreakGlass(w.ctx, human(sub), w.signGlass(w.glass(sub, in), w.people["sk "+sub]))
}

// used is a break-glass that ann asked for, bob approved and the runner carried out.
func (w *world) used(in writ.IncidentID) writ.BreakGlass {
	w.t.Helper()
	g, err := w.breakGlass("ann", in)
	must(w.t, err)
	w.carryOut(g)
	g, err = w.ctl.BreakGlassOf(w.ctx, human("ann"), g.ID)
	must(w.t, err)
	return g
}

func (w *world) carryOut(g writ.BreakGlass) {
	w.t.Helper()
	if s := w.settled(human("ann"), g.Plan); s.State != writ.PlanWaiting {
		w.t.Fatalf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	_, err := w.approve(g.Plan, "bob", "owner")
	must(w.t, err)
	w.runner.take().succeed()
}

func TestPitfall34AnAgentThatAsksForBreakGlassIsRefused(t *testing.T) {
	w := glassWorld(t)
	in := w.incident("shop").ID
	ask := w.signGlass(w.glass("ann", in), w.people["sk ann"]) // even with a person's genuine signature in hand
	_, err := w.ctl.AskBreakGlass(w.ctx, repair, ask)
	refused(t, err, writ.ReasonKind)
	_, err = w.ctl.Propose(w.ctx, repair, writ.Ask{Incident: in, Playbook: inEmergency, Parameters: workload, Because: "break the glass"})
	refused(t, err, writ.ReasonBreakGlass)
	_, err = w.ctl.Propose(w.ctx, human("ann"), writ.Ask{Incident: in, Playbook: inEmergency, Parameters: workload})
	refused(t, err, writ.ReasonBreakGlass) // nor does a person in the ordinary way
	shown, err := w.ctl.Playbooks(w.ctx, repair, "shop")
	must(t, err)
	for _, p := range shown {
		if p.Emergency {
			t.Errorf("an agent is shown %s", p.Name)
		}
	}
	if n := w.count(writ.EntryBreakGlass); n != 0 || w.count(writ.EntryDeny) != 3 {
		t.Errorf("%d asks, %d denials", n, w.count(writ.EntryDeny))
	}
}

func TestPitfall34AnAskNeedsAProofOfTheLevelThatIsDemanded(t *testing.T) {
	strict := glassWorld(t, func(c *control.Config) { c.BreakGlass.AskProof = "" }) // A or B, which no SSH key gives
	_, err := strict.breakGlass("ann", strict.incident("shop").ID)
	refused(t, err, writ.ReasonApprovalProof)

	w := glassWorld(t)
	in := w.incident("shop").ID
	for name, c := range map[string]struct {
		key  ssh.Signer
		want writ.Reason
	}{
		"a plain key":      {w.people["ann"], writ.ReasonApprovalProof},
		"somebody's other": {w.people["sk bob"], writ.ReasonApproverUnknown},
		"nobody's":         {securityKey(t, approvaltest.Touched|approvaltest.Verified), writ.ReasonApproverUnknown},
	} {
		_, err := w.ctl.AskBreakGlass(w.ctx, human("ann"), w.signGlass(w.glass("ann", in), c.key))
		if writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	_, err = w.ctl.AskBreakGlass(w.ctx, human("bob"), w.signGlass(w.glass("ann", in), w.people["sk ann"]))
	refused(t, err, writ.ReasonBreakGlassMismatch) // whoever sends it is who signed it
	g, err := w.breakGlass("ann", in)
	if err != nil || g.Proof != writ.ProofC {
		t.Errorf("the control case: %+v, %v", g, err)
	}
	if _, err := control.New(func() control.Config { c := w.config; c.BreakGlass.AskProof = writ.ProofD; return c }()); err == nil {
		t.Error("a configuration takes asks with plain keys")
	}
}

func TestBreakGlassIsOneIncidentOnePlanAndOneRun(t *testing.T) {
	w := glassWorld(t)
	in, other := w.incident("shop").ID, w.incident("shop").ID
	good := w.signGlass(w.glass("ann", in), w.people["sk ann"])
	for name, c := range map[string]struct {
		change func(*writ.BreakGlassStatement, *writ.BreakGlassAsk)
		want   writ.Reason
	}{
		"another person's": {func(s *writ.BreakGlassStatement, _ *writ.BreakGlassAsk) { s.Asker.Sub = "bob" }, writ.ReasonApproverUnknown},
		"another service":  {func(s *writ.BreakGlassStatement, _ *writ.BreakGlassAsk) { s.Service = "search" }, writ.ReasonUnknownService},
		"another playbook": {func(s *writ.BreakGlassStatement, _ *writ.BreakGlassAsk) {
			s.Playbook = w.config.Library["restart-workload"].Ref()
		}, writ.ReasonBreakGlass},
		"another content": {func(s *writ.BreakGlassStatement, _ *writ.BreakGlassAsk) { s.Playbook.Digest = writ.DigestOf(nil) }, writ.ReasonBreakGlassMismatch},
		"another parameter": {func(_ *writ.BreakGlassStatement, a *writ.BreakGlassAsk) {
			a.Parameters = with(workload, "name", writ.String("db"))
		}, writ.ReasonBreakGlassMismatch},
		"no justification": {func(_ *writ.BreakGlassStatement, a *writ.BreakGlassAsk) { a.Justification = "" }, writ.ReasonForm},
		"too long a life": {func(s *writ.BreakGlassStatement, _ *writ.BreakGlassAsk) {
			s.Expires = s.NotBefore.Add(16 * time.Minute)
		}, writ.ReasonBreakGlassForm},
		"expired": {func(s *writ.BreakGlassStatement, _ *writ.BreakGlassAsk) {
			s.NotBefore, s.Expires = s.NotBefore.Add(-10*time.Minute), s.NotBefore
		}, writ.ReasonBreakGlassExpired},
		"no open incident": {func(s *writ.BreakGlassStatement, _ *writ.BreakGlassAsk) {
			s.Incident = "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB"
		}, writ.ReasonUnknownIncident},
		"an altered incident": {func(_ *writ.BreakGlassStatement, a *writ.BreakGlassAsk) {
			a.Statement = []byte(strings.Replace(string(good.Statement), string(in), string(other), 1))
		}, writ.ReasonApprovalSignature},
	} {
		s := w.glass("ann", in)
		var none writ.BreakGlassAsk
		c.change(&s, &none)
		b, err := s.Bytes()
		must(t, err)
		ask := writ.BreakGlassAsk{Statement: b, Parameters: workload, Justification: "x", Signature: good.Signature}
		if _, err := writ.ParseBreakGlassStatement(b); err == nil {
			ask = w.signGlass(s, w.people["sk ann"])
		}
		c.change(&s, &ask)
		if _, err := w.ctl.AskBreakGlass(w.ctx, human("ann"), ask); writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	g, err := w.ctl.AskBreakGlass(w.ctx, human("ann"), good)
	must(t, err)
	if g.Expires.Sub(w.now()) > writ.MaxBreakGlassLife || g.State != writ.BreakGlassAsked {
		t.Errorf("%+v", g)
	}
	w.carryOut(g)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("ann"), good)
	refused(t, err, writ.ReasonBreakGlassReplayed)
	p, err := w.ctl.Plan(w.ctx, human("ann"), g.Plan, 0)
	must(t, err)
	if e := p.Plan.Emergency; e == nil || e.ID != g.ID || e.Ask.IsZero() || p.Plan.Window.NotAfter.After(g.Expires) {
		t.Errorf("the plan says %+v until %s, and the ask ends at %s", e, p.Plan.Window.NotAfter, g.Expires)
	}
	for kind, want := range map[writ.EntryKind]int{writ.EntryBreakGlass: 1, writ.EntryBreakGlassUse: 1, writ.EntryGrant: 1, writ.EntryApproval: 1} {
		if n := w.count(kind); n != want {
			t.Errorf("%d entries of kind %s", n, kind)
		}
	}
	if g, err = w.ctl.BreakGlassOf(w.ctx, human("bob"), g.ID); err != nil || g.State != writ.BreakGlassUsed || g.ReviewDue == nil || g.Justification != "the shop is down" {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestPitfall21ParallelAsksOfOneStatementOpenOnePlan(t *testing.T) {
	w := glassWorld(t)
	ask := w.signGlass(w.glass("ann", w.incident("shop").ID), w.people["sk ann"])
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = w.ctl.AskBreakGlass(w.ctx, human("ann"), ask) })
	}
	all.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		} else {
			refused(t, err, writ.ReasonBreakGlassReplayed)
		}
	}
	if n := w.count(writ.EntryBreakGlass); taken != 1 || n != 1 || w.count(writ.EntryProposal) != 1 {
		t.Errorf("%d were taken, %d asks entered", taken, n)
	}
}

func TestI02NobodyApprovesTheirOwnBreakGlass(t *testing.T) {
	w := glassWorld(t)
	g, err := w.breakGlass("ann", w.incident("shop").ID)
	must(t, err)
	w.settled(human("ann"), g.Plan)
	_, err = w.approve(g.Plan, "ann", "owner")
	refused(t, err, writ.ReasonApproverConflict)
	if w.count(writ.EntryGrant) != 0 {
		t.Error("it was granted")
	}
}

func TestI18AFreezeStopsBreakGlassToo(t *testing.T) {
	w := glassWorld(t)
	in := w.incident("shop").ID
	_, err := w.ctl.Freeze(w.ctx, human("bob"), writ.FreezeService, "shop", "stop")
	must(t, err)
	_, err = w.breakGlass("ann", in)
	refused(t, err, writ.ReasonFrozen)
}

func TestPitfall35AnOverdueReviewBlocksTheTeamsNextAsk(t *testing.T) {
	w := glassWorld(t)
	g := w.used(w.incident("shop").ID)
	w.pass(writ.ReviewLife - time.Second)
	if s, err := w.ctl.Status(w.ctx, human("ann")); err != nil || s.BreakGlass == nil || len(s.BreakGlass.Owed) != 1 || s.BreakGlass.Overdue != 0 {
		t.Errorf("%+v, %v", s.BreakGlass, err)
	}
	in := w.incident("shop").ID
	before, err := w.breakGlass("bob", in)
	must(t, err) // a review that is owed does not block yet
	_, err = w.ctl.Withdraw(w.ctx, human("bob"), before.Plan, "not needed")
	must(t, err)
	w.pass(time.Second)
	_, err = w.breakGlass("bob", in)
	refused(t, err, writ.ReasonReviewOverdue)

	_, err = w.ctl.ReviewBreakGlass(w.ctx, human("ann"), g.ID, writ.ReviewJustified, "fine")
	refused(t, err, writ.ReasonReviewOwn)
	_, err = w.ctl.ReviewBreakGlass(w.ctx, human("carl"), g.ID, writ.ReviewJustified, "fine")
	refused(t, err, writ.ReasonApproverUnknown)
	_, err = w.ctl.ReviewBreakGlass(w.ctx, repair, g.ID, writ.ReviewJustified, "fine")
	refused(t, err, writ.ReasonKind)
	g, err = w.ctl.ReviewBreakGlass(w.ctx, human("bob"), g.ID, writ.ReviewNotJustified, "the owner was at her desk")
	must(t, err)
	if g.State != writ.BreakGlassReviewed || g.Review.Note != "the owner was at her desk" || w.count(writ.EntryBreakGlassReview) != 1 {
		t.Errorf("%+v", g)
	}
	_, err = w.ctl.ReviewBreakGlass(w.ctx, human("bob"), g.ID, writ.ReviewJustified, "again")
	refused(t, err, writ.ReasonNoReviewOwed)
	_, err = w.breakGlass("bob", in)
	must(t, err)
}

func TestBreakGlassHasARateCap(t *testing.T) {
	w := glassWorld(t, manyIncidents, func(c *control.Config) { c.BreakGlass.PerDay = 2 })
	for range 2 {
		g, err := w.breakGlass("ann", w.incident("shop").ID)
		must(t, err)
		_, err = w.ctl.Withdraw(w.ctx, human("ann"), g.Plan, "enough")
		must(t, err)
		if g, err = w.ctl.BreakGlassOf(w.ctx, human("ann"), g.ID); err != nil || g.State != writ.BreakGlassOver {
			t.Errorf("%+v, %v", g, err)
		}
	}
	_, err := w.breakGlass("bob", w.incident("shop").ID)
	refused(t, err, writ.ReasonBreakGlassRate)
	w.pass(24 * time.Hour)
	_, err = w.breakGlass("bob", w.incident("shop").ID)
	must(t, err)
}

func TestPitfall37TheDrillShowsOneUseAndOneRefusal(t *testing.T) {
	w := glassWorld(t)
	if s, err := w.ctl.Status(w.ctx, human("ann")); err != nil || s.BreakGlass == nil || !s.BreakGlass.Late || s.BreakGlass.LastDrill != nil {
		t.Errorf("before any drill: %+v, %v", s.BreakGlass, err)
	}
	ask := w.signGlass(w.glass("ann", ""), w.people["sk ann"])
	g, err := w.ctl.AskBreakGlass(w.ctx, human("ann"), ask)
	must(t, err)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("ann"), ask) // before its use: refused, and no drill yet
	refused(t, err, writ.ReasonBreakGlassReplayed)
	if w.count(writ.EntryBreakGlassDrill) != 0 {
		t.Fatal("a refusal alone passes for a drill")
	}
	w.carryOut(g)
	_, err = w.ctl.AskBreakGlass(w.ctx, human("ann"), ask)
	refused(t, err, writ.ReasonBreakGlassReplayed)
	if g, err = w.ctl.BreakGlassOf(w.ctx, human("ann"), g.ID); err != nil || !g.Passed || g.Refusal != writ.ReasonBreakGlassReplayed || !g.Drill {
		t.Errorf("%+v, %v", g, err)
	}
	s, err := w.ctl.Status(w.ctx, human("ann"))
	if b := s.BreakGlass; err != nil || b.Late || b.LastDrill == nil || !b.DrillDue.Equal(b.LastDrill.Add(writ.DrillEvery)) || len(b.Owed) != 1 {
		t.Errorf("%+v, %v", b, err)
	}
	in, err := w.ctl.Incident(w.ctx, human("ann"), g.Incident)
	if err != nil || in.State != writ.IncidentResolved {
		t.Errorf("the drill's incident is %s, %v", in.State, err)
	}
	_, err = w.ctl.AskBreakGlass(w.ctx, human("ann"), ask)
	refused(t, err, writ.ReasonBreakGlassReplayed)
	if n := w.count(writ.EntryBreakGlassDrill); n != 1 {
		t.Errorf("%d drills were recorded", n)
	}
	w.pass(writ.DrillEvery)
	if s, err := w.ctl.Status(w.ctx, human("ann")); err != nil || !s.BreakGlass.Late {
		t.Errorf("a month later: %+v, %v", s.BreakGlass, err)
	}
}

// offlinePlan is a plan that the runner made while it was cut off, with the entry that tells of it.
func (w *world) offlinePlan(signers ...string) (writ.Plan, writ.OfflineBody, []byte) {
	w.t.Helper()
	id := func(prefix string) string {
		v, err := ident.New(prefix, w.now(), rand.Reader)
		must(w.t, err)
		return v
	}
	pb := w.config.Library[inEmergency]
	glass := id("bgl")
	prp, err := canon.Marshal(writ.Proposal{
		V: 1, ID: writ.ProposalID(id("prp")), Incident: writ.IncidentID(id("inc")), By: runnerID.Principal(), Playbook: pb.Ref(), Parameters: workload,
		Emergency: &writ.Emergency{ID: writ.BreakGlassID(glass), Offline: true}, At: w.now(),
	})
	must(w.t, err)
	p, err := w.runner.resolve(assignment.Planning{
		Plan: writ.PlanID(id("pln")), Proposal: prp, Playbook: pb.Source, Target: target, Service: "shop", Environment: "prod", Scope: w.config.Services["shop"].Locations,
		Policy: writ.DigestOf([]byte("trust")), Window: writ.Window{NotBefore: w.now(), NotAfter: w.now().Add(time.Hour)}, Holder: "offline",
	})
	must(w.t, err)
	bytes, err := p.Bytes()
	must(w.t, err)
	b := writ.OfflineBody{
		ID: p.Emergency.ID, Run: writ.RunID("run" + glass[3:]), Grant: writ.GrantID("gnt" + glass[3:]), Plan: p.ID, PlanDigest: writ.DigestOf(bytes), Runner: runnerID,
		Service: p.Service, Environment: p.Environment, Playbook: p.Playbook, Tier: p.Tier, Blast: p.Blast, Quorum: 2, Trust: writ.DigestOf([]byte("trust")),
	}
	for _, s := range p.Steps {
		b.Objects = append(b.Objects, s.Object)
	}
	b.Statement, err = writ.OfflineOf(p, b.PlanDigest).Bytes()
	must(w.t, err)
	for _, who := range signers {
		sig, err := approval.SignOffline(b.Statement, w.people["sk "+who], rand.Reader)
		must(w.t, err)
		b.Signatures = append(b.Signatures, sig)
	}
	return p, b, bytes
}

func TestI01ARunThatWasMadeWhileCutOffIsTakenOnReturnAndOwesAReview(t *testing.T) {
	w := glassWorld(t)
	p, b, bytes := w.offlinePlan("ann", "bob")
	h := &held{r: w.runner, plan: p, digest: b.PlanDigest, b: assignment.Bundle{Run: b.Run}, grant: writ.GrantBody{Grant: b.Grant}, lease: "lse_01JDB4A2Q7N5S3J8E6X0F4G1MB"}
	first := w.runner.seal(writ.EntryBreakGlassOffline, p.Incident, b)
	h.leaf = ledger.LeafHash(first)
	lease, intent := h.leaseEntry(), h.intent()
	decided := w.count(writ.EntryDecision)
	for name, d := range map[string]assignment.Delivery{
		"no plan":           {Run: b.Run, Entries: [][]byte{first}},
		"another plan":      {Run: b.Run, Entries: [][]byte{first}, Plan: []byte("{}")},
		"not its entry":     {Run: b.Run, Entries: [][]byte{lease}, Plan: bytes},
		"of another run":    {Run: "run_01JDB4A2Q7N5S3J8E6X0F4G1MB", Entries: [][]byte{first}, Plan: bytes},
		"no entries at all": {Run: b.Run, Plan: bytes},
	} {
		if _, err := w.ctl.Deliver(w.ctx, runnerID, d); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := w.ctl.Deliver(w.ctx, otherID, assignment.Delivery{Run: b.Run, Entries: [][]byte{sealAs(w, w.other, otherID, writ.EntryBreakGlassOffline, p.Incident, b)}, Plan: bytes}); err == nil {
		t.Error("another runner's word was taken")
	}
	_, err := w.ctl.Freeze(w.ctx, human("bob"), writ.FreezeAll, "", "everything") // it has happened all the same
	must(t, err)
	all := [][]byte{first, lease, intent, h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunSucceeded, "")}
	for range 2 { // an answer that was lost is asked for again
		d, err := w.ctl.Deliver(w.ctx, runnerID, assignment.Delivery{Run: b.Run, Entries: all, Plan: bytes})
		if err != nil || d.Refused != nil || len(d.Receipts) != len(all) {
			t.Fatalf("%+v, %v", d.Refused, err)
		}
	}
	g, err := w.ctl.BreakGlassOf(w.ctx, human("carl"), b.ID)
	if err != nil || !g.Offline || g.State != writ.BreakGlassUsed || len(g.Signers) != 2 || g.RunState != writ.RunSucceeded || !g.ReviewDue.Equal(w.now().Add(writ.ReviewLife)) {
		t.Errorf("%+v, %v", g, err)
	}
	if w.count(writ.EntryBreakGlassUse) != 1 || w.count(writ.EntryBreakGlassOffline) != 1 || w.count(writ.EntryDecision) != decided {
		t.Error("it was entered twice, or decided")
	}
	_, err = w.ctl.ReviewBreakGlass(w.ctx, human("ann"), b.ID, writ.ReviewJustified, "I signed it")
	refused(t, err, writ.ReasonReviewOwn)
	if in, err := w.ctl.Incident(w.ctx, human("ann"), p.Incident); err != nil || in.State != writ.IncidentOpen { // its run can be put back until then
		t.Errorf("before the review its incident is %s, %v", in.State, err)
	}
	_, err = w.ctl.ReviewBreakGlass(w.ctx, human("rob"), b.ID, writ.ReviewJustified, "right")
	must(t, err)
	if in, err := w.ctl.Incident(w.ctx, human("ann"), p.Incident); err != nil || in.State != writ.IncidentResolved {
		t.Errorf("after it: %s, %v", in.State, err)
	}
}
