// Package token signs and checks the JSON Web Signatures of Writ: grants, control-plane tokens, and proofs that their
// holder has the key they are bound to. It is the only importer of go-jose, and narrows it to one shape: a compact JWS of at most
// MaxSize, ES256, a closed header, an exact type, a known key, and claims that parse strictly.
//
// Errors wrap ErrHeader, ErrSignature, ErrForm or ErrProof and say nothing about keys; CodeOf tells the causes of a
// token's refusal apart. All functions are pure, apart from LoadKey and CreateKey, and safe for concurrent use.
package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ/internal/canon"
)

// Kinds of refusal, in the order of the checks.
var (
	ErrHeader    = errors.New("token header")    // not a compact JWS of this type by a known key; nothing in it was believed
	ErrSignature = errors.New("token signature") // the key did not sign this
	ErrForm      = errors.New("token form")      // signed, but the claims are not of the wanted closed form
	ErrProof     = errors.New("holder's proof")  // a proof that does not fit the request

	// ErrProofAge is the ErrProof of a proof that fits in all but its age.
	ErrProofAge = fmt.Errorf("%w: it is too old", ErrProof)

	// ErrProofNonce is the ErrProof of a proof that fits in all but its time, and would fit with a nonce of this server's.
	ErrProofNonce = fmt.Errorf("%w: it needs a nonce of this server's", ErrProof)
)

// MaxSize bounds a token in bytes: a grant over twenty objects with names of usual length has about 4 KiB.
const MaxSize = 16 << 10

const algorithm = jose.ES256

// Want is what a caller accepts. The zero Want accepts nothing.
type Want struct {
	Typ  string                      // exact
	Keys map[string]*ecdsa.PublicKey // by key id
}

// header is the closed protected header of Writ's own tokens: jwk, jku, x5u, x5c and crit have no place in it.
type header struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

// Sign returns claims, in canonical JSON, as a compact JWS. ES256 signatures are randomised by crypto/ecdsa.
func Sign(key *ecdsa.PrivateKey, kid, typ string, claims any) (string, error) {
	if key == nil || !usable(&key.PublicKey) || kid == "" || typ == "" {
		return "", errors.New("token: signing needs a P-256 key, its id and a type")
	}
	payload, err := canon.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrForm, err)
	}
	return sign(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, typ, false, payload)
}

func sign(key jose.SigningKey, typ string, embed bool, payload []byte) (string, error) {
	opts := (&jose.SignerOptions{EmbedJWK: embed}).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(key, opts)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	if len(compact) > MaxSize {
		return "", fmt.Errorf("%w: %d bytes; %d are allowed", ErrForm, len(compact), MaxSize)
	}
	return compact, nil
}

// Verify checks a token against want and decodes its claims into claims, a pointer to a closed type. It checks no
// claim: times, issuer and audience are the caller's. On error claims is undefined.
func Verify(compact string, want Want, claims any) error {
	if want.Typ == "" {
		return badHeader(CodeType, "nothing is expected here")
	}
	payload, err := opened(compact, want)
	if err != nil {
		return err
	}
	return closed(payload, claims)
}

// closed decodes claims into a closed type.
func closed(payload []byte, claims any) error {
	if err := canon.ParseLoose(payload, claims); err != nil {
		return badClaims(CodeClaims, err.Error())
	}
	return nil
}

// opened returns the payload of a token that fits want and that a wanted key has signed.
func opened(compact string, want Want) ([]byte, error) {
	head, err := split(compact)
	if err != nil {
		return nil, err
	}
	var h header
	if err := canon.ParseLoose(head, &h); err != nil {
		return nil, headerFault(head)
	}
	key := want.Keys[h.Kid]
	switch {
	case h.Alg != string(algorithm):
		return nil, badHeader(CodeAlgorithm, "the algorithm must be "+string(algorithm))
	case h.Typ != want.Typ:
		return nil, badHeader(CodeType, "the type must be "+want.Typ)
	case h.Kid == "" || !usable(key):
		return nil, badHeader(CodeKeyUnknown, "unknown key id")
	}
	return verify(compact, key)
}

func verify(compact string, key *ecdsa.PublicKey) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{algorithm})
	if err != nil {
		return nil, badHeader(CodeForm, "not a compact JWS under "+string(algorithm))
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, &Fault{CodeSignature, ErrSignature, "the key did not sign this"}
	}
	return payload, nil
}

// split checks the outer form and returns the decoded header. Each part must be the only base64url spelling of its
// bytes, since the digest of a token is taken over its text.
func split(compact string) ([]byte, error) {
	if len(compact) > MaxSize {
		return nil, badHeader(CodeSize, fmt.Sprintf("longer than %d bytes", MaxSize))
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, badHeader(CodeForm, "not a compact JWS")
	}
	var head []byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil || strings.ContainsAny(p, "\r\n") {
			return nil, badHeader(CodeForm, "not a compact JWS")
		}
		if i == 0 {
			head = b
		}
	}
	return head, nil
}

// usable reports whether pub is a P-256 key, a point on the curve.
func usable(pub *ecdsa.PublicKey) bool {
	if pub == nil || pub.Curve != elliptic.P256() {
		return false
	}
	_, err := pub.ECDH() // fails for a point off the curve and for infinity
	return err == nil
}
