// Package runner is the part of Writ that acts. A runner sits next to its targets, calls out to the control plane for
// work and listens on no network; its console, if it has one, is a socket of its own account. It reads evidence, resolves proposals into plans, and executes granted plans with a
// credential that exists for that run alone.
//
// It believes the control plane nothing that it can check: the table of checks in check.go stands between a bundle and
// a run. The order of every durable write and every call is in docs/spec/runner.md; in short: the grant is spent
// in the runner's journal first, each forward step's intent is proved to be in the ledger before the call, and undo,
// revoke and probe need the journal only, so that a runner cut off from the control plane moves towards safety and
// never forward.
package runner

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// Control is what a runner needs of the control plane. Methods may be called concurrently and return soon after ctx
// ends. Next waits up to ask.WaitSeconds and returns nil when there is nothing; Feed waits in
// the same way for a feed of another epoch. Every call may be repeated: an answer
// or entry that the control plane already has changes nothing. An error that is a *writ.Refusal, or wraps
// writ.ErrInvalid, will not change by asking again; any other will be tried again by the runner.
type Control interface {
	Join(ctx context.Context, j assignment.Join) (assignment.Joined, error)
	Next(ctx context.Context, ask assignment.Ask) (*assignment.Assignment, error)
	Answer(ctx context.Context, a assignment.Answer) error
	Deliver(ctx context.Context, d assignment.Delivery) (assignment.Delivered, error)
	Feed(ctx context.Context, l assignment.Listen) (assignment.Told, error)
}

// Config is what a Runner is made of. All members are required but Protected, Limits, Emergency and Poll.
type Config struct {
	ID         writ.RunnerID
	Connectors []connector.Connector // one for each target
	Control    Control
	TrustFile  func() ([]byte, error) // reads the signed trust file; called before every judgement
	Owners     []ed25519.PublicKey    // who may sign it
	Threshold  int                    // how many of them must
	Author     ledger.Author          // signs this runner's entries
	Journal    *journal.Journal
	Now        func() time.Time
	Rand       io.Reader // must be safe for concurrent use
	Log        *slog.Logger
	Protected  []writ.Location   // what Writ itself rests on here: nothing of an agent's is planned or run on it
	Limits     Limits            // how long to go on without the control plane
	Emergency  map[string][]byte // sources of the emergency playbooks by name, for when the control plane is down; may be nil
	Poll       time.Duration     // between two readings while an effect is verified; 0 means DefaultPoll
}

// DefaultPoll is short against the seconds that a rollout takes, and long against the milliseconds of a reading.
const DefaultPoll = 250 * time.Millisecond

// MaxConcurrent bounds the assignments in hand. A run in hand costs its plan in memory, tens of kilobytes, and a lease
// on the target; most of its time it waits for disks and for what it has changed. 32 keep two processors busy.
const MaxConcurrent = 32

// Runner executes. It is made by New and lives in Serve.
type Runner struct {
	Config
	conns map[writ.Location]connector.Connector

	slots    chan struct{} // one token for each assignment in hand
	wire     chan struct{} // held while entries are delivered and checked: heads follow one another
	kick     chan struct{} // wakes the outbox
	joining  chan struct{} // held while the cell is asked for, or a heartbeat is sent
	stopping chan struct{} // closed when Serve's context ends
	done     sync.WaitGroup
	receipts sync.Mutex // held from reading the newest receipt until the next one is in the journal

	mu        sync.Mutex
	head      ledger.Head // guarded by mu, changed only while wire is held; the newest checked head
	fence     trusted     // guarded by mu; the newest trust file
	feed      feed        // guarded by mu; the newest verified feed
	parcels   []*parcel   // runs that wait to be delivered
	inHand    map[writ.AssignmentID]bool
	stops     map[writ.RunID]bool   // runs that a person asked to stop
	live      map[writ.RunID]bool   // runs whose forward path owns their deliveries
	held      map[writ.LeaseID]bool // leases that a run is using; the reaper leaves them alone
	retry     map[writ.LeaseID]backoff
	orphans   map[writ.LeaseID]bool // leases of an earlier process that still have power
	cell      cell
	lastAlarm time.Time // of the reaper alone
}

// New checks the configuration and reads back what the journal remembers.
func New(c Config) (*Runner, error) {
	switch {
	case c.Control == nil || c.TrustFile == nil || c.Journal == nil || c.Now == nil || c.Rand == nil || c.Log == nil:
		return nil, errors.New("runner: control, trust file, journal, clock, randomness and log are required")
	case c.Author.Key == nil:
		return nil, errors.New("runner: a key to sign entries with is required")
	case len(c.Connectors) == 0:
		return nil, errors.New("runner: no target")
	case c.Threshold < 1 || c.Threshold > len(c.Owners):
		return nil, fmt.Errorf("runner: %d of %d owners cannot be asked for", c.Threshold, len(c.Owners))
	case c.Poll < 0:
		return nil, errors.New("runner: poll must not be negative")
	}
	if _, err := writ.ParseRunnerID(string(c.ID)); err != nil {
		return nil, err
	}
	var err error
	if c.Limits, err = c.Limits.Check(); err != nil {
		return nil, fmt.Errorf("runner: %w", err)
	}
	if c.Poll == 0 {
		c.Poll = DefaultPoll
	}
	r := &Runner{
		Config: c, conns: map[writ.Location]connector.Connector{},
		slots: make(chan struct{}, MaxConcurrent), wire: make(chan struct{}, 1), kick: make(chan struct{}, 1),
		joining: make(chan struct{}, 1), cell: cell{lost: map[writ.RunID]bool{}},
		stopping: make(chan struct{}),
		inHand:   map[writ.AssignmentID]bool{}, stops: map[writ.RunID]bool{}, live: map[writ.RunID]bool{}, held: map[writ.LeaseID]bool{},
		retry: map[writ.LeaseID]backoff{}, orphans: map[writ.LeaseID]bool{},
	}
	for _, conn := range c.Connectors {
		t := conn.Target()
		if _, err := writ.ParseLocation(string(t)); err != nil || len(t.Segments()) != 0 || r.conns[t] != nil {
			return nil, fmt.Errorf("%w: runner: target %q must be unique and without a path", writ.ErrInvalid, writ.Printable(string(t), 80))
		}
		if err := conn.Catalogue().Check(); err != nil {
			return nil, fmt.Errorf("runner: target %s: %w", t, err)
		}
		r.conns[t] = conn
	}
	head, err := c.Journal.Head(context.Background())
	if err != nil {
		return nil, err
	}
	if r.head, err = parseHead(head); err != nil {
		return nil, err
	}
	if r.cell.instance, err = c.Journal.Instance(context.Background()); err != nil {
		return nil, err
	}
	if r.cell.instance == "" {
		return r, r.renew(context.Background())
	}
	return r, nil
}

// connector returns the connector of a target.
func (r *Runner) connector(target writ.Location) (connector.Connector, error) {
	c := r.conns[target]
	if c == nil {
		return nil, writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("this runner does not serve %s", writ.Printable(string(target), 120)))
	}
	return c, nil
}
