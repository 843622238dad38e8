package verify_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/verify"
)

// moved adds one person's signed decision that a playbook moves, and the move. Asking for more care takes one person.
func (w *world) moved(from, to writ.Tier, change func(*writ.AutonomyAnswerBody)) {
	w.t.Helper()
	at := start.Add(time.Hour)
	s := writ.AutonomyStatement{
		Type: writ.AutonomyType, Playbook: "rollback-deployment", Service: "payments-api", From: from, To: to, Record: digest("record"), Person: person,
		Nonce: "autonomynonce000000001", NotBefore: at.Add(-time.Minute), Expires: at.Add(time.Minute),
	}
	b, err := s.Bytes()
	if err != nil {
		w.t.Fatal(err)
	}
	sig, err := approval.SignAutonomy(b, w.human, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	answer := &writ.AutonomyAnswerBody{
		Playbook: s.Playbook, Service: s.Service, From: from, To: to, Team: "payments", By: person, Proof: writ.ProofD, Key: ssh.FingerprintSHA256(w.human.PublicKey()),
		Statement: b, Signature: sig, Reason: writ.Commit(w.salt, "reason", []byte("earned")),
	}
	if change != nil {
		change(answer)
	}
	given := &item{kind: writ.EntryAutonomyAnswer, by: w.control, log: origin, actor: controlPlane, at: at, nonce: "answernonce000000000001", body: answer}
	w.items = append(w.items, given,
		&item{kind: writ.EntryAutonomy, by: w.control, log: origin, actor: controlPlane, at: at, nonce: "movednonce0000000000001",
			before: func(_ *world, i *item) {
				i.extra = []writ.Ref{{Rel: "answer", Leaf: ledger.LeafHash(given.leaf)}}
			},
			body: &writ.AutonomyBody{Change: writ.AutonomyMoved, Playbook: s.Playbook, Service: s.Service, From: from, To: to}})
}

func TestADecisionOnAutonomyIsCheckedOffline(t *testing.T) {
	clean := newWorld(t)
	honest := raw(t, clean.bundle())
	w := newWorld(t)
	w.moved(writ.T1, writ.T2, nil)
	b := w.bundle()
	if r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint)); r.Verdict() != verify.OK {
		t.Errorf("%s", r.Text())
	}
	for name, change := range map[string]func(*world){
		"more autonomy by one person": func(w *world) { w.moved(writ.T2, writ.T1, nil) },
		"another tier than signed":    func(w *world) { w.moved(writ.T1, writ.T2, func(b *writ.AutonomyAnswerBody) { b.To = writ.T3 }) },
		"another service than signed": func(w *world) { w.moved(writ.T1, writ.T2, func(b *writ.AutonomyAnswerBody) { b.Service = "other" }) },
		"for a team that is not theirs": func(w *world) {
			w.moved(writ.T1, writ.T2, func(b *writ.AutonomyAnswerBody) { b.Team = "search" })
		},
		"a better proof than was given": func(w *world) {
			w.moved(writ.T1, writ.T2, func(b *writ.AutonomyAnswerBody) { b.Proof = writ.ProofA })
		},
		"a signature of something else": func(w *world) {
			w.moved(writ.T1, writ.T2, func(b *writ.AutonomyAnswerBody) { b.Statement = append([]byte(" "), b.Statement...) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			change(w)
			b := w.bundle()
			wantFinding(t, honest, raw(t, b), w.trust(), "autonomy", []byte(b.Checkpoint))
		})
	}
}

// movedByPasskey is a log in which a person's passkey, enrolled and confirmed before, moves a playbook to more care, or gives
// an agent T1 back that it had lost.
func movedByPasskey(t testing.TB, restores bool) (*world, *softkey.Key, verify.Trust) {
	t.Helper()
	w := newWorld(t)
	k := softkey.New(t, -7, "https://approve.writ.example", "approve.writ.example")
	k.AAGUID = [16]byte{1}
	trust := w.trust()
	trust.Approvers[0].Passkeys = []writ.Credential{k.Credential(writ.ProofA, start)}
	if restores {
		w.items = append(w.items, &item{kind: writ.EntryAutonomy, by: w.control, log: origin, actor: controlPlane, at: start.Add(time.Minute), nonce: "lostnonce00000000000001",
			body: &writ.AutonomyBody{Change: writ.AutonomyLost, Agent: &agent, From: writ.T1, To: writ.T2, Balance: -2}})
		w.moved(writ.T2, writ.T1, nil)
	} else {
		w.moved(writ.T1, writ.T2, nil)
	}
	n := len(w.items)
	b := w.items[n-2].body.(*writ.AutonomyAnswerBody)
	if restores {
		st, err := writ.ParseAutonomyStatement(b.Statement)
		if err != nil {
			t.Fatal(err)
		}
		st.Playbook, st.Service, st.Agent = "", "", &agent
		if b.Statement, err = st.Bytes(); err != nil {
			t.Fatal(err)
		}
		b.Playbook, b.Service, b.Agent = "", "", &agent
		move := w.items[n-1].body.(*writ.AutonomyBody)
		move.Playbook, move.Service, move.Agent, move.Change = "", "", &agent, writ.AutonomyRestored
	}
	w.items[n-2].before = func(_ *world, i *item) {
		b := *b
		b.Signature, b.Passkey, b.Key = "", k.Get(t, approval.AutonomyChallenge(b.Statement)), approval.Fingerprint(k.COSE)
		if b.Proof == writ.ProofD {
			b.Proof = writ.ProofA
		}
		i.body = &b
	}
	w.enrol(k, writ.PasskeyPending, person)
	w.enrol(k, writ.PasskeyActive, writ.Person{Iss: person.Iss, Sub: "u-99"})
	return w, k, trust
}

func TestADecisionOnAutonomyByPasskeyIsCheckedOffline(t *testing.T) {
	answer := func(w *world, change func(*writ.AutonomyAnswerBody)) {
		i := w.items[len(w.items)-2]
		before := i.before
		i.before = func(w *world, i *item) { before(w, i); change(i.body.(*writ.AutonomyAnswerBody)) }
	}
	for name, c := range map[string]struct {
		restores bool
		change   func(*world, *softkey.Key, *verify.Trust)
		want     string // empty: it verifies
	}{
		"the honest log":            {false, func(*world, *softkey.Key, *verify.Trust) {}, ""},
		"an agent is restored":      {true, func(*world, *softkey.Key, *verify.Trust) {}, ""},
		"its user was not verified": {false, func(_ *world, k *softkey.Key, _ *verify.Trust) { k.Flags &^= softkey.Verified }, "autonomy"},
		"another origin":            {false, func(_ *world, k *softkey.Key, _ *verify.Trust) { k.Origin = "https://writ.example" }, "autonomy"},
		"an assertion for a policy": {false, func(w *world, k *softkey.Key, _ *verify.Trust) {
			answer(w, func(b *writ.AutonomyAnswerBody) { b.Passkey = k.Get(w.t, approval.PolicyChallenge(b.Statement)) })
		}, "autonomy"},
		"an altered byte of what was signed": {false, func(w *world, _ *softkey.Key, _ *verify.Trust) {
			answer(w, func(b *writ.AutonomyAnswerBody) { b.Passkey.AuthenticatorData[36] ^= 1 })
		}, "autonomy"},
		"two proofs": {false, func(w *world, _ *softkey.Key, _ *verify.Trust) {
			answer(w, func(b *writ.AutonomyAnswerBody) { b.Signature = "sig" })
		}, "autonomy"},
		"another key": {false, func(w *world, _ *softkey.Key, _ *verify.Trust) {
			answer(w, func(b *writ.AutonomyAnswerBody) { b.Key = "SHA256:other" })
		}, "autonomy"},
		"not on the auditor's roster": {false, func(_ *world, _ *softkey.Key, tr *verify.Trust) { tr.Approvers[0].Passkeys = nil }, "autonomy"},
		"removed before":              {false, func(w *world, k *softkey.Key, _ *verify.Trust) { w.enrol(k, writ.PasskeyRemoved, person) }, "passkey"},
		"never enrolled": {false, func(w *world, _ *softkey.Key, _ *verify.Trust) {
			for _, i := range w.items[1:3] {
				i.kind, i.body = writ.EntryFreeze, &writ.FreezeBody{Freeze: id[writ.FreezeID]("frz", 1), Scope: writ.FreezeAll}
			}
		}, "no_passkey"},
		"removed after the answer and before the move": {false, func(w *world, k *softkey.Key, _ *verify.Trust) {
			n := len(w.items) - 1
			w.items = append(w.items[:n], &item{kind: writ.EntryPasskey, by: w.control, log: origin, actor: controlPlane, at: start.Add(time.Hour), nonce: "removednonce00000000001",
				body: &writ.PasskeyBody{Passkey: writ.PasskeyIDOf(k.ID), Person: person, State: writ.PasskeyRemoved, Credential: k.Credential(writ.ProofA, start), By: person.Principal()}}, w.items[n])
		}, "passkey"},
		"newer than the loss": {true, func(_ *world, _ *softkey.Key, tr *verify.Trust) {
			tr.Approvers[0].Passkeys[0].Since = start.Add(2 * time.Minute)
		}, "autonomy"},
		"given back though nothing was lost": {true, func(w *world, _ *softkey.Key, _ *verify.Trust) {
			for _, i := range w.items {
				if b, ok := i.body.(*writ.AutonomyBody); ok && b.Change == writ.AutonomyLost {
					i.kind, i.body = writ.EntryFreeze, &writ.FreezeBody{Freeze: id[writ.FreezeID]("frz", 1), Scope: writ.FreezeAll}
				}
			}
		}, "autonomy"},
	} {
		t.Run(name, func(t *testing.T) {
			w, k, trust := movedByPasskey(t, c.restores)
			c.change(w, k, &trust)
			b := w.bundle()
			r := judge(t, raw(t, b), trust, []byte(b.Checkpoint))
			if c.want == "" && r.Verdict() != verify.OK {
				t.Errorf("%s", r.Text())
			}
			if c.want != "" && (r.Authority.Verdict != verify.Violated || !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == c.want })) {
				t.Errorf("want %s:\n%s", c.want, r.Text())
			}
		})
	}
}

func TestDutiesThatTheDecisionDoesNotDemandAreFound(t *testing.T) {
	clean := newWorld(t)
	honest := raw(t, clean.bundle())
	w := newWorld(t)
	body[writ.GrantBody](w, granted).Duties = writ.Duties{VerifyWithin: 5}
	b := w.bundle()
	wantFinding(t, honest, raw(t, b), w.trust(), "duties", []byte(b.Checkpoint))
}
