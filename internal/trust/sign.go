package trust

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/quorum"
)

// MaxFile bounds a trust file: 500 approvers with four keys each take about 400 KiB.
const MaxFile = 1 << 20

// Sign returns the file of t with its first owner's signature.
func Sign(t Trust, owner ed25519.PrivateKey) ([]byte, error) {
	b, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	return sign(quorum.Envelope{PayloadType: PayloadType, Payload: b}, owner)
}

// AddSignature returns the file with one more owner's signature. It does not check those already there. An owner who
// has signed already is an error.
func AddSignature(file []byte, owner ed25519.PrivateKey) ([]byte, error) {
	e, err := quorum.Open(file, PayloadType, MaxFile)
	if err != nil {
		return nil, fmt.Errorf("%w: trust file: %w", writ.ErrInvalid, err)
	}
	if _, err := Parse(e.Payload); err != nil {
		return nil, err
	}
	return sign(e, owner)
}

// Payload returns the contents of a file without verifying who signed it: to show it before signing, never to act
// on it.
func Payload(file []byte) (Trust, error) {
	e, err := quorum.Open(file, PayloadType, MaxFile)
	if err != nil {
		return Trust{}, fmt.Errorf("%w: trust file: %w", writ.ErrInvalid, err)
	}
	return Parse(e.Payload)
}

func sign(e quorum.Envelope, owner ed25519.PrivateKey) ([]byte, error) {
	b, err := e.Sign(owner)
	switch {
	case errors.Is(err, writ.ErrConflict):
		return nil, fmt.Errorf("trust: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: trust: %w", writ.ErrInvalid, err)
	}
	return b, nil
}

// ParseOwner reads an owner's public key from the base64 of its 32 bytes.
func ParseOwner(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: an owner's key is the base64 of 32 bytes", writ.ErrInvalid)
	}
	return b, nil
}
