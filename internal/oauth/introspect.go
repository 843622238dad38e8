package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/token"
)

// inactive is all that is said about a token that is unknown, expired, revoked, spent, or not the caller's business
// (RFC 7662 section 2.2).
var inactive = struct {
	Active bool `json:"active"`
}{}

// An activeToken is a control-plane token that is good.
type activeToken struct {
	Active bool   `json:"active"`
	Type   string `json:"token_type"`
	token.AccessClaims
}

// An activeGrant is a grant that could still be spent.
type activeGrant struct {
	Active bool   `json:"active"`
	Type   string `json:"token_type"`
	writ.GrantClaims
}

// introspect says what a token is to a caller whose business the audience is.
func (e *Endpoint) introspect(ctx context.Context, f form, mine func(audience string) bool) (any, error) {
	raw, err := f.one("token")
	if err != nil {
		return nil, err
	}
	now := e.Now()
	if c, err := e.Tokens.Verify(raw, now); err == nil {
		if !mine(c.Audience) {
			return inactive, nil
		}
		revoked, err := e.Revocations.Revoked(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		who := writ.Principal{Kind: writ.KindAgent, Iss: c.Writ.Issuer, Sub: c.Subject}
		if revoked || e.Admission.Admit(ctx, who) != nil {
			return inactive, nil
		}
		kind := tokenDPoP
		if c.Confirm.Certificate != "" {
			kind = tokenBearer
		}
		return activeToken{true, kind, c}, nil
	}
	g, ok := e.grantOf(raw)
	if !ok || !mine(string(g.Audience)) {
		return inactive, nil
	}
	unspent, err := e.Unspent.GrantUnspent(ctx, g.ID, raw)
	switch {
	case err != nil:
		return nil, err
	case !unspent:
		return inactive, nil
	}
	return activeGrant{true, tokenDPoP, g}, nil
}

// grantOf returns the claims of a genuine grant that is not over. The audience, which it is checked for, is read before
// it is believed.
func (e *Endpoint) grantOf(raw string) (writ.GrantClaims, bool) {
	parts := strings.Split(raw, ".")
	if len(raw) > token.MaxSize || len(parts) != 3 {
		return writ.GrantClaims{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var says struct {
		Audience writ.RunnerID `json:"aud"`
	}
	if err != nil || json.Unmarshal(b, &says) != nil || says.Audience == "" {
		return writ.GrantClaims{}, false
	}
	c, err := grant.Check(raw, grant.Want{Issuer: e.GrantIssuer, Keys: e.GrantKeys, Runner: says.Audience, Now: e.Now()})
	return c, err == nil
}
