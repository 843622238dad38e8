package receipt_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/receipt"
)

var (
	private = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	public  = private.Public().(ed25519.PublicKey)
	at      = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func author(t testing.TB) ledger.Author {
	t.Helper()
	a, err := ledger.NewAuthor(private)
	must(t, err)
	return a
}

func digest(s string) writ.Digest { return writ.DigestOf([]byte(s)) }

// one is the receipt of a run of n steps that were all applied.
func one(n int) receipt.Receipt {
	r := receipt.Receipt{
		Runner: "spiffe://example.com/runner/prod-eu1", Instance: "0123456789abcdefABCDEF", Seq: 2, Previous: digest("the one before"), Log: "ledger.example/prod",
		Incident: "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD", Run: "run_01JDB4A0N7N5S3J8E6X0F4G1MB", Plan: "pln_01JDB4A0N7N5S3J8E6X0F4G1MC",
		Authority: receipt.Authority{Grant: "gnt_01JDB4A0N7N5S3J8E6X0F4G1MD", Entry: digest("leaf"), Decision: "dec_01JDB4A0N7N5S3J8E6X0F4G1ME", Policy: digest("policy"), Approvals: []writ.Digest{digest("approval")}},
		Started:   at, Ended: at.Add(time.Minute), State: writ.RunSucceeded,
	}
	var sent []writ.Commitment
	for i := range n {
		c := writ.Commit([32]byte{1}, "body", fmt.Append(nil, i))
		sent = append(sent, c)
		r.Steps = append(r.Steps, receipt.Step{
			Step: fmt.Sprintf("%s.%d", r.Plan, i+1), Operation: "kubernetes/workload.rollback", Object: "kubernetes://prod-eu1/payments/deployment/api", Call: digest("call"),
			Before: writ.Commit([32]byte{1}, "preimage", nil), After: writ.Commit([32]byte{1}, "after", nil), Sent: c, Begun: true, Outcome: writ.Applied,
		})
	}
	r.Conclude(sent, true)
	return r
}

func sealed(t testing.TB, r receipt.Receipt) []byte {
	t.Helper()
	b, err := receipt.Seal(receipt.New(digest("plan"), r), author(t))
	must(t, err)
	return b
}

func TestAReceiptThatWasSealedOpens(t *testing.T) {
	s, err := receipt.Open(sealed(t, one(2)), receipt.Key(public))
	must(t, err)
	if r := s.Predicate; r.Outcome != writ.Applied || r.Agrees != receipt.Agrees || r.Undo != r.Run || len(r.Steps) != 2 || !s.PlanDigest().Equal(digest("plan")) {
		t.Errorf("%+v", s)
	}
	if text := s.Text(); !strings.Contains(text, "writ incident undo") || !strings.Contains(text, string(s.Predicate.Authority.Grant)) {
		t.Errorf("%s", text)
	}
}

// outsider is a verifier of another DSSE implementation.
type outsider struct{}

func (outsider) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(public, data, sig) {
		return fmt.Errorf("wrong signature")
	}
	return nil
}
func (outsider) KeyID() (string, error)   { return ledger.KeyID(public), nil }
func (outsider) Public() crypto.PublicKey { return public }

func TestAnotherImplementationOfDSSEAndInTotoTakesAReceipt(t *testing.T) {
	verifier, err := dsse.NewEnvelopeVerifier(outsider{})
	must(t, err)
	var e dsse.Envelope
	must(t, json.Unmarshal(sealed(t, one(1)), &e))
	accepted, err := verifier.Verify(t.Context(), &e)
	if err != nil || len(accepted) != 1 || e.PayloadType != "application/vnd.in-toto+json" {
		t.Fatalf("%v, %d keys, type %s", err, len(accepted), e.PayloadType)
	}
	payload, err := e.DecodeB64Payload()
	must(t, err)
	var statement struct {
		Type    string `json:"_type"`
		Subject []struct {
			Name   string            `json:"name"`
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
		PredicateType string         `json:"predicateType"`
		Predicate     map[string]any `json:"predicate"`
	}
	must(t, json.Unmarshal(payload, &statement))
	if statement.Type != "https://in-toto.io/Statement/v1" || statement.PredicateType != receipt.PredicateType || len(statement.Subject) != 1 ||
		"sha256:"+statement.Subject[0].Digest["sha256"] != digest("plan").String() || statement.Predicate["outcome"] != "applied" {
		t.Errorf("%s", payload)
	}
	e.Payload = e.Payload[:20] + "A" + e.Payload[21:]
	if _, err := verifier.Verify(t.Context(), &e); err == nil {
		t.Error("an edited receipt is taken")
	}
}

func TestAReceiptThatIsNotWholeIsNeitherSealedNorOpened(t *testing.T) {
	for name, change := range map[string]func(*receipt.Statement){
		"another type":               func(s *receipt.Statement) { s.Type = "https://in-toto.io/Statement/v0.1" },
		"another predicate":          func(s *receipt.Statement) { s.PredicateType = "https://slsa.dev/provenance/v1" },
		"no subject":                 func(s *receipt.Statement) { s.Subject = nil },
		"another plan as subject":    func(s *receipt.Statement) { s.Subject[0].Name = "pln_1" },
		"no digest":                  func(s *receipt.Statement) { s.Subject[0].Digest.SHA256 = "" },
		"no place in the chain":      func(s *receipt.Statement) { s.Predicate.Seq = 0 },
		"no receipt before it":       func(s *receipt.Statement) { s.Predicate.Previous = writ.Digest{} },
		"one before the first":       func(s *receipt.Statement) { s.Predicate.Seq = 1 },
		"no grant":                   func(s *receipt.Statement) { s.Predicate.Authority.Grant = "" },
		"no entry of the grant":      func(s *receipt.Statement) { s.Predicate.Authority.Entry = writ.Digest{} },
		"a run that goes on":         func(s *receipt.Statement) { s.Predicate.State = writ.RunRunning },
		"no agreement":               func(s *receipt.Statement) { s.Predicate.Agrees = "" },
		"an outcome without a cause": func(s *receipt.Statement) { s.Predicate.Outcome = writ.NotApplied },
	} {
		s := receipt.New(digest("plan"), one(1))
		change(&s)
		if _, err := receipt.Seal(s, author(t)); err == nil {
			t.Errorf("%s: it is sealed", name)
		}
	}
	b := sealed(t, one(1))
	if _, err := receipt.Open(b, receipt.Key(ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey))); err == nil {
		t.Error("another key's receipt is taken")
	}
	if _, err := receipt.Open(append(b, ' '), receipt.Key(public)); err == nil {
		t.Error("a form that is not canonical is taken")
	}
}

func TestTheOutcomeOfARunIsWhatItsStepsAddUpTo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*receipt.Receipt)
		want   writ.Effect
		agrees receipt.Agreement
	}{
		"all applied": {func(*receipt.Receipt) {}, writ.Applied, receipt.Agrees},
		"nothing begun": {func(r *receipt.Receipt) {
			for i := range r.Steps {
				r.Steps[i] = receipt.Step{Step: r.Steps[i].Step, Outcome: writ.NotApplied}
			}
		}, writ.NotApplied, receipt.Agrees},
		"all undone": {func(r *receipt.Receipt) {
			for i := range r.Steps {
				r.Steps[i].Undone = &receipt.Undone{Outcome: writ.Applied, Restored: true}
			}
		}, writ.NotApplied, receipt.Agrees},
		"one unknown":         {func(r *receipt.Receipt) { r.Steps[1].Outcome, r.Steps[1].Sent = writ.Unknown, writ.Commitment{} }, writ.Unknown, receipt.CannotSay},
		"an undo is unknown":  {func(r *receipt.Receipt) { r.Steps[1].Undone = &receipt.Undone{} }, writ.Unknown, receipt.Agrees},
		"an undo in part":     {func(r *receipt.Receipt) { r.Steps[1].Undone = &receipt.Undone{Outcome: writ.Applied} }, writ.Applied, receipt.Agrees},
		"other bytes by wire": {func(r *receipt.Receipt) { r.Steps[1].Sent = writ.Commit([32]byte{1}, "body", []byte("x")) }, writ.Applied, receipt.Differs},
	} {
		r := one(2)
		sent := []writ.Commitment{r.Steps[0].Sent, r.Steps[1].Sent}
		c.change(&r)
		r.Conclude(sent, true)
		if r.Outcome != c.want || r.Agrees != c.agrees || (r.Undo != "") != (c.want == writ.Applied) {
			t.Errorf("%s: %s, agrees %s, undo %q", name, r.Outcome, r.Agrees, r.Undo)
		}
	}
}

func TestTheReceiptOfTheLongestPlanIsAnEntry(t *testing.T) {
	r := one(writ.MaxSteps)
	for i := range r.Steps {
		r.Steps[i].Object = writ.Location("kubernetes://prod-eu1/" + strings.Repeat("n", 63) + "/deployment/" + strings.Repeat("d", 253))
		r.Steps[i].Undone = &receipt.Undone{Outcome: writ.Applied, Restored: true}
	}
	r.Conclude(nil, true)
	r.Agrees = receipt.Agrees
	rec, err := writ.NewRecord(r.Log, writ.EntryReceipt, at, r.Incident, r.Runner.Principal(), strings.Repeat("n", 22), writ.ReceiptBody{Run: r.Run, Envelope: sealed(t, r)},
		writ.Ref{Rel: "grant", Leaf: digest("leaf")})
	must(t, err)
	leaf, err := ledger.Seal(rec, author(t))
	must(t, err)
	t.Logf("%d bytes of %d", len(leaf), writ.MaxLeaf)
}

func FuzzOpen(f *testing.F) {
	f.Add(sealed(f, one(1)))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := receipt.Read(b)
		if err != nil {
			return
		}
		if s.PlanDigest().IsZero() || !s.Predicate.State.Final() {
			t.Errorf("it took %q", b)
		}
		_ = s.Text()
	})
}
