package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/receipt"
	"github.com/writ-dev/writ/verify"
)

// withReceipt adds the run's receipt right before its end, changed as change says, under a key.
func (w *world) withReceipt(by byte, change func(*receipt.Statement)) {
	b := body[writ.StepBody](w, intent)
	i := w.again(probed)
	i.kind, i.refs, i.nonce, i.at = writ.EntryReceipt, []int{granted}, "noncereceipt0000000000"+string('a'+rune(len(w.items))), start.Add(20*time.Second)
	i.before = func(w *world, i *item) {
		g := w.items[granted].body.(*writ.GrantBody)
		call, err := receipt.CallDigest(b.Call)
		if err != nil {
			w.t.Fatal(err)
		}
		r := receipt.Receipt{
			Runner: runnerID, Instance: "journal", Seq: 1, Log: origin, Incident: id[writ.IncidentID]("inc", 1), Run: b.Run, Plan: b.Plan,
			Authority: receipt.Authority{Grant: b.Grant, Entry: ledger.LeafHash(w.items[granted].leaf), Decision: g.Decision, Policy: g.Policy, Approvals: g.Approvals},
			Started:   start, Ended: start.Add(time.Minute), State: writ.RunSucceeded,
			Steps: []receipt.Step{{Step: b.Step, Operation: b.Operation, Object: b.Object.Location, Call: call, Sent: b.Call.Body, Begun: true, Outcome: writ.Applied}},
		}
		r.Conclude([]writ.Commitment{b.Call.Body}, true)
		s := receipt.New(b.PlanDigest, r)
		if change != nil {
			change(&s)
		}
		author, err := ledger.NewAuthor(key(by))
		if err != nil {
			w.t.Fatal(err)
		}
		envelope, err := receipt.Seal(s, author)
		if err != nil {
			w.t.Fatal(err)
		}
		i.body = &writ.ReceiptBody{Run: b.Run, Envelope: envelope}
	}
}

func TestR33AnHonestReceiptVerifiesAndIsReported(t *testing.T) {
	w := newWorld(t)
	w.withReceipt(3, nil)
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Verdict() != verify.OK || len(r.Findings)+len(r.Open) != 0 {
		t.Errorf("%s", r.Text())
	}
	if p := r.Plans[0]; p.Receipt == nil || p.Receipt.Outcome != writ.Applied || !strings.Contains(r.Text(), "receipt") {
		t.Errorf("%s", r.Text())
	}
}

func TestR33AReceiptThatTheLogDoesNotBearIsFound(t *testing.T) {
	honest := raw(t, newWorld(t).bundle())
	for name, c := range map[string]struct {
		by     byte
		change func(*receipt.Statement)
		code   string
	}{
		"by the control plane's key": {2, nil, "receipt"},
		"of another run":             {3, func(s *receipt.Statement) { s.Predicate.Run = id[writ.RunID]("run", 2) }, "receipt"},
		"of another runner":          {3, func(s *receipt.Statement) { s.Predicate.Runner = otherRunner }, "receipt"},
		"of another grant":           {3, func(s *receipt.Statement) { s.Predicate.Authority.Grant = id[writ.GrantID]("gnt", 2) }, "receipt"},
		"of another plan's bytes":    {3, func(s *receipt.Statement) { s.Subject[0].Digest.SHA256 = strings.Repeat("ab", 32) }, "receipt"},
		"of another decision":        {3, func(s *receipt.Statement) { s.Predicate.Authority.Decision = id[writ.DecisionID]("dec", 9) }, "receipt"},
		"of another call":            {3, func(s *receipt.Statement) { s.Predicate.Steps[0].Call = digest("another") }, "receipt"},
		"of other bytes":             {3, func(s *receipt.Statement) { s.Predicate.Steps[0].Sent = writ.Commit([32]byte{}, "body", []byte("x")) }, "call"},
		"of another state":           {3, func(s *receipt.Statement) { s.Predicate.State = writ.RunFailed }, "receipt"},
		"that hides the step": {3, func(s *receipt.Statement) {
			s.Predicate.Steps, s.Predicate.Outcome = nil, writ.NotApplied
		}, "receipt"},
		"that denies the effect": {3, func(s *receipt.Statement) {
			s.Predicate.Steps[0].Outcome, s.Predicate.Outcome = writ.NotApplied, writ.NotApplied
		}, "receipt"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.withReceipt(c.by, c.change)
			b := w.bundle()
			wantFinding(t, honest, raw(t, b), w.trust(), c.code, []byte(b.Checkpoint))
		})
	}
	t.Run("twice", func(t *testing.T) {
		w := newWorld(t)
		w.withReceipt(3, nil)
		w.withReceipt(3, func(s *receipt.Statement) { s.Predicate.Seq, s.Predicate.Previous = 2, digest("x") })
		b := w.bundle()
		r := wantFinding(t, honest, raw(t, b), w.trust(), "receipt_twice", []byte(b.Checkpoint))
		wantCode(t, r, "receipt_chain")
	})
}

func TestR33AReceiptThatIsMissingIsToldAsNotThere(t *testing.T) {
	w := newWorld(t)
	w.withReceipt(3, func(s *receipt.Statement) { s.Predicate.Seq, s.Predicate.Previous = 3, digest("left out") })
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Verdict() != verify.CannotTell || len(r.Findings) != 0 || len(r.Open) != 1 || r.Open[0].Code != "receipt_gap" {
		t.Errorf("%s", r.Text())
	}
}

func wantCode(t *testing.T, r verify.Report, code string) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Code == code {
			return
		}
	}
	t.Errorf("no finding %q:\n%s", code, r.Text())
}
