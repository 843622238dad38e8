package ledger

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// SuccessionType is the DSSE payload type of a succession.
const SuccessionType = "application/vnd.writ.succession.v1+json"

// Limits of a succession.
const (
	maxRoots      = 16      // as many as a trust file has owners
	maxSuccession = 8 << 10 // 18 signatures of 200 bytes, and two vkeys; far below a leaf
)

// A Succession says that another key signs a log's checkpoints from now on. It is worth something only with the signatures of
// both keys and of the log's roots, which are kept away from servers: whoever stole the old key alone cannot appoint another.
type Succession struct {
	V      int       `json:"v"`
	Origin string    `json:"origin"`
	Old    string    `json:"old"` // vkey
	New    string    `json:"new"` // vkey
	Made   time.Time `json:"made"`
}

// A SignedSuccession is one that both keys have signed.
type SignedSuccession struct {
	Succession
	envelope Envelope
}

// Succeed makes a succession, signed by both keys and by no root yet.
func Succeed(origin string, old, next crypto.Signer, made time.Time) (SignedSuccession, error) {
	var s SignedSuccession
	var authors [2]Author
	var vkeys [2]string
	for i, key := range []crypto.Signer{old, next} {
		a, err := NewAuthor(key)
		if err != nil {
			return s, err
		}
		if vkeys[i], err = VKey(origin, key.Public().(ed25519.PublicKey)); err != nil {
			return s, err
		}
		authors[i] = a
	}
	b, err := canon.Marshal(Succession{V: writ.FormatVersion, Origin: origin, Old: vkeys[0], New: vkeys[1], Made: writ.Instant(made)})
	if err != nil {
		return s, fmt.Errorf("%w: succession: %w", writ.ErrInvalid, err)
	}
	s.envelope = Envelope{Payload: b, PayloadType: SuccessionType}
	for _, a := range authors {
		if err := s.sign(a); err != nil {
			return s, err
		}
	}
	file, err := s.Bytes()
	if err != nil {
		return s, err
	}
	return OpenSuccession(file)
}

// Endorse adds a root's signature; one that is there already is not added again.
func (s *SignedSuccession) Endorse(root crypto.Signer) error {
	a, err := NewAuthor(root)
	if err != nil {
		return err
	}
	return s.sign(a)
}

func (s *SignedSuccession) sign(a Author) error {
	if slices.ContainsFunc(s.envelope.Signatures, func(o Signature) bool { return o.KeyID == a.KeyID }) {
		return nil
	}
	sig, err := a.Key.Sign(nil, dsse.PAE(SuccessionType, s.envelope.Payload), crypto.Hash(0))
	if err != nil {
		return fmt.Errorf("succession: sign as %s: %w", a.KeyID, err)
	}
	s.envelope.Signatures = append(slices.Clone(s.envelope.Signatures), Signature{a.KeyID, sig})
	return nil
}

// Bytes returns the canonical form: what a key.rotate entry holds.
func (s SignedSuccession) Bytes() ([]byte, error) { return canon.Marshal(s.envelope) }

// OpenSuccession parses canonical bytes and checks that both keys have signed them. Who else has, Endorsed tells.
func OpenSuccession(b []byte) (SignedSuccession, error) {
	bad := func(what string) (SignedSuccession, error) {
		return SignedSuccession{}, fmt.Errorf("%w: succession: %s", writ.ErrInvalid, what)
	}
	var s SignedSuccession
	if len(b) > maxSuccession {
		return bad("it is larger than any")
	}
	if err := canon.Parse(b, &s.envelope); err != nil || s.envelope.PayloadType != SuccessionType {
		return bad("it is not a DSSE envelope of type " + SuccessionType)
	}
	if n := len(s.envelope.Signatures); n < 2 || n > 2+maxRoots {
		return bad("it has the signatures of both keys, and of roots")
	}
	if err := canon.Parse(s.envelope.Payload, &s.Succession); err != nil || s.V != writ.FormatVersion || s.Made.IsZero() {
		return bad("its payload has v, origin, old, new and made")
	}
	if s.Old == s.New {
		return bad("old and new are one key")
	}
	for _, vkey := range []string{s.Old, s.New} {
		v, err := ParseVerifier(vkey)
		if err != nil || s.Origin == "" || v.Origin() != s.Origin {
			return bad("old and new are verifier keys of its origin")
		}
		if pub := keyOf(vkey); pub == nil || !s.signedBy(pub) {
			return bad("the key " + writ.Printable(vkey, 200) + " has not signed it")
		}
	}
	return s, nil
}

// Endorsed counts how many of the roots have signed, each once.
func (s SignedSuccession) Endorsed(roots []ed25519.PublicKey) (n int) {
	counted := map[string]bool{}
	for _, root := range roots {
		if id := KeyID(root); !counted[id] && s.signedBy(root) {
			counted[id] = true
			n++
		}
	}
	return n
}

func (s SignedSuccession) signedBy(pub ed25519.PublicKey) bool {
	id := KeyID(pub)
	for _, sig := range s.envelope.Signatures {
		if sig.KeyID == id && len(pub) == ed25519.PublicKeySize && ed25519.Verify(pub, dsse.PAE(SuccessionType, s.envelope.Payload), sig.Sig) {
			return true
		}
	}
	return false
}

// keyOf returns the Ed25519 key of a vkey, or nil.
func keyOf(vkey string) ed25519.PublicKey {
	parts := strings.SplitN(vkey, "+", 3) // from the left: the base64 may hold a plus sign
	if len(parts) != 3 {
		return nil
	}
	const algorithm = 1 // Ed25519 (C2SP signed-note)
	b, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(b) != 1+ed25519.PublicKeySize || b[0] != algorithm {
		return nil
	}
	return b[1:]
}

// SameKey reports whether the vkey holds this public key.
func SameKey(vkey string, pub ed25519.PublicKey) bool { return pub.Equal(keyOf(vkey)) }
