package verify_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// reading is the reading of the honest log with what opens it, as a person gets it.
func (w *world) reading() writ.EvidenceContent {
	body := w.items[evidence].body.(*writ.EvidenceBody)
	return writ.EvidenceContent{
		Evidence: writ.Evidence{
			ID: body.Evidence, Incident: w.items[evidence].task, AskedBy: body.AskedBy, Reader: body.Runner, At: body.At, Commitment: body.Commitment, Size: body.Size,
			Query: writ.Query{Reader: body.Reader, Target: body.Target},
		},
		Bytes: bytes.Clone(w.content), Salt: bytes.Clone(w.salt[:]),
	}
}

// TestR27AReadingIsVerifiedOfflineAgainstTheLedger: every change of its bytes, its salt, what is said about it, or of the ledger
// is found; what was not given is said to be unknown, and never counts as well.
func TestR27AReadingIsVerifiedOfflineAgainstTheLedger(t *testing.T) {
	w := newWorld(t)
	b := w.bundle()
	honest, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	judge := func(c writ.EvidenceContent, bundle []byte) verify.EvidenceReport {
		t.Helper()
		var in io.Reader
		if bundle != nil {
			in = bytes.NewReader(bundle)
		}
		r, err := verify.Evidence(c, in, w.trust())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := judge(w.reading(), honest); r.Verdict() != verify.OK || r.Index != evidence || !strings.Contains(r.Text(), "VERIFIED  under the checkpoint") {
		t.Errorf("an honest reading: %+v\n%s", r, r.Text())
	}
	if r := judge(w.reading(), nil); r.Verdict() != verify.CannotTell || r.Content.Verdict != verify.OK || r.Index != -1 {
		t.Errorf("without a bundle: %+v", r)
	}
	for name, change := range map[string]func(*writ.EvidenceContent){
		"a changed byte":        func(c *writ.EvidenceContent) { c.Bytes[0] ^= 1 },
		"a byte less":           func(c *writ.EvidenceContent) { c.Bytes = c.Bytes[1:] },
		"another salt":          func(c *writ.EvidenceContent) { c.Salt[0] ^= 1 },
		"no salt":               func(c *writ.EvidenceContent) { c.Salt = nil },
		"another reader":        func(c *writ.EvidenceContent) { c.Evidence.Query.Reader = "kubernetes/node.status" },
		"another target":        func(c *writ.EvidenceContent) { c.Evidence.Query.Target = "kubernetes://prod-us1" },
		"another runner":        func(c *writ.EvidenceContent) { c.Evidence.Reader = otherRunner },
		"another time":          func(c *writ.EvidenceContent) { c.Evidence.At = c.Evidence.At.Add(time.Second) },
		"another asker":         func(c *writ.EvidenceContent) { c.Evidence.AskedBy.Sub += "x" },
		"another incident":      func(c *writ.EvidenceContent) { c.Evidence.Incident = id[writ.IncidentID]("inc", 2) },
		"a reading of no entry": func(c *writ.EvidenceContent) { c.Evidence.ID = id[writ.EvidenceID]("ev", 2) },
		"bytes made to fit a lie": func(c *writ.EvidenceContent) {
			c.Bytes[0] ^= 1
			c.Evidence.Commitment = writ.Commit(w.salt, writ.EvidenceBlob, c.Bytes)
		},
	} {
		c := w.reading()
		change(&c)
		if r := judge(c, honest); r.Verdict() != verify.Violated || !strings.Contains(r.Text(), "NOT VERIFIED") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	forged := w.bundle()
	forged.Checkpoint = strings.Replace(forged.Checkpoint, "prod", "dorp", 1)
	text, err := forged.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if r := judge(w.reading(), text); r.Verdict() == verify.OK || r.Recorded.Verdict == verify.OK {
		t.Errorf("a forged ledger: %+v", r)
	}
	if r := judge(w.reading(), []byte("{}")); r.Verdict() == verify.OK {
		t.Errorf("no ledger: %+v", r)
	}
}
