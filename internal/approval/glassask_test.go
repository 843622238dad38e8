package approval_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/approval/approvaltest"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/testbed/softkey"
)

// glassAsk is what a person signs an hour after the incident was opened.
func glassAsk(t testing.TB, p writ.Person) writ.BreakGlassStatement {
	t.Helper()
	in, err := ident.Make[writ.IncidentID]("inc", now.Add(-time.Hour), rand.Reader)
	must(t, err)
	return writ.BreakGlassStatement{
		Type: writ.BreakGlassType, Incident: in, Service: "payments-api", Playbook: writ.PlaybookRef{Name: "emergency-restart", Version: 1, Digest: writ.DigestOf(nil)},
		Parameters: writ.DigestOf(nil), Asker: p, Nonce: "0123456789012345678901", NotBefore: now, Expires: now.Add(writ.MaxBreakGlassLife),
	}
}

func signedBy(t testing.TB, s writ.BreakGlassStatement, k *softkey.Key) writ.Signed {
	t.Helper()
	b, err := s.Bytes()
	must(t, err)
	return writ.Signed{Statement: b, Passkey: k.Get(t, approval.AskChallenge(b))}
}

func TestPitfall34AnAskProvesWhatItsKeyProvesAndNoLess(t *testing.T) {
	for name, c := range map[string]struct {
		level writ.ProofLevel
		flags byte
		least writ.ProofLevel
		want  writ.ProofLevel // empty: refused
	}{
		"attested, where A is asked for": {writ.ProofA, 0, writ.ProofA, writ.ProofA},
		"attested, where B is asked for": {writ.ProofA, 0, writ.ProofB, writ.ProofA},
		"synced, where A is asked for":   {writ.ProofB, softkey.Eligible | softkey.BackedUp, writ.ProofA, ""},
		"synced, where B is asked for":   {writ.ProofB, softkey.Eligible | softkey.BackedUp, writ.ProofB, writ.ProofB},
		"synced, where C is asked for":   {writ.ProofB, softkey.Eligible, writ.ProofC, writ.ProofB},
	} {
		t.Run(name, func(t *testing.T) {
			w, k := newWorld(t), device(t, es256)
			k.Flags |= c.flags
			p := w.passkey(t, "u-70", k, c.level, "payments")
			v, err := approval.VerifyAsk(signedBy(t, glassAsk(t, p), k), w.Roster, c.least, now)
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

func TestPitfall20AnAskIsNoAnswerAndAnAnswerIsNoAsk(t *testing.T) {
	w, k := newWorld(t), device(t, es256)
	p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
	s := signedBy(t, glassAsk(t, p), k)
	s.Passkey = k.Get(t, approval.Challenge(s.Statement))
	_, err := approval.VerifyAsk(s, w.Roster, writ.ProofB, now)
	wantReason(t, err, writ.ReasonApprovalSignature)
	a := w.asserts(t, ask(t, p, "owner"), k)
	a.Passkey = k.Get(t, approval.AskChallenge(a.Statement))
	_, err = approval.Verify(a, w.Roster, now)
	wantReason(t, err, writ.ReasonApprovalSignature)
	both := signedBy(t, glassAsk(t, p), k)
	both.Signature = "sig"
	_, err = approval.VerifyAsk(both, w.Roster, writ.ProofB, now)
	wantReason(t, err, writ.ReasonApprovalForm)
	_, err = approval.VerifyAsk(writ.Signed{Statement: both.Statement}, w.Roster, writ.ProofC, now)
	wantReason(t, err, writ.ReasonApprovalSignature)
}

func TestPitfall25AKeyThatIsNewerThanTheIncidentDoesNotAsk(t *testing.T) {
	for name, c := range map[string]struct {
		since time.Duration // after the incident
		drill bool
		want  writ.Reason
	}{
		"as old as the incident":      {0, false, ""},
		"a second newer":              {time.Second, false, writ.ReasonApproverUnknown},
		"newer than the ask":          {2 * time.Hour, false, writ.ReasonApproverUnknown},
		"a drill with a new key":      {time.Second, true, ""},
		"a drill with one to come":    {2 * time.Hour, true, writ.ReasonApproverUnknown},
		"older than all of it, drill": {-time.Hour, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, k := newWorld(t), device(t, es256)
			p := w.passkey(t, "u-70", k, writ.ProofA, "payments")
			since := now.Add(-time.Hour).Add(c.since)
			w.Roster[len(w.Roster)-1].Passkeys[0].Since = since
			s := glassAsk(t, p)
			if c.drill {
				s.Incident, s.Drill = "", true
			}
			_, err := approval.VerifyAsk(signedBy(t, s, k), w.Roster, writ.ProofB, now)
			if writ.ReasonOf(err) != c.want {
				t.Errorf("a passkey: %v, want %q", err, c.want)
			}
			// A member's SSH keys have one date for all.
			sk, err := approvaltest.NewKey(rand.Reader, approvaltest.Touched|approvaltest.Verified)
			must(t, err)
			q := writ.Person{Iss: alice.Iss, Sub: "u-71"}
			w.Roster = append(w.Roster, approval.Member{Iss: q.Iss, Sub: q.Sub, Groups: []string{"payments"}, Keys: []string{sk.Line()}, Since: since})
			s.Asker = q
			b, err := s.Bytes()
			must(t, err)
			sig, err := approval.SignAsk(b, sk, rand.Reader)
			must(t, err)
			_, err = approval.VerifyAsk(writ.Signed{Statement: b, Signature: sig}, w.Roster, writ.ProofC, now)
			if writ.ReasonOf(err) != c.want {
				t.Errorf("a security key: %v, want %q", err, c.want)
			}
		})
	}
}

func TestAnIncidentsIdTellsWhenItWasOpened(t *testing.T) {
	at := time.Date(2026, 3, 1, 3, 4, 5, 678e6, time.UTC)
	in, err := ident.Make[writ.IncidentID]("inc", at, rand.Reader)
	must(t, err)
	if got := in.Opened(); !got.Equal(at) {
		t.Errorf("%s, opened %s", got, at)
	}
	if got := writ.IncidentID("").Opened(); !got.IsZero() {
		t.Errorf("no incident was opened at %s", got)
	}
}

func FuzzVerifyAsk(f *testing.F) {
	w, k := newWorld(f), device(f, es256)
	p := w.passkey(f, "u-70", k, writ.ProofA, "payments")
	good := signedBy(f, glassAsk(f, p), k)
	f.Add(good.Statement, good.Passkey.AuthenticatorData, good.Passkey.ClientData, good.Passkey.Signature)
	f.Fuzz(func(t *testing.T, statement, auth, client, signature []byte) {
		_, err := approval.VerifyAsk(writ.Signed{Statement: statement, Passkey: &writ.Assertion{Credential: k.ID, AuthenticatorData: auth, ClientData: client, Signature: signature}}, w.Roster, writ.ProofB, now)
		if err == nil && string(statement) != string(good.Statement) {
			t.Errorf("another statement is taken: %q", statement)
		}
	})
}
