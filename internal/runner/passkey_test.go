package runner_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/internal/trust"
)

// asserted answers a plan with a passkey of kim's.
func (w *world) asserted(p writ.Plan, k *softkey.Key) writ.Approval {
	w.t.Helper()
	b, err := p.Bytes()
	must(w.t, err)
	nonce, err := ident.Nonce(rand.Reader)
	must(w.t, err)
	s, err := approval.New(p, writ.DigestOf(b), approval.Ask{
		Answer: writ.Approve, Person: writ.Person{Iss: "https://idp.test", Sub: "kim"}, Slot: "owner", Now: time.Now(), Life: 30 * time.Minute, Nonce: nonce,
	})
	must(w.t, err)
	statement, err := s.Bytes()
	must(w.t, err)
	return writ.Approval{ID: newID[writ.ApprovalID](w, "apr"), Statement: statement, Passkey: k.Get(w.t, approval.Challenge(statement)), Proof: writ.ProofA, At: writ.Instant(time.Now())}
}

// The runner believes the passkeys that its owners have signed in, and no word of the server's about them.
func TestARunnerCountsThePasskeysThatItsOwnersSignedIn(t *testing.T) {
	signedIn := func(w *world, k *softkey.Key) {
		w.trust.Approvers = append(w.trust.Approvers, approval.Member{Iss: "https://idp.test", Sub: "kim", Groups: []string{"shop"},
			Passkeys: []writ.Credential{k.Credential(writ.ProofA, writ.Instant(time.Now().Add(-time.Hour)))}})
	}
	for name, c := range map[string]struct {
		trust func(*world, *softkey.Key)
		key   func(*softkey.Key)
		want  writ.Reason
	}{
		"signed in": {trust: signedIn},
		"not signed in, whatever the server enrolled": {trust: func(*world, *softkey.Key) {}, want: writ.ReasonApproverUnknown},
		"signed in after the plan was made": {want: writ.ReasonApproverUnknown, trust: func(w *world, k *softkey.Key) {
			signedIn(w, k)
			w.trust.Approvers[2].Passkeys[0].Since = writ.Instant(time.Now().Add(time.Hour))
		}},
		"signed in as synced and not attested, where level A is asked for": {want: writ.ReasonApprovalProof, trust: func(w *world, k *softkey.Key) {
			signedIn(w, k)
			w.trust.Approvers[2].Passkeys[0].Level = writ.ProofB
		}},
		"made for another origin":      {trust: signedIn, key: func(k *softkey.Key) { k.Origin = "https://writ.test" }, want: writ.ReasonApprovalSignature},
		"without verifying its user":   {trust: signedIn, key: func(k *softkey.Key) { k.Flags &^= softkey.Verified }, want: writ.ReasonApprovalSignature},
		"synced since it was enrolled": {trust: signedIn, key: func(k *softkey.Key) { k.Flags |= softkey.Eligible | softkey.BackedUp }, want: writ.ReasonApprovalSignature},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				k := softkey.New(t, -7, "https://approve.writ.test", "approve.writ.test")
				k.AAGUID = [16]byte{1}
				w.trust.Version++
				w.trust.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 1, Proof: writ.ProofA}
				c.trust(w, k)
				w.sign()
				w.start()
				p := w.planned("high")
				if c.key != nil {
					c.key(k)
				}
				g := w.grant(p, w.asserted(p, k))
				if c.want == "" {
					if end := w.execute(g); end.State != writ.RunSucceeded {
						t.Fatalf("%+v", end)
					}
					w.allDead()
					return
				}
				a := w.await(w.send(g))
				if a.Refused == nil || a.Refused.Code != c.want {
					t.Errorf("answered %+v, want %s", a.Refused, c.want)
				}
				if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
					t.Errorf("%d calls and %d leases of a refused run", calls, w.target.mints)
				}
			})
		})
	}
}
