package token

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// Leeway is how far ahead of the checker's clock an iat may lie. exp has none.
const Leeway = 5 * time.Second

// An Expectation is what a verifier of claims accepts. It is made by Expect, so an empty one cannot be; the zero value
// accepts nothing.
type Expectation struct {
	issuer, audience string
	want             Want
	life             time.Duration
}

// Expect returns the expectation of tokens of one type, by one issuer, for one audience, signed by one of keys, that
// live for at most life. All of it must be given.
func Expect(typ, issuer, audience string, keys map[string]*ecdsa.PublicKey, life time.Duration) (Expectation, error) {
	if typ == "" || issuer == "" || audience == "" || life <= 0 || len(keys) == 0 {
		return Expectation{}, errors.New("token: an expectation needs a type, an issuer, an audience, keys and a life")
	}
	for kid, key := range keys {
		if kid == "" || !usable(key) {
			return Expectation{}, errors.New("token: an expectation's keys are P-256 keys with an id each")
		}
	}
	return Expectation{issuer, audience, Want{Typ: typ, Keys: maps.Clone(keys)}, life}, nil
}

// Verify checks a token and its iss, aud, iat and exp at now, and decodes its claims into claims, a pointer to a closed
// type. Errors are Faults. On error claims is undefined.
func (e Expectation) Verify(compact string, now time.Time, claims any) error {
	if e.want.Typ == "" || now.IsZero() {
		return badHeader(CodeType, "nothing is expected here")
	}
	payload, err := opened(compact, e.want)
	if err != nil {
		return err
	}
	if err := e.registered(payload, now); err != nil {
		return err
	}
	return closed(payload, claims)
}

// registered checks the registered claims, each by its exact name (RFC 7519 section 4.1). What stands twice is refused
// afterwards, with the closed form.
func (e Expectation) registered(payload []byte, now time.Time) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return badClaims(CodeClaims, "they are no object")
	}
	var issuer, audience string
	exp, okExp, err := seconds(members, "exp")
	if err != nil {
		return err
	}
	iat, okIat, err := seconds(members, "iat")
	if err != nil {
		return err
	}
	switch {
	case !okExp:
		return badClaims(CodeExpiryMissing, "exp is missing")
	case !okIat:
		return badClaims(CodeIssuedMissing, "iat is missing")
	case json.Unmarshal(members["iss"], &issuer) != nil || issuer != e.issuer:
		return badClaims(CodeIssuer, "iss is another issuer")
	case json.Unmarshal(members["aud"], &audience) != nil || audience != e.audience:
		return badClaims(CodeAudience, "aud is not the one audience")
	case iat.After(now.Add(Leeway)):
		return badClaims(CodeNotYet, "iat lies ahead")
	case !now.Before(exp):
		return badClaims(CodeExpired, "exp has passed")
	case exp.Sub(iat) > e.life:
		return badClaims(CodeLife, "it lives too long")
	}
	return nil
}

func seconds(members map[string]json.RawMessage, name string) (at time.Time, there bool, err error) {
	raw, there := members[name]
	if !there {
		return at, false, nil
	}
	var n int64
	if json.Unmarshal(raw, &n) != nil || n < 1 || n > canon.MaxInt {
		return at, true, badClaims(CodeClaims, name+" is not a number of seconds")
	}
	return time.Unix(n, 0), true, nil
}
