// Package store keeps the control plane's state and its ledger in one database, so that a change of state and the entry
// that records it commit together or not at all. Off-ledger blobs with their salts, or the keys to them, are in a second one. The
// databases are SQLite files of one process, or PostgreSQL databases that several replicas share.
//
// One goroutine writes at a time: the caller's when nobody else does, else the store's own, which commits the closures that are waiting
// together (group commit), each in its own savepoint. A closure that returns an error leaves neither state nor entry. When Update returns nil, its changes are on disk:
// SQLite's journal is a write-ahead log with synchronous=FULL, and PostgreSQL runs with synchronous_commit and fsync on,
// all read back. After the commit, never before it, a second goroutine has the new tree signed by the ledger.Signer;
// Receipt waits for that signature.
//
// On PostgreSQL every transaction takes the row of the tree's head FOR UPDATE before it looks at anything, and is alone
// across all replicas until it ends. A replica hears of the others' commits by NOTIFY, and looks every second besides.
// When the connection is lost in a commit, the server is asked afterwards how it ended; when that cannot be learnt,
// Update returns ErrUnavailable although the changes may have been kept. That is harmless to whoever asks again: a leaf
// stands in the log once, and every closure looks at the state it changes.
//
// All methods of Store are safe for concurrent use. A Tx belongs to its closure.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/ledger"
)

// Config says what Open opens: Path and BlobPath, or URL and BlobURL. MaxPages, Log and Prepared are optional.
type Config struct {
	Path     string        // of the state and ledger database; its directory exists
	BlobPath string        // of the blobs and salts; another file, with other backups
	URL      string        // of the PostgreSQL database of state and ledger, which other replicas may have open too
	BlobURL  string        // of that of the blobs and salts; another database, with other backups
	Origin   string        // the log's name; equals the name in the signer's key
	Signer   ledger.Signer // holds the checkpoint key
	Now      func() time.Time
	Rand     io.Reader    // of the salts
	MaxPages int64        // of the SQLite state database, 4 KiB each; 0 leaves it to the disk
	Prewrite bool         // SQLite: the write-ahead log of the state has its full length from the start, 16 MiB
	Log      *slog.Logger // of the background loops; nil discards

	// Prepared hears each SQL text, as the engine gets it, when a connection first uses it; nil for nobody. Several may
	// call at once.
	Prepared func(query string)
}

func (c Config) note() func(string) {
	if c.Prepared == nil {
		return func(string) {}
	}
	return c.Prepared
}

// A Store is an open database. Close it.
type Store struct {
	origin   string
	signer   ledger.Signer
	verifier ledger.Verifier
	now      func() time.Time
	rand     io.Reader
	log      *slog.Logger
	unlock   io.Closer       // SQLite
	shared   *pgx.ConnConfig // PostgreSQL; nil for SQLite
	writer   *writer
	readers  *readers
	blobs    *blobs
	keys     keyring // of sealed blobs
	memory   *memory // SQLite

	commits atomic.Int64 // how many there have been

	queue chan *request
	turn  chan struct{}   // capacity 1: whoever has put something in is the one that writes
	lone  atomic.Bool     // the last commit had one closure
	stop  context.Context // ends the loops
	end   context.CancelFunc
	loops sync.WaitGroup

	gate   sync.RWMutex // held for reading while a request is handed over; Close takes it
	closed bool

	mu   sync.Mutex
	head ledger.Head // committed, as far as this process knows
	// commitsSeen is how many transactions of all replicas this process knows of (PostgreSQL).
	commitsSeen int64
	signed      signed // newest signed checkpoint
	changed     chan struct{}
	resign      chan struct{} // closed and replaced when signed or failed changes
	failed      error         // the signer's final refusal: the log has been forked or rolled back
	wake        chan struct{} // capacity 1: there is something to sign
	urgent      chan struct{} // capacity 1: somebody waits for a signature
	kept        ledger.Head   // newest checkpoint whose note is in the database
}

// Open opens or creates the databases (PostgreSQL's must exist, empty), brings its schema up to date and checks that the ledger in it extends what the
// signer signed last. It fails with ErrConflict when another process has the SQLite file open, and with ReasonLedgerFork when
// the ledger is shorter than, or differs from, what was signed: a restored backup must first be brought up to the
// signed head.
func Open(ctx context.Context, c Config) (*Store, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &Store{
		origin: c.Origin, signer: c.Signer, verifier: c.Signer.Verifier(), now: c.Now, rand: c.Rand, log: c.Log,
		queue: make(chan *request, maxBatch), turn: make(chan struct{}, 1), changed: make(chan struct{}), resign: make(chan struct{}), wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.stop, s.end = context.WithCancel(context.Background())
	if err := s.open(ctx, c); err != nil {
		s.end()
		return nil, errors.Join(err, s.release())
	}
	s.loops.Go(s.write)
	s.loops.Go(s.sign)
	switch w := s.writer.session.(type) {
	case *liteSession:
		s.loops.Go(func() { s.checkpointWAL(w.db) })
	case *pgSession:
		s.loops.Go(s.listen)
	}
	return s, nil
}

func (c Config) check() error {
	files, urls := c.Path != "" || c.BlobPath != "", c.URL != "" || c.BlobURL != ""
	switch {
	case files && urls:
		return fmt.Errorf("%w: store: give files or URLs, not both", writ.ErrInvalid)
	case urls && (c.URL == "" || c.BlobURL == ""):
		return fmt.Errorf("%w: store: state and blobs need a database each", writ.ErrInvalid)
	case !urls && (c.Path == "" || c.BlobPath == "" || filepath.Clean(c.Path) == filepath.Clean(c.BlobPath)):
		return fmt.Errorf("%w: store: state and blobs need a file each", writ.ErrInvalid)
	case c.Signer == nil || c.Now == nil || c.Rand == nil:
		return fmt.Errorf("%w: store: signer, clock and randomness must be given", writ.ErrInvalid)
	case c.Origin == "" || c.Signer.Verifier().Origin() != c.Origin:
		return fmt.Errorf("%w: store: the signer's key is for the log %q, not %q", writ.ErrInvalid, c.Signer.Verifier().Origin(), c.Origin)
	}
	return nil
}

func (s *Store) open(ctx context.Context, c Config) error {
	var err error
	if c.URL != "" {
		err = s.openPostgres(ctx, c)
	} else {
		err = s.openSQLite(ctx, c)
	}
	if err != nil {
		return err
	}
	return s.recover(ctx)
}

func (s *Store) openPostgres(ctx context.Context, c Config) (err error) {
	state, err := parseURL(c.URL)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	blobs, err := parseURL(c.BlobURL)
	if err != nil {
		return fmt.Errorf("blobs: %w", err)
	}
	if err := errors.Join(openTwo(state, blobs), apart(ctx, state, blobs)); err != nil {
		return err
	}
	if err := migratePG(ctx, state, stateSchema, postgresSchema); err != nil {
		return err
	}
	if err := migratePG(ctx, blobs, blobSchema); err != nil {
		return err
	}
	var losses atomic.Int64
	session := newPGSession(state, &losses, c.note())
	s.writer = &writer{session: session, now: c.Now}
	if err := session.claim(ctx, c.Origin); err != nil {
		return err
	}
	if err := session.load(s.writer); err != nil {
		return err
	}
	reading := with(state, map[string]string{"idle_in_transaction_session_timeout": millisText(workLimit), "statement_timeout": millisText(workLimit)})
	if s.readers, err = newReaders(func() (reader, error) { return pgReader{newPGConn(reading, &losses, c.note())}, nil }, func() error { return nil }); err != nil {
		return err
	}
	s.blobs = newPGBlobs(blobs)
	s.shared = state
	return nil
}

func (s *Store) openSQLite(ctx context.Context, c Config) (err error) {
	path, err := resolve(c.Path)
	if err != nil {
		return err
	}
	if s.unlock, err = durable.Lock(path + ".lock"); err != nil {
		if errors.Is(err, durable.ErrLocked) {
			return fmt.Errorf("%w: the database %s is in use by another writ process; stop that one first", writ.ErrConflict, path)
		}
		return fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	if err := migrate(ctx, path, stateSchema); err != nil {
		return err
	}
	session, err := newLiteSession(ctx, path, c.MaxPages, c.Prewrite, c.note())
	if err != nil {
		return err
	}
	s.memory = newMemory()
	s.writer = &writer{session: session, now: c.Now, memory: s.memory}
	if err := session.load(s.writer); err != nil {
		return err
	}
	if s.readers, err = newLiteReaders(ctx, path, c.note()); err != nil {
		return err
	}
	s.blobs, err = newBlobs(ctx, c.BlobPath)
	return err
}

// Close lets the closures that are waiting finish, has what they committed signed, stores the newest checkpoint and releases the files. A second
// Close does nothing.
func (s *Store) Close() error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.gate.Unlock()
	s.end()
	s.loops.Wait()
	s.signLast()
	return errors.Join(s.keep(), s.release())
}

func (s *Store) release() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.blobs != nil {
		errs = append(errs, s.blobs.close())
	}
	if s.unlock != nil { // last: nobody else may open before SQLite has let go
		errs = append(errs, s.unlock.Close())
	}
	return errors.Join(errs...)
}

// Update runs fn in a transaction that sees all earlier ones and is alone. When it returns nil, the changes are
// durable; when it returns an error, nothing of them is kept. fn runs once, on the caller's goroutine or the store's own: it is quick,
// does no I/O of its own and does not call the store. ctx ends the wait for fn's turn, not fn. The error is fn's own,
// or ErrUnavailable when the disk refused or the database cannot be reached.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	r := &request{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := s.submit(r); err != nil {
		return err
	}
	<-r.done // the outcome is always known
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// submit commits r or hands it over. Close waits until it has returned.
func (s *Store) submit(r *request) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	switch {
	case s.closed:
		return errClosed
	case s.commitAlone(r):
		return nil
	}
	select {
	case s.queue <- r:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// View runs fn on a snapshot of the newest committed state; fn cannot change it. At most maxReaders run at once, so fn
// does not call View.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	return s.readers.view(ctx, fn)
}

// Changed returns a channel that is closed by the next commit, of another replica too. Take it before looking, look, then wait: no change is
// missed.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Commits returns how many transactions this process has committed since Open, those of blobs apart. Each was one wait
// for the disk.
func (s *Store) Commits() int64 { return s.commits.Load() }

var errClosed = fmt.Errorf("%w: the store is closed", writ.ErrUnavailable)
