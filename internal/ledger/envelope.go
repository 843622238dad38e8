package ledger

import (
	"crypto"
	"crypto/ed25519"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// An Envelope is a DSSE envelope (github.com/secure-systems-lab/dsse, v1) with exactly one signature. Its canonical
// JSON is what is stored and hashed.
type Envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []Signature `json:"signatures"`
}

// A Signature names a key and carries its Ed25519 signature over the envelope's pre-authentication encoding.
type Signature struct {
	KeyID string `json:"keyid"` // a hint for the lookup, not an identity
	Sig   []byte `json:"sig"`
}

// An Author signs envelopes. Key is an Ed25519 key; it may live in another process.
type Author struct {
	KeyID string
	Key   crypto.Signer
}

// NewAuthor returns the author of key, which must be an Ed25519 key.
func NewAuthor(key crypto.Signer) (Author, error) {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return Author{}, fmt.Errorf("%w: an author's key is Ed25519", writ.ErrInvalid)
	}
	return Author{KeyID: KeyID(pub), Key: key}, nil
}

// KeyID is "sha256:" and the hexadecimal SHA-256 of the raw 32 bytes of the public key.
func KeyID(pub ed25519.PublicKey) string { return writ.DigestOf(pub).String() }

// A Lookup returns the public key of a key id, or nil when it trusts no such key.
type Lookup func(keyID string) ed25519.PublicKey

// SealEnvelope signs payload as payloadType and returns the envelope's canonical bytes.
func SealEnvelope(payloadType string, payload []byte, author Author) ([]byte, error) {
	if author.Key == nil || author.KeyID == "" {
		return nil, fmt.Errorf("%w: no author's key", writ.ErrInvalid)
	}
	sig, err := author.Key.Sign(nil, dsse.PAE(payloadType, payload), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign as %s: %w", author.KeyID, err)
	}
	e := Envelope{Payload: payload, PayloadType: payloadType, Signatures: []Signature{{author.KeyID, sig}}}
	if b, ok := e.write(); ok {
		return b, nil
	}
	return canon.Marshal(e)
}

// OpenEnvelope parses canonical bytes of an envelope of payloadType with exactly one signature. It verifies no
// signature: Verify does.
func OpenEnvelope(b []byte, payloadType string) (Envelope, error) {
	e, ok := read(b)
	if !ok {
		e = Envelope{}
		if err := canon.Parse(b, &e); err != nil {
			return Envelope{}, fmt.Errorf("%w: envelope: %w", writ.ErrInvalid, err)
		}
	}
	switch {
	case e.PayloadType != payloadType:
		return Envelope{}, fmt.Errorf("%w: envelope of type %q, want %q", writ.ErrInvalid, writ.Printable(e.PayloadType, 80), payloadType)
	case len(e.Payload) == 0:
		return Envelope{}, fmt.Errorf("%w: empty envelope", writ.ErrInvalid)
	case len(e.Signatures) != 1 || e.Signatures[0].KeyID == "" || len(e.Signatures[0].Sig) != ed25519.SignatureSize:
		return Envelope{}, fmt.Errorf("%w: an envelope has one Ed25519 signature with a key id", writ.ErrInvalid)
	}
	return e, nil
}

// Verify checks the signature under the key that lookup returns, and that this key has the id it is named by.
func (e Envelope) Verify(lookup Lookup) error {
	if len(e.Signatures) != 1 {
		return fmt.Errorf("%w: an envelope has one signature", writ.ErrInvalid)
	}
	s := e.Signatures[0]
	pub := lookup(s.KeyID)
	switch {
	case len(pub) != ed25519.PublicKeySize || KeyID(pub) != s.KeyID:
		return fmt.Errorf("%w: no trusted key %q", writ.ErrInvalid, writ.Printable(s.KeyID, 80))
	case !ed25519.Verify(pub, dsse.PAE(e.PayloadType, e.Payload), s.Sig):
		return fmt.Errorf("%w: the key %s did not make this signature", writ.ErrInvalid, s.KeyID)
	}
	return nil
}
