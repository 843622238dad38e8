package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// Playbooks of tiers 3 and 4 by their own word.
var (
	twoStepsHigh = strings.Replace(twoSteps, "tier: T1", "tier: T3", 1)
	moreHighest  = strings.NewReplacer("name: more", "name: more-at-last", "tier: T2", "tier: T4", "within_seconds: 5", "within_seconds: 20").Replace(more)
)

// whyApproved is what people of the browser write beside their answers.
const whyApproved = "as the graph says"

// A high is an installation over HTTPS, whose people log in at an issuer, whose policy set has an owner, and where two
// passkeys are enough for tiers 3 and 4: Chromium's authenticator is not attested.
type high struct {
	*detour
	owner ed25519.PrivateKey // of the policy set
}

// TestTheWalkThroughTheHighTiersInABrowser: what two people decide. A policy set comes into force by two passkeys on its
// page; of tier 3 the first answer starts nothing and can be taken back, a rejection ends it, and a freeze from the head of the
// run's page stops what two people approved, which is put back; a second passkey counts once somebody else has confirmed it, and the
// first one no longer when it was removed; tier 4 takes the right name and no other. The auditor agrees to all of it.
func TestTheWalkThroughTheHighTiersInABrowser(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	x := openHigh(t, f)
	x.b = x.logsIn(f)
	x.enrols(you, ana)
	x.enrols(ana, you)

	x.newRules()
	x.takenBackAndRejected()
	x.stoppedInFlight()
	x.secondPasskey()
	x.verified(t)
}

func openHigh(t *testing.T, f *front) *high {
	t.Helper()
	x := &high{detour: &detour{halting: &halting{}}}
	x.counter = prepareShop(t, f.before, func(c *counter, o *setup.Options) {
		x.wire = install.NewWire(t, c.shop)
		o.Targets = []setup.Target{mintsAll(t, install.ShopAt(t, c.shop, x.wire.URL, "shop"))}
		o.Playbooks = append(o.Playbooks, []byte(twoStepsHigh), []byte(moreHighest))
	})
	key, err := pin.Create(filepath.Join(x.in.Dir, "keys", "policy.pem"), rand.Reader)
	must(t, err)
	x.owner = key
	public, err := pin.MarshalPublic(key.Public().(ed25519.PublicKey))
	must(t, err)
	write(t, filepath.Join(x.in.Dir, "keys", "policy.pub"), public)
	x.set(filepath.Join(x.in.Dir, "policies"), 1)
	x.loginsAt(f)
	x.edit(func(c *config.Server) {
		c.Policies, c.PolicyOwners = "policies", &config.PolicyOwners{Keys: []string{"keys/policy.pub"}, Threshold: 1, Approvers: team}
		c.Limits = &config.Limits{Attempts: 100, AttemptsPerObject: 100}
		c.EvidenceLife = config.Duration(time.Hour) // one reading is for the whole walk, however busy the machine
	})
	x.takesPasskeys()
	x.audit(func(v *verify.Trust) {
		v.Policy = &verify.PolicyApprovers{Group: team, Approvals: writ.PolicyChangeApprovals, Proof: writ.ProofB}
	})
	x.start()
	x.bad()
	return x
}

// mintsAll lets the client that mints leases of tier 2 mint those of the tiers above, too.
func mintsAll(t *testing.T, target setup.Target) setup.Target {
	t.Helper()
	was := string(target.Files[target.Connector])
	is := strings.Replace(was, "t2.secret, tier: T2}", "t2.secret, tier: T4}", 1)
	if is == was {
		t.Fatal("the connector's file has another form")
	}
	target.Files[target.Connector] = []byte(is)
	return target
}

// set writes the shipped set as a version, with passkeys that are not attested at tiers 3 and 4.
func (x *high) set(dir string, version int64, replace ...string) writ.PolicyFiles {
	x.t.Helper()
	files := shippedSet(x.t, dir, "rollback-release", version, x.owner, append([]string{"proof: A", "proof: B", "approvalsOwner: 2, proof: 3", "approvalsOwner: 2, proof: 2"}, replace...)...)
	return writ.PolicyFiles{Files: files, Signature: read(x.t, filepath.Join(dir, "bundle.sig"))}
}

// takesPasskeys has the runner's owner take them, too, at tiers 3 and 4.
func (x *high) takesPasskeys() {
	x.t.Helper()
	file := filepath.Join(x.in.Dir, "trust.json")
	tr, err := trust.Payload(read(x.t, file))
	must(x.t, err)
	tr.Version++
	for _, tier := range []writ.Tier{writ.T3, writ.T4} {
		tr.Ceiling.Quorum[tier] = trust.Quorum{Approvals: 2, Proof: writ.ProofB}
	}
	owner, err := pin.Load(filepath.Join(x.in.Dir, "keys", "owner.pem"))
	must(x.t, err)
	signed, err := trust.Sign(tr, owner)
	must(x.t, err)
	write(x.t, file, signed)
}

// newRules: rob proposes a set that its owner signed. One passkey puts it in force no more than a session does; a second one of somebody else does.
func (x *high) newRules() {
	x.t.Helper()
	next := x.set(x.t.TempDir(), 2, "raises: []", "raises: [{service: checkout, environment: prod, playbook: set-flag, at_least: T3}]")
	proposer := install.Client(x.t, x.in, x.url, rob, client.Config{})
	change, err := proposer.ProposePolicy(x.t.Context(), next, "two people for flags")
	must(x.t, err)
	version := func(state writ.PolicyChangeState, answers int, want int64) {
		x.t.Helper()
		c, err := x.person.PolicyChange(x.t.Context(), change.ID)
		must(x.t, err)
		s, err := x.person.Status(x.t.Context())
		must(x.t, err)
		if c.State != state || len(c.Answers) != answers || s.PolicyVersion != want {
			x.t.Fatalf("the change is %s with %d answers, version %d is in force; want %s with %d, version %d", c.State, len(c.Answers), s.PolicyVersion, state, answers, want)
		}
	}
	version(writ.PolicyWaiting, 0, 1)
	got := x.b.does(act{Do: "look", Who: you, Path: "/policy/changes", Until: "version 1 → 2"})
	if !strings.Contains(got.Page, "waiting") {
		x.t.Errorf("the change is listed as\n%s", got.Page)
	}
	got = x.b.does(act{Do: "answer", Who: you, Change: change.ID, Verdict: writ.Approve, Verified: true})
	if !strings.Contains(got.Before, "tiers.yaml") || !strings.Contains(got.Before, "two people for flags") {
		x.t.Errorf("you were shown\n%s", got.Before)
	}
	version(writ.PolicyWaiting, 1, 1)
	got = x.b.does(act{Do: "answer", Who: ana, Change: change.ID, Verdict: writ.Approve, Verified: true})
	version(writ.PolicyInForce, 2, 2)
	if strings.Contains(got.Page, "Your answer") {
		x.t.Errorf("what is in force can be answered:\n%s", got.Page)
	}
}

// takenBackAndRejected: the first of two answers starts nothing, and counts no more once it is taken back; the other person rejects.
func (x *high) takenBackAndRejected() {
	x.t.Helper()
	plan := x.wants("two-steps", rollbackTo("v41"), writ.PlanWaiting).Plan
	x.b.does(act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Approve, Verified: true, Reads: true})
	x.startsNothing(plan, 0)
	x.b.does(act{Do: "look", Who: you, Path: "/plans/" + string(plan), Press: "Take it back", Until: "taken back"})
	if p := x.is(plan, writ.PlanWaiting, 1); p.Approvals[0].Recalled == nil {
		x.t.Error("the approval counts on")
	}
	got := x.b.does(act{Do: "answer", Who: ana, Plan: plan, Verdict: writ.Reject, Verified: true, Reads: true})
	if !strings.Contains(got.Page, "rejected") || strings.Contains(got.Page, "Your answer") {
		x.t.Errorf("after the rejection it says\n%s", got.Page)
	}
	x.is(plan, writ.PlanRejected, 2)
	if changes := x.wire.Changes(); len(changes) != 0 {
		x.t.Errorf("changes were made: %v", changes)
	}
}

// startsNothing demands that one answer of two was given, and that nothing came of it: no run, and no change beyond these.
func (x *high) startsNothing(plan writ.PlanID, changes int) {
	x.t.Helper()
	p := x.is(plan, writ.PlanWaiting, 1)
	s, err := x.person.Status(x.t.Context())
	must(x.t, err)
	if got := x.wire.Changes(); p.Run != "" || s.Running != 0 || len(got) != changes {
		x.t.Errorf("after one answer: run %q, %d going on, changes %v", p.Run, s.Running, got)
	}
}

// stoppedInFlight: the second of two people sees no reason of the first before their own answer; what they approve is
// stopped by a freeze from the head of the run's own page, between its steps, and put back.
func (x *high) stoppedInFlight() {
	x.t.Helper()
	plan := x.wants("two-steps", rollbackTo("v41"), writ.PlanWaiting).Plan
	x.b.does(act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Approve, Verified: true, Reads: true})
	x.startsNothing(plan, 0)
	if got := x.b.does(act{Do: "look", Who: ana, Path: "/plans/" + string(plan), Until: "Your answer"}); strings.Contains(got.Page, whyApproved) || !strings.Contains(got.Page, "shown after your own answer") {
		x.t.Errorf("the second person is shown\n%s", got.Page)
	}
	h := x.wire.Hold(x.t)
	if got := x.b.does(act{Do: "answer", Who: ana, Plan: plan, Verdict: writ.Approve, Verified: true, Reads: true}); strings.Contains(got.Before, whyApproved) || !strings.Contains(got.Page, whyApproved) {
		x.t.Errorf("before the second answer:\n%s\nafter it:\n%s", got.Before, got.Page)
	}
	select {
	case <-h.Made:
	case <-time.After(time.Minute):
		x.t.Fatal("the first step was not made")
	}
	page := "/runs/" + string(x.runOf(plan))
	x.b.does(act{Do: "look", Who: you, Path: page, Until: "What happened"})
	x.b.does(act{Do: "look", Who: ana, Path: page, Press: "Freeze now", Head: true, Until: "Frozen: everything"})
	h.Free()
	x.b.does(act{Do: "look", Who: you, Until: "undone"}) // the page that was open all the while
	if r := x.ends(plan); r.State != writ.RunUndone || r.Reason != writ.ReasonFrozen {
		x.t.Errorf("the run is %s (%s)", r.State, r.Reason)
	}
	x.back(h)
	x.b.does(act{Do: "look", Who: ana, Path: "/freeze", Press: "Lift it", Until: "Nothing is frozen."})
}

// secondPasskey: you make another passkey, which answers nothing before ana has confirmed it, and no plan that is older; you remove
// the first, which answers nothing from then on. With the second one you approve tier 4, typing what it changes, and so does ana.
func (x *high) secondPasskey() {
	x.t.Helper()
	first := fingerprints.FindString(x.known)
	older := x.wants("more-at-last", replicas(5), writ.PlanWaiting).Plan
	x.b.does(act{Do: "device", Who: you})
	second := x.makes(you)
	x.takesNo(x.highest(older), "is not on the roster", true)
	x.confirms(ana, second)
	x.takesNo(x.highest(older), "enrolled after the plan was made", false)
	x.b.does(act{Do: "look", Who: ana, Path: "/plans/" + string(older), Press: "Withdraw", Until: "withdrawn"})

	plan := x.wants("more-at-last", replicas(5), writ.PlanWaiting).Plan
	yes := x.highest(plan)
	if got := x.b.does(act{Do: "remove", Who: you, Fingerprint: first}); !strings.Contains(got.Page, second) {
		x.t.Errorf("after the first passkey was removed:\n%s", got.Page)
	}
	known := read(x.t, x.in.Verify)
	x.signIn(x.wantCLI(x.t, 0, you, "approver", "export").out)
	write(x.t, x.in.Verify, known) // the auditor goes on knowing whose answers the removed passkey gave
	x.b.does(act{Do: "device", Who: you})
	x.takesNo(yes, "is not on the roster", true)
	x.b.does(act{Do: "device", Who: you})
	wrong := yes
	wrong.Typed = "orders"
	x.takesNo(wrong, "typing", false)

	x.b.does(yes)
	x.startsNothing(plan, 2)
	yes.Who = ana
	x.b.does(yes)
	if r := x.ends(plan); r.State != writ.RunSucceeded {
		x.t.Errorf("the run is %s: %s %s", r.State, r.Reason, r.Detail)
	}
	if got := x.wire.Changes(); len(got) != 3 || got[2] != "/services/"+storefront.Checkout+"/replicas" {
		x.t.Errorf("the changes are %v", got)
	}
}

// highest is your approval of a plan of tier 4, with the name that it asks for.
func (x *high) highest(plan writ.PlanID) act {
	x.t.Helper()
	p := x.is(plan, writ.PlanWaiting, 0)
	return act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Approve, Verified: true, Reads: true, Typed: approval.Confirmation(*p.Plan)}
}

// takesNo demands that an answer is refused with this. Where present is true, the passkey that the authenticator holds signs it,
// though the server did not name it.
func (x *high) takesNo(a act, why string, present bool) {
	x.t.Helper()
	a.Wrong, a.Present = true, present
	if got := x.b.does(a); !strings.HasPrefix(got.Told, "Not done: ") || !strings.Contains(got.Told, why) {
		x.t.Errorf("it was told %q, want %q", got.Told, why)
	}
	x.is(a.Plan, writ.PlanWaiting, 0)
}
