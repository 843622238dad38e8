package verify_test

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

func TestI17AnHonestLogIsFoundInOrder(t *testing.T) {
	w := newWorld(t)
	b := w.bundle()
	b.Blobs = []ledger.BundleBlob{{Commit: writ.Commit(w.salt, "evidence", w.content), Name: "evidence", Salt: w.salt[:], Content: w.content}}
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Verdict() != verify.OK || len(r.Findings)+len(r.Open) != 0 || !r.Complete || r.Entries != length {
		t.Fatalf("%s", r.Text())
	}
	p := r.Plans[0]
	if len(r.Plans) != 1 || p.State != writ.RunSucceeded || len(p.Approvers) != 1 || !strings.HasPrefix(p.Approvers[0], "u-17 as owner") || p.Steps[0].Effect != "applied" {
		t.Errorf("the plan's story: %+v", p)
	}
	for _, want := range []string{"verdict: ok", "u-17 as owner", "the target's own audit log was not compared", "no witness cosigned", "PATCH /apis"} {
		if !strings.Contains(r.Text(), want) {
			t.Errorf("the text lacks %q:\n%s", want, r.Text())
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestI17WithoutAPinNothingIsSaidAboutWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	r := judge(t, raw(t, w.bundle()), w.trust())
	if r.Altered.Verdict != verify.OK || r.Missing.Verdict != verify.CannotTell || r.Verdict() != verify.CannotTell {
		t.Errorf("%s", r.Text())
	}
}

func TestI17AnOlderPinBindsThePrefix(t *testing.T) {
	w := newWorld(t)
	b := w.bundle()
	pin := sign(t, w.leaves()[:6], w.log)
	r := judge(t, raw(t, b), w.trust(), pin)
	if r.Verdict() != verify.OK || !strings.Contains(r.Text(), "newest pin reaches fewer entries") {
		t.Errorf("%s", r.Text())
	}
}

func TestNothingCheckedIsNeverWell(t *testing.T) {
	w := newWorld(t)
	b := w.bundle()
	b.Entries = nil
	r := judge(t, raw(t, b), w.trust())
	if r.Altered.Verdict == verify.OK || r.Missing.Verdict == verify.OK || r.Authority.Verdict == verify.OK || r.Verdict() == verify.OK {
		t.Errorf("%s", r.Text())
	}
	var zero verify.Report
	if zero.Verdict() == verify.OK {
		t.Error("the zero report is well")
	}
}

func partialBundle(t testing.TB, w *world, indexes ...int64) ledger.Bundle {
	t.Helper()
	leaves := w.leaves()
	var n nodes
	for _, l := range leaves {
		n.add(l)
	}
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, x := range at {
			out[i] = n.all[x]
		}
		return out, nil
	})
	b, err := ledger.ExportSome(origin, sign(t, leaves, w.log), int64(len(leaves)), indexes, func(i int64) ([]byte, error) { return leaves[i], nil }, read)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAPartialBundleProvesWhatItHoldsAndNoMore(t *testing.T) {
	w := newWorld(t)
	var all []int64
	for i := int64(1); i < length; i++ { // all but the genesis entry
		all = append(all, i)
	}
	b := partialBundle(t, w, all...)
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Altered.Verdict != verify.OK || r.Authority.Verdict != verify.OK || r.Missing.Verdict != verify.CannotTell || r.Complete {
		t.Errorf("%s", r.Text())
	}
	b = partialBundle(t, w, granted, intent, effect)
	r = judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Altered.Verdict != verify.OK || r.Authority.Verdict != verify.CannotTell {
		t.Errorf("entries without what they rest on:\n%s", r.Text())
	}
	moved := partialBundle(t, w, granted, intent, effect)
	moved.Entries[1].Index++ // a genuine leaf at another place
	if r := judge(t, raw(t, moved), w.trust()); r.Altered.Verdict != verify.Violated {
		t.Errorf("%s", r.Text())
	}
	swapped := partialBundle(t, w, granted, intent, effect)
	swapped.Entries[1].Proof = swapped.Entries[0].Proof
	if r := judge(t, raw(t, swapped), w.trust()); r.Altered.Verdict != verify.Violated {
		t.Errorf("%s", r.Text())
	}
}

func TestOpenEndsAreListedAndLeaveTheRestUnsaid(t *testing.T) {
	w := newWorld(t)
	w.items = w.items[:effect] // the runner has begun a step and not come back
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	codes := map[string]bool{}
	for _, f := range r.Open {
		codes[f.Code] = true
	}
	if !codes["open_intent"] || !codes["open_run"] || r.Missing.Verdict != verify.CannotTell {
		t.Errorf("%s", r.Text())
	}
}
