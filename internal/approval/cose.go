package approval

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"

	"github.com/writ-dev/writ"
)

// A COSEKey is the public key of a passkey. The zero COSEKey verifies nothing.
type COSEKey struct{ public crypto.PublicKey }

// The three forms of a COSE_Key that can approve, as far as all keys of the form share their bytes. Authenticators must
// write it in the canonical CBOR of CTAP2 (Web Authentication Level 3, section 6.5.1), which spells each key in one way:
// comparing bytes is the whole parser.
var (
	coseES256  = []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}             // kty EC2, alg -7, crv P-256, x of 32 bytes
	coseES256Y = []byte{0x22, 0x58, 0x20}                                                       // y of 32 bytes
	coseEdDSA  = []byte{0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20}             // kty OKP, alg -8, crv Ed25519, x of 32 bytes
	coseRS256  = []byte{0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59, 0x01, 0x00}       // kty RSA, alg -257, n of 256 bytes
	coseRS256E = []byte{0x21, 0x43, 0x01, 0x00, 0x01}                                           // e = 65537
	coseForms  = "ES256 on P-256, EdDSA on Ed25519, or RS256 with 2048 bits, in canonical CBOR" // for people
)

// Algorithms are those of COSE that a passkey may have, the preferred one first.
func Algorithms() []int { return []int{-8, -7, -257} }

// ParseCOSE reads the public key of a passkey. It takes what Algorithms lists, in canonical CBOR, and nothing around it.
func ParseCOSE(b []byte) (COSEKey, error) {
	const n, modulus = 32, 256
	bad := fmt.Errorf("%w: a passkey's key is %s", writ.ErrInvalid, coseForms)
	if rest, ok := bytes.CutPrefix(b, coseEdDSA); ok {
		if len(rest) != n {
			return COSEKey{}, bad
		}
		return COSEKey{ed25519.PublicKey(bytes.Clone(rest))}, nil
	}
	if rest, ok := bytes.CutPrefix(b, coseES256); ok {
		if len(rest) != n+len(coseES256Y)+n || !bytes.Equal(rest[n:n+len(coseES256Y)], coseES256Y) {
			return COSEKey{}, bad
		}
		point := append([]byte{4}, rest[:n]...) // SEC 1, uncompressed
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(point, rest[n+len(coseES256Y):]...))
		if err != nil {
			return COSEKey{}, bad
		}
		return COSEKey{key}, nil
	}
	if rest, ok := bytes.CutPrefix(b, coseRS256); ok {
		if len(rest) != modulus+len(coseRS256E) || !bytes.Equal(rest[modulus:], coseRS256E) || rest[0]&0x80 == 0 || rest[modulus-1]&1 == 0 {
			return COSEKey{}, bad
		}
		return COSEKey{&rsa.PublicKey{N: new(big.Int).SetBytes(rest[:modulus]), E: 65537}}, nil
	}
	return COSEKey{}, bad
}

// verify reports whether sig is the key's signature of message.
func (k COSEKey) verify(message, sig []byte) bool {
	sum := sha256.Sum256(message)
	switch key := k.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, sig)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
	}
	return false
}

// Fingerprint names a passkey's key: "SHA256:" and the unpadded base64 of the SHA-256 of its COSE_Key, as ssh-keygen
// prints those of SSH keys.
func Fingerprint(cose []byte) string {
	sum := sha256.Sum256(cose)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
