// Package quorum is a document that k of n owners sign: a DSSE envelope (github.com/secure-systems-lab/dsse, protocol 1.0.2)
// with an Ed25519 signature of each (RFC 8032). Trust files and policy sets are such documents.
//
// The package is pure. It judges who signed; what the payload says, and what its bounds are, the caller judges. Its errors are
// sentences for the caller's own; none wraps writ.ErrInvalid, and one wraps writ.ErrConflict.
package quorum

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// MaxSignatures bounds the owners of one document: more people than ever agree on one, and what a reader verifies.
const MaxSignatures = 16

// An Envelope is a DSSE envelope in a closed form.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"`
}

// A Signature is one owner's, over the pre-authentication encoding of type and payload.
type Signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// KeyID is the name of an owner's key: the hexadecimal SHA-256 of its 32 bytes.
func KeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:])
}

// Open parses a file of at most most bytes that has a payload of payloadType and 1 to MaxSignatures signatures. It verifies
// none of them: what it returns may be shown, never acted on.
func Open(file []byte, payloadType string, most int) (Envelope, error) {
	var e Envelope
	if len(file) > most {
		return Envelope{}, fmt.Errorf("the file has more than %d bytes", most)
	}
	if err := canon.ParseLoose(file, &e); err != nil {
		return Envelope{}, errors.New("the file is not a DSSE envelope")
	}
	switch {
	case e.PayloadType != payloadType:
		return Envelope{}, errors.New("the payload type must be " + payloadType)
	case len(e.Signatures) == 0 || len(e.Signatures) > MaxSignatures:
		return Envelope{}, fmt.Errorf("it must have 1 to %d signatures", MaxSignatures)
	}
	return e, nil
}

// Sign returns the file with one more owner's signature. It does not check those already there. An owner who has signed
// already is an error that wraps writ.ErrConflict.
func (e Envelope) Sign(owner ed25519.PrivateKey) ([]byte, error) {
	if len(owner) != ed25519.PrivateKeySize {
		return nil, errors.New("an owner's key is Ed25519")
	}
	id := KeyID(owner.Public().(ed25519.PublicKey))
	if slices.ContainsFunc(e.Signatures, func(s Signature) bool { return s.KeyID == id }) {
		return nil, fmt.Errorf("%w: this owner has signed already", writ.ErrConflict)
	}
	if len(e.Signatures) >= MaxSignatures {
		return nil, fmt.Errorf("more than %d signatures", MaxSignatures)
	}
	e.Signatures = append(slices.Clone(e.Signatures), Signature{KeyID: id, Sig: ed25519.Sign(owner, dsse.PAE(e.PayloadType, e.Payload))})
	return canon.Marshal(e)
}

// Owners are the keys that a reader pins, and how many of them must have signed.
type Owners struct {
	Keys      []ed25519.PublicKey
	Threshold int
}

// Check refuses owners that cannot be asked: 1 ≤ threshold ≤ the number of different keys.
func (o Owners) Check() error {
	_, err := o.byID()
	return err
}

func (o Owners) byID() (map[string]ed25519.PublicKey, error) {
	if o.Threshold < 1 || o.Threshold > len(o.Keys) {
		return nil, fmt.Errorf("%d of %d owners cannot be asked for", o.Threshold, len(o.Keys))
	}
	keys := map[string]ed25519.PublicKey{}
	for _, k := range o.Keys {
		if len(k) != ed25519.PublicKeySize {
			return nil, errors.New("an owner's key is not Ed25519")
		}
		id := KeyID(k)
		if _, twice := keys[id]; twice {
			return nil, errors.New("an owner is pinned twice")
		}
		keys[id] = k
	}
	return keys, nil
}

// Signed returns the names of the owners who signed e, sorted, if they are enough. An owner counts once, and others do not.
func (o Owners) Signed(e Envelope) ([]string, error) {
	keys, err := o.byID()
	if err != nil {
		return nil, err
	}
	message := dsse.PAE(e.PayloadType, e.Payload)
	good := map[string]bool{}
	for _, s := range e.Signatures {
		if key, known := keys[s.KeyID]; known && ed25519.Verify(key, message, s.Sig) {
			good[s.KeyID] = true
		}
	}
	if len(good) < o.Threshold {
		return nil, fmt.Errorf("%d of its owners have signed it, and %d must", len(good), o.Threshold)
	}
	return slices.Sorted(maps.Keys(good)), nil
}
