package ledger

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/writ-dev/writ"
)

// A Checkpoint names one tree of one log. Signed, it is a C2SP tlog-checkpoint.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   writ.Digest
}

// Head returns size and root.
func (c Checkpoint) Head() Head { return Head{c.Size, c.Root} }

// Limits of a signed checkpoint.
const (
	maxNote       = 16 << 10 // a checkpoint with 16 post-quantum cosignatures would be larger; there are none yet
	maxSignatures = 16       // log and witnesses; more is an attack on the parser
)

// Text is what is signed: origin, size and root in base64, a line each.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root.Bytes()))
}

// parseText takes exactly what Text makes: no extension line, no other spelling of a number.
func parseText(text string) (Checkpoint, error) {
	bad := func(what string) (Checkpoint, error) {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint: %s", writ.ErrInvalid, what)
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return bad("three lines are wanted, and no extension")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > MaxSize {
		return bad("the size is not a whole number within 2^53-1")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != 32 {
		return bad("the root is not 32 bytes in base64")
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: digest([32]byte(root))}
	switch {
	case c.Root.IsZero():
		return bad("the root is zero")
	case c.Text() != text:
		return bad("not the canonical spelling")
	case size == 0 && !c.Root.Equal(EmptyRoot()):
		return bad("size 0 with the root of another tree")
	}
	return c, nil
}

// A Verifier knows the key of one log. It is made from a vkey, "<origin>+<hash>+<base64 key>", whose name is the
// log's origin. The zero Verifier verifies nothing.
//
// While a log's key is being replaced, a Verifier knows two keys: see With.
type Verifier struct {
	v    note.Verifier
	vkey string
	next note.Verifier // nil but while the key is being replaced
}

// ParseVerifier takes a vkey. The parts are split from the left: the base64 part may itself contain a plus sign.
func ParseVerifier(vkey string) (Verifier, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Verifier{}, fmt.Errorf("%w: log key: %w", writ.ErrInvalid, err)
	}
	return Verifier{v: v, vkey: vkey}, nil
}

// With returns a verifier that opens what either key has signed: o is another key of the same log, its next one or the one
// before.
func (v Verifier) With(o Verifier) (Verifier, error) {
	if v.v == nil || o.v == nil || v.Origin() != o.Origin() || v.vkey == o.vkey || v.next != nil || o.next != nil {
		return Verifier{}, fmt.Errorf("%w: log key: two different keys of one log are wanted", writ.ErrInvalid)
	}
	v.next = o.v
	return v, nil
}

// VKey returns the vkey of an Ed25519 public key for origin.
func VKey(origin string, pub ed25519.PublicKey) (string, error) {
	vkey, err := note.NewEd25519VerifierKey(origin, pub)
	if err != nil {
		return "", fmt.Errorf("%w: log key: %w", writ.ErrInvalid, err)
	}
	if _, err := note.NewVerifier(vkey); err != nil {
		return "", fmt.Errorf("%w: origin %q: %w", writ.ErrInvalid, writ.Printable(origin, 80), err)
	}
	return vkey, nil
}

// Origin returns the name of the log.
func (v Verifier) Origin() string {
	if v.v == nil {
		return ""
	}
	return v.v.Name()
}

// String returns the vkey.
func (v Verifier) String() string { return v.vkey }

// Open parses a signed checkpoint and checks the log's signature and origin. Signatures of others are ignored.
func (v Verifier) Open(signed []byte) (Checkpoint, error) {
	switch {
	case v.v == nil:
		return Checkpoint{}, fmt.Errorf("%w: no log key", writ.ErrInvalid)
	case len(signed) > maxNote || bytes.Count(signed, []byte("\n\u2014 ")) > maxSignatures:
		return Checkpoint{}, fmt.Errorf("%w: checkpoint: too large, or more than %d signatures", writ.ErrInvalid, maxSignatures)
	}
	known := []note.Verifier{v.v}
	if v.next != nil {
		known = append(known, v.next)
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint under the key %s: %w", writ.ErrInvalid, v.vkey, err)
	}
	c, err := parseText(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != v.Origin() {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint of the log %q, want %q", writ.ErrInvalid, writ.Printable(c.Origin, 80), v.Origin())
	}
	return c, nil
}

// SignCheckpoint signs c with an Ed25519 key whose name is c.Origin. Ed25519 is deterministic: the same checkpoint
// gives the same note. Only a signer that has checked the extension of its last head may call it. The others are keys of
// the same log that sign beside it while it is being replaced.
func SignCheckpoint(c Checkpoint, key crypto.Signer, others ...crypto.Signer) ([]byte, error) {
	if _, err := parseText(c.Text()); err != nil {
		return nil, err
	}
	signers := make([]note.Signer, 0, 1+len(others))
	for _, k := range append([]crypto.Signer{key}, others...) {
		pub, ok := k.Public().(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("%w: a log key is Ed25519", writ.ErrInvalid)
		}
		vkey, err := VKey(c.Origin, pub)
		if err != nil {
			return nil, err
		}
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("%w: log key: %w", writ.ErrInvalid, err)
		}
		signers = append(signers, noteSigner{v, k})
	}
	return note.Sign(&note.Note{Text: c.Text()}, signers...)
}

type noteSigner struct {
	note.Verifier
	key crypto.Signer
}

func (s noteSigner) Sign(msg []byte) ([]byte, error) { return s.key.Sign(nil, msg, crypto.Hash(0)) }
