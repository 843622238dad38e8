// Package control holds Writ's use cases on the control plane: it turns alerts into incidents, reads evidence through
// runners, turns proposals into plans, decides them, counts approvals, reserves the blast radius, issues grants and
// takes the runners' entries. It is the only place that joins policy, approvals, budget, grant and ledger in one
// transaction, and it holds no credential of any target.
//
// Everything that changes state does so together with its ledger entry in one store transaction: record, then act.
// Methods may be called concurrently. Refusals are *writ.Refusal; other errors wrap a root kind. Callers pass the
// authenticated principal; what that principal may do is decided here.
package control

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/calendar"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/gateway"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/passkey"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

// Config is what a Control is made of. All members are required unless they say otherwise.
type Config struct {
	Version           string
	Replica           string // optional: what people call this process among its replicas
	Store             *store.Store
	Origin            string          // of the ledger
	Issuer            string          // iss of grants, and of the control plane's own identity
	PageURL           string          // where people read plans, without a trailing slash; empty when there are no pages
	PresentURL        string          // the execution URL that holder proofs name; runners pin it
	Verifier          ledger.Verifier // of the ledger's checkpoints
	VKey              string          // the text of Verifier, which runners are told when they enrol
	Author            ledger.Author   // signs the control plane's entries and feeds
	GrantKey          *ecdsa.PrivateKey
	GrantKeys         []*ecdsa.PublicKey // optional: of other replicas, and of before, whose grants may be alive while the key is being replaced
	DispatchKey       *ecdsa.PrivateKey
	Dispatchers       []*ecdsa.PrivateKey                                   // optional: other keys that open plans name as their holder, while the key is being replaced
	Policy            *policy.Bundle                                        // in force until another is adopted
	PolicyGate        *PolicyGate                                           // optional: how other sets come into force; without, whoever calls AdoptPolicy decides
	TryPolicy         func(files map[string][]byte) (*policy.Bundle, error) // optional: loads a set for a simulation, signed or not
	Library           Library
	Services          catalogue.Catalogue
	Targets           []Target
	Runners           map[writ.RunnerID]ed25519.PublicKey // the key each runner signs its entries with; nil for one that is to enrol
	Agents            []writ.Agent                        // declared in the configuration; others are registered by people and stand in the store
	Calendars         calendar.Set                        // when services may be changed; the zero Set says nothing
	Upstreams         Upstreams                           // optional: MCP servers of others, for readings
	Veto              Veto                                // optional: an external decision point that can turn an allow into a deny
	Roster            approval.Roster
	Mapped            map[string]bool // issuers of people that say which teams they are of: the roster's groups count as far as they agree
	OnCall            []OnCall        // groups of the roster whose turns a source knows
	Fatigue           FatigueLimits   // zero members mean the defaults
	Operators         []string        // teams whose people see and end everybody's sessions
	Approve           passkey.Site    // where passkeys answer; zero where they do not
	Protected         []writ.Location // what Writ itself rests on: no plan of an agent may touch it
	PlanLife          time.Duration   // how long a plan waits for people before it is denied
	EvidenceRetention time.Duration   // how long the bytes of a reading are kept; 0 means DefaultRetention
	EvidenceLife      time.Duration   // how old cited evidence may be and still count as fresh
	ClaimLife         time.Duration   // how old what a plan rests on may be at its grant; 0 means the longest
	Limits            Limits          // zero members mean the defaults
	BreakGlass        BreakGlass      // likewise
	Autonomy          Autonomy        // likewise
	Now               func() time.Time
	Rand              io.Reader
	Log               *slog.Logger
	Notices           *Notices                               // optional: who is told of what
	Died              func(what string, after time.Duration) // optional: hears of each lease's end, power and identity, from the start of its revocation
}

// A Target is one instance of a control plane, the runner that serves it, and what that runner can do there.
type Target struct {
	Location  writ.Location
	Runner    writ.RunnerID
	Catalogue connector.Catalogue
}

// Control is the control plane's use cases.
type Control struct {
	Config
	declared map[writ.Principal]writ.Agent // of Config.Agents

	approvals gateway.Approvals // of tools of upstreams
	replica   string            // names this process among its replicas
	holder    string            // thumbprint of the dispatch key
	self      writ.Principal
	watch     *watch
	events    eventCache

	set        atomic.Pointer[PolicySet] // in force; never nil
	problem    atomic.Pointer[string]
	late       atomic.Pointer[string] // why the set in force could not be loaded here
	explaining atomic.Int32           // questions to policy that are being worked out
	adopting   sync.Mutex             // one set at a time, so that the last one adopted is the one in force

	mu      sync.Mutex
	seen    map[writ.RunnerID]time.Time           // guarded by mu; when this replica last wrote that a runner called
	agents  map[writ.Principal]time.Time          // guarded by mu; when this replica last wrote that an agent came
	said    map[writ.RunnerID]bool                // guarded by mu; whose silence was said aloud
	keys    map[writ.RunnerID][]ed25519.PublicKey // guarded by mu; what runners may sign with, as far as this replica has seen
	clocked time.Time                             // guarded by mu; when this replica last compared its clock
	watched time.Time                             // guarded by mu; when silence was last looked for

	rejudged   writ.Digest // guarded by mu; the set that open plans were last compared with
	rejudgedAt time.Time   // guarded by mu
}

// New checks the configuration.
func New(c Config) (*Control, error) {
	switch {
	case c.Store == nil || c.Policy == nil || c.GrantKey == nil || c.DispatchKey == nil || c.Now == nil || c.Rand == nil || c.Log == nil:
		return nil, errors.New("control: store, policy, keys, clock, randomness and log are required")
	case c.Origin == "" || c.Issuer == "" || c.PresentURL == "":
		return nil, errors.New("control: origin, issuer and present URL are required")
	case c.PlanLife <= 0 || c.EvidenceLife <= 0:
		return nil, errors.New("control: plan life and evidence life are required")
	case c.ClaimLife != 0 && (c.ClaimLife < writ.MinClaimLife || c.ClaimLife > writ.MaxClaimLife):
		return nil, fmt.Errorf("%w: control: claim life must be from %s to %s", writ.ErrInvalid, writ.MinClaimLife, writ.MaxClaimLife)
	case !c.Limits.check():
		return nil, fmt.Errorf("%w: control: limits must not be negative, and their window at most %s", writ.ErrInvalid, keepAttempts)
	}
	c.ClaimLife = cmp.Or(c.ClaimLife, writ.MaxClaimLife)
	c.Limits, c.BreakGlass, c.Autonomy = c.Limits.whole(), c.BreakGlass.whole(), c.Autonomy.whole()
	if err := first(c.BreakGlass.check(), c.Autonomy.check()); err != nil {
		return nil, err
	}
	check := c.Roster.Check
	if c.Approve.Origin != "" {
		if err := c.Approve.Check(); err != nil {
			return nil, err
		}
		check = c.Roster.CheckOpen
	}
	if err := check(); err != nil {
		return nil, err
	}
	if err := first(c.Notices.check(), c.Notices.reachable(c.Policy)); err != nil {
		return nil, err
	}
	if err := c.checkOnCall(); err != nil {
		return nil, err
	}
	c.Fatigue = c.Fatigue.whole()
	if err := c.Fatigue.check(); err != nil {
		return nil, err
	}
	seen := map[writ.Location]bool{}
	for _, t := range c.Targets {
		if seen[t.Location] || len(t.Location.Segments()) != 0 {
			return nil, fmt.Errorf("%w: target %q must be unique and without a path", writ.ErrInvalid, t.Location)
		}
		seen[t.Location] = true
		if err := t.Catalogue.Check(); err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Location, err)
		}
	}
	replica, err := newReplica(c)
	if err != nil {
		return nil, err
	}
	declared, err := declare(c.Agents)
	if err != nil {
		return nil, err
	}
	out := &Control{
		Config: c, declared: declared, replica: replica,
		holder: token.Thumbprint(&c.DispatchKey.PublicKey),
		self:   writ.Principal{Kind: writ.KindService, Iss: c.Issuer, Sub: "control"},
		watch:  &watch{store: c.Store, topics: map[writ.IncidentID]*topic{}},
		seen:   map[writ.RunnerID]time.Time{},
		agents: map[writ.Principal]time.Time{},
		said:   map[writ.RunnerID]bool{},
		keys:   map[writ.RunnerID][]ed25519.PublicKey{},
	}
	out.set.Store(&PolicySet{Bundle: c.Policy})
	return out, nil
}

// Start reads the runners' keys, keeps the library's versions, and writes the genesis entry into an empty ledger. It is idempotent.
func (c *Control) Start(ctx context.Context) error {
	if err := c.loadKeys(ctx); err != nil {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := c.shelve(tx); err != nil || tx.Head() > 0 {
			return err
		}
		_, err := c.append(tx, writ.EntryGenesis, "", writ.GenesisBody{Origin: c.Origin, Policy: c.inForce().Bundle.Digest()})
		return err
	})
}

func (c *Control) now() time.Time { return writ.Instant(c.Now()) }

// person admits people only.
func person(by writ.Principal) error {
	if by.Kind != writ.KindHuman || !by.Valid() {
		return writ.Refuse(writ.ReasonKind, "only a person may call this")
	}
	return nil
}

func (c *Control) target(l writ.Location) (Target, bool) {
	i := slices.IndexFunc(c.Targets, func(t Target) bool { return t.Location == l })
	if i < 0 {
		return Target{}, false
	}
	return c.Targets[i], true
}
