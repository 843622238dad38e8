package ledger_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
)

const origin = "ledger.example/prod"

var update = flag.Bool("update", false, "rewrite the golden vectors")

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func author(t testing.TB, k ed25519.PrivateKey) ledger.Author {
	t.Helper()
	a, err := ledger.NewAuthor(k)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func verifier(t testing.TB, origin string, k ed25519.PrivateKey) ledger.Verifier {
	t.Helper()
	vkey, err := ledger.VKey(origin, public(k))
	if err != nil {
		t.Fatal(err)
	}
	v, err := ledger.ParseVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// record is a small record; n makes it another one.
func record(t testing.TB, n int) writ.Record {
	t.Helper()
	r, err := writ.NewRecord(origin, writ.EntryStepEffect, time.Date(2026, 3, 1, 3, 0, n, 0, time.UTC), "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD",
		writ.RunnerID("spiffe://example.com/runner/prod-eu1").Principal(), fmt.Sprintf("nonce%017d", n),
		writ.EffectBody{Run: "run_01JDB3V0T6M2Y8H4R1C7K5P9WD", Step: "pln_01JDB3V0T6M2Y8H4R1C7K5P9WD.1", Effect: writ.Applied, Status: 200, Version: "78", Millis: 40},
		writ.Ref{Rel: "intent", Leaf: writ.DigestOf([]byte("intent"))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func seal(t testing.TB, n int) []byte {
	t.Helper()
	leaf, err := ledger.Seal(record(t, n), author(t, key(3)))
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func trust(k ed25519.PrivateKey) ledger.Lookup {
	return func(id string) ed25519.PublicKey {
		if id == ledger.KeyID(public(k)) {
			return public(k)
		}
		return nil
	}
}

// A log is a tree in memory.
type log struct {
	edge   ledger.Edge
	heads  []ledger.Head
	all    []tlog.Hash
	leaves [][]byte
}

func newLog() *log { return &log{heads: []ledger.Head{{Root: ledger.EmptyRoot()}}} }

func (l *log) append(leaf []byte) {
	h := ledger.LeafHash(leaf)
	l.leaves = append(l.leaves, leaf)
	l.all = append(append(l.all, tlog.Hash(h.Bytes())), l.edge.Append(h)...)
	l.heads = append(l.heads, l.edge.Head())
}

func (l *log) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, x := range at {
		if x >= int64(len(l.all)) {
			return nil, fmt.Errorf("no node %d", x)
		}
		out[i] = l.all[x]
	}
	return out, nil
}

func (l *log) receipt(t testing.TB, index, from, size int64) ledger.Receipt {
	t.Helper()
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: size, Root: l.heads[size].Root}, key(1))
	if err != nil {
		t.Fatal(err)
	}
	r := ledger.Receipt{Index: index, Leaf: ledger.LeafHash(l.leaves[index]), Checkpoint: note, From: from}
	if r.Proof, err = ledger.ProveInclusion(index, size, l); err != nil {
		t.Fatal(err)
	}
	if r.Consistency, err = ledger.ProveConsistency(from, size, l); err != nil {
		t.Fatal(err)
	}
	return r
}

func grow(n int) *log {
	l := newLog()
	for i := range n {
		l.append(fmt.Appendf(nil, "leaf %d", i))
	}
	return l
}

// The vectors are what another implementation can check itself against.
func TestGoldenVectors(t *testing.T) {
	leaf := seal(t, 7)
	e, err := ledger.Open(leaf)
	if err != nil {
		t.Fatal(err)
	}
	l := grow(10)
	l.append(leaf)
	r := l.receipt(t, 10, 5, 11)
	receipt, err := canon.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.MarshalIndent(map[string]string{
		"log_seed": strings.Repeat("01", 32), "log_vkey": verifier(t, origin, key(1)).String(),
		"author_seed": strings.Repeat("03", 32), "author_keyid": ledger.KeyID(public(key(3))),
		"seen_size": "5", "seen_root": l.heads[5].Root.String(), "leaf_hash": e.Hash.String(),
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{
		"record.json": e.Envelope.Payload, "leaf.json": leaf, "checkpoint.txt": r.Checkpoint, "receipt.json": receipt, "keys.json": append(keys, '\n'),
	} {
		path := filepath.Join("testdata", "vectors", name)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s has changed:\n%s\n%s", name, want, got)
		}
	}
	var back ledger.Receipt
	if err := canon.Parse(receipt, &back); err != nil {
		t.Fatal(err)
	}
	if head, err := ledger.CheckReceipt(back, leaf, verifier(t, origin, key(1)), l.heads[5]); err != nil || !head.Equal(l.heads[11]) {
		t.Errorf("the vector's receipt: %v %v", head, err)
	}
}
