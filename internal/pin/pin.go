// Package pin is mutual TLS between parties that know one another's key and nobody else: control plane and runners.
// There is no certificate authority. Each side holds one Ed25519 key in a file and is pinned by the fingerprint of its
// public key; the certificates around the keys mean nothing and never expire.
//
// Only TLS 1.3 is spoken. Session tickets are off, and the peer's key is compared on every connection, resumed or not.
package pin

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
)

const fingerprintPrefix = "sha256:"

// Fingerprint returns "sha256:" and the hexadecimal SHA-256 of the key's SubjectPublicKeyInfo (RFC 5280 section
// 4.1.2.7), or the empty string for a value that is no Ed25519 key. The empty string is never a valid pin.
func Fingerprint(pub ed25519.PublicKey) string {
	if len(pub) != ed25519.PublicKeySize {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return fingerprintPrefix + hex.EncodeToString(sum[:])
}

// IsFingerprint reports whether s has the form that Fingerprint returns.
func IsFingerprint(s string) bool {
	if len(s) != len(fingerprintPrefix)+2*sha256.Size || s[:len(fingerprintPrefix)] != fingerprintPrefix {
		return false
	}
	for _, c := range []byte(s[len(fingerprintPrefix):]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
