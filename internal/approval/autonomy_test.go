package approval_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

// decision is what a person signs now about a playbook's record.
func decision(t testing.TB, p writ.Person) []byte {
	t.Helper()
	b, err := writ.AutonomyStatement{
		Type: writ.AutonomyType, Playbook: "restart-workload", Service: "payments-api", From: writ.T2, To: writ.T1, Record: writ.DigestOf(nil), Person: p,
		Nonce: "0123456789012345678901", NotBefore: now, Expires: now.Add(writ.MaxAutonomyLife),
	}.Bytes()
	must(t, err)
	return b
}

func TestADecisionOnAutonomyByPasskeyProvesWhatItsKeyProvesAndNoLess(t *testing.T) {
	for name, c := range map[string]struct {
		level, least, want writ.ProofLevel // want is empty where it is refused
		flags              byte
	}{
		"attested, where A is asked for": {writ.ProofA, writ.ProofA, writ.ProofA, 0},
		"synced, where A is asked for":   {writ.ProofB, writ.ProofA, "", softkey.Eligible | softkey.BackedUp},
		"synced, where B is asked for":   {writ.ProofB, writ.ProofB, writ.ProofB, softkey.Eligible | softkey.BackedUp},
		"synced, where D is asked for":   {writ.ProofB, writ.ProofD, writ.ProofB, softkey.Eligible},
	} {
		t.Run(name, func(t *testing.T) {
			w, k := newWorld(t), device(t, es256)
			k.Flags |= c.flags
			p := w.passkey(t, "u-70", k, c.level, "payments")
			b := decision(t, p)
			v, err := approval.VerifyAutonomy(writ.Signed{Statement: b, Passkey: k.Get(t, approval.AutonomyChallenge(b))}, w.Roster, c.least, now)
			if c.want == "" {
				wantReason(t, err, writ.ReasonApprovalProof)
				return
			}
			if err != nil || v.Proof != c.want || v.Person != p || v.Key != approval.Fingerprint(k.COSE) || len(v.Passkey) == 0 {
				t.Errorf("%+v %v", v, err)
			}
		})
	}
}

// What a passkey signed for one purpose is nothing for another, whichever two they are.
func TestPitfall20ADecisionOnAutonomyIsNoAnswerAskOrPolicyAndNoneOfThemIsADecision(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	b := decision(t, p)
	for name, challenge := range map[string]func([]byte) []byte{"an answer": approval.Challenge, "an ask": approval.AskChallenge, "a policy's answer": approval.PolicyChallenge} {
		_, err := approval.VerifyAutonomy(writ.Signed{Statement: b, Passkey: k.Get(t, challenge(b))}, w.Roster, writ.ProofD, now)
		if writ.ReasonOf(err) != writ.ReasonApprovalSignature {
			t.Errorf("signed as %s: %v", name, err)
		}
	}
	a := w.asserts(t, ask(t, p, "owner"), k)
	a.Passkey = k.Get(t, approval.AutonomyChallenge(a.Statement))
	_, err := approval.Verify(a, w.Roster, now)
	wantReason(t, err, writ.ReasonApprovalSignature)
	s := signedBy(t, glassAsk(t, p), k)
	s.Passkey = k.Get(t, approval.AutonomyChallenge(s.Statement))
	_, err = approval.VerifyAsk(s, w.Roster, writ.ProofB, now)
	wantReason(t, err, writ.ReasonApprovalSignature)
	for want, proofs := range map[writ.Reason]writ.Signed{
		writ.ReasonApprovalForm:      {Statement: b, Signature: "sig", Passkey: k.Get(t, approval.AutonomyChallenge(b))},
		writ.ReasonApprovalSignature: {Statement: b},
		writ.ReasonAutonomyForm:      {Statement: append([]byte(" "), b...), Passkey: k.Get(t, approval.AutonomyChallenge(b))},
	} {
		_, err := approval.VerifyAutonomy(proofs, w.Roster, writ.ProofD, now)
		wantReason(t, err, want)
	}
}

func TestPitfall25AKeyThatIsNewerThanTheMoveDecidesNothing(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	m := &w.Roster[len(w.Roster)-1]
	verify := func(since time.Duration) (approval.Decided, error) {
		m.Passkeys[0].Since = now.Add(since)
		b := decision(t, p)
		return approval.VerifyAutonomy(writ.Signed{Statement: b, Passkey: k.Get(t, approval.AutonomyChallenge(b))}, w.Roster, writ.ProofD, now)
	}
	v, err := verify(-time.Minute)
	must(t, err)
	must(t, v.About(now.Add(-time.Minute)))
	must(t, v.About(time.Time{}))
	wantReason(t, v.About(now.Add(-time.Hour)), writ.ReasonApproverUnknown)
	_, err = verify(time.Second)
	wantReason(t, err, writ.ReasonApproverUnknown)
}

func FuzzADecisionOnAutonomyIsTakenOrRefused(f *testing.F) {
	w, k := newWorld(f), device(f, es256)
	p := w.passkey(f, "u-70", k, writ.ProofA, "payments")
	good := decision(f, p)
	a := k.Get(f, approval.AutonomyChallenge(good))
	f.Add(good, a.ClientData, a.AuthenticatorData, "")
	f.Add([]byte(`{"_type":"https://writ.dev/autonomy/v1"}`), []byte("{}"), []byte{}, "sig")
	f.Fuzz(func(t *testing.T, statement, client, auth []byte, signature string) {
		x := *a
		x.ClientData, x.AuthenticatorData = client, auth
		v, err := approval.VerifyAutonomy(writ.Signed{Statement: statement, Signature: signature, Passkey: &x}, w.Roster, writ.ProofD, now)
		if err == nil && (string(statement) != string(good) || v.Person != p) {
			t.Fatalf("another statement counts: %q", statement)
		}
		if err != nil && writ.ReasonOf(err) == "" {
			t.Fatalf("no reason: %v", err)
		}
	})
}
