package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// MaxFile bounds a trust file: 500 approvers with four keys each take about 400 KiB.
const MaxFile = 1 << 20

// maxSignatures bounds the owners of one cell.
const maxSignatures = 16

// envelope is a DSSE envelope in a closed form.
type envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// OwnerKeyID returns the name of an owner's key: the hexadecimal SHA-256 of its 32 bytes.
func OwnerKeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:])
}

// Sign returns the file of t with its first owner's signature.
func Sign(t Trust, owner ed25519.PrivateKey) ([]byte, error) {
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	return seal(envelope{PayloadType: PayloadType, Payload: b}, owner)
}

// AddSignature returns the file with one more owner's signature. It does not check those already there. An owner who
// has signed already is an error.
func AddSignature(file []byte, owner ed25519.PrivateKey) ([]byte, error) {
	e, err := open(file)
	if err != nil {
		return nil, fmt.Errorf("%w: trust file: %w", writ.ErrInvalid, err)
	}
	if _, err := Parse(e.Payload); err != nil {
		return nil, err
	}
	return seal(e, owner)
}

// Payload returns the contents of a file without verifying who signed it: to show it before signing, never to act
// on it.
func Payload(file []byte) (Trust, error) {
	e, err := open(file)
	if err != nil {
		return Trust{}, fmt.Errorf("%w: trust file: %w", writ.ErrInvalid, err)
	}
	return Parse(e.Payload)
}

func seal(e envelope, owner ed25519.PrivateKey) ([]byte, error) {
	if len(owner) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: trust: an owner's key is Ed25519", writ.ErrInvalid)
	}
	id := OwnerKeyID(owner.Public().(ed25519.PublicKey))
	for _, s := range e.Signatures {
		if s.KeyID == id {
			return nil, fmt.Errorf("%w: trust: this owner has signed already", writ.ErrConflict)
		}
	}
	if len(e.Signatures) == maxSignatures {
		return nil, fmt.Errorf("%w: trust: more than %d signatures", writ.ErrInvalid, maxSignatures)
	}
	e.Signatures = append(e.Signatures, signature{KeyID: id, Sig: ed25519.Sign(owner, dsse.PAE(e.PayloadType, e.Payload))})
	return canon.Marshal(e)
}

func open(file []byte) (envelope, error) {
	var e envelope
	if len(file) > MaxFile {
		return e, fmt.Errorf("the file has more than %d bytes", MaxFile)
	}
	if err := canon.ParseLoose(file, &e); err != nil {
		return e, errors.New("the file is not a DSSE envelope")
	}
	switch {
	case e.PayloadType != PayloadType:
		return e, errors.New("the payload type must be " + PayloadType)
	case len(e.Signatures) == 0 || len(e.Signatures) > maxSignatures:
		return e, fmt.Errorf("it must have 1 to %d signatures", maxSignatures)
	}
	return e, nil
}

// ownerKeys refuses a list in which one owner would count twice.
func ownerKeys(owners []ed25519.PublicKey) (map[string]ed25519.PublicKey, error) {
	keys := map[string]ed25519.PublicKey{}
	for _, o := range owners {
		if len(o) != ed25519.PublicKeySize {
			return nil, errors.New("an owner's key is not Ed25519")
		}
		if _, twice := keys[OwnerKeyID(o)]; twice {
			return nil, errors.New("an owner is pinned twice")
		}
		keys[OwnerKeyID(o)] = o
	}
	return keys, nil
}

// signedBy returns the payload if threshold different keys, at least one, signed it. Signatures by others do not count.
func signedBy(file []byte, keys map[string]ed25519.PublicKey, threshold int) ([]byte, error) {
	e, err := open(file)
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
	if len(good) < threshold {
		return nil, fmt.Errorf("%d of %d owners have signed it", len(good), threshold)
	}
	return e.Payload, nil
}

// ParseOwner reads an owner's public key from the base64 of its 32 bytes.
func ParseOwner(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: an owner's key is the base64 of 32 bytes", writ.ErrInvalid)
	}
	return b, nil
}
