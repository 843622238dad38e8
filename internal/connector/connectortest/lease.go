package connectortest

import (
	"errors"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

func (f Fixture) lease(t *testing.T) {
	t.Run("I06 a lease can do its calls and nothing else", f.leaseIsNarrow)
	t.Run("I06 a lease has no power before its handle is kept", f.leaseKeptFirst)
	t.Run("I06 a lease whose handle cannot be kept is gone", f.leaseNotKept)
	t.Run("I06 a revoked lease is dead", f.leaseDies)
	t.Run("I06 a restarted runner ends a lease", f.leaseReopened)
}

func (f Fixture) leaseIsNarrow(t *testing.T) {
	c, _ := f.open(t)
	mine, other := f.Fresh(t), f.Fresh(t)
	p, q := prepared(t, c, mine), prepared(t, c, other)
	before := other.State(t)
	l := mint(t, c, false, p)
	if r := l.Rights(); len(r) == 0 || !slices.IsSorted(r) {
		t.Errorf("rights %q", r)
	}
	wantOutcome(t, l.Do(t.Context(), q), writ.NotApplied, writ.ReasonForbidden)
	if u := l.Undo(t.Context(), q, nil); u.Effect != writ.NotApplied || u.Reason != writ.ReasonForbidden {
		t.Errorf("undo on another object: %+v", u)
	}
	wantState(t, other, before, "a lease changed an object that it was not made for")
	wantOutcome(t, l.Do(t.Context(), p), writ.Applied, "")
}

func (f Fixture) leaseKeptFirst(t *testing.T) {
	c, _ := f.open(t)
	s := f.Fresh(t)
	p := prepared(t, c, s)
	r := ask(false, p)
	before, kept := s.State(t), 0
	l, err := c.Lease(t.Context(), r, func(handle []byte) error {
		kept++
		if kept > 1 {
			return nil
		}
		early, err := c.Reopen(r, handle)
		if err != nil {
			return err
		}
		if out := early.Do(t.Context(), p); out.Effect != writ.NotApplied {
			t.Errorf("with the handle not yet kept: %+v", out)
		}
		return nil
	})
	if err != nil || kept == 0 {
		t.Fatalf("lease: %v; kept %d times", err, kept)
	}
	wantState(t, s, before, "the lease had power before its handle was kept")
	wantOutcome(t, l.Do(t.Context(), p), writ.Applied, "")
	if err := l.Revoke(t.Context()); err != nil {
		t.Error(err)
	}
}

func (f Fixture) leaseNotKept(t *testing.T) {
	t.Parallel()
	c, _ := f.open(t)
	s := f.Fresh(t)
	p := prepared(t, c, s)
	r := ask(false, p)
	full := errors.New("the disk is full")
	var handle []byte
	if _, err := c.Lease(t.Context(), r, func(h []byte) error { handle = h; return full }); !errors.Is(err, full) {
		t.Fatalf("lease: %v", err)
	}
	// With the handle the credential itself is asked; without it, as after a crash, the target is searched.
	for _, h := range [][]byte{handle, nil} {
		l, err := c.Reopen(r, h)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantDead(t, l)
	}
}

func (f Fixture) leaseDies(t *testing.T) {
	t.Parallel()
	c, _ := f.open(t)
	s := f.Fresh(t)
	before := s.State(t)
	p := prepared(t, c, s)
	l := mint(t, c, false, p)
	alive, err := l.Probe(t.Context())
	if err != nil || alive.PowerGone || alive.IdentityGone || alive.PowerStatus == 0 || alive.IdentityStatus == 0 {
		t.Fatalf("a lease that lives: %+v, %v", alive, err)
	}
	for range 2 {
		if err := l.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if out := l.Do(t.Context(), p); out.Effect != writ.NotApplied {
		t.Errorf("a call under a revoked lease: %+v", out)
	}
	if u := l.Undo(t.Context(), p, nil); u.Effect != writ.NotApplied {
		t.Errorf("an undo under a revoked lease: %+v", u)
	}
	wantDead(t, l)
	wantState(t, s, before, "a revoked lease changed the object")
}

func (f Fixture) leaseReopened(t *testing.T) {
	t.Parallel()
	c, _ := f.open(t)
	s := f.Fresh(t)
	p := prepared(t, c, s)
	r := ask(false, p)
	var handle []byte
	if _, err := c.Lease(t.Context(), r, func(h []byte) error { handle = h; return nil }); err != nil {
		t.Fatal(err)
	}
	restarted, _ := f.open(t)
	var l connector.Lease
	l, err := restarted.Reopen(r, handle)
	if err != nil {
		t.Fatal(err)
	}
	if alive, err := l.Probe(t.Context()); err != nil || alive.PowerGone || alive.IdentityGone {
		t.Fatalf("the lease of a process that crashed: %+v, %v", alive, err)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantDead(t, l)
	if _, err := restarted.Reopen(r, []byte("damaged")); err == nil {
		t.Error("a damaged handle was taken")
	}
}
