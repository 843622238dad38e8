package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

// NewKey makes the key that an agent's tokens are bound to. It stays in the process: nothing needs it afterwards.
func NewKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// A proofKey is the public key in a proof, its members in the order of RFC 7638 section 3.
type proofKey struct {
	Crv string `json:"crv"`
	Kty string `json:"kty"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func publicKey(key *ecdsa.PublicKey) (proofKey, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return proofKey{}, fmt.Errorf("%w: proofs are made with a P-256 key", writ.ErrInvalid)
	}
	point, err := key.Bytes() // SEC 1 section 2.3.3: 4, x, y
	if err != nil {
		return proofKey{}, fmt.Errorf("%w: the key is not on its curve", writ.ErrInvalid)
	}
	return proofKey{Crv: "P-256", Kty: "EC", X: encode(point[1:33]), Y: encode(point[33:])}, nil
}

// Thumbprint returns the RFC 7638 thumbprint of a P-256 key, which Ask.Holder names, or an error for a key of another
// kind. The agent keeps the private key as long as the plan it proposed with it.
func Thumbprint(key *ecdsa.PublicKey) (string, error) {
	public, err := publicKey(key)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(public)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return encode(sum[:]), nil
}

// prove makes the DPoP proof of one request (RFC 9449 section 4.2). token is what rides along, or "", and nonce the server's, or "".
func prove(key *ecdsa.PrivateKey, method, url, token, nonce string, now time.Time) (string, error) {
	if key == nil {
		return "", fmt.Errorf("%w: proofs are made with a P-256 key", writ.ErrInvalid)
	}
	public, err := publicKey(&key.PublicKey)
	if err != nil {
		return "", err
	}
	claims := struct {
		ID       string `json:"jti"`
		Method   string `json:"htm"`
		URL      string `json:"htu"`
		IssuedAt int64  `json:"iat"`
		Hash     string `json:"ath,omitempty"`
		Nonce    string `json:"nonce,omitempty"`
	}{ID: rand.Text(), Method: method, URL: url, IssuedAt: now.Unix(), Nonce: nonce}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims.Hash = encode(sum[:])
	}
	head, err1 := json.Marshal(struct {
		Alg string   `json:"alg"`
		Jwk proofKey `json:"jwk"`
		Typ string   `json:"typ"`
	}{"ES256", public, "dpop+jwt"})
	body, err2 := json.Marshal(claims)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	signed := encode(head) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64) // RFC 7518 section 3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + encode(signature), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
