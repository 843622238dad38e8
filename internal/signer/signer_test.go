package signer_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/signer"
)

const origin = "ledger.example/prod"

func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+n)), ed25519.SeedSize)))
}

func start(t testing.TB) (*signer.Signer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	if err := signer.Create(path, origin, key(1)); err != nil {
		t.Fatal(err)
	}
	return open(t, path), path
}

func open(t testing.TB, path string) *signer.Signer {
	t.Helper()
	s, err := signer.Open(path, origin, key(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A tree is a log in memory.
type tree struct {
	edge  ledger.Edge
	heads []ledger.Head
	all   []tlog.Hash
}

func grow(name string, n int) *tree {
	t := &tree{heads: []ledger.Head{{Root: ledger.EmptyRoot()}}}
	for i := range n {
		h := ledger.LeafHash(fmt.Appendf(nil, "%s %d", name, i))
		t.all = append(append(t.all, tlog.Hash(h.Bytes())), t.edge.Append(h)...)
		t.heads = append(t.heads, t.edge.Head())
	}
	return t
}

func (t *tree) request(from, to int64) ledger.SignRequest {
	proof, err := ledger.ProveConsistency(from, to, tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, x := range at {
			out[i] = t.all[x]
		}
		return out, nil
	}))
	if err != nil {
		panic(err)
	}
	return ledger.SignRequest{Origin: origin, Next: t.heads[to], From: from, Proof: proof}
}

// both runs a test on the signer itself and through its door.
func both(t *testing.T, test func(t *testing.T, s ledger.Signer, path string)) {
	t.Run("in process", func(t *testing.T) {
		s, path := start(t)
		test(t, s, path)
	})
	t.Run("over HTTP", func(t *testing.T) {
		s, path := start(t)
		server := httptest.NewTLSServer(signer.Handler(s))
		t.Cleanup(server.Close)
		c, err := signer.NewClient(server.URL, server.Client(), s.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, path)
	})
}

func TestI17OnlyProvenExtensionsAreSigned(t *testing.T) {
	both(t, func(t *testing.T, s ledger.Signer, _ string) {
		ctx := t.Context()
		a, b := grow("a", 40), grow("b", 40)
		sign := func(r ledger.SignRequest) error {
			note, err := s.Sign(ctx, r)
			if err == nil {
				c, e := s.Verifier().Open(note)
				if e != nil || !c.Head().Equal(r.Next) {
					t.Errorf("signed %v instead of %v, %v", c, r.Next, e)
				}
			}
			return err
		}
		if err := sign(a.request(0, 7)); err != nil {
			t.Fatal(err)
		}
		if err := sign(a.request(7, 20)); err != nil {
			t.Fatal(err)
		}
		forged := a.request(20, 30)
		forged.Next.Root = b.heads[30].Root
		short := a.request(20, 30)
		short.Proof = short.Proof[1:]
		for name, r := range map[string]ledger.SignRequest{
			"roll-back":                 a.request(7, 12),
			"roll-back to a signed one": a.request(0, 7),
			"fork at the same size":     b.request(0, 20),
			"fork beyond":               {Origin: origin, Next: b.heads[30], From: 20, Proof: b.request(20, 30).Proof},
			"another root":              forged,
			"a proof cut short":         short,
			"no proof":                  {Origin: origin, Next: a.heads[30], From: 20},
		} {
			if err := sign(r); writ.ReasonOf(err) != writ.ReasonLedgerFork {
				t.Errorf("%s: want %s, got %v", name, writ.ReasonLedgerFork, err)
			}
		}
		if err := sign(a.request(7, 30)); !errors.Is(err, writ.ErrStale) {
			t.Errorf("a proof from an older head: %v", err)
		}
		other := a.request(20, 30)
		other.Origin = "ledger.example/test"
		for name, r := range map[string]ledger.SignRequest{
			"another log": other,
			"no root":     {Origin: origin, Next: ledger.Head{Size: 30}, From: 20},
			"size 0":      {Origin: origin, Next: a.heads[0], From: 20},
		} {
			if err := sign(r); !errors.Is(err, writ.ErrInvalid) {
				t.Errorf("%s: want %v, got %v", name, writ.ErrInvalid, err)
			}
		}
		if head, err := s.Head(ctx); err != nil || !head.Equal(a.heads[20]) {
			t.Errorf("the refusals moved the head to %v, %v", head, err)
		}
		if err := sign(a.request(20, 30)); err != nil {
			t.Errorf("the honest extension: %v", err)
		}
	})
}

func TestTheSameHeadGivesTheSameNote(t *testing.T) {
	both(t, func(t *testing.T, s ledger.Signer, _ string) {
		a := grow("a", 9)
		first, err := s.Sign(t.Context(), a.request(0, 9))
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []int64{0, 4, 9} {
			again, err := s.Sign(t.Context(), a.request(from, 9))
			if err != nil || string(again) != string(first) {
				t.Errorf("from %d: %q, %v", from, again, err)
			}
		}
	})
}

func TestI17TheHeadIsRememberedAcrossARestart(t *testing.T) {
	s, path := start(t)
	a, b := grow("a", 9), grow("b", 12)
	first, err := s.Sign(t.Context(), a.request(0, 9))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Open(path, origin, key(1)); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("a second signer on one memory: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), a.request(9, 9)); !errors.Is(err, writ.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
	s = open(t, path)
	if head, err := s.Head(t.Context()); err != nil || !head.Equal(a.heads[9]) {
		t.Errorf("head %v, %v", head, err)
	}
	if _, err := s.Sign(t.Context(), b.request(0, 12)); err == nil {
		t.Error("another history was signed")
	}
	if again, err := s.Sign(t.Context(), a.request(9, 9)); err != nil || string(again) != string(first) {
		t.Errorf("the same head again: %q, %v", again, err)
	}
}

// The head is on the disk when the note is released: a copy of the state, taken when Sign has returned, knows it.
func TestI17TheHeadIsDurableBeforeTheNoteIsReleased(t *testing.T) {
	s, path := start(t)
	a := grow("a", 20)
	for n := int64(1); n <= 20; n++ {
		if _, err := s.Sign(t.Context(), a.request(n-1, n)); err != nil {
			t.Fatal(err)
		}
		state, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.WriteFile(copied, state, 0o600); err != nil {
			t.Fatal(err)
		}
		if head, err := open(t, copied).Head(t.Context()); err != nil || !head.Equal(a.heads[n]) {
			t.Fatalf("after the note of size %d the disk has %v, %v", n, head, err)
		}
	}
}

func TestI17ATornStateIsTheOneBeforeAndALostOneIsRefused(t *testing.T) {
	s, path := start(t)
	a := grow("a", 3)
	for n := int64(1); n <= 2; n++ {
		if _, err := s.Sign(t.Context(), a.request(n-1, n)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	state, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(state []byte) (*signer.Signer, error) {
		torn := filepath.Join(t.TempDir(), "torn")
		if err := os.WriteFile(torn, state, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := signer.Open(torn, origin, key(1))
		if err == nil {
			t.Cleanup(func() { s.Close() })
		}
		return s, err
	}
	torn := append([]byte(nil), state...)
	torn[4096+100] ^= 1 // size 2 was the second write, into the second slot
	again, err := try(torn)
	if err != nil {
		t.Fatal(err)
	}
	if head, _ := again.Head(t.Context()); !head.Equal(a.heads[1]) {
		t.Errorf("head %v, want %v", head, a.heads[1])
	}
	torn[100] ^= 1
	for name, state := range map[string][]byte{"both slots torn": torn, "empty": {}, "cut": state[:5000]} {
		if _, err := try(state); !errors.Is(err, writ.ErrUnavailable) {
			t.Errorf("%s: want %v, got %v", name, writ.ErrUnavailable, err)
		}
	}
	if _, err := signer.Open(filepath.Join(t.TempDir(), "none"), origin, key(1)); !errors.Is(err, writ.ErrUnavailable) {
		t.Errorf("no state: %v", err)
	}
	if _, err := signer.Open(path, origin, key(2)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("the state of another key: %v", err)
	}
	if _, err := signer.Open(path, "ledger.example/test", key(1)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("the state of another log: %v", err)
	}
	if err := signer.Create(path, origin, key(1)); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("the memory of a log was made anew: %v", err)
	}
}

func TestI17OfManyAtOnceOneHistoryIsSigned(t *testing.T) {
	both(t, func(t *testing.T, s ledger.Signer, _ string) {
		trees := []*tree{grow("a", 20), grow("b", 20), grow("c", 20), grow("d", 20)}
		var mu sync.Mutex
		var signed []ledger.Head
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				tr := trees[i%len(trees)]
				for n := int64(1); n <= 20; n++ {
					if _, err := s.Sign(context.Background(), tr.request(n-1, n)); err == nil {
						mu.Lock()
						signed = append(signed, tr.heads[n])
						mu.Unlock()
					}
				}
			})
		}
		all.Wait()
		roots := map[int64]ledger.Head{}
		for _, h := range signed {
			if before, ok := roots[h.Size]; ok && !before.Equal(h) {
				t.Fatalf("two roots were signed at size %d", h.Size)
			}
			roots[h.Size] = h
		}
		if len(roots) == 0 {
			t.Error("nothing was signed")
		}
	})
}

func TestTheDoorTakesOnlyItsForm(t *testing.T) {
	s, _ := start(t)
	h := signer.Handler(s)
	root := ledger.LeafHash([]byte("x")).String()
	for name, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"a fork":          {"POST", "/v1/sign", `{"origin":"` + origin + `","size":1,"root":"` + root + `","old_size":0,"proof":["` + root + `"]}`, 422},
		"unknown member":  {"POST", "/v1/sign", `{"origin":"` + origin + `","size":1,"root":"` + root + `","old_size":0,"force":true}`, 400},
		"member twice":    {"POST", "/v1/sign", `{"origin":"x","origin":"` + origin + `","size":1,"root":"` + root + `","old_size":0}`, 400},
		"a fraction":      {"POST", "/v1/sign", `{"origin":"` + origin + `","size":1.5,"root":"` + root + `","old_size":0}`, 400},
		"negative":        {"POST", "/v1/sign", `{"origin":"` + origin + `","size":-1,"root":"` + root + `","old_size":0}`, 400},
		"no body":         {"POST", "/v1/sign", ``, 400},
		"a large body":    {"POST", "/v1/sign", `{"origin":"` + strings.Repeat("x", 1<<20) + `"}`, 400},
		"a stale proof":   {"POST", "/v1/sign", `{"origin":"` + origin + `","size":5,"root":"` + root + `","old_size":3}`, 409},
		"another method":  {"GET", "/v1/sign", ``, 405},
		"another address": {"POST", "/v1/reset", ``, 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.want {
			t.Errorf("%s: want %d, got %d %s", name, c.want, w.Code, w.Body)
		}
	}
	if head, err := s.Head(t.Context()); err != nil || head.Size != 0 {
		t.Errorf("something was signed: %v %v", head, err)
	}
}

func TestTheClientBelievesOnlyTheLogsKey(t *testing.T) {
	s, _ := start(t)
	vkey, err := ledger.VKey(origin, key(9).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.ParseVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(signer.Handler(s))
	defer server.Close()
	c, err := signer.NewClient(server.URL, server.Client(), v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sign(t.Context(), grow("a", 1).request(0, 1)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a note under another key: %v", err)
	}
	server.Close()
	if _, err := c.Sign(t.Context(), grow("a", 1).request(0, 1)); !errors.Is(err, writ.ErrUnavailable) {
		t.Errorf("no signer: %v", err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"not a problem": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gateway", http.StatusBadGateway) },
		"not JSON":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
	} {
		odd := httptest.NewServer(h)
		c, err := signer.NewClient(odd.URL, odd.Client(), s.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Head(t.Context()); !errors.Is(err, writ.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		odd.Close()
	}
	if _, err := signer.NewClient("", nil, v); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a client of nothing: %v", err)
	}
}

func BenchmarkSign(b *testing.B) {
	s, _ := start(b)
	const n = 4096
	a := grow("a", n)
	var at int64
	for b.Loop() {
		if at == n {
			b.StopTimer()
			s, _ = start(b)
			at = 0
			b.StartTimer()
		}
		if _, err := s.Sign(context.Background(), a.request(at, at+1)); err != nil {
			b.Fatal(err)
		}
		at++
	}
}
