package ledger_test

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/ledger"
)

func seeded(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func half(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func TestASuccessionIsSignedByBothKeysAndCountsEachRootOnce(t *testing.T) {
	s, err := ledger.Succeed("log.example", seeded(1), seeded(2), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Endorse(seeded(3)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := s.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ledger.OpenSuccession(b)
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Endorsed([]ed25519.PublicKey{half(seeded(3)), half(seeded(3)), half(seeded(4))}); n != 1 {
		t.Errorf("%d roots have signed, want 1", n)
	}
	if !ledger.SameKey(got.Old, half(seeded(1))) || !ledger.SameKey(got.New, half(seeded(2))) || ledger.SameKey(got.New, half(seeded(1))) {
		t.Errorf("%+v", got.Succession)
	}
	for what, change := range map[string]string{"another payload": "payload\":\"ey", "a space": "{ \"payload"} {
		forged := strings.Replace(string(b), map[string]string{"another payload": "payload\":\"ey", "a space": "{\"payload"}[what], change+map[string]string{"another payload": "ey", "a space": ""}[what], 1)
		if forged == string(b) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := ledger.OpenSuccession([]byte(forged)); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	if _, err := ledger.Succeed("log.example", seeded(1), seeded(1), time.Unix(1, 0)); err == nil {
		t.Error("a key follows itself")
	}
}

// While a key is replaced a checkpoint has both signatures, and is opened by whoever knows either key.
func TestACheckpointOfTwoKeysIsOpenedByEither(t *testing.T) {
	c := ledger.Checkpoint{Origin: "log.example", Size: 0, Root: ledger.EmptyRoot()}
	both, err := ledger.SignCheckpoint(c, seeded(1), seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := ledger.SignCheckpoint(c, seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	knows := func(n byte) ledger.Verifier {
		t.Helper()
		vkey, err := ledger.VKey(c.Origin, half(seeded(n)))
		if err != nil {
			t.Fatal(err)
		}
		v, err := ledger.ParseVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	two, err := knows(1).With(knows(2))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		v    ledger.Verifier
		note []byte
		want bool
	}{
		"old key, both":      {knows(1), both, true},
		"new key, both":      {knows(2), both, true},
		"a stranger, both":   {knows(3), both, false},
		"old key, new alone": {knows(1), alone, false},
		"two keys, new":      {two, alone, true},
	} {
		if _, err := tc.v.Open(tc.note); (err == nil) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := two.With(knows(3)); err == nil {
		t.Error("three keys at once")
	}
	if _, err := knows(1).With(knows(1)); err == nil {
		t.Error("one key twice")
	}
}

func FuzzOpenSuccession(f *testing.F) {
	s, err := ledger.Succeed("log.example", seeded(1), seeded(2), time.Unix(1, 0))
	if err != nil {
		f.Fatal(err)
	}
	b, err := s.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"payload":"e30=","payloadType":"application/vnd.writ.succession.v1+json","signatures":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ledger.OpenSuccession(b)
		if err != nil {
			return
		}
		again, err := s.Bytes()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("what was opened is not what it was: %v", err)
		}
	})
}
