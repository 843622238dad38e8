package verify_test

import (
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ledger"
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
	n := len(w.items)
	w.items = append(w.items,
		&item{kind: writ.EntryAutonomyAnswer, by: w.control, log: origin, actor: controlPlane, at: at, nonce: "answernonce000000000001", body: answer},
		&item{kind: writ.EntryAutonomy, by: w.control, log: origin, actor: controlPlane, at: at, nonce: "movednonce0000000000001",
			before: func(w *world, i *item) {
				i.extra = []writ.Ref{{Rel: "answer", Leaf: ledger.LeafHash(w.items[n].leaf)}}
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

func TestDutiesThatTheDecisionDoesNotDemandAreFound(t *testing.T) {
	clean := newWorld(t)
	honest := raw(t, clean.bundle())
	w := newWorld(t)
	body[writ.GrantBody](w, granted).Duties = writ.Duties{VerifyWithin: 5}
	b := w.bundle()
	wantFinding(t, honest, raw(t, b), w.trust(), "duties", []byte(b.Checkpoint))
}
