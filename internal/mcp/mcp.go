// Package mcp is the agents' door: the tools of Writ over the Model Context Protocol, streamable HTTP, without
// sessions. It is a resource server only. Nothing reachable from it approves, freezes or issues anything: the
// interfaces below are all that it is given.
//
// Every answer is plain text of at most MaxAnswer characters that begins with the state and ends with the next step;
// no answer holds a grant, a credential or another agent's plan.
package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/writ-dev/writ"
)

// Path is where the door stands, and PathMetadata its protected resource metadata (RFC 9728).
const (
	Path         = "/mcp"
	PathMetadata = "/.well-known/oauth-protected-resource/mcp"
)

// Limits of the door.
const (
	MaxAnswer = 2000             // characters: weak clients cut or drop longer results
	maxBody   = 256 << 10        // bytes of a request: parameters are flat scalars
	maxWait   = 20 * time.Second // agents never wait longer on a held connection
)

// An Authenticator finds out who sends a request, or returns writ.ErrUnknownUser.
type Authenticator interface {
	Principal(ctx context.Context, r *http.Request) (writ.Principal, error)
}

// Playbooks are those that the caller may ask for; an empty service means any.
type Playbooks interface {
	Playbooks(ctx context.Context, by writ.Principal, service string) ([]writ.PlaybookSummary, error)
	Playbook(ctx context.Context, by writ.Principal, name string) (writ.PlaybookText, error)
}

// Diagnosis is what an agent may look at.
type Diagnosis interface {
	Incidents(ctx context.Context, by writ.Principal, f writ.IncidentFilter) (incidents []writ.Incident, next string, err error)
	Observe(ctx context.Context, by writ.Principal, incident writ.IncidentID, reader writ.OperationName, target writ.Location, with writ.Parameters) (writ.Evidence, []byte, error)
}

// HandOffs pass an incident on: context, never power.
type HandOffs interface {
	HandOff(ctx context.Context, by writ.Principal, ask writ.HandOffAsk) (writ.HandOffStatus, error)
	HandOffs(ctx context.Context, by writ.Principal, incident writ.IncidentID) ([]writ.HandOffStatus, error)
}

// Proposer takes an agent's asks and tells it what became of them. There is no call that approves.
type Proposer interface {
	Propose(ctx context.Context, by writ.Principal, ask writ.Ask) (writ.PlanStatus, error)
	Plan(ctx context.Context, by writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error)
	Withdraw(ctx context.Context, by writ.Principal, id writ.PlanID, because string) (writ.PlanStatus, error)
}

// Runs are the executions of the caller's own plans.
type Runs interface {
	Run(ctx context.Context, by writ.Principal, id writ.RunID, wait time.Duration) (writ.RunStatus, error)
	Stop(ctx context.Context, by writ.Principal, id writ.RunID, because string) (writ.RunStatus, error)
}

// Config is what Handler needs. All members are required but Certificates, Issuers and PageURL.
type Config struct {
	Authenticator Authenticator
	Certificates  bool // callers come with a client certificate, and a bearer token means nothing
	Playbooks     Playbooks
	Diagnosis     Diagnosis
	HandOffs      HandOffs
	Proposer      Proposer
	Runs          Runs
	ExternalURL   string   // of the server, without a trailing slash
	PageURL       string   // where people read plans; empty when there are no pages
	Issuers       []string // authorization servers, for the metadata
	Version       string
	Log           *slog.Logger
}

// Handler serves Path and PathMetadata.
func Handler(c Config) http.Handler {
	d := door{c}
	server := mcp.NewServer(&mcp.Implementation{Name: "writ", Title: "Writ", Version: c.Version}, &mcp.ServerOptions{
		Instructions: "Writ repairs production on your behalf, within policy. Read evidence, then propose one playbook for one incident and cite the evidence. " +
			"A plan runs by itself once policy, or people whom policy asks, have approved it. You cannot approve, and you never hold credentials.",
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
	})
	d.addTools(server)
	stream := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless: true, JSONResponse: true, MaxRequestBodyBytes: maxBody,
	})
	guard := auth.RequireBearerToken(d.verify, &auth.RequireBearerTokenOptions{
		ResourceMetadataURL:    c.ExternalURL + PathMetadata,
		AllowMissingExpiration: true, // the authenticator has checked the expiry itself, more strictly
	})
	mux := http.NewServeMux()
	handler := guard(admitted(stream))
	if c.Certificates {
		handler = certified(handler)
	}
	mux.Handle(Path, handler)
	mux.Handle(PathMetadata, auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: c.ExternalURL + Path, AuthorizationServers: c.Issuers, BearerMethodsSupported: []string{"header"},
		ResourceName: "Writ, the agents' door",
	}))
	return http.NewCrossOriginProtection().Handler(mux)
}

type door struct{ Config }

// certified lets a request without a bearer token through to verify, which the SDK's guard asks only about a token. What
// is put in its place is no token that any authenticator takes, and that of the certificates reads none.
func certified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer certificate")
		next.ServeHTTP(w, r)
	})
}

// Where verify leaves the caller in a TokenInfo, or why it goes no further.
const (
	principalKey = "principal"
	refusalKey   = "refusal"
)

// admitted answers 403 to a caller who is known and not let in: an agent that is suspended or not registered.
func admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := auth.TokenInfoFromContext(r.Context())
		if info == nil {
			http.Error(w, "no caller", http.StatusInternalServerError)
			return
		}
		err, refused := info.Extra[refusalKey].(error)
		if !refused {
			next.ServeHTTP(w, r)
			return
		}
		said := struct {
			Status int         `json:"status"`
			Code   writ.Reason `json:"code"`
			Detail string      `json:"detail"`
			Hint   string      `json:"hint,omitempty"`
		}{Status: http.StatusForbidden, Code: writ.ReasonOf(err), Detail: err.Error()}
		if refusal, ok := errors.AsType[*writ.Refusal](err); ok {
			said.Detail, said.Hint = refusal.Detail, refusal.Hint
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(said) // a reader that is gone is its own trouble
	})
}

// verify hands the whole request to the authenticator; the bearer token is part of it.
func (d door) verify(ctx context.Context, _ string, r *http.Request) (*auth.TokenInfo, error) {
	p, err := d.Authenticator.Principal(ctx, r)
	switch {
	case errors.Is(err, writ.ErrUnknownUser):
		return nil, auth.ErrInvalidToken
	case errors.Is(err, writ.ErrDenied): // known, and let in no further: see admitted
		return &auth.TokenInfo{Extra: map[string]any{refusalKey: err}}, nil
	case err != nil:
		return nil, err
	case p.Kind != writ.KindAgent && p.Kind != writ.KindHuman:
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{UserID: p.Iss + " " + p.Sub, Extra: map[string]any{principalKey: p}}, nil
}

// caller returns who sent a tool call. Without a verified caller it returns nobody, whom every use case refuses.
func caller(r *mcp.CallToolRequest) writ.Principal {
	if r.Extra == nil || r.Extra.TokenInfo == nil {
		return writ.Principal{}
	}
	p, _ := r.Extra.TokenInfo.Extra[principalKey].(writ.Principal)
	return p
}
