package oauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

// nothing is the body of an answer that says nothing (RFC 7009 section 2.2).
var nothing = struct{}{}

// revoke takes back a control-plane token or a grant of the agent that asks. Whatever else the token is, the answer is
// the same. The agent authenticates as at any other call, and may be suspended: giving something back is always good.
func (e *Endpoint) revoke(ctx context.Context, r *http.Request, f form) (any, error) {
	raw, err := f.one("token")
	if err != nil {
		return nil, err
	}
	who, err := e.Clients.Principal(ctx, r)
	if err != nil {
		return nil, errClient
	}
	if c, err := e.Tokens.Verify(raw, e.Now()); err == nil {
		if !who.Same(writ.Principal{Kind: writ.KindAgent, Iss: c.Writ.Issuer, Sub: c.Subject}) {
			return nothing, nil
		}
		return nothing, e.Revocations.Revoke(ctx, c.ID, time.Unix(c.Expires, 0))
	}
	g, ok := e.grantOf(raw)
	if !ok || e.Grants == nil || g.Client != grant.Client(who) {
		return nothing, nil
	}
	err = e.Grants.RevokeGrant(ctx, who, g.ID)
	if _, refused := errors.AsType[*writ.Refusal](err); refused || errors.Is(err, writ.ErrNotFound) { // it was spent, or is over
		return nothing, nil
	}
	return nothing, err
}
