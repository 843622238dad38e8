package store_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
	"github.com/writ-dev/writ/verify"
)

var controlPlane = writ.Principal{Kind: writ.KindService, Iss: "https://writ.example", Sub: "control"}

// appendEntry appends one sealed entry and returns its leaf hash.
func appendEntry(t *testing.T, s *store.Store, k ed25519.PrivateKey, kind writ.EntryKind, task writ.IncidentID, body any, refs ...writ.Ref) (hash writ.Digest) {
	t.Helper()
	a, err := ledger.NewAuthor(k)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(context.Background(), func(tx *store.Tx) error {
		rec, err := writ.NewRecord(storetest.Origin, kind, time.UnixMilli(1e12+tx.Head()), task, controlPlane, fmt.Sprintf("nonce%017d", tx.Head()), body, refs...)
		if err != nil {
			return err
		}
		leaf, err := ledger.Seal(rec, a)
		if err != nil {
			return err
		}
		_, hash, err = tx.Append(leaf)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestI17AnExportVerifiesOffline(t *testing.T) {
	dir := t.TempDir()
	sgn := newSigner(t, dir)
	s, err := open(storetest.Setup{Dir: dir, Signer: sgn})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	const one, two = writ.IncidentID("inc_00000000000000000000000001"), writ.IncidentID("inc_00000000000000000000000002")
	incident := func(id writ.IncidentID, n int, refs ...writ.Ref) writ.Digest {
		return appendEntry(t, s, k, writ.EntryIncident, id, writ.IncidentBody{Incident: id, State: writ.IncidentOpen, Service: "api", Environment: "prod", Owner: "team", Severity: 1, Alerts: n}, refs...)
	}
	appendEntry(t, s, k, writ.EntryGenesis, "", writ.GenesisBody{Origin: storetest.Origin, Policy: writ.DigestOf([]byte("policy"))})
	cause := appendEntry(t, s, k, writ.EntryFreeze, "", writ.FreezeBody{Freeze: "frz_00000000000000000000000001", Scope: writ.FreezeAll, On: true})
	for i := range 30 {
		incident(one, i)
		incident(two, i, writ.Ref{Rel: "because", Leaf: cause})
	}
	trust := verify.Trust{
		V:      1,
		Log:    []verify.LogKey{{VKey: sgn.Verifier().String()}},
		Actors: []verify.Actor{{Principal: controlPlane, KeyID: ledger.KeyID(k.Public().(ed25519.PublicKey)), Public: k.Public().(ed25519.PublicKey), Roles: []verify.Role{verify.RoleControl}}},
	}
	pin, err := s.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	judge := func(incident writ.IncidentID) verify.Report {
		b, err := s.Export(t.Context(), incident)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		r, err := verify.Bundle(bytes.NewReader(raw), trust, pin)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := judge(""); r.Verdict() != verify.OK || r.Entries != 62 {
		t.Errorf("the whole log:\n%s", r.Text())
	}
	if r := judge(two); r.Altered.Verdict == verify.Violated || r.Authority.Verdict != verify.OK || r.Entries != 31 {
		t.Errorf("one incident with what it refers to:\n%s", r.Text())
	}
	if _, err := s.Export(t.Context(), "inc_00000000000000000000000003"); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("an incident that is not there: %v", err)
	}
}

func TestOpenRefusesAnIncompleteConfig(t *testing.T) {
	dir := t.TempDir()
	sgn := newSigner(t, dir)
	good := store.Config{Path: filepath.Join(dir, "a.db"), BlobPath: filepath.Join(dir, "b.db"), Origin: storetest.Origin, Signer: sgn, Now: time.Now, Rand: bytes.NewReader(nil)}
	for name, change := range map[string]func(*store.Config){
		"no path":             func(c *store.Config) { c.Path = "" },
		"no path for blobs":   func(c *store.Config) { c.BlobPath = "" },
		"one file for both":   func(c *store.Config) { c.BlobPath = dir + "/./a.db" },
		"no signer":           func(c *store.Config) { c.Signer = nil },
		"no clock":            func(c *store.Config) { c.Now = nil },
		"no randomness":       func(c *store.Config) { c.Rand = nil },
		"another log":         func(c *store.Config) { c.Origin = "writ.test/other" },
		"a folder that isn't": func(c *store.Config) { c.Path = filepath.Join(dir, "none", "a.db") },
	} {
		c := good
		change(&c)
		s, err := store.Open(t.Context(), c)
		if err == nil {
			s.Close()
			t.Errorf("%s: it opened", name)
		}
	}
	s, err := store.Open(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.PutBlob(t.Context(), "x", "text", nil); !errors.Is(err, writ.ErrUnavailable) {
		t.Errorf("a salt without randomness: %v", err)
	}
}
