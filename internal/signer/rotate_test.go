package signer_test

import (
	"bytes"
	"crypto/ed25519"
	"path/filepath"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/signer"
)

// The signer's memory goes with the log, not with its key: the next key signs what extends the last head, and nothing else, and
// neither key can be made to forget by opening the file with the other.
func TestI17TheMemoryGoesOverToTheLogsNextKey(t *testing.T) {
	key := func(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }
	const log = "log.example"
	file := filepath.Join(t.TempDir(), "state")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(signer.Create(file, log, key(1)))
	var edge ledger.Edge
	edge.Append(ledger.LeafHash([]byte("one")))
	ask := ledger.SignRequest{Origin: log, Next: edge.Head()}
	first, err := signer.Open(file, log, key(1), key(2))
	must(err)
	note, err := first.Sign(t.Context(), ask)
	must(err)
	for _, n := range []byte{1, 2} { // both keys have signed
		vkey, err := ledger.VKey(log, key(n).Public().(ed25519.PublicKey))
		must(err)
		v, err := ledger.ParseVerifier(vkey)
		must(err)
		if _, err := v.Open(note); err != nil {
			t.Errorf("key %d: %v", n, err)
		}
	}
	must(first.Close())

	if _, err := signer.Open(file, log, key(2)); err == nil {
		t.Fatal("a key that came from nowhere took the memory over")
	}
	second, err := signer.Open(file, log, key(2), key(1)) // after the switch
	must(err)
	must(second.Close())
	third, err := signer.Open(file, log, key(2)) // after the retirement
	must(err)
	t.Cleanup(func() { must(third.Close()) })
	if head, err := third.Head(t.Context()); err != nil || !head.Equal(edge.Head()) {
		t.Fatalf("%v %v", head, err)
	}
	var fork ledger.Edge
	fork.Append(ledger.LeafHash([]byte("another")))
	if _, err := third.Sign(t.Context(), ledger.SignRequest{Origin: log, Next: fork.Head()}); writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("a second history was signed: %v", err)
	}
}
