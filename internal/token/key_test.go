package token_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"testing"

	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/token"
)

func TestAKeyFileSurvivesARoundTripAndIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grant.key")
	made, err := token.CreateKey(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := token.LoadKey(path)
	if err != nil || !loaded.Equal(made) {
		t.Errorf("another key: %v", err)
	}
	if _, err := token.CreateKey(path, rand.Reader); err == nil {
		t.Error("overwrote a key")
	}
}

func TestKeysOfAnotherKindAreNotParsed(t *testing.T) {
	key := newKey(t)
	private, err := token.MarshalKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := token.MarshalPublic(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := token.ParsePublic(public); err != nil || !got.Equal(&key.PublicKey) {
		t.Errorf("%v", err)
	}
	for name, in := range map[string][]byte{"a public key": public, "two keys": append(private, private...), "nothing": nil, "text": []byte("key")} {
		if _, err := token.ParseKey(in); err == nil {
			t.Errorf("private from %s", name)
		}
	}
	for name, in := range map[string][]byte{"a private key": private, "two keys": append(public, public...), "nothing": nil} {
		if _, err := token.ParsePublic(in); err == nil {
			t.Errorf("public from %s", name)
		}
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pin.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := token.MarshalKey(p384); err == nil {
		t.Errorf("wrote %s", b)
	}
	if b, err := token.MarshalKey(nil); err == nil {
		t.Errorf("wrote %s", b)
	}
	if b, err := token.MarshalPublic(&p384.PublicKey); err == nil {
		t.Errorf("wrote %s", b)
	}
	for _, other := range []crypto.Signer{p384, seed} {
		der, err := x509.MarshalPKCS8PrivateKey(other)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := token.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err == nil {
			t.Errorf("read a private %T", other)
		}
		if der, err = x509.MarshalPKIXPublicKey(other.Public()); err != nil {
			t.Fatal(err)
		}
		if _, err := token.ParsePublic(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})); err == nil {
			t.Errorf("read a public %T", other)
		}
	}
}

func TestAKeyComesFromTheRandomnessItIsGiven(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, 32)
	a, err := token.NewKey(bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := token.NewKey(bytes.NewReader(seed)); err != nil || !a.Equal(b) {
		t.Errorf("two keys of one seed differ: %v", err)
	}
	if _, err := token.NewKey(bytes.NewReader(nil)); err == nil {
		t.Error("a key of nothing")
	}
	if _, err := token.NewKey(zero{}); err == nil {
		t.Error("a key of zeros")
	}
}

type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }
