package rotate_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/token"
)

// A server presents what the servers before and after it have planned, between any two steps.
func TestTheDispatchKeyIsReplacedWithoutAnOpenPlanThatNobodyCanPresent(t *testing.T) {
	d := rotate.Dispatch{File: filepath.Join(t.TempDir(), "dispatch.pem"), PlanLife: time.Hour}
	_, err := token.CreateKey(d.File, rand.Reader)
	must(t, err)
	type server struct {
		names    string          // in the plans that it makes
		presents map[string]bool // grants of plans that name
	}
	start := func() server {
		t.Helper()
		key, others, err := d.Load()
		must(t, err)
		s := server{names: token.KeyID(&key.PublicKey), presents: map[string]bool{}}
		for _, k := range append([]*ecdsa.PrivateKey{key}, others...) {
			s.presents[token.KeyID(&k.PublicKey)] = true
		}
		return s
	}
	both := func(what string, a, b server) {
		t.Helper()
		if !a.presents[b.names] || !b.presents[a.names] {
			t.Errorf("%s: a plan of one server cannot be presented by the other", what)
		}
	}
	refused := func(what string, err error) {
		t.Helper()
		if writ.ReasonOf(err) != writ.ReasonKeyRotation {
			t.Errorf("%s: %v", what, err)
		}
	}
	first := start()
	_, err = d.Switch()
	refused("a switch to a key that nobody announced", err)
	kid, err := d.Announce()
	must(t, err)
	announced := start()
	both("announced", first, announced)
	for range 2 { // each step can be repeated
		got, err := d.Switch()
		if err != nil || got != kid {
			t.Fatalf("%s, %v", got, err)
		}
	}
	switched := start()
	both("switched", announced, switched)
	if switched.names != kid {
		t.Error("the switched server names the old key in its plans")
	}
	refused("retired at once", d.Retire(time.Now()))
	refused("retired while a plan may wait for people", d.Retire(time.Now().Add(time.Hour)))
	for range 2 {
		must(t, d.Retire(time.Now().Add(d.Overlap()+time.Second)))
	}
	if retired := start(); retired.presents[first.names] || !retired.presents[kid] {
		t.Error("the previous key is there still, or the current one is not")
	}
}
