package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ident"
)

const (
	proofType = "dpop+jwt" // RFC 9449 section 4.2

	// ProofLife is how long a proof is good after its iat. A checker keeps each accepted jti for ProofLife + ProofSkew.
	ProofLife = 60 * time.Second

	// ProofSkew is how far ahead of the checker's clock a proof's iat may lie.
	ProofSkew = 5 * time.Second
)

// A Proof says what the holder of a key is about to do (RFC 9449 section 4.2).
type Proof struct {
	Method          string // HTTP method, upper case
	URL             string // without query and fragment
	AccessTokenHash string // AccessTokenHash of the grant that is presented
	Nonce           string // the server's newest (RFC 9449 section 8); "" for none
}

// WantProof is what a proof must fit. The zero WantProof accepts nothing.
type WantProof struct {
	Method     string
	URL        string // from configuration, never from a Host or forwarded header
	Token      string // the grant in compact form
	Thumbprint string // the grant's cnf.jkt
	Now        time.Time
	Life       time.Duration // at most ProofLife
	Nonces     *Nonces       // nil: a proof with a nonce is refused, as a part of the form that is not known
}

// Nonces say what is done with a proof's nonce (RFC 9449 sections 8 and 9).
type Nonces struct {
	// Good reports whether nonce is one of this server's, still good, for the key of that thumbprint.
	Good func(nonce, thumbprint string) (bool, error)
	// Required refuses a proof without a good one. Without it, only a proof that is not of the server's time needs one.
	Required bool
}

type proofHeader struct {
	Alg string   `json:"alg"`
	Jwk proofKey `json:"jwk"`
	Typ string   `json:"typ"`
}

// proofKey is closed, so a private key ("d") or a symmetric one ("k") does not parse.
type proofKey struct {
	Crv string `json:"crv"`
	Kty string `json:"kty"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

// bareClaims are those of a proof at a token endpoint, where no access token rides along.
type bareClaims struct {
	ID       string `json:"jti"`
	Method   string `json:"htm"`
	URL      string `json:"htu"`
	IssuedAt int64  `json:"iat"`
	Nonce    string `json:"nonce,omitempty"`
}

type proofClaims struct {
	ID       string `json:"jti"`
	Method   string `json:"htm"`
	URL      string `json:"htu"`
	IssuedAt int64  `json:"iat"`
	Hash     string `json:"ath"`
	Nonce    string `json:"nonce,omitempty"`
}

// AccessTokenHash returns the base64url SHA-256 of a token's text, which a proof carries as ath.
func AccessTokenHash(compact string) string {
	sum := sha256.Sum256([]byte(compact))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Prove signs p with the holder's key. Each proof is good for one presentation, within ProofLife.
func Prove(key *ecdsa.PrivateKey, p Proof, now time.Time, rand io.Reader) (string, error) {
	switch {
	case key == nil || !usable(&key.PublicKey):
		return "", errors.New("token: a proof needs a P-256 key")
	case p.Method == "" || p.URL == "" || !IsThumbprint(p.AccessTokenHash):
		return "", fmt.Errorf("%w: method, URL and the grant's hash must be present", ErrProof)
	}
	id, err := ident.Nonce(rand)
	if err != nil {
		return "", err
	}
	return proof(key, proofClaims{ID: id, Method: p.Method, URL: p.URL, IssuedAt: now.Unix(), Hash: p.AccessTokenHash, Nonce: p.Nonce})
}

// ProveBare signs a proof for a request without an access token, such as one that asks for a token (RFC 9449 section 5).
func ProveBare(key *ecdsa.PrivateKey, method, url string, now time.Time, rand io.Reader) (string, error) {
	return ProveBareWith(key, Proof{Method: method, URL: url}, now, rand)
}

// ProveBareWith is ProveBare for a proof that may carry a nonce. p.AccessTokenHash must be empty.
func ProveBareWith(key *ecdsa.PrivateKey, p Proof, now time.Time, rand io.Reader) (string, error) {
	if key == nil || !usable(&key.PublicKey) || p.Method == "" || p.URL == "" || p.AccessTokenHash != "" {
		return "", fmt.Errorf("%w: a P-256 key, method and URL must be present", ErrProof)
	}
	id, err := ident.Nonce(rand)
	if err != nil {
		return "", err
	}
	return proof(key, bareClaims{ID: id, Method: p.Method, URL: p.URL, IssuedAt: now.Unix(), Nonce: p.Nonce})
}

func proof(key *ecdsa.PrivateKey, claims any) (string, error) {
	payload, err := canon.Marshal(claims)
	if err != nil {
		return "", err
	}
	return sign(jose.SigningKey{Algorithm: algorithm, Key: key}, proofType, true, payload)
}

// CheckProof checks a proof and returns its jti, which the caller must never accept twice. Errors wrap ErrProof; that of a
// proof which only came too late is ErrProofAge.
func CheckProof(compact string, w WantProof) (jti string, err error) {
	jti, _, err = CheckProofUntil(compact, w)
	return jti, err
}

// CheckProofUntil is CheckProof, and says how long the proof is good.
func CheckProofUntil(compact string, w WantProof) (jti string, until time.Time, err error) {
	if !IsThumbprint(w.Thumbprint) {
		return "", until, fmt.Errorf("%w: nothing is expected here", ErrProof)
	}
	jti, _, at, err := checkProof(compact, w, false)
	if err != nil {
		return "", until, err
	}
	return jti, at.Add(w.Life), nil
}

// ReadProof checks a proof that comes with a token which names no key, and returns the thumbprint of the key that made
// it. The caller must bind the token to that key, and never accept the jti twice. w.Thumbprint must be empty. Errors
// wrap ErrProof; with ErrProofNonce comes the thumbprint, too, since nothing else is wrong with that proof.
func ReadProof(compact string, w WantProof) (jti, thumbprint string, err error) {
	if w.Thumbprint != "" {
		return "", "", fmt.Errorf("%w: this token names a key", ErrProof)
	}
	jti, thumbprint, _, err = checkProof(compact, w, false)
	return jti, thumbprint, err
}

// ReadBareProof checks a proof of a request without an access token, and returns the thumbprint of the key that made
// it. w.Token and w.Thumbprint must be empty; a proof that carries ath is refused. The caller must never accept the jti
// twice. Errors are as those of ReadProof.
func ReadBareProof(compact string, w WantProof) (jti, thumbprint string, err error) {
	if w.Token != "" || w.Thumbprint != "" {
		return "", "", fmt.Errorf("%w: no token rides along", ErrProof)
	}
	jti, thumbprint, _, err = checkProof(compact, w, true)
	return jti, thumbprint, err
}

// checkProof demands the key of w.Thumbprint, or takes any when that is empty, and returns whose key it was, and when. A
// bare proof has no ath; any other one must have it.
func checkProof(compact string, w WantProof, bare bool) (jti, thumbprint string, made time.Time, err error) {
	bad := func(what string) (string, string, time.Time, error) {
		return "", "", time.Time{}, fmt.Errorf("%w: %s", ErrProof, what)
	}
	if w.Method == "" || w.URL == "" || (w.Token == "") != bare || w.Now.IsZero() || w.Life <= 0 || w.Life > ProofLife {
		return bad("nothing is expected here")
	}
	head, err := split(compact)
	if err != nil {
		return bad("not a compact JWS")
	}
	var h proofHeader
	if err := canon.ParseLoose(head, &h); err != nil {
		return bad("the header is not exactly alg, jwk and typ, with a public P-256 key")
	}
	key, ok := h.Jwk.public()
	switch {
	case h.Typ != proofType:
		return bad("the type must be " + proofType)
	case !ok:
		return bad("the key is not a P-256 public key")
	case w.Thumbprint != "" && !same(Thumbprint(key), w.Thumbprint):
		return bad("it was made with another key than the grant's")
	}
	payload, err := verify(compact, key)
	if err != nil {
		return bad("it is not signed with ES256 by the key")
	}
	c, err := readClaims(payload, bare)
	if err != nil {
		return bad(err.Error())
	}
	at := time.Unix(c.IssuedAt, 0)
	switch {
	case c.Method != w.Method:
		return bad("htm is another method")
	case c.URL != w.URL:
		return bad("htu is another URL")
	case !bare && !same(c.Hash, AccessTokenHash(w.Token)):
		return bad("ath is the hash of another token")
	case !isProofID(c.ID):
		return bad("jti is not 16 to 64 characters of base64url")
	case w.Nonces == nil && c.Nonce != "":
		return bad("no nonce is taken here")
	}
	// The time comes last, so that nothing else is wrong with a proof that is refused for it.
	if w.Nonces != nil {
		good, err := w.Nonces.timely(c.Nonce, Thumbprint(key), at, w)
		switch {
		case err != nil:
			return "", "", at, err
		case !good:
			return "", Thumbprint(key), at, ErrProofNonce
		}
		return c.ID, Thumbprint(key), at, nil
	}
	switch {
	case at.After(w.Now.Add(ProofSkew)):
		return bad("iat lies ahead")
	case !at.Add(w.Life).After(w.Now):
		return "", "", at, ErrProofAge
	}
	return c.ID, Thumbprint(key), at, nil
}

// timely reports whether a proof is of now: by the server's own time, which a good nonce carries, or by iat where that is
// enough (RFC 9449 section 4.3, check 11).
func (n *Nonces) timely(nonce, thumbprint string, at time.Time, w WantProof) (bool, error) {
	if nonce != "" {
		if good, err := n.Good(nonce, thumbprint); good || err != nil {
			return good, err
		}
	}
	return !n.Required && !at.After(w.Now.Add(ProofSkew)) && at.Add(w.Life).After(w.Now), nil
}

func readClaims(payload []byte, bare bool) (c proofClaims, err error) {
	if !bare {
		if err := canon.ParseLoose(payload, &c); err != nil {
			return c, errors.New("the claims are not exactly jti, htm, htu, iat and ath, and nonce where one is taken")
		}
		return c, nil
	}
	var b bareClaims
	if err := canon.ParseLoose(payload, &b); err != nil {
		return c, errors.New("the claims are not exactly jti, htm, htu and iat, and nonce where one is taken")
	}
	return proofClaims{ID: b.ID, Method: b.Method, URL: b.URL, IssuedAt: b.IssuedAt, Nonce: b.Nonce}, nil
}

func (k proofKey) public() (*ecdsa.PublicKey, bool) {
	x, errX := base64.RawURLEncoding.Strict().DecodeString(k.X)
	y, errY := base64.RawURLEncoding.Strict().DecodeString(k.Y)
	if k.Kty != "EC" || k.Crv != "P-256" || errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil, false
	}
	point := append(append([]byte{4}, x...), y...) // SEC 1 section 2.3.3
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	return pub, err == nil && usable(pub)
}

// isProofID bounds what a replay cache has to keep.
func isProofID(s string) bool {
	if len(s) < 16 || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
