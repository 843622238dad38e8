// Package oauth is the token endpoint: it exchanges what a platform says about an agent for a control-plane token that
// the agent's key or certificate holds, and such a token for the grant of one plan. Beside it stand introspection,
// revocation, the public keys and the metadata that clients find all this by. docs/spec/token.md describes it.
//
// It is plain net/http: form-encoded in, JSON out, OAuth's errors (RFC 6749 section 5.2), nothing cached. There is no
// authorization endpoint, no refresh token and no registration. The package decides nothing about production: who a
// client is, whether its registration holds and whether its plan may run are asked through the interfaces below.
package oauth

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/token"
)

// Paths below the external URL.
const (
	PathToken      = "/token"
	PathIntrospect = "/introspect"
	PathRevoke     = "/revoke"
	PathKeys       = "/jwks.json"
	PathServer     = "/.well-known/oauth-authorization-server" // RFC 8414 section 3
	PathResource   = "/.well-known/oauth-protected-resource"   // RFC 9728 section 3; with /v1 behind it, of the API
)

// Clients find out who a client is. Errors match writ.ErrInvalid if its DPoP proof is not good, an *authn.NonceError if all that
// it lacks is a nonce, and writ.ErrUnknownUser whatever else is wrong. A proof, and a credential that is good once, count as used when it is accepted.
type Clients interface {
	// Asserted returns which agent a platform's credential stands for, with the thumbprint of the key whose proof came
	// with r. svid demands a JWT-SVID, or anything else.
	Asserted(ctx context.Context, r *http.Request, raw string, svid bool) (authn.Holder, error)
	// Certified returns which agent's certificate r came with, the certificate's thumbprint, and that of the key whose
	// proof came with r, if one did.
	Certified(ctx context.Context, r *http.Request) (h authn.Holder, certificate string, err error)
	// Subject returns whose control-plane token raw is, with the thumbprint of the key whose proof came with r.
	Subject(ctx context.Context, r *http.Request, raw string) (authn.Holder, error)
	// Principal returns who sends r, which is a call like any other.
	Principal(ctx context.Context, r *http.Request) (writ.Principal, error)
}

// Admission refuses an agent whose registration does not hold, with a *writ.Refusal.
type Admission interface {
	Admit(ctx context.Context, agent writ.Principal) error
}

// Pace counts tokens for all replicas. NextToken returns how long the agent has to wait before it is given another; with an
// error nothing is issued.
type Pace interface {
	NextToken(ctx context.Context, agent writ.Principal) (after time.Duration, err error)
}

// Grants issue and end grants, in the transaction that decides. Refusals are *writ.Refusal. Exchange may be repeated:
// it answers with the same grant while that lives.
type Grants interface {
	// Exchange issues the grant of the plan that details names to the holder of the key with this thumbprint.
	Exchange(ctx context.Context, who writ.Principal, thumbprint string, details writ.Authorization, runner writ.RunnerID) (writ.IssuedGrant, error)
	// Revoke ends a grant that was not spent.
	RevokeGrant(ctx context.Context, who writ.Principal, grant writ.GrantID) error
}

// Unspent tells whether a grant, by id and by its exact text, could still be spent.
type Unspent interface {
	GrantUnspent(ctx context.Context, id writ.GrantID, compact string) (bool, error)
}

// Revocations keep which control-plane tokens were taken back, by jti. All replicas share them, and Revoke is durable on
// return.
type Revocations interface {
	Revoke(ctx context.Context, id string, expires time.Time) error
	Revoked(ctx context.Context, id string) (bool, error)
}

// A Config is what the endpoints need. It is checked once, by New. All members are required but Grants and Auditors.
type Config struct {
	Tokens      *token.Access
	Clients     Clients // of this listener
	Admission   Admission
	Pace        Pace
	Grants      Grants // nil: no grants are exchanged for
	Unspent     Unspent
	Revocations Revocations
	GrantIssuer string                      // iss of grants
	GrantKeys   map[string]*ecdsa.PublicKey // of grants, by key id
	Auditors    []writ.Principal            // who may look at any token
	PresentURL  string                      // where a grant is presented
	Certificate bool                        // this server has a listener for client certificates

	Now  func() time.Time
	Rand io.Reader
	Log  *slog.Logger // of failures on this side alone
}

// An Endpoint serves one Config. It is safe for concurrent use.
type Endpoint struct {
	Config
	keys    []byte
	pending pace // polls for a plan that waits for people
}

// New checks the configuration.
func New(c Config) (*Endpoint, error) {
	for name, part := range map[string]any{
		"clients": c.Clients, "admission": c.Admission, "pace": c.Pace, "unspent grants": c.Unspent, "revocations": c.Revocations, "randomness": c.Rand,
	} {
		if part == nil {
			return nil, fmt.Errorf("%w: token endpoint: %s is missing", writ.ErrInvalid, name)
		}
	}
	if c.Tokens == nil || c.Now == nil || c.Log == nil || c.GrantIssuer == "" || len(c.GrantKeys) == 0 || c.PresentURL == "" {
		return nil, fmt.Errorf("%w: token endpoint: keys, clock, log, the issuer of grants and where they are presented are needed", writ.ErrInvalid)
	}
	keys, err := c.Tokens.KeySet()
	if err != nil {
		return nil, err
	}
	return &Endpoint{Config: c, keys: keys}, nil
}

// Handler serves the endpoints of a listener.
func (e *Endpoint) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathToken, e.posted(e.token))
	mux.HandleFunc("POST "+PathRevoke, e.posted(e.revoke))
	mux.HandleFunc("POST "+PathIntrospect, e.posted(e.introspectAudited))
	mux.HandleFunc("GET "+PathKeys, e.answered("application/jwk-set+json", e.keys))
	mux.HandleFunc("GET "+PathServer, e.said(e.serverMetadata()))
	mux.HandleFunc("GET "+PathResource, e.said(e.resourceMetadata("")))
	mux.HandleFunc("GET "+PathResource+pathAPI, e.said(e.resourceMetadata(pathAPI)))
	return http.NewCrossOriginProtection().Handler(mux)
}

// Paths are those that Handler serves.
func Paths() []string {
	return []string{PathToken, PathRevoke, PathIntrospect, PathKeys, PathServer, PathResource, PathResource + pathAPI}
}

// RunnerHandler serves introspection at the runners' door. identify finds the runner by the key of its connection.
func (e *Endpoint) RunnerHandler(identify func(*http.Request) (writ.RunnerID, bool)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathIntrospect, e.posted(func(ctx context.Context, r *http.Request, f form) (any, error) {
		runner, ok := identify(r)
		if !ok || runner == "" {
			return nil, errClient
		}
		return e.introspect(ctx, f, func(audience string) bool { return audience == string(runner) })
	}))
	return mux
}

// introspectAudited is introspection for auditors.
func (e *Endpoint) introspectAudited(ctx context.Context, r *http.Request, f form) (any, error) {
	who, err := e.Clients.Principal(ctx, r)
	if err != nil {
		return nil, errClient
	}
	audits := slices.ContainsFunc(e.Auditors, who.Same)
	return e.introspect(ctx, f, func(string) bool { return audits })
}
