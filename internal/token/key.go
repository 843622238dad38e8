package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ/internal/pin"
)

// NewKey makes a P-256 key from rand.
func NewKey(rand io.Reader) (*ecdsa.PrivateKey, error) {
	var scalar [32]byte
	for range maxTries {
		if _, err := io.ReadFull(rand, scalar[:]); err != nil {
			return nil, fmt.Errorf("grant key: %w", err)
		}
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:]) // fails unless 0 < scalar < order
		if err == nil {
			return key, nil
		}
	}
	return nil, errors.New("grant key: the source of randomness is broken")
}

// maxTries bounds the search: a random 256-bit number is out of range once in 2^32 times.
const maxTries = 8

// Thumbprint returns the RFC 7638 thumbprint of a P-256 key in base64url, or the empty string for anything else. It is
// what a grant's cnf.jkt and a plan's holder name.
func Thumbprint(pub *ecdsa.PublicKey) string {
	if !usable(pub) {
		return ""
	}
	sum, err := (&jose.JSONWebKey{Key: pub}).Thumbprint(crypto.SHA256)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// KeyID returns the key id that Writ gives to a signing key: the first 96 bits of its thumbprint. It is a name, not a
// proof; a verifier looks the key up among its pinned ones.
func KeyID(pub *ecdsa.PublicKey) string {
	t := Thumbprint(pub)
	if t == "" {
		return ""
	}
	return t[:16]
}

// IsThumbprint reports whether s has the form of a thumbprint: 43 characters of base64url.
func IsThumbprint(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == crypto.SHA256.Size() && len(s) == 43
}

// CreateKey makes a key and writes it to a new file, which nobody but its owner may read and which must not exist yet.
func CreateKey(path string, rand io.Reader) (*ecdsa.PrivateKey, error) {
	key, err := NewKey(rand)
	if err != nil {
		return nil, err
	}
	b, err := MarshalKey(key)
	if err != nil {
		return nil, err
	}
	return key, pin.CreateFile(path, b)
}

// LoadKey reads a key from a file that CreateKey wrote.
func LoadKey(path string) (*ecdsa.PrivateKey, error) {
	b, err := pin.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return key, nil
}

// MarshalKey returns a P-256 key as PKCS #8 in PEM.
func MarshalKey(key *ecdsa.PrivateKey) ([]byte, error) {
	if key == nil || !usable(&key.PublicKey) {
		return nil, errors.New("not a P-256 private key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("the key cannot be encoded")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseKey reads what MarshalKey wrote. Its errors never contain a byte of the input.
func ParseKey(b []byte) (*ecdsa.PrivateKey, error) {
	der, err := onlyBlock(string(b), "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the PEM block holds no PKCS #8 key")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !usable(&key.PublicKey) {
		return nil, errors.New("it holds a key of another kind; P-256 is wanted")
	}
	return key, nil
}

// MarshalPublic returns a P-256 public key as SubjectPublicKeyInfo in PEM.
func MarshalPublic(pub *ecdsa.PublicKey) ([]byte, error) {
	if !usable(pub) {
		return nil, errors.New("not a P-256 public key")
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, errors.New("the key cannot be encoded")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ParsePublic reads what MarshalPublic wrote.
func ParsePublic(b []byte) (*ecdsa.PublicKey, error) {
	der, err := onlyBlock(string(b), "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("the PEM block holds no public key")
	}
	pub, ok := parsed.(*ecdsa.PublicKey)
	if !ok || !usable(pub) {
		return nil, errors.New("it holds a key of another kind; P-256 is wanted")
	}
	return pub, nil
}

// onlyBlock returns the contents of the one PEM block in s. Anything around it is refused.
func onlyBlock(s, kind string) ([]byte, error) {
	s = strings.TrimSpace(s)
	block, rest := pem.Decode([]byte(s))
	if !strings.HasPrefix(s, "-----BEGIN "+kind+"-----") || block == nil || block.Type != kind ||
		len(block.Headers) != 0 || len(strings.TrimSpace(string(rest))) != 0 {
		return nil, fmt.Errorf("it is not exactly one PEM block of type %s", kind)
	}
	return block.Bytes, nil
}
