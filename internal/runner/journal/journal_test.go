package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

var (
	ctx = context.Background()
	at  = time.UnixMilli(1795317180123).UTC()
)

const (
	runID   = writ.RunID("run_01JDB4ZK4E8Q6W2N7M5T9V3XCA")
	grantID = writ.GrantID("gnt_01JDB4ZK4E8Q6W2N7M5T9V3XCA")
	planID  = writ.PlanID("pln_01JDB4ZK4E8Q6W2N7M5T9V3XCA")
	leaseID = writ.LeaseID("lse_01JDB4ZK4E8Q6W2N7M5T9V3XCA")
)

func open(t testing.TB) (*journal.Journal, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	return reopen(t, path), path
}

func reopen(t testing.TB, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(ctx, path)
	must(t, err)
	t.Cleanup(func() { j.Close() })
	return j
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(id writ.RunID, g writ.GrantID) journal.Run {
	return journal.Run{
		ID: id, Assignment: "asg_01JDB4ZK4E8Q6W2N7M5T9V3XCA", Grant: g, GrantLeaf: writ.DigestOf([]byte("grant")), Plan: planID,
		PlanDigest: writ.DigestOf([]byte("plan")), Incident: "inc_01JDB4ZK4E8Q6W2N7M5T9V3XCA", Log: "log.test", State: writ.RunRunning, Started: at,
	}
}

func lease() journal.Lease {
	return journal.Lease{
		ID: leaseID, Run: runID, Plan: planID, Target: "fake://lab", Name: "writ-1", Entry: writ.DigestOf([]byte("lease")), Tier: writ.T2,
		Steps: []int{0, 2}, Undo: true, TTL: time.Minute, Made: at, Expires: at.Add(time.Minute),
	}
}

// copies returns the journal as a dead process would leave it: the files as they are, without closing.
func copies(t testing.TB, path string, cut int) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "journal.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		must(t, err)
		if suffix == "-wal" && cut >= 0 {
			b = b[:cut]
		}
		must(t, os.WriteFile(to+suffix, b, 0o600))
	}
	return to
}

func TestI13SpendIsOnceAndSurvivesTheProcess(t *testing.T) {
	j, path := open(t)
	want := run(runID, grantID)
	must(t, j.Spend(ctx, want))
	again := run("run_01JDB4ZK4E8Q6W2N7M5T9V3XCB", grantID)
	if err := j.Spend(ctx, again); writ.ReasonOf(err) != writ.ReasonSpent {
		t.Errorf("the same grant again: %v", err)
	}
	if _, err := j.Run(ctx, again.ID); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("a refused spending left a run: %v", err)
	}
	dead := reopen(t, copies(t, path, -1))
	if err := dead.Spend(ctx, again); writ.ReasonOf(err) != writ.ReasonSpent {
		t.Errorf("after a crash: %v", err)
	}
	got, err := dead.Run(ctx, runID)
	must(t, err)
	want.Spent = true
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b writ.Digest) bool { return a.Equal(b) })); d != "" {
		t.Error(d)
	}
	if n, err := dead.SpentSince(ctx, at.Add(-time.Second)); err != nil || n != 1 {
		t.Errorf("%d spent, %v", n, err)
	}
	if n, err := dead.SpentSince(ctx, at); err != nil || n != 0 {
		t.Errorf("%d spent since, %v", n, err)
	}
}

func TestAProofIsUsedOnceUntilItExpires(t *testing.T) {
	j, _ := open(t)
	must(t, j.UseProof(ctx, "a", at.Add(time.Minute)))
	if err := j.UseProof(ctx, "a", at.Add(time.Hour)); writ.ReasonOf(err) != writ.ReasonPresentedTwice {
		t.Errorf("%v", err)
	}
	must(t, j.Prune(ctx, at, time.Hour))
	if err := j.UseProof(ctx, "a", at.Add(time.Hour)); writ.ReasonOf(err) != writ.ReasonPresentedTwice {
		t.Errorf("after pruning before its time: %v", err)
	}
	must(t, j.Prune(ctx, at.Add(2*time.Minute), time.Hour))
	must(t, j.UseProof(ctx, "a", at.Add(time.Hour)))
}

func TestAPlanComesBackWithItsSecrets(t *testing.T) {
	j, path := open(t)
	step := writ.Step{Key: string(planID) + ".1", Operation: "fake/thing.set", Tier: writ.T1, Object: writ.Object{Location: "fake://lab/a", UID: "u", Version: "1"}}
	want := journal.Plan{ID: planID, Digest: writ.DigestOf([]byte("bytes")), Bytes: []byte("bytes"), Scope: []writ.Location{"fake://lab/a"}, Entry: []byte("entry"),
		NotAfter: 7, Prepared: []connector.Prepared{connector.Seal(step, [32]byte{1, 2}, []byte("body"), []byte("pre"))}}
	must(t, j.PutPlan(ctx, want))
	if err := j.PutPlan(ctx, want); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	got, err := reopen(t, copies(t, path, -1)).Plan(ctx, planID)
	must(t, err)
	if err := got.Prepared[0].Check(); err != nil || string(got.Prepared[0].Preimage) != "pre" || !got.Digest.Equal(want.Digest) || got.Scope[0] != want.Scope[0] {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := j.Plan(ctx, "pln_01JDB4ZK4E8Q6W2N7M5T9V3XCB"); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestAPlanWhoseBytesWereChangedIsDamage(t *testing.T) {
	j, _ := open(t)
	must(t, j.PutPlan(ctx, journal.Plan{ID: planID, Digest: writ.DigestOf([]byte("others")), Bytes: []byte("bytes"), Entry: []byte("e")}))
	if _, err := j.Plan(ctx, planID); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

func TestEventsAndEntriesAreWrittenTogetherAndInOrder(t *testing.T) {
	j, path := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	for i := range 3 {
		e := journal.Event{Kind: "k", Step: i, Data: []byte{byte(i)}, At: at}
		must(t, j.Append(ctx, runID, []journal.Event{e}, journal.Entry{Leaf: []byte{'l', byte(i)}}))
	}
	dead := reopen(t, copies(t, path, -1))
	events, err := dead.Events(ctx, runID)
	must(t, err)
	waiting, err := dead.Waiting(ctx, runID, 10)
	must(t, err)
	for i := range 3 {
		if events[i].Seq != int64(i+1) || events[i].Step != i || !events[i].At.Equal(at) || waiting[i].Leaf[1] != byte(i) {
			t.Errorf("%d: %+v %+v", i, events[i], waiting[i])
		}
	}
	if runs, err := dead.Owing(ctx); err != nil || len(runs) != 1 || runs[0] != runID {
		t.Errorf("owing %v %v", runs, err)
	}
	must(t, dead.Delivered(ctx, []byte("head"), journal.Proved{Run: runID, Seq: 2, Events: []journal.Event{{Kind: "acked", At: at}}}))
	waiting, err = dead.Waiting(ctx, runID, 10)
	must(t, err)
	events, err = dead.Events(ctx, runID)
	must(t, err)
	head, err := dead.Head(ctx)
	must(t, err)
	if len(waiting) != 1 || waiting[0].Seq != 3 || events[3].Kind != "acked" || string(head) != "head" {
		t.Errorf("after the delivery: %+v %+v %q", waiting, events, head)
	}
}

func TestWhatTellsOfARefusedEntryIsVoidWithIt(t *testing.T) {
	j, _ := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	leaf := []byte("intent")
	h := ledger.LeafHash(leaf)
	must(t, j.Append(ctx, runID, nil, journal.Entry{Leaf: leaf}, journal.Entry{Leaf: []byte("effect"), Needs: h}, journal.Entry{Leaf: []byte("run")}))
	must(t, j.Void(ctx, runID, 1))
	must(t, j.Append(ctx, runID, nil, journal.Entry{Leaf: []byte("late effect"), Needs: h}))
	waiting, err := j.Waiting(ctx, runID, 10)
	must(t, err)
	if len(waiting) != 1 || string(waiting[0].Leaf) != "run" {
		t.Errorf("waiting %+v", waiting)
	}
	if err := j.Void(ctx, runID, 1); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("void twice: %v", err)
	}
}

func TestI01WhatTellsOfWhatTellsOfARefusedEntryIsVoidWithIt(t *testing.T) {
	j, _ := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	lease, intent := []byte("lease"), []byte("intent")
	must(t, j.Append(ctx, runID, nil, journal.Entry{Leaf: lease}, journal.Entry{Leaf: intent, Needs: ledger.LeafHash(lease)},
		journal.Entry{Leaf: []byte("effect"), Needs: ledger.LeafHash(intent)}, journal.Entry{Leaf: []byte("run")}))
	must(t, j.Void(ctx, runID, 1))
	waiting, err := j.Waiting(ctx, runID, 10)
	must(t, err)
	if len(waiting) != 1 || string(waiting[0].Leaf) != "run" {
		t.Errorf("waiting %+v", waiting)
	}
}

func TestAnOutcomeAndAnEndAreSetOnce(t *testing.T) {
	j, _ := open(t)
	r := run(runID, grantID)
	must(t, j.Spend(ctx, r))
	if err := j.End(ctx, runID, at, journal.Link{}, journal.Entry{Leaf: []byte("run")}); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("the end before the outcome: %v", err)
	}
	r.State, r.Reason, r.Applied = writ.RunUndone, writ.ReasonStopped, 2
	must(t, j.Conclude(ctx, r))
	if err := j.Conclude(ctx, r); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("two outcomes: %v", err)
	}
	if open, err := j.Unended(ctx); err != nil || len(open) != 1 || open[0].State != writ.RunUndone {
		t.Errorf("unended %+v %v", open, err)
	}
	must(t, j.End(ctx, runID, at, journal.Link{}, journal.Entry{Leaf: []byte("run")}))
	if err := j.End(ctx, runID, at, journal.Link{}, journal.Entry{Leaf: []byte("run")}); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("two ends: %v", err)
	}
	if open, err := j.Unended(ctx); err != nil || len(open) != 0 {
		t.Errorf("unended %+v %v", open, err)
	}
}

func TestMarksOnlyRise(t *testing.T) {
	j, _ := open(t)
	must(t, j.KeepFeed(ctx, 4, []byte("feed 4")))
	must(t, j.KeepFeed(ctx, 4, []byte("feed 4")))
	if err := j.KeepFeed(ctx, 3, []byte("feed 3")); writ.ReasonOf(err) != writ.ReasonFeedRollback {
		t.Errorf("%v", err)
	}
	must(t, j.RaiseTrustVersion(ctx, 2))
	if err := j.RaiseTrustVersion(ctx, 1); writ.ReasonOf(err) != writ.ReasonTrustRollback {
		t.Errorf("%v", err)
	}
	epoch, _ := j.FeedEpoch(ctx)
	version, _ := j.TrustVersion(ctx)
	kept, _ := j.Feed(ctx)
	if epoch != 4 || version != 2 || string(kept) != "feed 4" {
		t.Errorf("epoch %d with %q, version %d", epoch, kept, version)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	j, _ := open(t)
	refuse := func(i int) error {
		r := run(writ.RunID(fmt.Sprintf("run_01JDB4ZK4E8Q6W2N7M5T9V%04d", i)), "")
		r.State, r.Ended = writ.RunRefused, at
		return j.Refuse(ctx, r, journal.Entry{Leaf: fmt.Appendf(nil, "deny %d", i)})
	}
	for i := range journal.MaxRefusals {
		must(t, refuse(i))
	}
	if err := refuse(journal.MaxRefusals); !errors.Is(err, writ.ErrBusy) {
		t.Errorf("one more: %v", err)
	}
}

func TestPruneForgetsOnlyWhatOwesNothing(t *testing.T) {
	j, _ := open(t)
	r := run(runID, grantID)
	must(t, j.PutPlan(ctx, journal.Plan{ID: planID, Digest: writ.DigestOf([]byte("b")), Bytes: []byte("b"), Entry: []byte("e"), NotAfter: at.Unix()}))
	must(t, j.Spend(ctx, r))
	l := lease()
	must(t, j.PutLease(ctx, l, nil))
	r.State = writ.RunFailed
	must(t, j.Conclude(ctx, r))
	must(t, j.End(ctx, runID, at, journal.Link{}, journal.Entry{Leaf: []byte("run")}))
	later := at.Add(1000 * time.Hour)
	there := func() bool {
		must(t, j.Prune(ctx, later, time.Hour))
		_, err := j.Run(ctx, runID)
		return err == nil
	}
	if !there() {
		t.Error("a run with a living lease and a waiting entry was forgotten")
	}
	l.PowerGone, l.IdentityGone = at, at
	must(t, j.Probed(ctx, l))
	if !there() {
		t.Error("a run with a waiting entry was forgotten")
	}
	must(t, j.Delivered(ctx, []byte("h"), journal.Proved{Run: runID, Seq: 1}))
	if there() {
		t.Error("a run that owes nothing was kept")
	}
	if _, err := j.Plan(ctx, planID); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("its plan was kept: %v", err)
	}
	if err := j.Spend(ctx, run("run_01JDB4ZK4E8Q6W2N7M5T9V3XCB", grantID)); writ.ReasonOf(err) != writ.ReasonSpent {
		t.Errorf("a spent grant was forgotten: %v", err)
	}
}

func BenchmarkSpend(b *testing.B) {
	j, _ := open(b)
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("01JDB4ZK4E8Q6W2N%010d", i)
		if err := j.Spend(ctx, run(writ.RunID("run_"+id), writ.GrantID("gnt_"+id))); err != nil {
			b.Fatal(err)
		}
	}
}
