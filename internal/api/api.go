// Package api is the HTTP door for agents, people and alert sources: /v1 as docs/openapi.json describes it, on huma
// over net/http, with RFC 9457 problems. RunnerHandler is the runners' door beside it.
//
// The door authenticates, checks the form of a request and the kind of its caller, and hands it to the control plane
// through the narrow interfaces in needs.go. It decides nothing about production.
package api

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/crowd"
)

// A Config is what the door needs. It is checked once, by Handler.
type Config struct {
	Auth        Authenticator
	Playbooks   Playbooks
	Readings    Readings
	Proposals   Proposals
	Approvals   Approvals
	Runs        Runs
	Presents    Presentations
	Incidents   Incidents
	Alerts      Alerts
	Freezes     Freezes
	Agents      Agents
	HandOffs    HandOffs
	Ledger      Ledger
	Overview    Overview
	Idempotency Idempotency
	Denials     Denials // may be nil
	Sessions    Sessions
	Fleet       Fleet
	Upstreams   Upstreams
	BreakGlass  BreakGlass
	Passkeys    Passkeys
	Assertions  Assertions
	Recalls     Recalls
	OnCall      OnCall

	Policies      Policies
	PolicyAnswers PolicyAnswers
	Simulations   Simulations

	Autonomy Autonomy
	Reviews  Reviews
	Reports  Reports

	ExternalURL string       // where browsers and clients reach this door: https://writ.corp.example
	Log         *slog.Logger // failures of the door itself, with the trace id
	Now         func() time.Time
	Rand        io.Reader    // of trace ids; nil means crypto/rand
	Crowd       *crowd.Crowd // of agents' calls under way; nil means one of its own
}

// A door serves one Config.
type door struct {
	Config
	api huma.API
}

// Handler returns the door. It sets read and write deadlines of its own around bodies, waits and event streams; the
// server sets those of headers and idle connections.
func Handler(c Config) (http.Handler, error) {
	external, err := c.check()
	if err != nil {
		return nil, err
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Crowd == nil {
		c.Crowd = crowd.Default()
	}
	mux := http.NewServeMux()
	d := &door{Config: c, api: humago.New(mux, configuration())}
	d.register()
	spec, err := specification(d.api)
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		w.Write(spec)
	})
	foreign := http.NewCrossOriginProtection()
	if err := foreign.AddTrustedOrigin(external); err != nil {
		return nil, fmt.Errorf("%w: external URL: %v", writ.ErrInvalid, err)
	}
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.refuse(w, r, &writ.Refusal{Code: codeCrossOrigin, Detail: "a page of another origin may not send this request"})
	}))
	return d.around(foreign.Handler(d.known(mux))), nil
}

// check returns the origin of the external URL.
func (c Config) check() (string, error) {
	for name, part := range map[string]any{
		"auth": c.Auth, "playbooks": c.Playbooks, "readings": c.Readings, "proposals": c.Proposals, "approvals": c.Approvals,
		"runs": c.Runs, "presentations": c.Presents, "incidents": c.Incidents, "alerts": c.Alerts, "freezes": c.Freezes, "agents": c.Agents, "hand-offs": c.HandOffs, "ledger": c.Ledger,
		"overview": c.Overview, "idempotency": c.Idempotency, "sessions": c.Sessions, "fleet": c.Fleet, "break-glass": c.BreakGlass,
		"passkeys": c.Passkeys, "assertions": c.Assertions, "recalls": c.Recalls, "on call": c.OnCall,
		"policies": c.Policies, "policy answers": c.PolicyAnswers, "simulations": c.Simulations,
		"autonomy": c.Autonomy, "reviews": c.Reviews, "reports": c.Reports,
	} {
		if part == nil {
			return "", fmt.Errorf("%w: API: %s is missing", writ.ErrInvalid, name)
		}
	}
	if c.Now == nil || c.Log == nil {
		return "", fmt.Errorf("%w: API: clock and log are needed", writ.ErrInvalid)
	}
	u, err := url.Parse(c.ExternalURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("%w: API: the external URL is an absolute http(s) URL", writ.ErrInvalid)
	}
	return u.Scheme + "://" + u.Host, nil
}

// configuration switches three of huma's defaults off: the schema links that are built from X-Forwarded-Host
// (CreateHooks), the page that loads a script from a public network (DocsPath), and, by the transformer, the submitted
// values in problems. The first two have no replacement; /openapi.json is served by Handler.
func configuration() huma.Config {
	c := huma.DefaultConfig("Writ", "v1")
	c.CreateHooks = nil
	c.DocsPath, c.OpenAPIPath, c.SchemasPath = "", "", ""
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	c.RejectUnknownQueryParameters = true
	c.Transformers = []huma.Transformer{withoutValues}
	c.Info.Description = description
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"}}
	aliases(c.Components.Schemas)
	return c
}

const description = "Writ lets agents repair production without holding power over it. Every call carries a bearer token, or an agent's control-plane token with a DPoP proof. " +
	"Requests refuse unknown members; clients ignore unknown members of replies, and enumerations may grow in replies. " +
	"Problems follow RFC 9457: act on `code` and `retry`. Where Idempotency-Key is listed it is required; an answer to a " +
	"call that succeeded is kept for 24 hours and given again, with Idempotent-Replayed: true, to the same call."

// register is the whole table of contents.
func (d *door) register() {
	d.registerAlerts()
	d.registerIncidents()
	d.registerPlaybooks()
	d.registerEvidence()
	d.registerOpenedEvidence()
	d.registerProposals()
	d.registerPlans()
	d.registerApprovals()
	d.registerRuns()
	d.registerPresentations()
	d.registerFreezes()
	d.registerAgents()
	d.registerHandOffs()
	d.registerEvents()
	d.registerLedger()
	d.registerStatus()
	d.registerNotices()
	d.registerPeople()
	d.registerSessions()
	d.registerFleet()
	d.registerUpstreams()
	d.registerBreakGlass()
	d.registerPasskeys()
	d.registerOnCall()
	d.registerPolicies()
	d.registerAutonomy()
}
