package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

// resign gives the bundle a fresh checkpoint by the log's own key: the log's holder has rewritten it.
func (w *world) resign(b *ledger.Bundle) {
	var leaves [][]byte
	for _, e := range b.Entries {
		leaves = append(leaves, e.Leaf)
	}
	b.Checkpoint = string(sign(w.t, leaves, w.log))
}

// reseal signs an altered payload with a key.
func reseal(t testing.TB, payload []byte, k ed25519.PrivateKey) []byte {
	t.Helper()
	a, err := ledger.NewAuthor(k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ledger.SealEnvelope(ledger.RecordType, payload, a)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func payload(t testing.TB, leaf []byte) []byte {
	t.Helper()
	e, err := ledger.Open(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return e.Envelope.Payload
}

func renumber(b *ledger.Bundle) {
	for i := range b.Entries {
		b.Entries[i].Index = int64(i)
	}
}

// Who holds the database and nothing else.
func TestI17TheDatabaseIsTamperedWith(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *ledger.Bundle)
		code   string
	}{
		"a leaf is edited": {func(w *world, b *ledger.Bundle) { b.Entries[effect].Leaf[40] ^= 1 }, "root"},
		"an effect is rewritten and its nodes rebuilt": {func(w *world, b *ledger.Bundle) {
			p := bytes.Replace(payload(t, b.Entries[effect].Leaf), []byte(`"applied"`), []byte(`"not_applied"`), 1)
			b.Entries[effect].Leaf = reseal(t, p, key(77))
		}, "root"},
		"an entry is deleted": {func(w *world, b *ledger.Bundle) {
			b.Entries = append(b.Entries[:effect:effect], b.Entries[effect+1:]...)
		}, "gap"},
		"an entry is deleted and the rest renumbered": {func(w *world, b *ledger.Bundle) {
			b.Entries = append(b.Entries[:effect:effect], b.Entries[effect+1:]...)
			renumber(b)
		}, "truncated"},
		"an entry is inserted": {func(w *world, b *ledger.Bundle) {
			b.Entries = append(b.Entries[:effect:effect], append([]ledger.BundleEntry{{Leaf: b.Entries[evidence].Leaf}}, b.Entries[effect:]...)...)
			renumber(b)
		}, "root"},
		"two neighbours are swapped": {func(w *world, b *ledger.Bundle) {
			b.Entries[intent].Leaf, b.Entries[effect].Leaf = b.Entries[effect].Leaf, b.Entries[intent].Leaf
		}, "root"},
		"the order of the bundle is another": {func(w *world, b *ledger.Bundle) {
			b.Entries[intent], b.Entries[effect] = b.Entries[effect], b.Entries[intent]
		}, "order"},
		"the tail is cut off": {func(w *world, b *ledger.Bundle) { b.Entries = b.Entries[:effect] }, "truncated"},
		"rows are added after the checkpoint": {func(w *world, b *ledger.Bundle) {
			b.Entries = append(b.Entries, ledger.BundleEntry{Index: length, Leaf: b.Entries[evidence].Leaf})
		}, "unsigned_tail"},
		"an older state with its genuine checkpoint": {func(w *world, b *ledger.Bundle) {
			b.Entries = b.Entries[:effect]
			w.resign(b) // stands for the checkpoint that was genuine then
		}, "truncated"},
		"the checkpoint is signed by another key of the same name": {func(w *world, b *ledger.Bundle) {
			b.Checkpoint = string(sign(t, w.leaves(), key(78)))
		}, "checkpoint"},
		"the checkpoint says another size": {func(w *world, b *ledger.Bundle) {
			b.Checkpoint = strings.Replace(b.Checkpoint, "\n17\n", "\n16\n", 1)
		}, "checkpoint"},
		"the checkpoint has an extension line": {func(w *world, b *ledger.Bundle) {
			b.Checkpoint = strings.Replace(b.Checkpoint, "\n\n", "\nmore\n\n", 1)
		}, "checkpoint"},
		"there is no checkpoint":       {func(w *world, b *ledger.Bundle) { b.Checkpoint = "" }, "checkpoint"},
		"the bundle is of another log": {func(w *world, b *ledger.Bundle) { b.Origin = "ledger.example/test" }, "wrong_log"},
		"a blob is swapped": {func(w *world, b *ledger.Bundle) {
			b.Blobs = []ledger.BundleBlob{{Commit: writ.Commit(w.salt, "evidence", w.content), Name: "evidence", Salt: w.salt[:], Content: []byte("ready 3 of 3")}}
		}, "blob"},
		"a blob is disclosed under another name": {func(w *world, b *ledger.Bundle) {
			b.Blobs = []ledger.BundleBlob{{Commit: writ.Commit(w.salt, "evidence", w.content), Name: "claim", Salt: w.salt[:], Content: w.content}}
		}, "blob"},
		"a blob that nobody committed to": {func(w *world, b *ledger.Bundle) {
			b.Blobs = []ledger.BundleBlob{{Commit: writ.Commit(w.salt, "other", w.content), Name: "other", Salt: w.salt[:], Content: w.content}}
		}, "blob_unnamed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.bundle()
			pin, honest := []byte(b.Checkpoint), raw(t, b)
			c.change(w, &b)
			wantFinding(t, honest, raw(t, b), w.trust(), c.code, pin)
		})
	}
}

// wantFinding asserts that the change is one, that it is found under its code, and that the verdict follows.
func wantFinding(t *testing.T, honest, changed []byte, trust verify.Trust, code string, pins ...[]byte) verify.Report {
	t.Helper()
	if bytes.Equal(honest, changed) {
		t.Fatal("nothing was changed")
	}
	r := judge(t, changed, trust, pins...)
	if r.Verdict() != verify.Violated {
		t.Errorf("verdict %s", r.Verdict())
	}
	for _, f := range r.Findings {
		if f.Code == code {
			return r
		}
	}
	t.Errorf("no finding %q:\n%s", code, r.Text())
	return r
}

// Who holds the log's key as well: only pins and the authors' signatures speak against it.
func TestI17TheLogIsRewrittenWithItsOwnKey(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *ledger.Bundle)
		code   string
	}{
		"another history of the same size": {func(w *world, b *ledger.Bundle) {
			w.items[verified].body.(*writ.VerifyBody).Holds = false
			*b = w.bundle()
		}, "fork"},
		"a forged effect": {func(w *world, b *ledger.Bundle) {
			p := bytes.Replace(payload(t, b.Entries[effect].Leaf), []byte(`"applied"`), []byte(`"unknown"`), 1)
			b.Entries[effect].Leaf = bytes.Replace(b.Entries[effect].Leaf, []byte(b64(payload(t, b.Entries[effect].Leaf))), []byte(b64(p)), 1)
			w.resign(b)
		}, "signature"},
		"an effect by a stranger": {func(w *world, b *ledger.Bundle) {
			b.Entries[effect].Leaf = reseal(t, payload(t, b.Entries[effect].Leaf), key(77))
			w.resign(b)
		}, "unknown_key"},
		"an effect by the control plane": {func(w *world, b *ledger.Bundle) {
			b.Entries[effect].Leaf = reseal(t, payload(t, b.Entries[effect].Leaf), w.control)
			w.resign(b)
		}, "role"},
		"a decision by the runner": {func(w *world, b *ledger.Bundle) {
			b.Entries[allowed].Leaf = reseal(t, payload(t, b.Entries[allowed].Leaf), w.runner)
			w.resign(b)
		}, "role"},
		"an effect by another runner": {func(w *world, b *ledger.Bundle) {
			b.Entries[effect].Leaf = reseal(t, payload(t, b.Entries[effect].Leaf), key(5))
			w.resign(b)
		}, "actor"},
		"an unsigned member in the envelope": {func(w *world, b *ledger.Bundle) {
			b.Entries[effect].Leaf = bytes.Replace(b.Entries[effect].Leaf, []byte(`{"payload"`), []byte(`{"note":"x","payload"`), 1)
			w.resign(b)
		}, "form"},
		"white space in the envelope": {func(w *world, b *ledger.Bundle) {
			b.Entries[effect].Leaf = append(b.Entries[effect].Leaf, '\n')
			w.resign(b)
		}, "form"},
		"a member twice in the payload": {func(w *world, b *ledger.Bundle) {
			p := bytes.Replace(payload(t, b.Entries[effect].Leaf), []byte(`"effect":"applied"`), []byte(`"effect":"unknown","effect":"applied"`), 1)
			b.Entries[effect].Leaf = reseal(t, p, w.runner)
			w.resign(b)
		}, "form"},
		"a case variant in the payload": {func(w *world, b *ledger.Bundle) {
			p := bytes.Replace(payload(t, b.Entries[effect].Leaf), []byte(`"effect":"applied"`), []byte(`"Effect":"applied"`), 1)
			b.Entries[effect].Leaf = reseal(t, p, w.runner)
			w.resign(b)
		}, "form"},
		"an integer beyond 2^53": {func(w *world, b *ledger.Bundle) {
			p := bytes.Replace(payload(t, b.Entries[effect].Leaf), []byte(`"ms":40`), []byte(`"ms":9007199254740993`), 1)
			b.Entries[effect].Leaf = reseal(t, p, w.runner)
			w.resign(b)
		}, "form"},
		"bad UTF-8 in the payload": {func(w *world, b *ledger.Bundle) {
			p := bytes.Replace(payload(t, b.Entries[effect].Leaf), []byte(`"78"`), []byte("\"\xff\""), 1)
			b.Entries[effect].Leaf = reseal(t, p, w.runner)
			w.resign(b)
		}, "form"},
		"a payload that is not canonical": {func(w *world, b *ledger.Bundle) {
			p := append([]byte(" "), payload(t, b.Entries[effect].Leaf)...)
			b.Entries[effect].Leaf = reseal(t, p, w.runner)
			w.resign(b)
		}, "form"},
		"an entry twice": {func(w *world, b *ledger.Bundle) {
			b.Entries = append(b.Entries, ledger.BundleEntry{Index: length, Leaf: b.Entries[evidence].Leaf})
			w.resign(b)
		}, "duplicate"},
		"a log without its beginning": {func(w *world, b *ledger.Bundle) {
			b.Entries = b.Entries[1:]
			renumber(b)
			w.resign(b)
		}, "genesis"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.bundle()
			pin, honest := []byte(b.Checkpoint), raw(t, b)
			c.change(w, &b)
			var pins [][]byte
			if c.code == "fork" { // all others are found without a pin
				pins = append(pins, pin)
			}
			r := wantFinding(t, honest, raw(t, b), w.trust(), c.code, pins...)
			if c.code == "fork" && (len(r.Findings[0].Notes) != 2 || r.Findings[0].Notes[1] != string(pin)) {
				t.Error("the two checkpoints that prove the fork are not in the report")
			}
		})
	}
}

func TestI17ARetiredKeySignsNoNewHistory(t *testing.T) {
	w := newWorld(t)
	b := w.bundle()
	trust := w.trust()
	trust.Log[0].ToSize = 10
	if r := judge(t, raw(t, b), trust); r.Altered.Verdict != verify.Violated || r.Findings[0].Code != "checkpoint" {
		t.Errorf("%s", r.Text())
	}
	next, err := ledger.VKey(origin, public(key(20)))
	if err != nil {
		t.Fatal(err)
	}
	trust.Log = append(trust.Log, verify.LogKey{VKey: next, FromSize: 11})
	b.Checkpoint = string(sign(t, w.leaves(), key(20)))
	if r := judge(t, raw(t, b), trust, sign(t, w.leaves()[:10], w.log)); r.Verdict() != verify.OK {
		t.Errorf("after a rotation:\n%s", r.Text())
	}
}

func TestI17WhatIsNoBundleIsNotWell(t *testing.T) {
	w := newWorld(t)
	good := string(raw(t, w.bundle()))
	for name, in := range map[string]string{
		"nothing":          "",
		"not JSON":         "PK\x03\x04",
		"another version":  strings.Replace(good, `"v":1}`, `"v":2}`, 1),
		"an unknown name":  strings.Replace(good, `{"checkpoint"`, `{"extra":1,"checkpoint"`, 1),
		"a name twice":     strings.Replace(good, `{"checkpoint"`, `{"origin":"x","checkpoint"`, 1),
		"a case variant":   strings.Replace(good, `"entries"`, `"Entries"`, 1),
		"trailing content": good + "{}",
	} {
		if in == good {
			t.Fatalf("%s: nothing was changed", name)
		}
		if r := judge(t, []byte(in), w.trust()); r.Verdict() != verify.Violated || r.Findings[0].Code != "form" {
			t.Errorf("%s: %s", name, r.Text())
		}
	}
	if _, err := verify.Bundle(errReader{}, w.trust()); err == nil {
		t.Error("an unreadable bundle gave a report")
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestTrustAndPinsAreCheckedFirst(t *testing.T) {
	w := newWorld(t)
	b := raw(t, w.bundle())
	other, err := ledger.VKey("ledger.example/other", public(key(30)))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*verify.Trust){
		"no version":            func(tr *verify.Trust) { tr.V = 0 },
		"no log key":            func(tr *verify.Trust) { tr.Log = nil },
		"no actor":              func(tr *verify.Trust) { tr.Actors = nil },
		"a broken vkey":         func(tr *verify.Trust) { tr.Log[0].VKey += "x" },
		"keys of two logs":      func(tr *verify.Trust) { tr.Log = append(tr.Log, verify.LogKey{VKey: other}) },
		"a log key twice":       func(tr *verify.Trust) { tr.Log = append(tr.Log, tr.Log[0]) },
		"a range that is empty": func(tr *verify.Trust) { tr.Log[0].FromSize, tr.Log[0].ToSize = 5, 4 },
		"one key under two names": func(tr *verify.Trust) {
			tr.Actors[1].Public, tr.Actors[1].KeyID = tr.Actors[0].Public, tr.Actors[0].KeyID
		},
		"a key with another id":     func(tr *verify.Trust) { tr.Actors[0].KeyID = tr.Actors[1].KeyID },
		"a role nobody knows":       func(tr *verify.Trust) { tr.Actors[0].Roles = []verify.Role{"root"} },
		"an actor without a role":   func(tr *verify.Trust) { tr.Actors[0].Roles = nil },
		"one key for two approvers": func(tr *verify.Trust) { tr.Approvers[1].Keys = tr.Approvers[0].Keys },
		"an approver's key unread":  func(tr *verify.Trust) { tr.Approvers[1].Keys = []string{"ssh-dss x"} },
	} {
		trust := w.trust()
		change(&trust)
		if _, err := verify.Bundle(bytes.NewReader(b), trust); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: want %v, got %v", name, writ.ErrInvalid, err)
		}
	}
	if _, err := verify.Bundle(bytes.NewReader(b), w.trust(), sign(t, w.leaves(), key(40))); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a pin that the log did not sign: %v", err)
	}
	if _, err := verify.Bundle(bytes.NewReader(b), verify.Trust{}); err == nil {
		t.Error("no trust at all gave a report")
	}
}
