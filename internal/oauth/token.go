package oauth

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/token"
)

// Values of grant_type and of the types of tokens and assertions.
const (
	grantClient   = "client_credentials"
	grantJWT      = "urn:ietf:params:oauth:grant-type:jwt-bearer"            // RFC 7523 section 2.1
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"        // RFC 8693 section 2.1
	assertionSVID = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe" // draft-ietf-oauth-spiffe-client-auth
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"          // RFC 8693 section 3
	tokenDPoP     = "DPoP"
	tokenBearer   = "Bearer"
)

// accessLife is how long a control-plane token is good: as long as a connection of the agents' listener. It is below
// token.MaxAccessLife.
const accessLife = 10 * time.Minute

// An issued is the answer of the token endpoint (RFC 6749 section 5.1, RFC 8693 section 2.2.1).
type issued struct {
	Token   string               `json:"access_token"`
	Type    string               `json:"token_type"`
	Seconds int64                `json:"expires_in"`
	Kind    string               `json:"issued_token_type,omitempty"`     // of an exchange
	Details []writ.Authorization `json:"authorization_details,omitempty"` // of a grant (RFC 9396 section 7)
	Grant   writ.GrantID         `json:"grant,omitempty"`
	Plan    writ.PlanID          `json:"plan,omitempty"`
	Run     writ.RunID           `json:"run,omitempty"`
	Present string               `json:"present,omitempty"` // where the grant is presented, and what its proof names
}

func (e *Endpoint) token(ctx context.Context, r *http.Request, f form) (any, error) {
	kind, err := f.one("grant_type")
	if err != nil {
		return nil, err
	}
	switch {
	case kind == grantExchange && e.Grants != nil:
		return e.exchange(ctx, r, f)
	case kind != grantClient && kind != grantJWT:
		return nil, &fault{Name: "unsupported_grant_type", Description: "the metadata lists what is supported"}
	}
	if err := e.ownResource(f); err != nil {
		return nil, err
	}
	h, bound, err := e.client(ctx, r, f, kind)
	if err != nil {
		return nil, err
	}
	return e.issue(ctx, f, h, bound)
}

// ownResource demands that a token is asked for this server, if for anything (RFC 8707 section 2).
func (e *Endpoint) ownResource(f form) error {
	resource, asked := f["resource"]
	if !asked {
		return nil
	}
	for _, path := range []string{"", pathAPI, pathTools} {
		if resource == e.Tokens.URL()+path {
			return nil
		}
	}
	return &fault{Name: "invalid_target", Description: "control-plane tokens are for " + e.Tokens.URL()}
}

// client authenticates who asks for a control-plane token, and says what binds it.
func (e *Endpoint) client(ctx context.Context, r *http.Request, f form, kind string) (authn.Holder, token.Confirmation, error) {
	if kind == grantJWT {
		raw, err := f.one("assertion")
		if err != nil {
			return authn.Holder{}, token.Confirmation{}, err
		}
		h, err := e.Clients.Asserted(ctx, r, raw, false)
		if err != nil {
			return h, token.Confirmation{}, refuseClient(err, errGrant)
		}
		return h, token.Confirmation{Thumbprint: h.Thumbprint}, nil
	}
	if how, asserted := f["client_assertion_type"]; asserted {
		raw, err := f.one("client_assertion")
		switch {
		case err != nil:
			return authn.Holder{}, token.Confirmation{}, err
		case how != assertionSVID:
			return authn.Holder{}, token.Confirmation{}, errClient
		}
		h, err := e.Clients.Asserted(ctx, r, raw, true)
		if err != nil {
			return h, token.Confirmation{}, refuseClient(err, errClient)
		}
		return h, token.Confirmation{Thumbprint: h.Thumbprint}, nil
	}
	h, certificate, err := e.Clients.Certified(ctx, r)
	switch {
	case err != nil:
		return h, token.Confirmation{}, refuseClient(err, errClient)
	case h.Thumbprint != "": // it wants a token that outlives its certificate
		return h, token.Confirmation{Thumbprint: h.Thumbprint}, nil
	}
	return h, token.Confirmation{Certificate: certificate}, nil
}

// issue issues a control-plane token to an agent whose registration holds.
func (e *Endpoint) issue(ctx context.Context, f form, h authn.Holder, bound token.Confirmation) (any, error) {
	who := h.Principal
	if id, named := f["client_id"]; named && id != token.Client(who.Iss, who.Sub) {
		return nil, errClient
	}
	if err := e.Admission.Admit(ctx, who); err != nil {
		return nil, err
	}
	now := e.Now()
	after, err := e.Pace.NextToken(ctx, who)
	if err != nil {
		return nil, err
	}
	if after > 0 {
		return nil, &fault{Name: "slow_down", Description: "too many tokens were asked for", status: http.StatusTooManyRequests, after: after}
	}
	compact, c, err := e.Tokens.Issue(who.Iss, who.Sub, bound, now, accessLife, e.Rand)
	if err != nil {
		return nil, err
	}
	kind := tokenDPoP
	if bound.Certificate != "" {
		kind = tokenBearer // RFC 8705 has no type of its own
	}
	return issued{Token: compact, Type: kind, Seconds: c.Expires - c.IssuedAt}, nil
}
