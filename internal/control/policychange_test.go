package control_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/approval/approvaltest"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/seal"
	"github.com/writ-dev/writ/internal/quorum"
	"github.com/writ-dev/writ/policies"
	"github.com/writ-dev/writ/verify"
)

func setOwner(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

// setWords are what the sets of these tests can speak of: the world's, and what the shipped set's own tests are about.
func setWords(t testing.TB) policy.Vocabulary {
	v := policy.Vocabulary{Planes: []string{plane.Plane}, Operations: []writ.OperationName{"kubernetes/workload.rollback", "kubernetes/node.cordon"}, Playbooks: []policy.Playbook{
		{Name: "rollback-deployment", Plane: plane.Plane}, {Name: "cordon-node", Plane: plane.Plane}}}
	for _, o := range plane.Operations {
		v.Operations = append(v.Operations, o.Name)
	}
	for _, r := range plane.Readers {
		v.Readers = append(v.Readers, r.Name)
	}
	for name := range library(t) {
		v.Playbooks = append(v.Playbooks, policy.Playbook{Name: name, Plane: plane.Plane})
	}
	return v
}

// setFiles is the shipped set with texts replaced, where level C is enough for tier 3, signed by owners as a version.
func setFiles(t testing.TB, version int64, replace map[string]string, owners ...byte) writ.PolicyFiles {
	t.Helper()
	out, done := map[string][]byte{}, map[string]bool{}
	must(t, fs.WalkDir(policies.Default(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(policies.Default(), name)
		b = bytes.ReplaceAll(b, []byte("proof: A"), []byte("proof: C"))
		b = bytes.ReplaceAll(b, []byte("approvalsOwner: 2, proof: 3"), []byte("approvalsOwner: 2, proof: 1"))
		for was, is := range replace {
			done[was] = done[was] || bytes.Contains(b, []byte(was))
			b = bytes.ReplaceAll(b, []byte(was), []byte(is))
		}
		out[name] = b
		return err
	}))
	for was := range replace {
		if !done[was] {
			t.Fatalf("the set does not contain %q", was)
		}
	}
	f := writ.PolicyFiles{Files: out}
	for i, n := range owners {
		var err error
		if i == 0 {
			f.Signature, err = seal.Sign(out, version, setOwner(n))
		} else {
			f.Signature, err = seal.AddSignature(f.Signature, out, setOwner(n))
		}
		must(t, err)
	}
	return f
}

// gate takes sets that two of three owners have signed; people of platform approve them.
func gate(t testing.TB) *control.PolicyGate {
	owners := quorum.Owners{Threshold: 2}
	for _, n := range []byte{1, 2, 3} {
		owners.Keys = append(owners.Keys, setOwner(n).Public().(ed25519.PublicKey))
	}
	words := setWords(t)
	return &control.PolicyGate{Group: "platform", Load: func(f writ.PolicyFiles) (control.PolicySet, error) {
		m, signers, err := seal.Verify(f.Signature, f.Files, owners)
		if err != nil {
			return control.PolicySet{}, err
		}
		digest, err := m.Digest()
		if err != nil {
			return control.PolicySet{}, err
		}
		b, err := policy.LoadSources(f.Files, words)
		return control.PolicySet{Bundle: b, Version: m.Version, Manifest: digest, Signers: signers, PolicyFiles: f}, err
	}}
}

// platform are the people of these tests; each has a security key.
var platform = map[string][]string{"dora": {"platform"}, "emil": {"platform"}, "finn": {"platform"}, "gus": {"search"}, "ann": {"checkout"}, "bob": {"checkout", "checkout-oncall"}}

// governedWorld is a world in which version 1 is in force and people approve what follows it.
func governedWorld(t testing.TB, changes ...func(*control.Config)) *world {
	t.Helper()
	people := map[string]*approvaltest.Key{}
	w := newWorld(t, append([]func(*control.Config){func(c *control.Config) {
		c.Roster = c.Roster[2:] // ann and bob get other keys
		for _, sub := range []string{"ann", "bob", "dora", "emil", "finn", "gus"} {
			k, err := approvaltest.NewKey(rand.Reader, approvaltest.Touched|approvaltest.Verified)
			must(t, err)
			people[sub] = k
			c.Roster = append(c.Roster, approval.Member{Iss: idp, Sub: sub, Groups: platform[sub], Keys: []string{k.Line()}})
		}
		c.PolicyGate = gate(t)
		words := setWords(t)
		c.TryPolicy = func(files map[string][]byte) (*policy.Bundle, error) { return policy.LoadSources(files, words) }
		set, err := c.PolicyGate.Load(setFiles(t, 1, nil, 1, 2))
		must(t, err)
		c.Policy = set.Bundle
	}}, changes...)...)
	for sub, k := range people {
		w.people[sub] = k
	}
	must(t, w.ctl.AdoptPolicy(w.ctx, w.set(setFiles(t, 1, nil, 1, 2))))
	return w
}

func (w *world) set(f writ.PolicyFiles) control.PolicySet {
	w.t.Helper()
	s, err := w.config.PolicyGate.Load(f)
	must(w.t, err)
	return s
}

// stricterFiles denies a second fix already, with its tests.
func stricterFiles(t testing.TB, version int64) writ.PolicyFiles {
	return setFiles(t, version, map[string]string{"raises: []": "raises: [{service: shop, environment: prod, at_least: T3}]"}, 1, 2)
}

func (w *world) proposes(sub string, f writ.PolicyFiles) writ.PolicyChangeStatus {
	w.t.Helper()
	s, err := w.ctl.ProposePolicy(w.ctx, human(sub), f, "as agreed")
	must(w.t, err)
	return s
}

// votes answers a change as it stands, with changes to the statement made first.
func (w *world) votes(id writ.PolicyChangeID, sub string, answer writ.Answer, change ...func(*writ.PolicyApprovalStatement)) (writ.PolicyChangeStatus, error) {
	w.t.Helper()
	return w.ctl.AnswerPolicy(w.ctx, human(sub), id, w.ballot(id, sub, answer, change...))
}

func (w *world) ballot(id writ.PolicyChangeID, sub string, answer writ.Answer, change ...func(*writ.PolicyApprovalStatement)) writ.Approval {
	w.t.Helper()
	s, err := w.ctl.PolicyChange(w.ctx, human(sub), id)
	must(w.t, err)
	nonce, err := ident.Nonce(rand.Reader)
	must(w.t, err)
	st, err := approval.NewPolicy(s.Change, s.Digest, answer, writ.Person{Iss: idp, Sub: sub}, w.now(), nonce)
	must(w.t, err)
	for _, f := range change {
		f(&st)
	}
	b, err := st.Bytes()
	must(w.t, err)
	sig, err := approval.SignPolicy(b, w.people[sub], rand.Reader)
	must(w.t, err)
	return writ.Approval{Statement: b, Signature: sig}
}

func (w *world) version() int64 {
	w.t.Helper()
	st, err := w.ctl.Glance(w.ctx)
	must(w.t, err)
	return st.PolicyVersion
}

func wantCode(t testing.TB, what string, err error, code writ.Reason) {
	t.Helper()
	if writ.ReasonOf(err) != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

// A set that its owners have signed comes into force once two people who did not propose it approve its exact bytes: in the
// transaction of the last approval, and an auditor can tell from the bundle alone who did.
func TestAPolicySetComesIntoForceByTwoPeopleWhoDidNotProposeIt(t *testing.T) {
	w := governedWorld(t)
	in := w.incident("shop").ID
	w.propose(repair, w.restart(in)) // a recorded decision
	next := stricterFiles(t, 2)
	if err := w.ctl.AdoptPolicy(w.ctx, w.set(next)); !errors.Is(err, writ.ErrConflict) {
		t.Fatalf("a set that nobody approved came into force from a directory: %v", err)
	}
	s := w.proposes("dora", next)
	c := s.Change
	if s.State != writ.PolicyWaiting || c.Base.Version != 1 || c.Next.Version != 2 || len(c.Signers) != 2 || c.Tests.Cases == 0 || c.Search.Tried == 0 || c.Simulation.Decisions == 0 {
		t.Fatalf("%+v", c)
	}
	if len(c.Files) != 1 || c.Files[0].Path != "tiers.yaml" || c.Files[0].Edit != writ.PolicyChanged || c.Needs != (writ.PolicyNeeds{Group: "platform", Approvals: 2, Proof: writ.ProofC}) {
		t.Errorf("%+v %+v", c.Files, c.Needs)
	}
	_, err := w.votes(s.ID, "dora", writ.Approve)
	wantCode(t, "its proposer", err, writ.ReasonApproverConflict)
	_, err = w.votes(s.ID, "gus", writ.Approve)
	wantCode(t, "somebody of another group", err, writ.ReasonApproverUnknown)
	other := writ.DigestOf([]byte("other"))
	for what, change := range map[string]func(*writ.PolicyApprovalStatement){
		"another change":       func(st *writ.PolicyApprovalStatement) { st.Digest = other },
		"another set":          func(st *writ.PolicyApprovalStatement) { st.Manifest = other },
		"another set in force": func(st *writ.PolicyApprovalStatement) { st.Base = other },
	} {
		_, err = w.votes(s.ID, "emil", writ.Approve, change)
		wantCode(t, what, err, writ.ReasonApprovalMismatch)
	}
	if s, err = w.votes(s.ID, "emil", writ.Approve); err != nil || s.State != writ.PolicyWaiting || w.version() != 1 {
		t.Fatalf("after one of two: %+v, %v", s, err)
	}
	_, err = w.votes(s.ID, "emil", writ.Approve)
	wantCode(t, "one person twice", err, writ.ReasonApprovalReplayed)
	if s, err = w.votes(s.ID, "finn", writ.Approve); err != nil || s.State != writ.PolicyInForce || w.version() != 2 {
		t.Fatalf("after two of two: %+v, %v", s, err)
	}
	if w.count(writ.EntryPolicy) != 2 || w.count(writ.EntryPolicyChange) != 1 || w.count(writ.EntryPolicyApproval) != 2 {
		t.Errorf("%d %d %d", w.count(writ.EntryPolicy), w.count(writ.EntryPolicyChange), w.count(writ.EntryPolicyApproval))
	}
	w.auditsPolicy(t)
}

// auditsPolicy verifies the whole ledger with what an auditor has.
func (w *world) auditsPolicy(t *testing.T) {
	t.Helper()
	b, err := w.ctl.Export(w.ctx, human("ann"), "")
	must(t, err)
	trust := w.trust()
	trust.Policy = &verify.PolicyApprovers{Group: "platform", Approvals: 2, Proof: writ.ProofC}
	report, err := verify.Bundle(bytes.NewReader(b), trust)
	must(t, err)
	if report.Altered.Verdict != verify.OK || report.Authority.Verdict != verify.OK || len(report.Findings) != 0 {
		t.Errorf("%+v", report.Findings)
	}
}

func TestASetThatIsNotTestedSignedOrNewerIsNotProposed(t *testing.T) {
	w := governedWorld(t)
	good := map[string]string{"raises: []": "raises: [ ]"}
	lonely := setFiles(t, 2, good)
	lonely.Files["limits/more.cedar"] = []byte(`@id("limits/more") @reason("Planted.") forbid (principal, action in Action::"mutate", resource is Service) when { context.tier == 4 && context.newPlane };`)
	var err error
	lonely.Signature, err = seal.Sign(lonely.Files, 2, setOwner(1))
	must(t, err)
	lonely.Signature, err = seal.AddSignature(lonely.Signature, lonely.Files, setOwner(3))
	must(t, err)
	changed := setFiles(t, 2, good, 1, 2)
	changed.Files["tiers.yaml"] = append(bytes.Clone(changed.Files["tiers.yaml"]), '\n')
	for what, c := range map[string]struct {
		files writ.PolicyFiles
		code  writ.Reason
	}{
		"a test fails":                   {setFiles(t, 2, map[string]string{"context.sameFixRepeated < 3": "context.sameFixRepeated < 4"}, 1, 2), writ.ReasonPolicyTests},
		"a limit decides nowhere alone":  {lonely, writ.ReasonPolicyTests},
		"one owner of two":               {setFiles(t, 2, good, 1), writ.ReasonPolicySet},
		"nobody signed":                  {setFiles(t, 2, good), writ.ReasonPolicySet},
		"a file changed after that":      {changed, writ.ReasonPolicySet},
		"it does not load":               {setFiles(t, 2, map[string]string{"raises: []": "raises: [{}]"}, 1, 2), writ.ReasonPolicySet},
		"an observed playbook misspelt":  {setFiles(t, 2, map[string]string{"raises: []": "raises: []\nobserve: [restart-worklaod]"}, 1, 2), writ.ReasonPolicySet},
		"the version in force":           {setFiles(t, 1, good, 1, 2), writ.ReasonPolicyVersion},
		"no files at all":                {writ.PolicyFiles{}, writ.ReasonPolicySet},
		"more bytes than anybody writes": {writ.PolicyFiles{Files: map[string][]byte{"x": make([]byte, 5<<20)}}, writ.ReasonTooLarge},
	} {
		_, err := w.ctl.ProposePolicy(w.ctx, human("dora"), c.files, "")
		wantCode(t, what, err, c.code)
	}
	fine := setFiles(t, 2, good, 1, 2)
	for _, by := range []writ.Principal{repair, source, human("stranger")} {
		if _, err := w.ctl.ProposePolicy(w.ctx, by, fine, ""); !errors.Is(err, writ.ErrDenied) {
			t.Errorf("%s proposed a set: %v", by, err)
		}
	}
	if w.count(writ.EntryPolicyChange) != 0 || w.version() != 1 {
		t.Error("something was proposed")
	}
	w.proposes("dora", fine)
}

// Silence, a no, and taking it back all leave the set in force as it was; so does a change whose base has moved on.
func TestAChangeOfTheSetEndsWithoutForceInEveryOtherWay(t *testing.T) {
	w := governedWorld(t)
	first := w.proposes("dora", stricterFiles(t, 2))
	if s, err := w.votes(first.ID, "emil", writ.Reject); err != nil || s.State != writ.PolicyRejected {
		t.Errorf("rejected: %+v, %v", s, err)
	}
	_, err := w.votes(first.ID, "finn", writ.Approve)
	wantCode(t, "after a no", err, writ.ReasonApprovalExpired)

	back := w.proposes("dora", stricterFiles(t, 2))
	_, err = w.ctl.WithdrawPolicy(w.ctx, human("gus"), back.ID)
	wantCode(t, "somebody else takes it back", err, writ.ReasonNotYours)
	if s, err := w.ctl.WithdrawPolicy(w.ctx, human("dora"), back.ID); err != nil || s.State != writ.PolicyWithdrawn {
		t.Errorf("withdrawn: %+v, %v", s, err)
	}

	late := w.proposes("dora", stricterFiles(t, 2))
	_, err = w.votes(late.ID, "emil", writ.Approve)
	must(t, err)
	ballot := w.ballot(late.ID, "finn", writ.Approve)
	w.pass(writ.PolicyChangeLife)
	_, err = w.ctl.AnswerPolicy(w.ctx, human("finn"), late.ID, ballot)
	wantCode(t, "after a day", err, writ.ReasonApprovalExpired)
	must(t, w.ctl.SweepOnce(w.ctx))
	if s, err := w.ctl.PolicyChange(w.ctx, human("ann"), late.ID); err != nil || s.State != writ.PolicyExpired {
		t.Errorf("expired: %+v, %v", s, err)
	}

	a, b := w.proposes("dora", stricterFiles(t, 2)), w.proposes("emil", setFiles(t, 3, map[string]string{"raises: []": "raises: [ ]"}, 1, 2))
	for _, sub := range []string{"emil", "finn"} {
		_, err = w.votes(a.ID, sub, writ.Approve)
		must(t, err)
	}
	_, err = w.votes(b.ID, "finn", writ.Approve)
	wantCode(t, "on a set that is not in force any more", err, writ.ReasonApprovalExpired)
	if s, err := w.ctl.PolicyChange(w.ctx, human("ann"), b.ID); err != nil || s.State != writ.PolicyStale || w.version() != 2 {
		t.Errorf("stale: %+v, %v", s, err)
	}
	w.auditsPolicy(t)
}

// Taking a set back is a change as well: the same bytes under a new version, approved by two people.
func TestAnOlderSetComesBackUnderANewVersion(t *testing.T) {
	w := governedWorld(t)
	put := func(f writ.PolicyFiles) writ.PolicyChangeStatus {
		s := w.proposes("dora", f)
		for _, sub := range []string{"emil", "finn"} {
			var err error
			s, err = w.votes(s.ID, sub, writ.Approve)
			must(t, err)
		}
		return s
	}
	put(stricterFiles(t, 2))
	old, err := w.ctl.PolicySet(w.ctx, human("ann"), "1")
	must(t, err)
	if !maps.EqualFunc(old.Files, setFiles(t, 1, nil).Files, bytes.Equal) {
		t.Error("version 1 is not what it was")
	}
	_, err = w.ctl.ProposePolicy(w.ctx, human("dora"), old.PolicyFiles, "")
	wantCode(t, "the old version itself", err, writ.ReasonPolicyVersion)
	if s := put(setFiles(t, 3, nil, 1, 3)); s.Change.Restores != 1 || w.version() != 3 {
		t.Errorf("restores %d, version %d", s.Change.Restores, w.version())
	}
	w.auditsPolicy(t)
}

// A freeze needs no change of the rules, and nobody's approval.
func TestAFreezeStaysAvailableWhileAChangeWaits(t *testing.T) {
	w := governedWorld(t)
	w.proposes("dora", stricterFiles(t, 2))
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "now")
	must(t, err)
	if _, err := w.ctl.Propose(w.ctx, repair, writ.Ask{Incident: "inc_01JDB3V0T6M2Y8H4R1C7K5P9WE", Playbook: "restart-workload", Parameters: workload}); writ.ReasonOf(err) != writ.ReasonFrozen {
		t.Errorf("%v", err)
	}
}

// Pitfall 8: an approval that was collected under an older set is not used, and a set made stricter after the approval
// denies at issue.
func TestPitfall08AnAnswerBeforeAPublishedChangeIsNotUsed(t *testing.T) {
	w := governedWorld(t)
	plan := w.waiting()
	strict := setFiles(t, 2, map[string]string{"raises: []": "raises: [{service: shop, environment: prod, at_least: T3}]"}, 1, 2)
	s := w.proposes("dora", strict)
	_, err := w.votes(s.ID, "emil", writ.Approve)
	must(t, err)
	st := w.statement(plan.ID, "ann", "owner", writ.Approve) // signed before the new set, sent after it
	_, err = w.votes(s.ID, "finn", writ.Approve)
	must(t, err)
	_, err = w.answer(plan.ID, st, "ann")
	wantCode(t, "an answer that was given to the older set", err, writ.ReasonApprovalMismatch)
	if p, err := w.ctl.Plan(w.ctx, human("ann"), plan.ID, 0); err != nil || p.State != writ.PlanWaiting || p.Run != "" {
		t.Errorf("%s %s, %v", p.State, p.Run, err)
	}
	// The same ask again is decided by the new set: two owners, where one was enough.
	w.pass(planLife)
	must(t, w.ctl.SweepOnce(w.ctx))
	again := w.propose(repair, w.scale(w.incident("shop").ID))
	if again.State != writ.PlanWaiting || again.Needs.Approvals["owner"] != 2 {
		t.Fatalf("%s %+v %s", again.State, again.Needs, again.Detail)
	}
	if p, err := w.approve(again.ID, "ann", "owner"); err != nil || p.State != writ.PlanWaiting {
		t.Errorf("one of two: %s, %v", p.State, err)
	}
	if p, err := w.approve(again.ID, "bob", "owner"); err != nil || p.State != writ.PlanGranted {
		t.Errorf("two of two: %s %s, %v", p.State, p.Detail, err)
	}
	w.runner.take()
}

// Another replica decides by the new set from its next decision on, without having looked for it, and never without one.
func TestAReplicaFollowsTheSetInForceAtItsNextDecision(t *testing.T) {
	w := governedWorld(t)
	other, err := control.New(w.config)
	must(t, err)
	must(t, other.AdoptPolicy(t.Context(), w.set(setFiles(t, 1, nil, 1, 2))))
	s := w.proposes("dora", stricterFiles(t, 2))
	for _, sub := range []string{"emil", "finn"} {
		_, err = w.votes(s.ID, sub, writ.Approve)
		must(t, err)
	}
	d, err := other.Evaluate(t.Context(), human("ann"), writ.AccessQuestion{Subject: repair, Action: "playbook/restart-workload", Service: "shop", Incident: w.incident("shop").ID})
	if err != nil || !d.Policy.Equal(s.Change.Next.Policy) || d.Reason == writ.ReasonPolicyBehind {
		t.Errorf("%+v, %v", d, err)
	}
	if st, err := other.Glance(t.Context()); err != nil || st.PolicyVersion != 2 || st.PolicyProblem != "" {
		t.Errorf("%+v, %v", st, err)
	}
	// One that cannot load it denies, and says why.
	deaf := w.config
	deaf.PolicyGate = &control.PolicyGate{Group: "platform", Load: func(f writ.PolicyFiles) (control.PolicySet, error) {
		s, err := w.config.PolicyGate.Load(f)
		if s.Version > 1 {
			err = writ.ErrInvalid
		}
		return s, err
	}}
	third, err := control.New(deaf)
	must(t, err)
	files := setFiles(t, 1, nil, 1, 2)
	if err := third.AdoptPolicy(t.Context(), w.set(files)); !errors.Is(err, control.ErrPolicyPast) {
		t.Errorf("%v", err)
	}
}

// Pitfall 21: what the ledger holds of each decision is enough to take it again, byte for byte.
func TestPitfall21RecordedDecisionsAreReproducedByteForByte(t *testing.T) {
	w := governedWorld(t)
	plan := w.waiting()
	if p, err := w.approve(plan.ID, "ann", "owner"); err != nil || p.State != writ.PlanGranted {
		t.Fatalf("%s, %v", p.State, err)
	}
	w.runner.take()
	w.propose(repair, w.restart(w.incident("lab").ID))
	bundle := w.set(setFiles(t, 1, nil, 1, 2)).Bundle
	n := 0
	for _, e := range w.entries() {
		b, ok := e.Body.(*writ.DecisionBody)
		if !ok {
			continue
		}
		n++
		f, err := policy.ParseFacts(b.Facts)
		must(t, err)
		d := bundle.Decide(policy.Request{Playbook: b.Playbook, Operations: b.Operations, Facts: f})
		if d.Verdict != b.Verdict || d.Reason != b.Reason || strings.Join(d.Policies, " ") != strings.Join(b.Policies, " ") || !bytes.Equal(d.Facts, b.Facts) || !d.Policy.Equal(b.Policy) || d.Engine != b.Engine {
			t.Errorf("decision %s: %+v, was %+v", b.Decision, d, b)
		}
	}
	if n < 3 {
		t.Errorf("only %d decisions", n)
	}
}

// Pitfall 22: asking what policy would say, and deciding the past again under another set, are entries of the ledger
// themselves.
func TestPitfall22ADryRunAndASimulationAreLogged(t *testing.T) {
	w := governedWorld(t)
	in := w.incident("shop").ID
	w.propose(repair, w.restart(in))
	_, err := w.ctl.Evaluate(w.ctx, repair, writ.AccessQuestion{Subject: repair, Action: "playbook/restart-workload", Service: "shop", Incident: in})
	must(t, err)
	_, err = w.ctl.Evaluate(w.ctx, repair, writ.AccessQuestion{Subject: repair, Action: "playbook/nothing", Service: strings.Repeat("s", 500), Incident: in})
	must(t, err)
	sim, err := w.ctl.SimulatePolicy(w.ctx, human("ann"), writ.PolicyFiles{Files: stricterFiles(t, 2).Files})
	if err != nil || sim.Records == 0 {
		t.Fatalf("%+v, %v", sim, err)
	}
	if w.version() != 1 {
		t.Error("a simulation put something in force")
	}
	if _, err := w.ctl.SimulatePolicy(w.ctx, repair, stricterFiles(t, 2)); !errors.Is(err, writ.ErrDenied) {
		t.Errorf("an agent simulates: %v", err)
	}
	if a, s := w.count(writ.EntryAdvice), w.count(writ.EntrySimulation); a != 2 || s != 1 {
		t.Errorf("%d pieces of advice and %d simulations are recorded", a, s)
	}
}
