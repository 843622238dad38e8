package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/noop"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner"
	"github.com/writ-dev/writ/internal/runner/journal"
	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

const (
	origin    = "bench.writ/ledger"
	issuer    = "https://bench.writ"
	team      = "bench"
	runnerID  = writ.RunnerID("spiffe://bench.writ/runner/bench")
	target    = writ.Location("noop://bench")
	presented = issuer + "/v1/runs"
)

var (
	alerts   = writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "alerts"}
	diagnose = writ.Principal{Kind: writ.KindAgent, Iss: issuer, Sub: "diagnose"}
	repair   = writ.Principal{Kind: writ.KindAgent, Iss: issuer, Sub: "repair"}
)

//go:embed playbook.yaml
var source []byte

// A Place is where a world keeps what it writes.
type Place struct {
	Dir          string // signer and journal; and the databases, unless there are URLs
	URL, BlobURL string // of two empty PostgreSQL databases, which it does not clear

	Prepared func(query string) // hears each statement of the store; optional
}

// A World is a control plane, a signer and a runner on one disk. Close it.
type World struct {
	place   Place
	callers int
	keys    keys
	config  control.Config
	control *control.Control
	store   *store.Store
	signer  *signer.Signer
	journal *journal.Journal
	trust   verify.Trust
	stop    context.CancelFunc // nil when no runner serves
	served  chan error

	signed  atomic.Int64 // checkpoints
	ago     atomic.Int64 // nanoseconds that the world's clock is behind
	epoch   atomic.Int64 // of the newest feed that the runner has
	mu      sync.Mutex
	listens chan struct{} // guarded by mu; closed and replaced whenever the runner listens
}

// wire is the runner's side of the control plane, without a network.
type wire struct {
	*control.Control
	w     *World
	asked func() // called when the runner asks for work
}

func (w wire) Join(ctx context.Context, j assignment.Join) (assignment.Joined, error) {
	return w.Control.Join(ctx, runnerID, j)
}

func (w wire) Next(ctx context.Context, ask assignment.Ask) (*assignment.Assignment, error) {
	w.asked()
	return w.Control.Next(ctx, runnerID, ask)
}

func (w wire) Answer(ctx context.Context, a assignment.Answer) error {
	return w.Control.AnswerAssignment(ctx, runnerID, a)
}

func (w wire) Deliver(ctx context.Context, d assignment.Delivery) (assignment.Delivered, error) {
	return w.Control.Deliver(ctx, runnerID, d)
}

func (w wire) Feed(ctx context.Context, l assignment.Listen) (assignment.Told, error) {
	w.w.knows(l.Epoch)
	return w.Control.Feed(ctx, runnerID, l)
}

// keys are all keys of a world.
type keys struct{ log, control, runner, owner ed25519.PrivateKey }

// Open makes a world with a service for each caller. It returns ErrConflict when the databases already hold a ledger.
func Open(ctx context.Context, at Place, callers int) (_ *World, err error) {
	if err := os.MkdirAll(at.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	w := &World{place: at, callers: callers, listens: make(chan struct{})}
	for _, to := range []*ed25519.PrivateKey{&w.keys.log, &w.keys.control, &w.keys.runner, &w.keys.owner} {
		if _, *to, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, err
		}
	}
	if err := signer.Create(w.signerFile(), origin, w.keys.log); err != nil {
		return nil, err
	}
	if err := errors.Join(w.empty(ctx), w.start(ctx)); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// empty refuses databases that hold a ledger: this one would be mixed with it.
func (w *World) empty(ctx context.Context) error {
	if err := w.openStore(ctx); err != nil {
		return err
	}
	var size int64
	err := w.store.View(ctx, func(tx *store.Tx) error { size = tx.Head(); return nil })
	if err == nil && size > 0 {
		err = fmt.Errorf("%w: bench: the database holds %d entries already; give it two empty ones", writ.ErrConflict, size)
	}
	return errors.Join(err, w.Close())
}

// now is the world's clock.
func (w *World) now() time.Time { return time.Now().Add(-time.Duration(w.ago.Load())) }

func (w *World) start(ctx context.Context) error {
	if err := w.startControl(ctx); err != nil {
		return err
	}
	return w.startRunner(ctx)
}

// startControl opens the store and starts the control plane over it.
func (w *World) startControl(ctx context.Context) error {
	if err := w.openStore(ctx); err != nil {
		return err
	}
	var err error
	if w.config, err = w.newControl(w.keys, w.callers); err != nil {
		return err
	}
	if w.control, err = control.New(w.config); err != nil {
		return err
	}
	w.trust = w.keys.trust(w.signer.Verifier().String())
	return w.control.Start(ctx)
}

// startRunner opens the journal and lets a runner serve. It returns when the runner has taken over what an earlier one
// left and asks for work.
func (w *World) startRunner(ctx context.Context) error {
	var err error
	if w.journal, err = journal.Open(ctx, w.journalFile()); err != nil {
		return err
	}
	asked := make(chan struct{})
	r, err := w.newRunner(w.keys, w.config, sync.OnceFunc(func() { close(asked) }))
	if err != nil {
		return err
	}
	serving, cancel := context.WithCancel(ctx)
	w.stop, w.served = cancel, make(chan error, 1)
	go func() { w.served <- r.Serve(serving) }()
	select {
	case <-asked:
		return nil
	case err := <-w.served:
		w.stop = nil
		return errors.Join(err, fmt.Errorf("%w: bench: the runner did not start", writ.ErrUnavailable))
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *World) signerFile() string  { return filepath.Join(w.place.Dir, "signer.state") }
func (w *World) storeFile() string   { return filepath.Join(w.place.Dir, "ledger.db") }
func (w *World) journalFile() string { return filepath.Join(w.place.Dir, "runner.db") }

func (w *World) openStore(ctx context.Context) (err error) {
	if w.signer, err = signer.Open(w.signerFile(), origin, w.keys.log); err != nil {
		return err
	}
	c := store.Config{URL: w.place.URL, BlobURL: w.place.BlobURL, Origin: origin, Signer: counting{w.signer, &w.signed}, Now: w.now, Rand: rand.Reader, Prepared: w.place.Prepared}
	if c.URL == "" {
		c.Path, c.BlobPath, c.Prewrite = w.storeFile(), filepath.Join(w.place.Dir, "blobs.db"), true
	}
	w.store, err = store.Open(ctx, c)
	return err
}

func (w *World) newControl(k keys, callers int) (control.Config, error) {
	c := control.Config{
		Version: "bench", Store: w.store, Origin: origin, Issuer: issuer, PresentURL: presented, Verifier: w.signer.Verifier(),
		Library: control.Library{}, Services: catalogue.Catalogue{},
		Targets: []control.Target{{Location: target, Runner: runnerID, Catalogue: noop.Catalogue()}},
		Runners: map[writ.RunnerID]ed25519.PublicKey{runnerID: k.runner.Public().(ed25519.PublicKey)},
		Agents: []writ.Agent{
			{Name: "diagnose", Iss: issuer, Sub: "diagnose", Team: "observers", Owner: writ.Person{Iss: issuer, Sub: "ana"}, Roles: []writ.AgentRole{writ.RoleDiagnose}},
			{Name: "repair", Iss: issuer, Sub: "repair", Team: team, Owner: writ.Person{Iss: issuer, Sub: "rob"}, Roles: []writ.AgentRole{writ.RoleRepair}},
		},
		Roster: approval.Roster{}, PlanLife: 15 * time.Minute, EvidenceLife: 10 * time.Minute, Now: w.now, Rand: rand.Reader,
		Limits: control.Limits{OpenIncidents: manyRuns, OpenPlans: manyRuns, OpenPlansEach: manyRuns, Attempts: manyRuns, ObjectAttempts: manyRuns},
		Log:    slog.New(slog.DiscardHandler),
	}
	for i := range callers {
		s := catalogue.Service{Name: service(i), Owner: team, Environment: "prod", Locations: []writ.Location{target + "/" + writ.Location(service(i))}}
		c.Services[s.Name] = s
	}
	err := c.Library.Add(source)
	if err != nil {
		return c, err
	}
	if c.Author, err = ledger.NewAuthor(k.control); err != nil {
		return c, err
	}
	if c.GrantKey, err = token.NewKey(rand.Reader); err != nil {
		return c, err
	}
	if c.DispatchKey, err = token.NewKey(rand.Reader); err != nil {
		return c, err
	}
	c.Policy, err = rules(c.Library)
	return c, err
}

func service(i int) string { return fmt.Sprintf("service-%d", i) }

// manyRuns is above what any measurement makes in an hour: the rate is not what is measured.
const manyRuns = 1 << 30

func (w *World) newRunner(k keys, c control.Config, asked func()) (*runner.Runner, error) {
	author, err := ledger.NewAuthor(k.runner)
	if err != nil {
		return nil, err
	}
	pem, err := token.MarshalPublic(&c.GrantKey.PublicKey)
	if err != nil {
		return nil, err
	}
	conn, err := noop.New(target, w.now, rand.Reader)
	if err != nil {
		return nil, err
	}
	t := trust.Trust{
		V: writ.FormatVersion, Version: 1, Runner: runnerID, Expires: writ.Instant(w.now().Add(24 * time.Hour)), Issuer: issuer,
		GrantKeys: []trust.GrantKey{{Kid: token.KeyID(&c.GrantKey.PublicKey), PEM: string(pem)}}, Presented: presented,
		Control: []trust.Author{{Principal: writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "control"}, KeyID: c.Author.KeyID, Public: k.control.Public().(ed25519.PublicKey)}},
		Log:     trust.Log{Origin: origin, VKey: w.signer.Verifier().String()},
		Ceiling: trust.Ceiling{
			MaxTier: writ.T1, HandleMaxTier: writ.T1, Targets: []writ.Location{target}, Operations: []writ.OperationName{noop.Touch},
			MaxObjects: 1, MaxPermille: 100, RunsPerHour: manyRuns, Quorum: map[writ.Tier]trust.Quorum{writ.T1: {}},
		},
	}
	for _, p := range c.Library {
		t.Playbooks = append(t.Playbooks, p.Ref())
	}
	file, err := trust.Sign(t, k.owner)
	if err != nil {
		return nil, err
	}
	return runner.New(runner.Config{
		ID: runnerID, Connectors: []connector.Connector{conn}, Control: wire{w.control, w, asked}, TrustFile: func() ([]byte, error) { return file, nil },
		Owners: []ed25519.PublicKey{k.owner.Public().(ed25519.PublicKey)}, Threshold: 1, Author: author, Journal: w.journal,
		Now: w.now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
}

// counting counts what a signer signs.
type counting struct {
	ledger.Signer
	n *atomic.Int64
}

func (c counting) Sign(ctx context.Context, r ledger.SignRequest) ([]byte, error) {
	c.n.Add(1)
	return c.Signer.Sign(ctx, r)
}

// Waits are how often the disk has been waited for since the last start: transactions of the control plane's store, of
// the runner's journal, and checkpoints that the signer has remembered. What the blobs take is not among them: one per
// reading.
type Waits struct{ Store, Journal, Signer int64 }

// Waits returns the counts so far.
func (w *World) Waits() Waits { return Waits{w.store.Commits(), w.journal.Commits(), w.signed.Load()} }

// Close ends the runner in order and closes the files.
func (w *World) Close() error {
	var errs []error
	if w.stop != nil {
		w.stop()
		errs = append(errs, <-w.served)
		w.stop = nil
	}
	if w.journal != nil {
		errs = append(errs, w.journal.Close())
		w.journal = nil
	}
	if w.store != nil {
		errs = append(errs, w.store.Close())
		w.store = nil
	}
	if w.signer != nil {
		errs = append(errs, w.signer.Close())
		w.signer = nil
	}
	return errors.Join(errs...)
}

// Restart closes everything and starts it again, and says how long control plane and runner took to be ready.
func (w *World) Restart(ctx context.Context) (control, runner time.Duration, err error) {
	if err := w.Close(); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := w.startControl(ctx); err != nil {
		return 0, 0, err
	}
	control = time.Since(began)
	began = time.Now()
	err = w.startRunner(ctx)
	return control, time.Since(began), err
}
