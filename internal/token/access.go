package token

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ident"
)

const (
	// AccessType is the typ of control-plane tokens (RFC 9068 section 2.1). Grants have it too: the two are told apart
	// by key, issuer, audience and form.
	AccessType = "at+jwt"

	// MaxAccessLife bounds a control-plane token: its holder proves itself again at least so often.
	MaxAccessLife = 15 * time.Minute

	accessVersion = 1
)

// AccessClaims are the claims of a control-plane token (RFC 9068 section 2.2), closed. docs/spec/token.md describes it.
type AccessClaims struct {
	Issuer   string        `json:"iss"` // the external URL
	Audience string        `json:"aud"` // the external URL
	Subject  string        `json:"sub"` // of the agent's principal
	Client   string        `json:"client_id"`
	ID       string        `json:"jti"`
	IssuedAt int64         `json:"iat"` // seconds since the epoch
	Expires  int64         `json:"exp"`
	Confirm  Confirmation  `json:"cnf"`
	Writ     AccessDetails `json:"writ"`
}

// A Confirmation binds a token to its holder: by exactly one of the two.
type Confirmation struct {
	Thumbprint  string `json:"jkt,omitempty"`      // of the key of its proofs (RFC 9449 section 6.1)
	Certificate string `json:"x5t#S256,omitempty"` // of its TLS client certificate (RFC 8705 section 3.1)
}

// AccessDetails say whose subject it is: a subject alone is nobody.
type AccessDetails struct {
	V      int    `json:"v"`
	Issuer string `json:"iss"`
}

// CertificateThumbprint returns the SHA-256 of a certificate in DER as x5t#S256 has it (RFC 8705 section 3.1).
func CertificateThumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Client returns the client_id of an identity: a SPIFFE ID as it is, since it names its trust domain, and otherwise
// issuer and subject joined by a space.
func Client(issuer, subject string) string {
	if strings.HasPrefix(subject, "spiffe://") && strings.HasPrefix(subject, issuer+"/") {
		return subject
	}
	return issuer + " " + subject
}

// An Access issues and verifies the control-plane tokens of one server, whose issuer and audience are its external URL.
// It is safe for concurrent use. Make it with NewAccess.
type Access struct {
	url    string
	key    *ecdsa.PrivateKey
	public []*ecdsa.PublicKey // current, then others
	expect Expectation
}

// NewAccess returns what issues with key, and takes what key or one of others has signed: those that will be in use
// next, and those that were.
func NewAccess(url string, key *ecdsa.PrivateKey, others ...*ecdsa.PublicKey) (*Access, error) {
	if key == nil {
		return nil, errors.New("token: issuing needs a key")
	}
	a := &Access{url: url, key: key}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range append([]*ecdsa.PublicKey{&key.PublicKey}, others...) {
		if kid := KeyID(k); keys[kid] == nil {
			keys[kid] = k
			a.public = append(a.public, k)
		}
	}
	var err error
	a.expect, err = Expect(AccessType, url, url, keys, MaxAccessLife)
	return a, err
}

// URL is the issuer and the audience.
func (a *Access) URL() string { return a.url }

// Issue signs a token for the holder of bound, an agent whose principal is (issuer, subject). It lives for life, at most
// MaxAccessLife.
func (a *Access) Issue(issuer, subject string, bound Confirmation, now time.Time, life time.Duration, rand io.Reader) (string, AccessClaims, error) {
	id, err := ident.Nonce(rand)
	if err != nil {
		return "", AccessClaims{}, err
	}
	c := AccessClaims{
		Issuer: a.url, Audience: a.url, Subject: subject, Client: Client(issuer, subject), ID: id,
		IssuedAt: now.Unix(), Expires: now.Add(min(life, MaxAccessLife)).Unix(), Confirm: bound,
		Writ: AccessDetails{V: accessVersion, Issuer: issuer},
	}
	if err := c.form(); err != nil {
		return "", c, err
	}
	compact, err := Sign(a.key, KeyID(&a.key.PublicKey), AccessType, c)
	return compact, c, err
}

// Verify checks a token and returns its claims. It does not check the holder: whoever takes the token demands the proof
// or the certificate that Confirm names. Errors are Faults.
func (a *Access) Verify(compact string, now time.Time) (AccessClaims, error) {
	var c AccessClaims
	if err := a.expect.Verify(compact, now, &c); err != nil {
		return AccessClaims{}, err
	}
	if err := c.form(); err != nil {
		return AccessClaims{}, err
	}
	return c, nil
}

// form checks what needs no expectation.
func (c AccessClaims) form() error {
	switch {
	case c.Subject == "" || c.Writ.Issuer == "" || c.ID == "" || c.Client != Client(c.Writ.Issuer, c.Subject):
		return badClaims(CodeClaims, "sub, client_id, jti and writ.iss must be present and fit")
	case c.Writ.V != accessVersion:
		return badClaims(CodeClaims, fmt.Sprintf("writ.v must be %d", accessVersion))
	case (c.Confirm.Thumbprint == "") == (c.Confirm.Certificate == ""):
		return badClaims(CodeClaims, "cnf must be exactly one of jkt and x5t#S256")
	case !IsThumbprint(c.Confirm.Thumbprint + c.Confirm.Certificate):
		return badClaims(CodeClaims, "cnf must be a thumbprint")
	case c.Expires <= c.IssuedAt:
		return badClaims(CodeClaims, "exp must be after iat")
	}
	return nil
}

// KeySet returns the public keys as a JSON Web Key Set (RFC 7517 section 5), the one in use first.
func (a *Access) KeySet() ([]byte, error) {
	type member struct {
		Alg string `json:"alg"`
		Crv string `json:"crv"`
		Kid string `json:"kid"`
		Kty string `json:"kty"`
		Use string `json:"use"`
		X   string `json:"x"`
		Y   string `json:"y"`
	}
	var set struct {
		Keys []member `json:"keys"`
	}
	for _, k := range a.public {
		point, err := k.Bytes() // SEC 1 section 2.3.3: 4, x, y
		if err != nil {
			return nil, errors.New("token: the key cannot be encoded")
		}
		enc := base64.RawURLEncoding
		set.Keys = append(set.Keys, member{
			Alg: string(jose.ES256), Crv: "P-256", Kid: KeyID(k), Kty: "EC", Use: "sig",
			X: enc.EncodeToString(point[1:33]), Y: enc.EncodeToString(point[33:]),
		})
	}
	return canon.Marshal(set)
}
