package control_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/token"
)

// rotating is a control plane whose dispatch key is being replaced, and a replica that has switched to the next one.
func rotating(t *testing.T) (w *world, switched *control.Control, next *ecdsa.PrivateKey) {
	t.Helper()
	next, err := token.NewKey(rand.Reader)
	must(t, err)
	w = newWorld(t, func(c *control.Config) { c.Dispatchers = []*ecdsa.PrivateKey{next} })
	c := w.config
	c.DispatchKey, c.Dispatchers = next, []*ecdsa.PrivateKey{w.config.DispatchKey}
	switched, err = control.New(c)
	must(t, err)
	return w, switched, next
}

// While the dispatch key is being replaced, each plan's grant is presented by the key that the plan names, by whichever
// replica hands the run out.
func TestAGrantIsPresentedByTheKeyThatItsPlanNamesWhileDispatchKeysRotate(t *testing.T) {
	w, switched, next := rotating(t)
	s, err := switched.Propose(w.ctx, repair, w.restart(w.incident("shop").ID))
	must(t, err)
	if s = w.settled(repair, s.ID); s.State != writ.PlanGranted {
		t.Fatalf("the plan is %s: %s", s.State, s.Reason)
	}
	h := w.runner.take() // from the replica that has not switched
	if h.plan.Holder != token.Thumbprint(&next.PublicKey) {
		t.Errorf("the holder is %s", h.plan.Holder)
	}
	_, err = token.CheckProof(h.b.Proof, token.WantProof{Method: "POST", URL: issuer + "/v1/runs", Token: h.b.Grant, Thumbprint: h.plan.Holder, Now: w.now(), Life: token.ProofLife})
	if err != nil {
		t.Errorf("the runner would refuse the proof: %v", err)
	}
}

// A plan that names a key which is retired is over before anything is granted for it.
func TestAPlanThatNamesARetiredDispatchKeyGetsNoGrant(t *testing.T) {
	w, switched, _ := rotating(t)
	s, err := switched.Propose(w.ctx, repair, w.scale(w.incident("shop").ID))
	must(t, err)
	if s = w.settled(repair, s.ID); s.State != writ.PlanWaiting {
		t.Fatalf("the plan is %s", s.State)
	}
	c := w.config
	c.Dispatchers = nil
	retired, err := control.New(c)
	must(t, err)
	st := w.statement(s.ID, "bob", "owner", writ.Approve)
	b, sig := w.signed(st, "bob")
	got, err := retired.Answer(w.ctx, human("bob"), s.ID, b, sig, "looks right")
	must(t, err)
	if got.State != writ.PlanDenied || got.Reason != writ.ReasonHolderAltered {
		t.Errorf("the plan is %s: %s", got.State, got.Reason)
	}
	if n := w.count(writ.EntryGrant); n != 0 {
		t.Errorf("%d grants", n)
	}
}

// A grant that an agent holds is good until it expires, whatever key signs grants by then.
func TestAGrantOfThePreviousKeyIsPresentedWhileItLives(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	c := w.config
	next, err := token.NewKey(rand.Reader)
	must(t, err)
	c.GrantKey, c.GrantKeys = next, nil
	without, err := control.New(c)
	must(t, err)
	if _, err := without.Present(w.ctx, repair, g.Token, o.proof(g.Token)); err == nil {
		t.Error("a grant of a key that is none of the control plane's was taken")
	}
	c.GrantKeys = []*ecdsa.PublicKey{&w.config.GrantKey.PublicKey}
	with, err := control.New(c)
	must(t, err)
	if _, err := with.Present(w.ctx, repair, g.Token, o.proof(g.Token)); err != nil {
		t.Errorf("after the switch: %v", err)
	}
}
