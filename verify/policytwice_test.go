package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/testbed/softkey"
	"github.com/writ-dev/writ/verify"
)

var third = writ.Person{Iss: person.Iss, Sub: "u-52"}

// byPolicy is one more answer to the change of a swap, by a person's key.
func (w *world) byPolicy(s *swap, answer writ.Answer, p writ.Person, k byte, nonce string, n int) *writ.PolicyApprovalBody {
	w.t.Helper()
	st, err := writ.ParsePolicyApprovalStatement(s.answers[0].Statement)
	if err != nil {
		w.t.Fatal(err)
	}
	st.Answer, st.Approver, st.Nonce = answer, p, nonce
	return w.policyAnswer(st, k, n)
}

// found reports the sentences of an auditor's findings of one code, for a change that was spoilt.
func (w *world) foundIn(code string, spoil func(*swap)) []string {
	w.t.Helper()
	w.swapped(spoil)
	tr := w.policyTrust()
	tr.Approvers = append(tr.Approvers, verify.Approver{Iss: third.Iss, Sub: third.Sub, Groups: []string{"payments"}, Keys: []string{authorized(w.t, key(9))}})
	b := w.bundle()
	r := judge(w.t, raw(w.t, b), tr, []byte(b.Checkpoint))
	var out []string
	for _, f := range r.Findings {
		if f.Code == code {
			out = append(out, f.Text)
		}
	}
	return out
}

func wantSaid(t *testing.T, said []string, want string) {
	t.Helper()
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, want) }) {
		t.Errorf("nothing says %q: %q", want, said)
	}
}

// TestI17OnePersonAnswersAChangeOnce: a second answer of one person is found where it stands, by whichever account and with
// whatever it says, also of a change that never came into force.
func TestI17OnePersonAnswersAChangeOnce(t *testing.T) {
	for _, answer := range []writ.Answer{writ.Approve, writ.Reject} {
		w := newWorld(t)
		wantSaid(t, w.foundIn("policy_approval", func(s *swap) {
			s.answers = append(s.answers, w.byPolicy(s, answer, person, 4, "policyanswernonce000003", 12))
		}), "answers change "+string(id[writ.PolicyChangeID]("pch", 1))+" a second time")
	}
}

// TestI17AChangeEndsOnce: in force, or not; and not twice.
func TestI17AChangeEndsOnce(t *testing.T) {
	w := newWorld(t)
	wantSaid(t, w.foundIn("policy", func(s *swap) {
		s.end = &writ.PolicyEndBody{Change: s.proposed.Change, State: writ.PolicyExpired, Reason: writ.ReasonExpired}
		s.again = true
	}), "ends twice")
}

// TestI17ARejectedChangeNeverComesIntoForce: three people answer, one says no, and the log goes on as if nobody had.
func TestI17ARejectedChangeNeverComesIntoForce(t *testing.T) {
	w := newWorld(t)
	wantSaid(t, w.foundIn("policy", func(s *swap) {
		s.answers = append(s.answers, w.byPolicy(s, writ.Reject, third, 9, "policyanswernonce000003", 12))
	}), "came into force after it had ended")
	w = newWorld(t)
	wantSaid(t, w.foundIn("policy_approval", func(s *swap) { // the last word is given to a change that is over
		s.end = &writ.PolicyEndBody{Change: s.proposed.Change, State: writ.PolicyRejected, Reason: writ.ReasonRejected}
		s.afterwards = w.byPolicy(s, writ.Approve, third, 9, "policyanswernonce000003", 12)
	}), "after it had ended")
}

// TestI17APasskeysAnswerToAChangeIsVerifiedOverItsRawBytes: the auditor hashes and verifies what the authenticator signed, and
// the log must have enrolled it.
func TestI17APasskeysAnswerToAChangeIsVerifiedOverItsRawBytes(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*world, *softkey.Key, *writ.PolicyApprovalBody)
		code  string
	}{
		"as it was signed":        {func(*world, *softkey.Key, *writ.PolicyApprovalBody) {}, ""},
		"a byte of its data":      {func(_ *world, _ *softkey.Key, b *writ.PolicyApprovalBody) { b.Passkey.AuthenticatorData[36] ^= 1 }, "policy_approval"},
		"a byte of the signature": {func(_ *world, _ *softkey.Key, b *writ.PolicyApprovalBody) { b.Passkey.Signature[9] ^= 1 }, "policy_approval"},
		"a challenge for a plan": {func(w *world, k *softkey.Key, b *writ.PolicyApprovalBody) {
			b.Passkey = k.Get(w.t, approval.Challenge(b.Statement))
		}, "policy_approval"},
		"another statement": {func(w *world, _ *softkey.Key, b *writ.PolicyApprovalBody) {
			b.Statement = []byte(strings.Replace(string(b.Statement), "policyanswernonce000001", "policyanswernonce000009", 1))
		}, "policy_approval"},
		"never enrolled": {func(w *world, _ *softkey.Key, _ *writ.PolicyApprovalBody) {
			for range 2 {
				e := w.entry(writ.EntryPasskey)
				e.kind, e.body = writ.EntryFreeze, &writ.FreezeBody{Freeze: id[writ.FreezeID]("frz", 1), Scope: writ.FreezeAll}
			}
		}, "no_passkey"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			k := softkey.New(t, -7, "https://approve.writ.example", "approve.writ.example")
			k.AAGUID = [16]byte{1}
			w.enrol(k, writ.PasskeyPending, person)
			w.enrol(k, writ.PasskeyActive, writ.Person{Iss: person.Iss, Sub: "u-99"})
			w.swapped(func(s *swap) {
				b := s.answers[0]
				b.Signature, b.Proof, b.Key, b.Passkey = "", writ.ProofA, approval.Fingerprint(k.COSE), k.Get(t, approval.PolicyChallenge(b.Statement))
				c.spoil(w, k, b)
			})
			tr := w.policyTrust()
			tr.Approvers[0].Passkeys = []writ.Credential{k.Credential(writ.ProofA, start.Add(-time.Hour))}
			b := w.bundle()
			r := judge(t, raw(t, b), tr, []byte(b.Checkpoint))
			found := slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == c.code })
			if c.code == "" && r.Verdict() != verify.OK || c.code != "" && (r.Verdict() != verify.Violated || !found) {
				t.Errorf("want %q:\n%s", c.code, r.Text())
			}
		})
	}
}
