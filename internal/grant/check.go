package grant

import (
	"crypto/ecdsa"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// Check verifies a grant in compact form and returns its claims. It never looks at the plan: Match does. Refusals say
// grant_header, grant_signature, grant_claims or grant_expired.
func Check(compact string, w Want) (writ.GrantClaims, error) {
	refuse := func(code writ.Reason, detail string) (writ.GrantClaims, error) {
		return writ.GrantClaims{}, writ.Refuse(code, detail)
	}
	if w.Issuer == "" || w.Runner == "" || len(w.Keys) == 0 || w.Now.IsZero() || w.Leeway < 0 || w.Leeway > MaxLeeway {
		return refuse(writ.ReasonGrantClaims, "nothing is expected here")
	}
	c, err := Open(compact, w.Keys)
	if err != nil {
		return writ.GrantClaims{}, err
	}
	switch {
	case c.Issuer != w.Issuer:
		return refuse(writ.ReasonGrantClaims, "iss is another issuer")
	case c.Audience != w.Runner:
		return refuse(writ.ReasonGrantClaims, "aud is another runner")
	case time.Unix(c.IssuedAt, 0).After(w.Now.Add(w.Leeway)):
		return refuse(writ.ReasonGrantClaims, "iat lies ahead")
	case time.Unix(c.NotBefore, 0).After(w.Now.Add(w.Leeway)):
		return refuse(writ.ReasonGrantClaims, "nbf lies ahead")
	case !w.Now.Before(time.Unix(c.Expires, 0).Add(w.Leeway)):
		return refuse(writ.ReasonGrantExpired, "exp has passed")
	}
	return c, nil
}

// Open verifies the signature and the form of a grant and returns its claims, without an expectation of any of them: for
// the issuer, who compares the grant with the one that it keeps. Refusals say grant_header, grant_signature or
// grant_claims.
func Open(compact string, keys map[string]*ecdsa.PublicKey) (writ.GrantClaims, error) {
	refuse := func(code writ.Reason, detail string) (writ.GrantClaims, error) {
		return writ.GrantClaims{}, writ.Refuse(code, detail)
	}
	var c writ.GrantClaims
	switch err := token.Verify(compact, token.Want{Typ: Type, Keys: keys}, &c); {
	case errors.Is(err, token.ErrSignature):
		return refuse(writ.ReasonGrantSignature, "the issuer's key did not sign it")
	case errors.Is(err, token.ErrForm):
		return refuse(writ.ReasonGrantClaims, "the claims are not of the closed form")
	case err != nil:
		return refuse(writ.ReasonGrantHeader, "it is not a grant signed under a pinned key")
	}
	if err := form(c); err != nil {
		return refuse(writ.ReasonGrantClaims, err.Error())
	}
	return c, nil
}
