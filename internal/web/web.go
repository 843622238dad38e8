// Package web is the people's door: pages that a browser shows, made on the server from html/template, each with one
// question that it answers. docs/pages.md lists them.
//
// Only a person with a session sees a page, and the session comes in its cookie. Pages are full of text that attackers
// and agents wrote, so every such text goes through writ.Printable, html/template and a bound, nothing is rendered from
// it, and the Content-Security-Policy leaves one script, which passes Trusted Types, and no inline style. A page works
// without that script; the script replaces parts of it as they change.
//
// The door decides nothing. It asks for a person's word on a plan by showing the command that signs it: no page at the
// external URL approves or rejects. ApprovingHandler is another door, at an origin of its own, whose one script asks the
// browser for a passkey.
package web

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

//go:embed templates static
var files embed.FS

// A Config is what the door needs. It is checked once, by Handler.
type Config struct {
	Auth        Authenticator
	Browser     Browser
	Plans       Plans
	Runs        Runs
	Incidents   Incidents
	Readings    Readings
	Freezes     Freezes
	Agents      Agents
	Playbooks   Playbooks
	Policies    Policies
	Autonomy    Autonomy
	Upstreams   Upstreams
	Ledger      Ledger
	Glasses     Glasses
	Overview    Overview
	Denials     Denials
	Turns       Turns
	Lab         Lab
	Dev         bool            // there is a development login, and every page says so
	LoginPath   string          // where people log in; empty when no login is configured
	Verifier    ledger.Verifier // of the ledger's checkpoints
	ExternalURL string          // where browsers reach this door
	Approving   *Approving      // nil: passkeys answer nowhere
	Now         func() time.Time
	Log         *slog.Logger // failures of the door itself
}

// Paths are the patterns of http.ServeMux that belong to this door. None of them covers a path of the API, of the
// agents' tools or of the login.
var Paths = []string{
	"/{$}", "/plans", "/plans/", "/runs", "/runs/", "/incidents", "/incidents/", "/evidence/", "/ledger", "/ledger/", "/playbooks", "/playbooks/",
	"/agents", "/agents/", "/oncall", "/oncall/", "/reach", "/gateway", "/gateway/", "/policy", "/policy/", "/health", "/health/", "/breakglass", "/breakglass/", "/freeze", "/freeze/", "/live/", "/static/", PathDevLogin, PathLeave, PathHandOver,
}

// Paths of the development login, and of leaving.
const (
	PathDevLogin = "/dev/login"
	PathLeave    = "/leave"
)

// A door serves one Config.
type door struct {
	Config
	pages   map[string]*template.Template
	assets  map[string]asset
	streams chan struct{} // one token for each stream under way
	labs    chan struct{} // one token for each question to the policy under way
	glance  glance
	policy  string      // of content
	script  template.JS // at the approving origin
	enter   string      // at the approving origin: where its sessions begin
	mux     *http.ServeMux
}

// Handler returns the door for the patterns in Paths. It sets deadlines of its own around bodies and streams.
func Handler(c Config) (http.Handler, error) {
	origin, err := c.check()
	if err != nil {
		return nil, err
	}
	d := &door{Config: c, policy: contentPolicy, streams: make(chan struct{}, maxStreams), labs: make(chan struct{}, maxLabs), mux: http.NewServeMux()}
	if d.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if d.pages, err = parsePages(d.assets); err != nil {
		return nil, err
	}
	d.register()
	return d.guarded(origin)
}

// guarded is the whole door, for pages of this origin.
func (d *door) guarded(origin string) (http.Handler, error) {
	foreign := http.NewCrossOriginProtection()
	if err := foreign.AddTrustedOrigin(origin); err != nil {
		return nil, fmt.Errorf("%w: pages: origin: %v", writ.ErrInvalid, err)
	}
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.fail(w, r, writ.Principal{}, writ.Refuse("cross_origin", "a page of another origin may not send this form"))
	}))
	return d.around(foreign.Handler(d.mux)), nil
}

// check returns the origin of the external URL.
func (c Config) check() (string, error) {
	for name, part := range map[string]any{
		"auth": c.Auth, "browser": c.Browser, "plans": c.Plans, "runs": c.Runs, "incidents": c.Incidents, "readings": c.Readings, "freezes": c.Freezes,
		"agents": c.Agents, "playbooks": c.Playbooks, "ledger": c.Ledger, "glasses": c.Glasses, "overview": c.Overview, "denials": c.Denials, "turns": c.Turns, "lab": c.Lab, "policies": c.Policies, "autonomy": c.Autonomy, "upstreams": c.Upstreams,
	} {
		if part == nil {
			return "", fmt.Errorf("%w: pages: %s is missing", writ.ErrInvalid, name)
		}
	}
	if a := c.Approving; a != nil && (a.Host() == "" || a.Entrance == nil || a.Passkeys == nil || a.Assertions == nil || a.Asks == nil || a.Changes == nil || a.Decisions == nil) {
		return "", fmt.Errorf("%w: pages: of the approving origin something is missing", writ.ErrInvalid)
	}
	if c.Now == nil || c.Log == nil {
		return "", fmt.Errorf("%w: pages: clock and log are needed", writ.ErrInvalid)
	}
	u, err := url.Parse(c.ExternalURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", fmt.Errorf("%w: pages: the external URL is an absolute http(s) URL", writ.ErrInvalid)
	}
	return u.Scheme + "://" + u.Host, nil
}

// register is the whole table of contents.
func (d *door) register() {
	d.page("/{$}", "/live/inbox", "inbox", d.inbox)
	d.page("/plans", "", "plans", d.plans)
	d.page("/plans/{id}", "/live/plans/{id}", "plan", d.plan)
	d.page("/runs", "/live/runs", "runs", d.runs)
	d.page("/runs/{id}", "/live/runs/{id}", "run", d.run)
	d.page("/incidents", "", "incidents", d.incidents)
	d.page("/incidents/{id}", "/live/incidents/{id}", "incident", d.incident)
	d.page("/evidence/{id}", "", "evidence", d.evidence)
	d.page("/ledger", "", "ledger", d.ledger)
	d.page("/ledger/{index}", "", "entry", d.entry)
	d.page("/playbooks", "", "playbooks", d.playbooks)
	d.page("/playbooks/{name}", "", "playbook", d.playbook)
	d.page("/policy/changes", "", "policies", d.rules)
	d.page("/policy/{id}", "", "policychange", d.policyChange)
	d.page("/agents", "", "agents", d.agents)
	d.page("/oncall", "", "oncall", d.onCall)
	d.page("/reach", "", "reach", d.reach)
	d.page("/gateway", "", "gateway", d.gateway)
	d.page("/policy", "", "policy", d.policyLab)
	d.page("/health", "/live/health", "health", d.health)
	d.page("/breakglass", "/live/breakglass", "breakglass", d.glasses)
	d.page("/breakglass/{id}", "/live/breakglass/{id}", "glass", d.glass)
	d.page("/freeze", "", "freeze", d.freezes)

	d.act("/plans/{id}/withdraw", d.withdraw)
	d.act("/plans/{id}/recall", d.recall)
	d.act("/oncall/{group}/delegate", d.delegate)
	d.act("/oncall/delegations/{id}/return", d.giveBack)
	d.act("/plans/{id}/again", d.askAgain)
	d.act("/evidence/{id}/again", d.readAgain)
	d.act("/policy/{id}/withdraw", d.withdrawPolicy)
	d.act("/runs/{id}/stop", d.stop)
	d.act("/runs/{id}/settle", d.settle)
	d.act("/incidents/{id}/undo", d.undo)
	d.act("/incidents/{id}/note", d.addNote)
	d.act("/plans/{id}/evidence", d.askEvidence)
	d.act("/playbooks/{name}/retire", d.retire)
	d.act("/playbooks/{name}/dry-run", d.dryRun)
	d.act("/health/test", d.testNotice)
	d.act("/agents/{name}/suspend", d.setAgent(writ.AgentSuspended))
	d.act("/agents/{name}/resume", d.setAgent(writ.AgentActive))
	d.act("/gateway/{tool}/unpin", d.unpin)
	d.act("/breakglass/{id}/review", d.review)
	d.act("/breakglass/{id}/repeat", d.repeat)
	d.act("/freeze", d.freeze)
	d.act("/freeze/{id}/lift", d.lift)

	d.mux.HandleFunc("GET /static/{file}", d.static)
	d.mux.HandleFunc("GET "+PathDevLogin, d.devForm)
	d.mux.HandleFunc("POST "+PathDevLogin, d.devLogin)
	d.mux.HandleFunc("POST "+PathLeave, d.leave)
	d.mux.HandleFunc("GET "+PathHandOver, d.handOver)
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if by, ok := d.person(w, r); ok {
			d.fail(w, r, by, writ.ErrNotFound)
		}
	})
}

// A view is what one page shows: its title for the browser's tab, and the data of its template. said is one short
// sentence on its state, which a screen reader hears when it changes.
type view struct {
	title, said string
	data        any
	slow        bool // to make: a stream looks less often
}

// A builder makes a page for a person. Errors are answered as a page.
type builder func(ctx context.Context, by writ.Principal, r *http.Request) (view, error)

// page registers a page, and the stream of its changes where live names one.
func (d *door) page(path, live, name string, build builder) {
	d.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		by, ok := d.person(w, r)
		if !ok {
			return
		}
		v, err := build(r.Context(), by, r)
		if err != nil {
			d.fail(w, r, by, err)
			return
		}
		at := ""
		if live != "" {
			at = "/live/inbox"
			if path != "/{$}" {
				at = "/live" + r.URL.EscapedPath()
			}
		}
		d.show(w, r, by, http.StatusOK, name, at, v)
	})
	if live != "" {
		d.mux.HandleFunc("GET "+live, func(w http.ResponseWriter, r *http.Request) { d.stream(w, r, name, build) })
	}
}

// A doer does what a form asks for and returns the page to go on to.
type doer func(ctx context.Context, by writ.Principal, r *http.Request, f form) (to string, err error)

// act registers a form's target.
func (d *door) act(path string, do doer) {
	d.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		by, ok := d.person(w, r)
		if !ok {
			return
		}
		to := ""
		f, err := readForm(w, r)
		if err == nil {
			to, err = do(r.Context(), by, r, f)
			d.glance.forget()
		}
		if err != nil {
			d.fail(w, r, by, err)
			return
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

// sub returns a folder of the embedded files.
func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // a fixed, valid name
	}
	return f
}
