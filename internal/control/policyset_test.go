package control_test

import (
	"errors"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// stricter is the world's set with one more limit.
func (w *world) stricter(t *testing.T, tier string) control.PolicySet {
	t.Helper()
	return control.PolicySet{Bundle: loadPolicy(t, patched(t, map[string]string{"raises: []": "raises: [{service: shop, environment: prod, at_least: " + tier + "}]"}), w.config.Library)}
}

func signedAs(s control.PolicySet, version int64, manifest string) control.PolicySet {
	s.Version, s.Manifest, s.Signers = version, writ.DigestOf([]byte(manifest)), []string{"key-1", "key-2"}
	return s
}

// A version is never taken back, a version means one set, and a signed set is followed by signed ones only: in this process and
// in the next.
func TestPitfall08APolicySetNeverGoesBack(t *testing.T) {
	w := newWorld(t)
	second := signedAs(w.stricter(t, "T3"), 2, "two")
	if err := w.ctl.AdoptPolicy(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if w.count(writ.EntryPolicy) != 1 {
		t.Errorf("%d entries", w.count(writ.EntryPolicy))
	}
	other := w.stricter(t, "T4")
	try := func(where string, c *control.Control) {
		for name, s := range map[string]control.PolicySet{
			"an older version": signedAs(other, 1, "one"), "another set of the same version": signedAs(other, 2, "other"),
			"an unsigned set": other, "no set": {}, "a version without a manifest": {Bundle: other.Bundle, Version: 3},
		} {
			if err := c.AdoptPolicy(t.Context(), s); !errors.Is(err, writ.ErrConflict) && !errors.Is(err, writ.ErrInvalid) {
				t.Errorf("%s: %s: %v", where, name, err)
			}
		}
	}
	try("here", w.ctl)
	if p := w.settled(human("ann"), w.propose(repair, w.restart(w.incident("shop").ID)).ID); p.Decision == nil || p.Decision.Verdict != writ.Requires || !p.Decision.Policy.Equal(second.Bundle.Digest()) {
		t.Errorf("decided by another set: %+v", p.Decision)
	}
	if st, err := w.ctl.Glance(t.Context()); err != nil || st.PolicyVersion != 2 || !st.Policy.Equal(second.Bundle.Digest()) {
		t.Errorf("%+v, %v", st, err)
	}
	next, err := control.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	try("after a restart", next)
	if err := next.AdoptPolicy(t.Context(), second); err != nil {
		t.Errorf("the set in force is refused after a restart: %v", err)
	}
	if w.count(writ.EntryPolicy) != 1 {
		t.Error("adopting the set in force is entered again")
	}
}

// A set that nobody signed is entered when it differs from the one before, and not at each start of each replica.
func TestAdoptingTheUnsignedSetInForceIsFree(t *testing.T) {
	w := newWorld(t)
	for _, c := range []*control.Control{w.ctl, w.again(), w.again()} {
		must(t, c.AdoptPolicy(w.ctx, control.PolicySet{Bundle: w.config.Policy}))
	}
	if n := w.count(writ.EntryPolicy); n != 0 {
		t.Errorf("%d entries of one set", n)
	}
	must(t, w.ctl.AdoptPolicy(w.ctx, w.stricter(t, "T3")))
	if n := w.count(writ.EntryPolicy); n != 1 {
		t.Errorf("%d entries of another set", n)
	}
}

// A replica that has not loaded the newest set decides nothing for anybody.
func TestI05AReplicaBehindTheSetInForceDenies(t *testing.T) {
	w := newWorld(t)
	first := signedAs(control.PolicySet{Bundle: w.config.Policy}, 1, "one")
	if err := w.ctl.AdoptPolicy(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	other, err := control.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.AdoptPolicy(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := other.AdoptPolicy(t.Context(), signedAs(first, 2, "two")); err != nil {
		t.Fatal(err)
	}
	p := w.settled(human("ann"), w.propose(repair, w.restart(w.incident("shop").ID)).ID)
	if p.Decision == nil || p.Decision.Verdict != writ.Deny || p.Decision.Reason != writ.ReasonPolicyBehind {
		t.Errorf("%+v", p.Decision)
	}
}
