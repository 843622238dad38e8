package ledger_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

func signed(t testing.TB, c ledger.Checkpoint, n byte) []byte {
	t.Helper()
	b, err := ledger.SignCheckpoint(c, key(n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestACheckpointIsASignedNoteOfThreeLines(t *testing.T) {
	c := ledger.Checkpoint{Origin: origin, Size: 42, Root: writ.DigestOf([]byte("root"))}
	b := signed(t, c, 1)
	if !strings.HasPrefix(string(b), origin+"\n42\n") || !strings.Contains(string(b), "\n\n— "+origin+" ") {
		t.Errorf("%s", b)
	}
	got, err := verifier(t, origin, key(1)).Open(b)
	if err != nil || got != c {
		t.Errorf("%+v %v", got, err)
	}
	if again := signed(t, c, 1); !bytes.Equal(again, b) {
		t.Error("the same checkpoint gave another note")
	}
}

// The base64 of a key may hold a plus sign; the parts of a vkey are split from the left.
func TestAVKeyMayHoldAPlusSign(t *testing.T) {
	found := false
	for n := byte(1); n < 200; n++ {
		vkey, err := ledger.VKey(origin, public(key(n)))
		if err != nil {
			t.Fatal(err)
		}
		v, err := ledger.ParseVerifier(vkey)
		if err != nil || v.String() != vkey || v.Origin() != origin {
			t.Fatalf("%s: %v", vkey, err)
		}
		if _, err := v.Open(signed(t, ledger.Checkpoint{Origin: origin, Size: 1, Root: writ.DigestOf(nil)}, n)); err != nil {
			t.Fatalf("%s: %v", vkey, err)
		}
		found = found || strings.Count(vkey, "+") > 2
	}
	if !found {
		t.Error("no key with a plus sign was tried")
	}
	for _, bad := range []string{"", origin, origin + "+00000000+AAAA", "a b+00000000+AAAA"} {
		if _, err := ledger.ParseVerifier(bad); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ledger.VKey("a+b", public(key(1))); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("an origin with a plus sign: %v", err)
	}
}

func TestI17ACheckpointHasOneSpelling(t *testing.T) {
	root := "4qIUiJQu3YYmJkPRz5NyWF3S4TVqbmGYpL1lfxZ4Hkk="
	v := verifier(t, origin, key(1))
	sign := func(text string) []byte {
		n, err := note.Sign(&note.Note{Text: text}, noteSigner{t, 1})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	good := origin + "\n42\n" + root + "\n"
	if _, err := v.Open(sign(good)); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string][]byte{
		"an extension line":  sign(good + "more\n"),
		"two lines":          sign(origin + "\n42\n"),
		"one line":           sign(origin + "\n"),
		"a leading zero":     sign(origin + "\n042\n" + root + "\n"),
		"a plus":             sign(origin + "\n+42\n" + root + "\n"),
		"a negative size":    sign(origin + "\n-1\n" + root + "\n"),
		"beyond 2^53":        sign(origin + "\n9007199254740993\n" + root + "\n"),
		"beyond 2^64":        sign(origin + "\n99999999999999999999\n" + root + "\n"),
		"not a number":       sign(origin + "\nten\n" + root + "\n"),
		"a short root":       sign(origin + "\n42\n" + root[:40] + "\n"),
		"loose base64":       sign(origin + "\n42\n" + strings.Replace(root, "kk=", "kl=", 1) + "\n"),
		"a zero root":        sign(origin + "\n42\n" + strings.Repeat("A", 43) + "=\n"),
		"size 0, other root": sign(origin + "\n0\n" + root + "\n"),
		"another origin":     sign("ledger.example/test\n42\n" + root + "\n"),
		"another key":        signed(t, ledger.Checkpoint{Origin: origin, Size: 42, Root: writ.DigestOf(nil)}, 2),
		"no signature":       []byte(good),
		"nothing":            nil,
		"17 signatures":      append(sign(good), bytes.Repeat([]byte("— other.example AAAAAAAA\n"), 16)...),
		"too large":          append(sign(good), bytes.Repeat([]byte("x"), 20<<10)...),
	} {
		if c, err := v.Open(in); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	cosigned := append(sign(good), "— witness.example AAAAAAAAAAAAAAAA\n"...)
	if _, err := v.Open(cosigned); err != nil {
		t.Errorf("with a witness's signature: %v", err)
	}
	if _, err := (ledger.Verifier{}).Open(sign(good)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("no key: %v", err)
	}
	if _, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: -1, Root: writ.DigestOf(nil)}, key(1)); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a negative size was signed: %v", err)
	}
	p256, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: 1, Root: writ.DigestOf(nil)}, p256); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("signed with a key of another kind: %v", err)
	}
}

// noteSigner signs any text, as a careless log would.
type noteSigner struct {
	t *testing.T
	n byte
}

func (s noteSigner) verifier() note.Verifier {
	vkey, err := note.NewEd25519VerifierKey(origin, public(key(s.n)))
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s noteSigner) Name() string                    { return origin }
func (s noteSigner) KeyHash() uint32                 { return s.verifier().KeyHash() }
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return key(s.n).Sign(nil, msg, &cryptoOpts) }

func FuzzOpenCheckpoint(f *testing.F) {
	f.Add(signed(f, ledger.Checkpoint{Origin: origin, Size: 42, Root: writ.DigestOf(nil)}, 1))
	f.Add([]byte(origin + "\n1\n\n\n— x y\n"))
	v := verifier(f, origin, key(1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := v.Open(b)
		if err == nil && (c.Origin != origin || c.Size != 42 || c.Root != writ.DigestOf(nil)) {
			t.Fatalf("a checkpoint that was never signed: %+v from %q", c, b)
		}
	})
}
