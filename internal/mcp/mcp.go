// Package mcp is the agents' door: the tools of Writ over the Model Context Protocol, streamable HTTP, without
// sessions. It is a resource server only. Nothing reachable from it approves, freezes or issues anything: the
// interfaces below are all that it is given.
//
// Every answer is plain text of at most MaxAnswer bytes that begins with the state and ends with the next step;
// no answer holds a grant, a credential or another agent's plan.
package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/crowd"
)

// Path is where the door stands, and PathMetadata its protected resource metadata (RFC 9728).
const (
	Path         = "/mcp"
	PathMetadata = "/.well-known/oauth-protected-resource/mcp"
)

// Limits of the door.
const (
	MaxAnswer = 2000             // bytes: weak clients cut or drop longer results
	maxBody   = 256 << 10        // bytes of a request: parameters are flat scalars
	listed    = 10               // incidents of one answer: with their titles they fit into it
	maxHanded = 3                // hand-offs of one answer: incidents have a place beside them
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

// Diagnosis is what an agent may look at. Readers are what Observe can be asked, at one target or, without one, at all
// of an incident's.
type Diagnosis interface {
	Readers(ctx context.Context, by writ.Principal, incident writ.IncidentID, target writ.Location) ([]writ.ReaderText, error)
	Incidents(ctx context.Context, by writ.Principal, f writ.IncidentFilter) (incidents []writ.Incident, next string, err error)
	Observe(ctx context.Context, by writ.Principal, incident writ.IncidentID, reader writ.OperationName, target writ.Location, with writ.Parameters) (writ.Evidence, []byte, error)
	Evidence(ctx context.Context, by writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error)
}

// HandOffs pass an incident on: context, never power.
type HandOffs interface {
	HandOff(ctx context.Context, by writ.Principal, ask writ.HandOffAsk) (writ.HandOffStatus, error)
	HandOffs(ctx context.Context, by writ.Principal, incident writ.IncidentID) ([]writ.HandOffStatus, error)
	HandedOff(ctx context.Context, by writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error)
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

// Config is what Handler needs. All members are required but Certificates, Proofs, Issuers, PageURL and Crowd.
type Config struct {
	Authenticator Authenticator
	Certificates  bool // callers come with a client certificate, and may come without a token
	Proofs        bool // tokens that come with DPoP proofs are taken
	Playbooks     Playbooks
	Diagnosis     Diagnosis
	HandOffs      HandOffs
	Proposer      Proposer
	Runs          Runs
	Upstreams     Upstreams    // optional
	Denials       Denials      // optional
	ExternalURL   string       // of the server, without a trailing slash
	PageURL       string       // where people read plans; empty when there are no pages
	Issuers       []string     // authorization servers, for the metadata
	Crowd         *crowd.Crowd // of the calls under way; nil means one of its own
	Version       string
	Log           *slog.Logger
}

// Handler serves Path and PathMetadata.
func Handler(c Config) http.Handler {
	if c.Crowd == nil {
		c.Crowd = crowd.Default()
	}
	d := door{c}
	capabilities := &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}
	capabilities.AddExtension(extensionTasks, nil)
	server := mcp.NewServer(&mcp.Implementation{Name: "writ", Title: "Writ", Version: c.Version}, &mcp.ServerOptions{
		Instructions: "Writ repairs production on your behalf, within policy. Read evidence, then propose one playbook for one incident and cite the evidence. " +
			"A plan runs by itself once policy, or people whom policy asks, have approved it. You cannot approve, and you never hold credentials.",
		Capabilities: capabilities,
	})
	d.addTools(server)
	if c.Denials != nil {
		server.AddReceivingMiddleware(d.recording)
	}
	if c.Upstreams != nil {
		server.AddReceivingMiddleware(d.fronting)
	}
	if err := d.addTasks(server); err != nil {
		panic(err) // the names are constants, none of which is a method of the SDK
	}
	stream := func(single bool) http.Handler {
		return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
			Stateless: true, JSONResponse: single, MaxRequestBodyBytes: maxBody,
			PropagateRequestCancellation: true, // a client that is gone waits for nothing
		})
	}
	guard := auth.RequireBearerToken(d.verify, &auth.RequireBearerTokenOptions{
		ResourceMetadataURL:    c.ExternalURL + PathMetadata,
		AllowMissingExpiration: true, // the authenticator has checked the expiry itself, more strictly
	})
	mux := http.NewServeMux()
	mux.Handle(Path, d.disguised(guard(d.admitted(d.crowded(opened(stream(true), stream(false)))))))
	about := &oauthex.ProtectedResourceMetadata{
		Resource: c.ExternalURL + Path, AuthorizationServers: c.Issuers, BearerMethodsSupported: []string{"header"},
		ResourceName: "Writ, the agents' door",
	}
	if c.Proofs {
		about.DPOPSigningAlgValuesSupported = []string{"ES256"}
	}
	mux.Handle(PathMetadata, auth.ProtectedResourceMetadataHandler(about))
	return http.NewCrossOriginProtection().Handler(mux)
}

type door struct{ Config }

// originalKey is where disguised keeps what a request's Authorization header was.
type originalKey struct{}

// disguised lets requests through to verify that the SDK's guard would not ask about: it knows bearer tokens alone. A
// token of the scheme DPoP, or none beside a client certificate, is shown to it as one; verify sees the request as it
// came.
func (d door) disguised(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came := r.Header.Values("Authorization")
		switch scheme, _, _ := strings.Cut(strings.Join(came, ","), " "); {
		case len(came) == 0 && !d.Certificates, len(came) > 0 && !strings.EqualFold(scheme, "DPoP"):
			next.ServeHTTP(w, r)
			return
		}
		r = r.Clone(context.WithValue(r.Context(), originalKey{}, came))
		r.Header.Set("Authorization", "Bearer disguised")
		next.ServeHTTP(w, r)
	})
}

// Where verify leaves the caller in a TokenInfo, or why it goes no further.
const (
	principalKey = "principal"
	refusalKey   = "refusal"
)

// admitted answers 403 to a caller who is known and not let in: an agent that is suspended or not registered.
func (d door) admitted(next http.Handler) http.Handler {
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
		// RFC 6750 section 3.1: another token of the same caller does not help; its registration is what has to change.
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", error_description="`+string(said.Code)+`", resource_metadata="`+d.ExternalURL+PathMetadata+`"`)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(said) // a reader that is gone is its own trouble
	})
}

// verify hands the whole request to the authenticator; the bearer token is part of it.
func (d door) verify(ctx context.Context, _ string, r *http.Request) (*auth.TokenInfo, error) {
	if came, ok := ctx.Value(originalKey{}).([]string); ok {
		r = r.Clone(ctx)
		r.Header.Del("Authorization")
		for _, v := range came {
			r.Header.Add("Authorization", v)
		}
	}
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
	return principal(r.Extra)
}

func principal(extra *mcp.RequestExtra) writ.Principal {
	if extra == nil || extra.TokenInfo == nil {
		return writ.Principal{}
	}
	p, _ := extra.TokenInfo.Extra[principalKey].(writ.Principal)
	return p
}
