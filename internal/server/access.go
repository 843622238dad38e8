package server

import (
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/sha256"
)

// bindingKey is what binds requests to denials, derived from a key that all replicas have, so that each knows the denials of
// the others.
func bindingKey(k *ecdsa.PrivateKey) ([]byte, error) {
	secret, err := k.Bytes()
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, secret, nil, "writ authzen denial v1", sha256.Size)
}
