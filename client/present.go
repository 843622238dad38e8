package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// pathRuns is where grants are presented; proofs name it.
const pathRuns = "/v1/runs"

// Thumbprint returns the RFC 7638 thumbprint of a P-256 key, which Ask.Holder names, or an error for a key of another
// kind. The agent keeps the private key as long as the plan it proposed with it.
func Thumbprint(key *ecdsa.PublicKey) (string, error) {
	k, err := public(key)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(k) // members in the order of RFC 7638 section 3.2, without space
	sum := sha256.Sum256(b)
	return encode(sum[:]), err
}

// Present presents a grant that the agent holds, with a proof of its key that is made for this call (RFC 9449), and
// returns the run that the grant is for; see WaitRun. The runner must take it up within a minute. If it does not, the run
// stays granted with the reason proof_expired, and Present may be called again until the grant expires: the plan runs once
// at most.
//
// The proof names Config.ExternalURL, which must be the server's external_url.
func (c *Client) Present(ctx context.Context, grant string, key *ecdsa.PrivateKey) (writ.RunStatus, error) {
	var r writ.RunStatus
	proof, err := prove(key, http.MethodPost, c.named+pathRuns, grant, time.Now())
	if err != nil {
		return r, err
	}
	return r, c.do(ctx, call{method: http.MethodPost, path: pathRuns, creates: true, body: struct {
		Grant string `json:"grant"`
		Proof string `json:"proof"`
	}{grant, proof}}, &r)
}

// jwk is a public P-256 key (RFC 7518 section 6.2.1), with its members in lexicographic order.
type jwk struct {
	Crv string `json:"crv"`
	Kty string `json:"kty"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func public(key *ecdsa.PublicKey) (jwk, error) {
	if key == nil || key.Curve != elliptic.P256() {
		return jwk{}, fmt.Errorf("%w: the holder's key must be a P-256 key", writ.ErrInvalid)
	}
	point, err := key.Bytes() // SEC 1 section 2.3.3: 4, x, y
	if err != nil {
		return jwk{}, fmt.Errorf("%w: the holder's key must be a P-256 key", writ.ErrInvalid)
	}
	return jwk{Crv: "P-256", Kty: "EC", X: encode(point[1:33]), Y: encode(point[33:])}, nil
}

// prove makes a DPoP proof (RFC 9449 section 4.2), good for one presentation within a minute.
func prove(key *ecdsa.PrivateKey, method, url, grant string, now time.Time) (string, error) {
	if key == nil {
		return "", fmt.Errorf("%w: the holder's key must be a P-256 key", writ.ErrInvalid)
	}
	k, err := public(&key.PublicKey)
	if err != nil {
		return "", err
	}
	head, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Jwk jwk    `json:"jwk"`
		Typ string `json:"typ"`
	}{"ES256", k, "dpop+jwt"})
	if err != nil {
		return "", err
	}
	ath := sha256.Sum256([]byte(grant))
	claims, err := json.Marshal(struct {
		Ath string `json:"ath"`
		Htm string `json:"htm"`
		Htu string `json:"htu"`
		Iat int64  `json:"iat"`
		Jti string `json:"jti"`
	}{encode(ath[:]), method, url, now.Unix(), rand.Text()}) // 26 characters, 128 random bits
	if err != nil {
		return "", err
	}
	signed := encode(head) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return "", fmt.Errorf("%w: the holder's key does not sign: %w", writ.ErrInvalid, err)
	}
	var sig [64]byte // RFC 7518 section 3.4: r and s, 32 bytes each
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signed + "." + encode(sig[:]), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
