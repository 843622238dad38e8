package verify_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

// Keys of a rotation: the log's next one, and three roots of which two must sign.
var (
	nextLog = key(20)
	roots   = []ed25519.PrivateKey{key(31), key(32), key(33)}
)

// rooted is the auditor's trust, which names the roots.
func (w *world) rooted() verify.Trust {
	t := w.trust()
	t.Roots = &verify.Roots{Threshold: 2}
	for _, r := range roots {
		t.Roots.Keys = append(t.Roots.Keys, public(r))
	}
	return t
}

func succession(t testing.TB, old, next ed25519.PrivateKey, by ...ed25519.PrivateKey) ledger.SignedSuccession {
	t.Helper()
	s, err := ledger.Succeed(origin, old, next, start)
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range by {
		if err := s.Endorse(root); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// rotates appends the entry that tells of a succession, and returns its index.
func (w *world) rotates(s ledger.SignedSuccession) int64 {
	w.t.Helper()
	b, err := s.Bytes()
	if err != nil {
		w.t.Fatal(err)
	}
	n := len(w.items)
	w.items = append(w.items, &item{
		kind: writ.EntryKeyRotate, by: w.control, log: origin, actor: controlPlane, at: start.Add(time.Duration(n) * time.Second), nonce: fmt.Sprintf("nonce%017d", n),
		body: &writ.KeyRotateBody{Old: s.Old, New: s.New, Statement: b},
	})
	return int64(n)
}

// under is the bundle with a checkpoint by one key.
func (w *world) under(k ed25519.PrivateKey) []byte {
	w.t.Helper()
	leaves := w.leaves()
	return raw(w.t, ledger.Export(origin, sign(w.t, leaves, k), leaves))
}

func TestI17AnAuditorWhoKnowsTheOldKeyFollowsTheLogToTheNext(t *testing.T) {
	w := newWorld(t)
	before := sign(t, w.leaves(), w.log)
	index := w.rotates(succession(t, w.log, nextLog, roots[0], roots[2]))
	r := judge(t, w.under(nextLog), w.rooted(), before, sign(t, w.leaves(), nextLog)) // pins of both keys
	if r.Verdict() != verify.OK || len(r.Rotations) != 1 || r.Rotations[0].Index != index || r.LogKey != r.Rotations[0].New {
		t.Errorf("%s\n%+v", r.Text(), r.Rotations)
	}
	third := key(21)
	w.rotates(succession(t, nextLog, third, roots[0], roots[1]))
	if r := judge(t, w.under(third), w.rooted(), before); r.Verdict() != verify.OK || len(r.Rotations) != 2 {
		t.Errorf("after another rotation: %s", r.Text())
	}
	// From the entry on the old keys sign nothing any more.
	for _, old := range []ed25519.PrivateKey{w.log, nextLog} {
		if r := judge(t, w.under(old), w.rooted()); r.Altered.Verdict != verify.Violated {
			t.Errorf("a checkpoint of a retired key was believed: %s", r.Text())
		}
	}
}

// Who has stolen the log's key, and with it the control plane's, cannot appoint another key; nor can a root alone.
func TestI17AStolenLogKeyAppointsNoSuccessor(t *testing.T) {
	for name, c := range map[string]struct {
		s     func(t *testing.T, w *world) ledger.SignedSuccession
		trust func(*verify.Trust)
	}{
		"no root has signed": {s: func(t *testing.T, w *world) ledger.SignedSuccession { return succession(t, w.log, nextLog) }},
		"too few have":       {s: func(t *testing.T, w *world) ledger.SignedSuccession { return succession(t, w.log, nextLog, roots[1]) }},
		"strangers have": {s: func(t *testing.T, w *world) ledger.SignedSuccession {
			return succession(t, w.log, nextLog, roots[0], key(34), key(35))
		}},
		"it follows a stranger": {s: func(t *testing.T, w *world) ledger.SignedSuccession { return succession(t, key(40), nextLog, roots...) }},
		"nobody could have": {
			s:     func(t *testing.T, w *world) ledger.SignedSuccession { return succession(t, w.log, nextLog, roots...) },
			trust: func(t *verify.Trust) { t.Roots = nil },
		},
		"the old key's range was closed before": {
			s:     func(t *testing.T, w *world) ledger.SignedSuccession { return succession(t, w.log, nextLog, roots...) },
			trust: func(t *verify.Trust) { t.Log[0].ToSize = 5 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.rotates(c.s(t, w))
			trust := w.rooted()
			if c.trust != nil {
				c.trust(&trust)
			}
			r := judge(t, w.under(nextLog), trust)
			codes := map[string]bool{}
			for _, f := range r.Findings {
				codes[f.Code] = true
			}
			if !codes["succession"] || !codes["checkpoint"] || len(r.Rotations) != 0 {
				t.Errorf("%s", r.Text())
			}
		})
	}
}

// A succession is good once, for the key that is in use: the key before does not come back.
func TestI17ASuccessionIsNotReplayed(t *testing.T) {
	w := newWorld(t)
	first := succession(t, w.log, nextLog, roots...)
	w.rotates(first)
	again := w.rotates(first)
	r := judge(t, w.under(nextLog), w.rooted())
	if len(r.Rotations) != 1 || len(r.Findings) == 0 || r.Findings[0].Code != "succession" || r.Findings[0].Index != again {
		t.Errorf("%s", r.Text())
	}
	w = newWorld(t)
	w.rotates(first)
	w.rotates(succession(t, nextLog, w.log, roots...)) // even by the roots: a key that was retired was retired for a reason
	if r := judge(t, w.under(w.log), w.rooted()); r.Verdict() != verify.Violated {
		t.Errorf("%s", r.Text())
	}
}

func TestRootsThatAThiefCouldBeAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*verify.Roots){
		"no threshold":        func(r *verify.Roots) { r.Threshold = 0 },
		"more than there are": func(r *verify.Roots) { r.Threshold = 4 },
		"one twice":           func(r *verify.Roots) { r.Keys[1] = r.Keys[0] },
		"the log's own key":   func(r *verify.Roots) { r.Keys[1] = public(w.log) },
		"the control plane's": func(r *verify.Roots) { r.Keys[1] = public(w.control) },
		"a key of 31 bytes":   func(r *verify.Roots) { r.Keys[1] = r.Keys[1][1:] },
	} {
		trust := w.rooted()
		change(trust.Roots)
		if _, err := verify.Bundle(nil, trust); err == nil {
			t.Errorf("%s: the trust file was taken", name)
		}
	}
}
