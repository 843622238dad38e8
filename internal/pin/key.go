package pin

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

const (
	privateType = "PRIVATE KEY" // RFC 7468 section 10
	publicType  = "PUBLIC KEY"  // RFC 7468 section 13
)

// NewKey makes an identity key from 32 bytes of rand.
func NewKey(rand io.Reader) (ed25519.PrivateKey, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// Create makes an identity key and writes it to a new file as CreateFile does.
func Create(path string, rand io.Reader) (ed25519.PrivateKey, error) {
	key, err := NewKey(rand)
	if err != nil {
		return nil, err
	}
	b, err := MarshalKey(key)
	if err != nil {
		return nil, err
	}
	return key, CreateFile(path, b)
}

// Load reads an identity key from a file that Create wrote.
func Load(path string) (ed25519.PrivateKey, error) {
	b, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return key, nil
}

// MarshalKey returns the key as PKCS #8 in PEM.
func MarshalKey(key ed25519.PrivateKey) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("not an Ed25519 private key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("the key cannot be encoded")
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateType, Bytes: der}), nil
}

// ParseKey reads what MarshalKey wrote. Its errors never contain a byte of the input.
func ParseKey(b []byte) (ed25519.PrivateKey, error) {
	block, err := onlyBlock(b, privateType)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, errors.New("the PEM block holds no PKCS #8 key")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("it holds a key of another kind; an identity key is Ed25519")
	}
	return key, nil
}

// MarshalPublic returns a public key as SubjectPublicKeyInfo in PEM.
func MarshalPublic(pub ed25519.PublicKey) ([]byte, error) {
	if len(pub) != ed25519.PublicKeySize {
		return nil, errors.New("not an Ed25519 public key")
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, errors.New("the key cannot be encoded")
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicType, Bytes: der}), nil
}

// ParsePublic reads what MarshalPublic wrote.
func ParsePublic(b []byte) (ed25519.PublicKey, error) {
	block, err := onlyBlock(b, publicType)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(block)
	if err != nil {
		return nil, errors.New("the PEM block holds no public key")
	}
	pub, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("it holds a key of another kind; Ed25519 is wanted")
	}
	return pub, nil
}

// onlyBlock returns the contents of the one PEM block in b: a file with more or with text around it is refused, so
// that nobody reads another key than the program does.
func onlyBlock(b []byte, kind string) ([]byte, error) {
	b = bytes.TrimSpace(b)
	if !bytes.HasPrefix(b, []byte("-----BEGIN "+kind+"-----")) {
		return nil, fmt.Errorf("it does not begin with a PEM block of type %s", kind)
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != kind || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("it is not exactly one PEM block of type %s", kind)
	}
	return block.Bytes, nil
}
