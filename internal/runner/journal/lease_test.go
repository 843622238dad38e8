package journal_test

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

func TestI06ALeaseIsOwedUntilBothDeathsAreSeenAndThenHasNoHandle(t *testing.T) {
	j, path := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	want := lease()
	must(t, j.PutLease(ctx, want, nil, journal.Entry{Leaf: []byte("lease")}))
	if err := j.PutLease(ctx, want, nil); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("the same name twice: %v", err)
	}
	must(t, j.KeepHandle(ctx, leaseID, []byte("canary-handle")))
	must(t, j.Revoking(ctx, leaseID, at.Add(time.Second)))
	must(t, j.Revoking(ctx, leaseID, at.Add(time.Hour)))
	must(t, j.Revoked(ctx, want, at.Add(2*time.Second), journal.Entry{Leaf: []byte("revoke")}))
	want.PowerGone, want.Probes = at.Add(3*time.Second), 1
	must(t, j.Probed(ctx, want))
	alive, err := j.Alive(ctx)
	must(t, err)
	want.Handle, want.Revoking, want.Revoked = []byte("canary-handle"), at.Add(time.Second), at.Add(2*time.Second)
	if d := cmp.Diff([]journal.Lease{want}, alive, cmp.Comparer(func(a, b writ.Digest) bool { return a.Equal(b) })); d != "" {
		t.Error(d)
	}
	want.IdentityGone, want.Probes = at.Add(12*time.Second), 9
	must(t, j.Probed(ctx, want))
	if alive, err := j.Alive(ctx); err != nil || len(alive) != 0 {
		t.Errorf("alive %+v %v", alive, err)
	}
	got, err := j.Lease(ctx, leaseID)
	must(t, err)
	if !got.Dead() || got.Handle != nil {
		t.Errorf("%+v", got)
	}
	if err := j.KeepHandle(ctx, leaseID, []byte("x")); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("a handle for a dead lease: %v", err)
	}
	must(t, j.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(b), "canary-handle") {
		t.Error("the erased handle is still in the file")
	}
}

func TestI06ALeaseIsKnownFromItsAnnouncementAndForgottenWithItsRefusal(t *testing.T) {
	j, _ := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	entry := journal.Entry{Leaf: []byte("lease")}
	want := lease()
	want.Entry = ledger.LeafHash(entry.Leaf)
	must(t, j.PutLease(ctx, want, nil, entry))
	if alive, err := j.Alive(ctx); err != nil || len(alive) != 1 || !alive[0].Begun.IsZero() {
		t.Fatalf("announced: %+v %v", alive, err)
	}
	must(t, j.Void(ctx, runID, 1))
	if _, err := j.Lease(ctx, leaseID); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("refused: %v", err)
	}
	if err := j.Minting(ctx, leaseID, at); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("minting what was refused: %v", err)
	}
	must(t, j.PutLease(ctx, want, nil, entry))
	must(t, j.Minting(ctx, leaseID, at))
	must(t, j.Void(ctx, runID, 2))
	if l, err := j.Lease(ctx, leaseID); err != nil || !l.Begun.Equal(at) {
		t.Errorf("what may have been minted is never forgotten: %+v %v", l, err)
	}
}

func TestI06NothingIsMintedOnceTheEndHasBegun(t *testing.T) {
	j, _ := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	must(t, j.PutLease(ctx, lease(), nil))
	must(t, j.Revoking(ctx, leaseID, at))
	if err := j.Minting(ctx, leaseID, at); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("%v", err)
	}
}

func TestAJournalOfTheFirstVersionIsBroughtUp(t *testing.T) {
	j, path := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	must(t, j.PutLease(ctx, lease(), nil))
	must(t, j.Close())
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.Exec(`ALTER TABLE lease DROP COLUMN begun; ALTER TABLE run DROP COLUMN authority; PRAGMA user_version = 1`)
	must(t, err)
	must(t, db.Close())
	l, err := reopen(t, path).Lease(ctx, leaseID)
	if err != nil || !l.Begun.Equal(l.Made) {
		t.Errorf("%+v %v; its rows meant that minting had begun", l, err)
	}
}
