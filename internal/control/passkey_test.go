package control_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/passkey"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/policies"
)

const approveOrigin, approveRP = "https://approve.writ.test", "approve.writ.test"

// approving sets passkeys up, and puts somebody on the roster who has no SSH key.
func approving(c *control.Config) {
	c.Approve = passkey.Site{Origin: approveOrigin, RP: approveRP}
	c.Roster = append(c.Roster, approval.Member{Iss: idp, Sub: "kim", Groups: []string{"checkout"}})
}

func newPasskey(t testing.TB) *softkey.Key { return softkey.New(t, -7, approveOrigin, approveRP) }

// challenge is what a browser reads out of its options.
func challenge(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	must(t, err)
	return b
}

// enrols lets a person make a passkey.
func (w *world) enrols(sub string, k *softkey.Key) (writ.Passkey, error) {
	w.t.Helper()
	ask, err := w.ctl.BeginPasskey(w.ctx, human(sub))
	must(w.t, err)
	return w.ctl.AddPasskey(w.ctx, human(sub), k.Create(w.t, challenge(w.t, ask.Options.Challenge)))
}

// hasPasskey enrols a person's passkey, which bob confirms.
func (w *world) hasPasskey(sub string, k *softkey.Key) writ.Passkey {
	w.t.Helper()
	p, err := w.enrols(sub, k)
	must(w.t, err)
	p, err = w.ctl.SetPasskey(w.ctx, human("bob"), p.ID, writ.PasskeyActive, p.Fingerprint)
	must(w.t, err)
	w.pass(time.Second)
	return p
}

func (w *world) beginAnswer(id writ.PlanID, sub string) (writ.AnswerAsk, error) {
	w.t.Helper()
	s, err := w.ctl.Plan(w.ctx, human(sub), id, 0)
	must(w.t, err)
	return w.ctl.BeginAnswer(w.ctx, human(sub), id, writ.AnswerWish{PlanDigest: s.Digest, Answer: writ.Approve, Slot: "owner"})
}

// asserts answers a plan with a passkey.
func (w *world) asserts(id writ.PlanID, sub string, k *softkey.Key) (writ.PlanStatus, error) {
	w.t.Helper()
	ask, err := w.beginAnswer(id, sub)
	if err != nil {
		return writ.PlanStatus{}, err
	}
	return w.ctl.AnswerByPasskey(w.ctx, human(sub), id, ask.Statement, *k.Get(w.t, challenge(w.t, ask.Options.Challenge)), "looks right")
}

func TestAPasskeyCountsOnceAnotherPersonOfTheGroupHasConfirmedIt(t *testing.T) {
	w := newWorld(t, approving)
	k := newPasskey(t)
	p, err := w.enrols("kim", k)
	must(t, err)
	if p.State != writ.PasskeyPending || p.Credential.Level != writ.ProofB || p.Fingerprint != approval.Fingerprint(k.COSE) {
		t.Errorf("%+v", p)
	}
	early := w.waiting().ID
	_, err = w.asserts(early, "kim", k)
	refused(t, err, writ.ReasonUnknownPasskey)
	_, err = w.answer(early, w.statement(early, "ann", "owner", writ.Reject), "ann")
	must(t, err)
	for name, c := range map[string]struct {
		by          writ.Principal
		fingerprint string
		want        writ.Reason
	}{
		"its owner":             {human("kim"), p.Fingerprint, writ.ReasonNotYours},
		"another group":         {human("carl"), p.Fingerprint, writ.ReasonNotYours},
		"not on the roster":     {human("eve"), p.Fingerprint, writ.ReasonApproverUnknown},
		"an agent":              {repair, p.Fingerprint, writ.ReasonKind},
		"another fingerprint":   {human("bob"), "SHA256:" + p.Fingerprint[8:] + "A", writ.ReasonForm},
		"without a fingerprint": {human("bob"), "", writ.ReasonForm},
	} {
		_, err := w.ctl.SetPasskey(w.ctx, c.by, p.ID, writ.PasskeyActive, c.fingerprint)
		if writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	confirmed, err := w.ctl.SetPasskey(w.ctx, human("bob"), p.ID, writ.PasskeyActive, p.Fingerprint)
	must(t, err)
	if confirmed.State != writ.PasskeyActive || confirmed.By != human("bob") {
		t.Errorf("%+v", confirmed)
	}
	w.pass(time.Second)
	s, err := w.asserts(w.waiting().ID, "kim", k)
	if err != nil || s.State != writ.PlanGranted {
		t.Fatalf("%s %v", s.State, err)
	}
	kept := w.bodies(writ.EntryPasskey)
	if len(kept) != 2 {
		t.Fatalf("%d entries", len(kept))
	}
	first, second := kept[0].(*writ.PasskeyBody), kept[1].(*writ.PasskeyBody)
	if first.State != writ.PasskeyPending || first.By != human("kim") || first.Registration == nil || len(first.Registration.Attestation) == 0 {
		t.Errorf("the enrolment's entry: %+v", first)
	}
	if second.State != writ.PasskeyActive || second.By != human("bob") || second.Registration != nil {
		t.Errorf("the confirmation's entry: %+v", second)
	}
	vote := w.bodies(writ.EntryApproval)[1].(*writ.ApprovalBody)
	if vote.Proof != writ.ProofB || vote.Passkey == nil || vote.Signature != "" || len(vote.Passkey.ClientData) == 0 {
		t.Errorf("the vote's entry: %+v", vote)
	}
}

// bodies are those of all entries of a kind.
func (w *world) bodies(kind writ.EntryKind) (out []any) {
	for _, e := range w.entries() {
		if e.Record.Kind == kind {
			out = append(out, e.Body)
		}
	}
	return out
}

func TestPitfall21TwoParallelSubmissionsOfOneAssertionRecordOneVote(t *testing.T) {
	w := newWorld(t, approving)
	k := newPasskey(t)
	w.hasPasskey("kim", k)
	id := w.waiting().ID
	ask, err := w.beginAnswer(id, "kim")
	must(t, err)
	proof := *k.Get(t, challenge(t, ask.Options.Challenge))
	var group sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		group.Go(func() { _, errs[i] = w.ctl.AnswerByPasskey(w.ctx, human("kim"), id, ask.Statement, proof, "") })
	}
	group.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else if writ.ReasonOf(err) != writ.ReasonApprovalExpired && writ.ReasonOf(err) != writ.ReasonApprovalReplayed {
			t.Error(err) // the plan is granted, or the statement used
		}
	}
	if done != 1 || w.count(writ.EntryApproval) != 1 {
		t.Errorf("%d were taken, %d votes recorded", done, w.count(writ.EntryApproval))
	}
}

func TestPitfall20OnlyAStatementThatWasMadeHereForThatAnswerIsTaken(t *testing.T) {
	w := newWorld(t, approving)
	k := newPasskey(t)
	w.hasPasskey("kim", k)
	id := w.waiting().ID
	own := w.statement(id, "kim", "owner", writ.Approve) // of the client's own making
	b, err := own.Bytes()
	must(t, err)
	_, err = w.ctl.AnswerByPasskey(w.ctx, human("kim"), id, b, *k.Get(t, approval.Challenge(b)), "")
	refused(t, err, writ.ReasonApprovalReplayed)
	before, err := w.beginAnswer(id, "kim")
	must(t, err)
	ask, err := w.beginAnswer(id, "kim")
	must(t, err)
	_, err = w.ctl.AnswerByPasskey(w.ctx, human("kim"), id, before.Statement, *k.Get(t, challenge(t, before.Options.Challenge)), "")
	refused(t, err, writ.ReasonApprovalReplayed)
	login := *k.Get(t, []byte("a login's challenge, of 32 bytes"))
	_, err = w.ctl.AnswerByPasskey(w.ctx, human("kim"), id, ask.Statement, login, "")
	refused(t, err, writ.ReasonApprovalSignature)
	_, err = w.ctl.AnswerByPasskey(w.ctx, human("ann"), id, ask.Statement, *k.Get(t, challenge(t, ask.Options.Challenge)), "")
	refused(t, err, writ.ReasonApprovalMismatch)
	_, err = w.ctl.AnswerByPasskey(w.ctx, repair, id, ask.Statement, *k.Get(t, challenge(t, ask.Options.Challenge)), "")
	refused(t, err, writ.ReasonKind)
	s, err := w.ctl.AnswerByPasskey(w.ctx, human("kim"), id, ask.Statement, *k.Get(t, challenge(t, ask.Options.Challenge)), "")
	if err != nil || s.State != writ.PlanGranted {
		t.Errorf("%s %v", s.State, err)
	}
}

func TestPitfall18AVoteByPasskeyIsForThePlanThatItWasBegunFor(t *testing.T) {
	w := newWorld(t, approving, manyIncidents)
	k := newPasskey(t)
	w.hasPasskey("kim", k)
	one, more := w.waiting().ID, w.scale(w.incident("shop").ID)
	more.Parameters = with(more.Parameters, "replicas", writ.Int(4))
	two := w.propose(second, more).ID
	ask, err := w.beginAnswer(one, "kim")
	must(t, err)
	_, err = w.ctl.AnswerByPasskey(w.ctx, human("kim"), two, ask.Statement, *k.Get(t, challenge(t, ask.Options.Challenge)), "")
	refused(t, err, writ.ReasonApprovalMismatch)
	_, err = w.ctl.BeginAnswer(w.ctx, human("kim"), one, writ.AnswerWish{PlanDigest: writ.DigestOf([]byte("another version")), Answer: writ.Approve, Slot: "owner"})
	refused(t, err, writ.ReasonApprovalMismatch)
	w.pass(planLife)
	_, err = w.ctl.AnswerByPasskey(w.ctx, human("kim"), one, ask.Statement, *k.Get(t, challenge(t, ask.Options.Challenge)), "")
	refused(t, err, writ.ReasonApprovalExpired)
}

func TestPitfall19ACounterThatDidNotGrowIsRefused(t *testing.T) {
	w := newWorld(t, approving, manyIncidents)
	k := newPasskey(t)
	k.Counter = 5
	w.hasPasskey("kim", k)
	k.Counter = 9
	if _, err := w.rejects(w.waiting().ID, "kim", k); err != nil {
		t.Fatal(err)
	}
	id := w.waiting().ID
	for _, n := range []uint32{0, 5, 6, 9} {
		k.Counter = n
		_, err := w.asserts(id, "kim", k)
		refused(t, err, writ.ReasonApprovalCloned)
	}
	k.Counter = 10
	if s, err := w.asserts(id, "kim", k); err != nil || s.State != writ.PlanGranted {
		t.Errorf("%s %v", s.State, err)
	}
}

// rejects is asserts for a no.
func (w *world) rejects(id writ.PlanID, sub string, k *softkey.Key) (writ.PlanStatus, error) {
	w.t.Helper()
	s, err := w.ctl.Plan(w.ctx, human(sub), id, 0)
	must(w.t, err)
	ask, err := w.ctl.BeginAnswer(w.ctx, human(sub), id, writ.AnswerWish{PlanDigest: s.Digest, Answer: writ.Reject, Slot: "owner"})
	must(w.t, err)
	return w.ctl.AnswerByPasskey(w.ctx, human(sub), id, ask.Statement, *k.Get(w.t, challenge(w.t, ask.Options.Challenge)), "no")
}

func TestPitfall19And23APasskeyThatWasRemovedIsRefusedAndItsVotesNoLongerCount(t *testing.T) {
	w := newWorld(t, approving)
	k := newPasskey(t)
	p := w.hasPasskey("kim", k)
	id := w.waiting().ID
	ask, err := w.beginAnswer(id, "kim")
	must(t, err)
	proof := *k.Get(t, challenge(t, ask.Options.Challenge))
	_, err = w.ctl.SetPasskey(w.ctx, human("carl"), p.ID, writ.PasskeyRemoved, "")
	refused(t, err, writ.ReasonNotYours)
	removed, err := w.ctl.SetPasskey(w.ctx, human("kim"), p.ID, writ.PasskeyRemoved, "")
	must(t, err)
	if removed.State != writ.PasskeyRemoved {
		t.Errorf("%+v", removed)
	}
	_, err = w.ctl.AnswerByPasskey(w.ctx, human("kim"), id, ask.Statement, proof, "")
	refused(t, err, writ.ReasonApproverUnknown)
	_, err = w.ctl.SetPasskey(w.ctx, human("bob"), p.ID, writ.PasskeyActive, p.Fingerprint)
	refused(t, err, writ.ReasonPasskeyState)
	_, err = w.enrols("kim", k)
	refused(t, err, writ.ReasonPasskeyExists)
}

func TestPitfall23AVoteWhosePasskeyWasRemovedSinceNoLongerCounts(t *testing.T) {
	w := newWorld(t, twoOwners(t), approving)
	k := newPasskey(t)
	p := w.hasPasskey("kim", k)
	id := w.waiting().ID
	if s, err := w.asserts(id, "kim", k); err != nil || s.State != writ.PlanWaiting || len(s.Approvals) != 1 {
		t.Fatalf("%+v %v", s, err)
	}
	_, err := w.ctl.SetPasskey(w.ctx, human("bob"), p.ID, writ.PasskeyRemoved, "")
	must(t, err)
	if s, err := w.approve(id, "ann", "owner"); err != nil || s.State != writ.PlanWaiting {
		t.Fatalf("one vote of two was enough: %s %v", s.State, err)
	}
	if s, err := w.approve(id, "bob", "owner"); err != nil || s.State != writ.PlanGranted {
		t.Errorf("%s %v", s.State, err)
	}
}

func TestPitfall22APasskeyAndAnSSHKeyOfOnePersonFillOneSlotOfAPlan(t *testing.T) {
	w := newWorld(t, twoOwners(t), approving)
	k := newPasskey(t)
	w.hasPasskey("ann", k)
	id := w.waiting().ID
	if _, err := w.asserts(id, "ann", k); err != nil {
		t.Fatal(err)
	}
	_, err := w.approve(id, "ann", "owner")
	refused(t, err, writ.ReasonApprovalReplayed)
	_, err = w.asserts(id, "ann", k)
	refused(t, err, writ.ReasonApprovalReplayed)
	if w.count(writ.EntryApproval) != 1 || w.count(writ.EntryGrant) != 0 {
		t.Errorf("%d votes", w.count(writ.EntryApproval))
	}
}

// The set for production asks for level C at tier 2 and for level A at tier 3.
func TestPolicyCountsPasskeysByTheLevelThatTheyProve(t *testing.T) {
	model := [16]byte{1, 2, 3}
	for name, c := range map[string]struct {
		tier     writ.Tier
		attested bool
		ssh      bool
		want     writ.PlanState
	}{
		"a plain SSH key at tier 2":       {writ.T2, false, true, writ.PlanWaiting},
		"a passkey at tier 2":             {writ.T2, false, false, writ.PlanGranted},
		"passkeys at tier 3":              {writ.T3, false, false, writ.PlanWaiting},
		"passkeys of a device, at tier 3": {writ.T3, true, false, writ.PlanGranted},
	} {
		t.Run(name, func(t *testing.T) {
			maker := softkey.NewMaker(t, model, begin)
			w := newWorld(t, approving, func(cfg *control.Config) {
				roots := x509.NewCertPool()
				roots.AddCert(maker.Root)
				cfg.Approve.Models = map[string]*x509.CertPool{"01020300-0000-0000-0000-000000000000": roots}
				cfg.Policy = loadPolicy(t, raised{policies.Default(), c.tier}, cfg.Library)
			})
			var keys []*softkey.Key
			for _, sub := range []string{"kim", "ann"} {
				k := newPasskey(t)
				if k.AAGUID = model; c.attested {
					k.Maker = maker
				}
				w.hasPasskey(sub, k)
				keys = append(keys, k)
			}
			id := w.waiting().ID
			var s writ.PlanStatus
			var err error
			for i, sub := range []string{"kim", "ann"}[:c.tier-1] {
				if c.ssh {
					s, err = w.approve(id, "ann", "owner")
				} else {
					s, err = w.asserts(id, sub, keys[i])
				}
				must(t, err)
			}
			if s.State != c.want {
				t.Errorf("%s: %s", s.State, s.Detail)
			}
		})
	}
}

// raised is a policy set whose scale-workload is of a higher tier.
type raised struct {
	fs.FS
	tier writ.Tier
}

func (r raised) Open(name string) (fs.File, error) {
	if name != "tiers.yaml" {
		return r.FS.Open(name)
	}
	b, err := fs.ReadFile(r.FS, name)
	if err != nil {
		return nil, err
	}
	b = bytes.Replace(b, []byte("raises: []"), fmt.Appendf(nil, "raises:\n  - {playbook: scale-workload, at_least: %s}", r.tier), 1)
	return fstest.MapFS{name: {Data: b}}.Open(name)
}

func TestPitfall25APasskeyConfirmedAfterTheProposalCannotVoteOnIt(t *testing.T) {
	w := newWorld(t, approving)
	k := newPasskey(t)
	p, err := w.enrols("kim", k)
	must(t, err)
	id := w.waiting().ID
	w.pass(time.Second)
	_, err = w.ctl.SetPasskey(w.ctx, human("bob"), p.ID, writ.PasskeyActive, p.Fingerprint)
	must(t, err)
	_, err = w.asserts(id, "kim", k)
	refused(t, err, writ.ReasonApproverUnknown)
}

func TestPitfall22TheAgentsOwnerCannotVoteWithAPasskeyEither(t *testing.T) {
	w := newWorld(t, approving)
	k := newPasskey(t)
	w.hasPasskey("rob", k)
	_, err := w.asserts(w.waiting().ID, "rob", k)
	refused(t, err, writ.ReasonApproverConflict)
}

func TestAnEnrolmentIsForThePersonThatBeganItOnceAndSoon(t *testing.T) {
	w := quietWorld(t, approving)
	k := newPasskey(t)
	ask, err := w.ctl.BeginPasskey(w.ctx, human("kim"))
	must(t, err)
	r := k.Create(t, challenge(t, ask.Options.Challenge))
	_, err = w.ctl.AddPasskey(w.ctx, human("ann"), r)
	refused(t, err, writ.ReasonPasskeyForm)
	_, err = w.ctl.AddPasskey(w.ctx, repair, r)
	refused(t, err, writ.ReasonKind)
	_, err = w.ctl.AddPasskey(w.ctx, human("eve"), r)
	refused(t, err, writ.ReasonApproverUnknown)
	if _, err := w.ctl.BeginPasskey(w.ctx, human("kim")); err != nil {
		t.Fatal(err)
	}
	_, err = w.ctl.AddPasskey(w.ctx, human("kim"), r) // of the challenge before
	refused(t, err, writ.ReasonPasskeyForm)
	ask, err = w.ctl.BeginPasskey(w.ctx, human("kim"))
	must(t, err)
	r = k.Create(t, challenge(t, ask.Options.Challenge))
	w.pass(5 * time.Minute)
	_, err = w.ctl.AddPasskey(w.ctx, human("kim"), r)
	refused(t, err, writ.ReasonPasskeyForm)
	if _, err = w.enrols("kim", k); err != nil {
		t.Fatal(err)
	}
	_, err = w.ctl.AddPasskey(w.ctx, human("kim"), r)
	refused(t, err, writ.ReasonPasskeyForm)
	for range approval.MaxPasskeys - 1 {
		if _, err := w.enrols("kim", newPasskey(t)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.ctl.BeginPasskey(w.ctx, human("kim"))
	refused(t, err, writ.ReasonTooLarge)
	all, err := w.ctl.Passkeys(w.ctx, human("carl"))
	if err != nil || len(all) != approval.MaxPasskeys {
		t.Errorf("%d %v", len(all), err)
	}
	_, err = w.ctl.Passkeys(w.ctx, repair)
	refused(t, err, writ.ReasonKind)
	_, err = w.ctl.SetPasskey(w.ctx, human("bob"), writ.PasskeyIDOf([]byte("nobody's")), writ.PasskeyActive, "")
	refused(t, err, writ.ReasonUnknownPasskey)
}

func TestAPasskeyOfAnotherSiteDoesNotCountHere(t *testing.T) {
	w := newWorld(t, approving)
	k := newPasskey(t)
	w.hasPasskey("kim", k)
	w.config.Approve = passkey.Site{Origin: "https://approve.other.test", RP: "approve.other.test"}
	elsewhere, err := control.New(w.config)
	must(t, err)
	id := w.waiting().ID
	ask, err := w.beginAnswer(id, "kim")
	must(t, err)
	_, err = elsewhere.AnswerByPasskey(w.ctx, human("kim"), id, ask.Statement, *k.Get(t, challenge(t, ask.Options.Challenge)), "")
	refused(t, err, writ.ReasonApproverUnknown)
}

func TestWithoutAnOriginOfTheirOwnThereAreNoPasskeys(t *testing.T) {
	w := quietWorld(t)
	_, err := w.ctl.BeginPasskey(w.ctx, human("ann"))
	refused(t, err, writ.ReasonPasskeysOff)
	_, err = w.ctl.AddPasskey(w.ctx, human("ann"), writ.Registration{})
	refused(t, err, writ.ReasonPasskeysOff)
	_, err = w.ctl.SetPasskey(w.ctx, human("ann"), "psk_00000000000000000000000000", writ.PasskeyActive, "")
	refused(t, err, writ.ReasonPasskeysOff)
	_, err = w.ctl.BeginAnswer(w.ctx, human("ann"), "pln_00000000000000000000000000", writ.AnswerWish{})
	refused(t, err, writ.ReasonPasskeysOff)
	c := w.config
	c.Roster = append(c.Roster, approval.Member{Iss: idp, Sub: "kim", Groups: []string{"checkout"}})
	if _, err := control.New(c); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("somebody without any key: %v", err)
	}
	c.Approve = passkey.Site{Origin: approveOrigin, RP: "writ.test"}
	if _, err := control.New(c); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a site with a wider rpId: %v", err)
	}
}
