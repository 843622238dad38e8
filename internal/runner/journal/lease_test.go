package journal_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
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
