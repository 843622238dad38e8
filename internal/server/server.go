// Package server puts the processes together from their configuration: the control plane, the runner and the signer.
// Each opens its own files and keys, and they meet over their network interfaces only, also when --dev starts all three
// in one process.
package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/authzen"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/crowd"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/gateway"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/mcp"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

// A Server is the control plane, ready to serve.
type Server struct {
	Control   *control.Control
	auth      *authn.Authenticator
	access    *token.Access // nil: there is no token endpoint
	policies  policySource
	loaded    writ.Digest // contents of the policies' directory when the server began
	store     *store.Store
	listeners []listener
	deaths    *prometheus.HistogramVec
	notices   *prometheus.CounterVec
	front     *gateway.Gateway // nil without upstreams
	changed   <-chan string    // names of upstreams
	log       *slog.Logger
	calls     *crowd.Crowd // of agents, whichever door they come through

	succession *ledger.SignedSuccession // of the log's key, to be entered in the ledger; nil: none
}

// New opens keys, ledger and listeners of the control plane. Nothing is served before Serve.
func New(ctx context.Context, c config.Server, version string, dev bool, log *slog.Logger) (_ *Server, err error) {
	s := &Server{log: log, calls: crowd.Default(), deaths: newDeaths(), notices: newNoticeCount()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	identity, err := pin.Load(c.Path(c.Keys.Control))
	if err != nil {
		return nil, fmt.Errorf("keys.control: %w", err)
	}
	logKey, err := loadLogKey(c)
	if err != nil {
		return nil, err
	}
	s.succession = logKey.succession
	if s.store, err = openStore(ctx, c, identity, logKey.verifier, log); err != nil {
		return nil, err
	}
	inForce, err := kept(ctx, c, s.store)
	if err != nil {
		return nil, err
	}
	rules, err := loadRules(c, dev, inForce)
	if err != nil {
		return nil, err
	}
	s.policies, s.loaded = rules.source, rules.loaded
	front, changed, err := newGateway(c, version, log)
	if err != nil {
		return nil, err
	}
	s.changed, s.front = changed, front
	if s.Control, err = newControl(c, front, s.store, identity, logKey, version, dev, rules, s.deaths, s.notices, log); err != nil {
		return nil, err
	}
	if err := s.Control.Start(ctx); err != nil {
		return nil, err
	}
	if err := s.Control.AdoptPolicy(ctx, rules.policy); err != nil {
		return nil, err
	}
	access, err := newAccess(c)
	if err != nil {
		return nil, err
	}
	if s.auth, err = newAuth(c, s.Control.Memory(), s.Control, access, dev, log); err != nil {
		return nil, err
	}
	s.access = access
	return s, s.listen(c, identity, s.auth, version, dev)
}

// openStore opens state and ledger, with the signer as the only holder of the checkpoint key.
func openStore(ctx context.Context, c config.Server, identity ed25519.PrivateKey, verifier ledger.Verifier, log *slog.Logger) (*store.Store, error) {
	secure, err := pin.ClientTLS(identity, c.Signer.Key)
	if err != nil {
		return nil, fmt.Errorf("signer.key: %w", err)
	}
	sign, err := signer.NewClient(c.Signer.URL, &http.Client{Transport: &http.Transport{TLSClientConfig: secure, MaxIdleConnsPerHost: 4}, Timeout: signTimeout}, verifier)
	if err != nil {
		return nil, err
	}
	sc := store.Config{Origin: c.Origin, Signer: sign, Now: fault.Clock(), Rand: rand.Reader, Log: log}
	if c.Database != nil {
		if sc.URL, sc.BlobURL, err = databaseURLs(c); err != nil {
			return nil, err
		}
	} else {
		data := c.Path(c.Data)
		if err := os.MkdirAll(data, 0o700); err != nil {
			return nil, fmt.Errorf("%w: data: %w", writ.ErrUnavailable, err)
		}
		sc.Path, sc.BlobPath = filepath.Join(data, "ledger.db"), filepath.Join(data, "blobs.db")
		sc.Prewrite = true
	}
	st, err := store.Open(ctx, sc)
	if errors.Is(err, writ.ErrConflict) {
		return nil, inUse(err)
	}
	return st, err
}

// databaseURLs reads the URLs of the two databases. No error quotes them.
func databaseURLs(c config.Server) (state, blobs string, err error) {
	read := func(path string) ([]byte, error) {
		text, err := store.ReadURL(path)
		return []byte(text), err
	}
	if state, err = config.ReadSecret(c.Dir, c.Database.URLFile, read); err != nil {
		return "", "", fmt.Errorf("database.url_file: %w", err)
	}
	if blobs, err = config.ReadSecret(c.Dir, c.Database.BlobsURLFile, read); err != nil {
		return "", "", fmt.Errorf("database.blobs_url_file: %w", err)
	}
	return state, blobs, nil
}

// signTimeout bounds one signature: the signer does one fdatasync.
const signTimeout = 10 * time.Second

// newControl makes the use cases.
func newControl(c config.Server, front *gateway.Gateway, st *store.Store, identity ed25519.PrivateKey, key logKey, version string, dev bool, rules rules, deaths *prometheus.HistogramVec, count *prometheus.CounterVec, log *slog.Logger) (*control.Control, error) {
	author, err := ledger.NewAuthor(identity)
	if err != nil {
		return nil, err
	}
	grantKey, issued, err := rotate.Grant{File: c.Path(c.Keys.Grant)}.Load()
	if err != nil {
		return nil, fmt.Errorf("keys.grant: %w", err)
	}
	dispatchKey, dispatchers, err := rotate.Dispatch{File: c.Path(c.Keys.Dispatch)}.Load()
	if err != nil {
		return nil, fmt.Errorf("keys.dispatch: %w", err)
	}
	runners := map[writ.RunnerID]ed25519.PublicKey{}
	for _, r := range c.Runners {
		runners[writ.RunnerID(r.ID)] = nil // it is to enrol
		if r.Public == "" {
			continue
		}
		if runners[writ.RunnerID(r.ID)], err = loadPublic(c.Path(r.Public)); err != nil {
			return nil, fmt.Errorf("runner %s: %w", r.ID, err)
		}
	}
	var agents []writ.Agent
	for _, a := range c.Agents {
		declared := writ.Agent{
			Name: a.Name, Iss: a.Iss, Sub: a.Sub, Team: a.Team, Owner: writ.Person(a.Owner), Classes: a.Classes, State: writ.AgentActive,
		}
		for _, r := range a.Roles {
			declared.Roles = append(declared.Roles, writ.AgentRole(r))
		}
		if a.Suspended {
			declared.State = writ.AgentSuspended
		}
		agents = append(agents, declared)
	}
	told, err := notices(c, dev, count)
	if err != nil {
		return nil, err
	}
	approve, err := site(c)
	if err != nil {
		return nil, err
	}
	refuser, err := newVeto(c)
	if err != nil {
		return nil, err
	}
	var upstreams control.Upstreams
	if front != nil {
		upstreams = front
	}
	rotas, err := onCall(c)
	if err != nil {
		return nil, err
	}
	return control.New(control.Config{
		Upstreams: upstreams, OnCall: rotas, Fatigue: fatigue(c.Fatigue),
		Notices: told,
		Version: version, Replica: replicaName(), Store: st, Origin: c.Origin, Issuer: c.Issuer, PageURL: c.ExternalURL, PresentURL: PresentURL(c.ExternalURL), Verifier: key.verifier, VKey: key.vkey,
		Approve: approve,
		Author:  author, GrantKey: grantKey, GrantKeys: issued, DispatchKey: dispatchKey, Dispatchers: dispatchers, Policy: rules.policy.Bundle, PolicyGate: rules.source.gate(), TryPolicy: rules.source.try, Library: rules.library,
		Services: rules.services, Calendars: rules.calendar, Veto: refuser, Targets: rules.targets, Runners: runners, Agents: agents, Roster: c.Roster(), Mapped: mapped(c), Operators: c.Operators, Protected: c.ProtectedLocations(),
		PlanLife: time.Duration(c.PlanLife), EvidenceLife: time.Duration(c.EvidenceLife), ClaimLife: time.Duration(c.ClaimLife), EvidenceRetention: time.Duration(c.EvidenceRetention), Limits: limits(c.Limits), BreakGlass: breakGlass(c.BreakGlass), Autonomy: autonomy(c.Autonomy), Now: fault.Clock(), Rand: rand.Reader, Log: log,
		Died: func(what string, after time.Duration) { deaths.WithLabelValues(what).Observe(after.Seconds()) },
	})
}

// mapped are the issuers whose people's teams come from a claim.
func mapped(c config.Server) map[string]bool {
	out := map[string]bool{}
	for _, i := range c.Issuers {
		out[i.URL] = i.Groups != nil
	}
	return out
}

// limits are what the configuration says of them.
func limits(c *config.Limits) control.Limits {
	if c == nil {
		return control.Limits{}
	}
	return control.Limits{
		OpenIncidents: c.OpenIncidents, OpenPlans: c.OpenPlans, OpenPlansEach: c.OpenPlansPerAgent, Attempts: c.Attempts,
		ObjectAttempts: c.AttemptsPerObject, Window: time.Duration(c.Window),
	}
}

// breakGlass is what the configuration says of it.
func breakGlass(c *config.BreakGlass) control.BreakGlass {
	if c == nil {
		return control.BreakGlass{}
	}
	return control.BreakGlass{AskProof: writ.ProofLevel(c.AskProof), PerDay: c.PerDay}
}

// autonomy is what the configuration says of it.
func autonomy(c *config.Autonomy) control.Autonomy {
	if c == nil {
		return control.Autonomy{}
	}
	to, _ := writ.ParseTier(c.DropTo) // checked when it was read; absent is the default
	return control.Autonomy{Verified: c.VerifiedRuns, Begin: c.Begin, DropTo: to}
}

// PresentURL is the execution URL that holder proofs name and runners pin.
func PresentURL(external string) string { return external + "/v1/runs" }

func loadPublic(path string) (ed25519.PublicKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return pin.ParsePublic(b)
}

// listen binds the doors.
func (s *Server) listen(c config.Server, identity ed25519.PrivateKey, auth *authn.Authenticator, version string, dev bool) error {
	h, err := s.doors(c, auth, version, false)
	if err != nil {
		return err
	}
	login, err := loginHandler(c, auth)
	if err != nil {
		return err
	}
	if login != nil {
		for _, path := range []string{authn.PathLogin, authn.PathCallback, authn.PathToken, authn.PathLogout} {
			h.Handle(path, login)
		}
	}
	if events, err := s.intake(c); err != nil {
		return err
	} else if events != nil {
		h.Handle(api.PathIntake, events)
	}
	all, err := s.pages(c, auth, dev, h)
	if err != nil {
		return err
	}
	var public *tls.Config
	if c.TLS != nil {
		cert, err := tls.LoadX509KeyPair(c.Path(c.TLS.Cert), c.Path(c.TLS.Key))
		if err != nil {
			return fmt.Errorf("%w: tls: %w", writ.ErrInvalid, err)
		}
		public = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	}
	if err := s.add("the server", c.Listen, auth.Challenges(all), public, 0); err != nil {
		return err
	}
	if c.SPIFFE != nil && c.SPIFFE.Listen != "" {
		if err := s.listenAgents(c, auth, version); err != nil {
			return err
		}
	}
	if len(c.Runners) > 0 {
		if err := s.listenRunners(c, identity, auth); err != nil {
			return err
		}
	}
	if c.AdminListen == "" {
		return nil
	}
	return s.add("the admin listener", c.AdminListen, s.admin(), nil, 0)
}

// An identifier is what the doors ask who calls.
type identifier interface {
	oauth.Clients
}

// doors are the HTTP API and the agents' tools behind one way to find out who calls: by bearer token, or by certificate.
func (s *Server) doors(c config.Server, auth identifier, version string, certificates bool) (*http.ServeMux, error) {
	ctl := s.Control
	who := admitted{auth, ctl}
	doors, err := api.Handler(api.Config{
		Auth: who, Crowd: s.calls, Agents: ctl, HandOffs: ctl, Playbooks: ctl, Readings: ctl, Proposals: ctl, Approvals: ctl, Runs: ctl, Presents: ctl, Incidents: ctl, Alerts: ctl, Freezes: ctl,
		Ledger: ctl, Overview: ctl, Idempotency: ctl.Idempotency(), Denials: ctl, Sessions: ctl, Fleet: ctl, BreakGlass: ctl, Upstreams: ctl, Passkeys: ctl, Assertions: ctl, Recalls: ctl, OnCall: ctl, Policies: ctl, PolicyAnswers: ctl, Simulations: ctl, Autonomy: ctl, Reviews: ctl, Reports: ctl, ExternalURL: c.ExternalURL, Log: s.log,
		Now: time.Now, // of socket deadlines alone, which are the machine's
	})
	if err != nil {
		return nil, err
	}
	var issuers []string
	if s.access != nil {
		issuers = append(issuers, s.access.URL())
	}
	for _, i := range c.Issuers {
		issuers = append(issuers, i.URL)
	}
	agents := mcp.Handler(mcp.Config{
		Authenticator: who, Certificates: certificates, Proofs: s.access != nil, Playbooks: ctl, Diagnosis: ctl, HandOffs: ctl, Proposer: ctl, Runs: ctl, Upstreams: ctl, Denials: ctl, ExternalURL: c.ExternalURL, PageURL: c.ExternalURL, Issuers: issuers,
		Version: version, Crowd: s.calls, Log: s.log,
	})
	mux := http.NewServeMux()
	if s.access != nil {
		tokens, err := s.tokens(c, auth)
		if err != nil {
			return nil, err
		}
		h := tokens.Handler()
		for _, path := range oauth.Paths() {
			mux.Handle(path, h)
		}
	}
	mux.Handle(mcp.Path, agents)
	mux.Handle(mcp.PathMetadata, agents)
	binding, err := bindingKey(ctl.DispatchKey)
	if err != nil {
		return nil, err
	}
	advice, err := authzen.Handler(authzen.Config{Authenticator: who, Evaluator: ctl, Proposer: ctl, Idempotency: ctl.Idempotency(), BindingKey: binding, ExternalURL: c.ExternalURL, Log: s.log})
	if err != nil {
		return nil, err
	}
	mux.Handle(authzen.Prefix, advice)
	mux.Handle(authzen.PathMetadata, advice)
	mux.Handle("/", doors)
	return mux, nil
}

// listenAgents binds the agents' door for X.509-SVIDs: the same calls over mutual TLS, on connections that end.
func (s *Server) listenAgents(c config.Server, auth *authn.Authenticator, version string) error {
	peers, err := auth.Peers()
	if err != nil {
		return err
	}
	h, err := s.doors(c, peers, version, true)
	if err != nil {
		return err
	}
	return s.add("the agents' door", c.SPIFFE.Listen, auth.Challenges(h), peers.TLS(), connectionAge)
}

func (s *Server) add(name, address string, h http.Handler, secure *tls.Config, age time.Duration) error {
	l, err := listen(name, address, h, secure, age)
	if err == nil {
		s.listeners = append(s.listeners, l)
		s.log.Info("listening", "door", name, "address", l.address())
	}
	return err
}

// Serve runs until ctx ends, then finishes the requests in flight and closes the store.
func (s *Server) Serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		g.Go(func() error { return l.serve(ctx) })
	}
	g.Go(func() error { s.Control.Sweep(ctx); return nil })
	g.Go(func() error { s.Control.Notify(ctx); return nil })
	g.Go(func() error { s.Control.WatchOnCall(ctx); return nil })
	g.Go(func() error { s.Control.WatchUpstreams(ctx, s.changed); return nil })
	g.Go(func() error { s.auth.Watch(ctx); return nil })
	g.Go(func() error { s.watchPolicy(ctx); return nil })
	g.Go(func() error { s.succeed(ctx); return nil })
	return errors.Join(g.Wait(), s.close())
}

func (s *Server) close() error {
	for _, l := range s.listeners {
		l.l.Close()
	}
	if s.front != nil {
		s.front.Close()
	}
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}
