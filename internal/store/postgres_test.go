package store_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
	"github.com/writ-dev/writ/internal/testbed"
)

// server is the one PostgreSQL of this package's tests.
var server testbed.SharedPostgres

// envServer tells a child the server's port.
const envServer = "WRIT_STORETEST_POSTGRES"

// databases names the two databases of a directory.
func databases(dir string) (state, blobs string) {
	h := fnv.New64a()
	h.Write([]byte(dir))
	name := "d" + hex.EncodeToString(h.Sum(nil))
	return name + "_state", name + "_blobs"
}

func openPostgres(s storetest.Setup) (*store.Store, error) {
	port, err := strconv.Atoi(os.Getenv(envServer))
	if err != nil {
		return nil, err
	}
	state, blobs := databases(s.Dir)
	return store.Open(context.Background(), store.Config{
		URL: testbed.PostgresURL(port, state), BlobURL: testbed.PostgresURL(port, blobs),
		Origin: storetest.Origin, Signer: s.Signer, Now: time.Now, Rand: rand.Reader,
	})
}

// postgres is the engine of the test server.
func postgres(t *testing.T) storetest.Engine {
	p := server.Server(t)
	t.Setenv(envServer, strconv.Itoa(p.Port))
	return storetest.Engine{
		Open: openPostgres,
		Make: func(dir string) error {
			state, blobs := databases(dir)
			return errors.Join(p.Create(state), p.Create(blobs))
		},
		Alter: func(dir string, statements ...string) error {
			state, _ := databases(dir)
			db, err := sql.Open("pgx", p.URL(state))
			if err != nil {
				return err
			}
			defer db.Close()
			return alter(db, statements)
		},
		Bytes: func(b []byte) string { return `'\x` + hex.EncodeToString(b) + `'::bytea` },
		Backup: func(dir string) error {
			state, _ := databases(dir)
			return p.Exec("postgres", "CREATE DATABASE "+state+"_backup TEMPLATE "+state+" OWNER writ")
		},
		Restore: func(dir string) error {
			state, _ := databases(dir)
			return p.Exec("postgres", "ALTER DATABASE "+state+" RENAME TO "+state+"_gone", "ALTER DATABASE "+state+"_backup RENAME TO "+state)
		},
	}
}

func TestPostgres(t *testing.T) {
	e := postgres(t)
	t.Run("as every engine", func(t *testing.T) { storetest.Run(t, e) })
}

func TestPostgresReplicas(t *testing.T) {
	e := postgres(t)
	t.Run("shared", func(t *testing.T) { storetest.RunShared(t, e) })
}

// proxied opens a store behind a proxy.
func proxied(t *testing.T) (*store.Store, *proxy) {
	t.Helper()
	p := newProxy(t, server.Server(t).Port)
	state, blobs := server.Databases(t)
	s, err := store.Open(t.Context(), store.Config{
		URL: testbed.PostgresURL(p.port(), state), BlobURL: testbed.PostgresURL(p.port(), blobs),
		Origin: storetest.Origin, Signer: newSigner(t, t.TempDir()), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, p
}

// appended appends a leaf and runs also at the end of its closure.
func appended(t *testing.T, s *store.Store, leaf string, also func()) error {
	t.Helper()
	return s.Update(t.Context(), func(tx *store.Tx) error {
		_, _, err := tx.Append([]byte(leaf))
		also()
		return err
	})
}

func sizeOf(t *testing.T, s *store.Store) (n int64) {
	t.Helper()
	if err := s.View(t.Context(), func(tx *store.Tx) error { n = tx.Head(); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestI01ACutCommitIsResolved cuts the connection while the commit is under way: before it arrives, and when only its
// answer is lost. The store finds out which it was.
// TestTheDatabasesClockIsRead: replicas on several machines share no other clock.
func TestTheDatabasesClockIsRead(t *testing.T) {
	t.Parallel()
	p := server.Server(t)
	state, blobs := server.Databases(t)
	s, err := store.Open(t.Context(), store.Config{
		URL: p.URL(state), BlobURL: p.URL(blobs), Origin: storetest.Origin, Signer: newSigner(t, t.TempDir()), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at, shared, err := s.Clock(t.Context())
	if err != nil || !shared || time.Since(at).Abs() > time.Minute {
		t.Errorf("%s, shared %t: %v", at, shared, err)
	}
}

func TestI01ACutCommitIsResolved(t *testing.T) {
	t.Parallel()
	s, p := proxied(t)
	for round := range int64(4) {
		if err := appended(t, s, "kept "+strconv.FormatInt(round, 10), func() { p.answer.Store(true) }); err != nil {
			t.Errorf("a commit whose answer was lost: %v", err)
		}
		if p.answer.Load() {
			t.Fatal("no answer was lost")
		}
		lost := "lost " + strconv.FormatInt(round, 10)
		if err := appended(t, s, lost, func() { p.request.Store(true) }); !errors.Is(err, writ.ErrUnavailable) {
			t.Errorf("a commit that never arrived: %v", err)
		}
		if n := sizeOf(t, s); n != round+1 {
			t.Fatalf("%d entries after round %d", n, round)
		}
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestI01ACommitIsKnownByItsMarkAndNotByItsNumber asks after commits under the number of a transaction that has
// committed, as PostgreSQL answers for somebody else's after a crash in which the number was lost and given out again.
func TestI01ACommitIsKnownByItsMarkAndNotByItsNumber(t *testing.T) {
	t.Parallel()
	p := server.Server(t)
	state, blobs := server.Databases(t)
	s, err := store.Open(t.Context(), store.Config{
		URL: p.URL(state), BlobURL: p.URL(blobs), Origin: storetest.Origin, Signer: newSigner(t, t.TempDir()), Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := appended(t, s, "once", func() {}); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", p.URL(state))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var xid, mark string
	var number int64
	if err := db.QueryRow("SELECT pg_current_xact_id()::text").Scan(&xid); err != nil { // it has committed when this returns
		t.Fatal(err)
	}
	if err := db.QueryRow("SELECT commits, mark FROM commit_mark ORDER BY commits DESC LIMIT 1").Scan(&number, &mark); err != nil {
		t.Fatal(err)
	}
	if err := store.Resolve(s, xid, number, mark); err != nil {
		t.Errorf("a commit that is there: %v", err)
	}
	for name, n := range map[string]int64{"another replica's commit has its place": number, "nobody's has": number + 1} {
		if err := store.Resolve(s, xid, n, "its mark"); !errors.Is(err, writ.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was kept") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := store.Resolve(s, "900000000", number, "its mark"); !errors.Is(err, writ.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was kept") {
		t.Errorf("a number that is not given out again yet: %v", err)
	}
	if err := store.Resolve(s, xid, 0, "its mark"); !errors.Is(err, writ.ErrUnavailable) || !strings.Contains(err.Error(), "may or may not") {
		t.Errorf("a commit that is long forgotten: %v", err)
	}
}

// TestI01ACommitThatNobodyKnowsOfIsHarmlessToRepeat loses the answer to a commit and the server with it for longer than
// anybody asks. The caller is told so, and may ask again: the leaf stands in the log once.
func TestI01ACommitThatNobodyKnowsOfIsHarmlessToRepeat(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits until the store gives up")
	}
	s, p := proxied(t)
	err := appended(t, s, "once", func() { p.answer.Store(true); p.shut.Store(true) })
	if !errors.Is(err, writ.ErrUnavailable) || !strings.Contains(err.Error(), "may or may not") {
		t.Errorf("unknown: %v", err)
	}
	p.shut.Store(false)
	if err := appended(t, s, "once", func() {}); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("again: %v", err)
	}
	if n := sizeOf(t, s); n != 1 {
		t.Errorf("%d entries", n)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTheStoreHealsAfterTheDatabaseHasRestarted restarts a server of its own under load on two replicas, and refuses it
// connections for a while.
func TestTheStoreHealsAfterTheDatabaseHasRestarted(t *testing.T) {
	t.Parallel()
	p, err := testbed.StartPostgres()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if err := errors.Join(p.Create("state"), p.Create("blobs")); err != nil {
		t.Fatal(err)
	}
	sign := newSigner(t, t.TempDir())
	var replicas []*store.Store
	for range 2 {
		s, err := store.Open(t.Context(), store.Config{
			URL: p.URL("state"), BlobURL: p.URL("blobs"), Origin: storetest.Origin, Signer: sign, Now: time.Now, Rand: rand.Reader,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		replicas = append(replicas, s)
	}
	var mu sync.Mutex
	acked := map[string]bool{}
	var refused atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for worker := range 6 {
		s := replicas[worker%2]
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				leaf := strconv.Itoa(worker) + "/" + strconv.Itoa(i)
				switch err := appended(t, s, leaf, func() {}); {
				case err == nil:
					mu.Lock()
					acked[leaf] = true
					mu.Unlock()
				case errors.Is(err, writ.ErrUnavailable):
					refused.Add(1)
					time.Sleep(10 * time.Millisecond)
				default:
					t.Errorf("%s: %v", leaf, err)
					return
				}
			}
		})
	}
	more := func() {
		t.Helper()
		mu.Lock()
		want := len(acked) + 40
		mu.Unlock()
		testbed.Await(t, "commits go on", func(context.Context) (bool, string, error) {
			mu.Lock()
			defer mu.Unlock()
			return len(acked) >= want, strconv.Itoa(len(acked)), nil
		})
	}
	more()
	for range 2 {
		p.Stop()
		testbed.Await(t, "requests fail closed", func(context.Context) (bool, string, error) {
			return refused.Swap(0) > 0, "none was refused", nil
		})
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		more()
	}
	close(stop)
	all.Wait()
	for _, s := range replicas {
		err := s.View(t.Context(), func(tx *store.Tx) error {
			for leaf := range acked {
				if _, err := tx.IndexOf(ledger.LeafHash([]byte(leaf))); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(err, s.Verify(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := s.Receipt(t.Context(), sizeOf(t, s)-1, 0); err != nil {
			t.Error(err)
		}
	}
}

// TestI20NoErrorOfADatabaseQuotesItsPassword opens what cannot be opened, in every way.
func TestI20NoErrorOfADatabaseQuotesItsPassword(t *testing.T) {
	t.Parallel()
	p := server.Server(t)
	state, blobs := server.Databases(t)
	other, foreign := server.Databases(t)
	readOnly, _ := server.Databases(t)
	newer, _ := server.Databases(t)
	lax, _ := server.Databases(t)
	if err := errors.Join(
		p.Exec(foreign, "CREATE TABLE entry (x TEXT)"),
		p.Exec("postgres", "ALTER DATABASE "+readOnly+" SET default_transaction_read_only = on", "ALTER DATABASE "+lax+" SET synchronous_commit = off"),
		p.Exec(newer, "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NOT NULL DEFAULT now())",
			"INSERT INTO goose_db_version (id, version_id, is_applied) VALUES (1, 0, true), (2, 99, true)", "GRANT ALL ON goose_db_version TO writ"),
		p.Exec("postgres", "CREATE DATABASE no_rights", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 OWNER writ"),
	); err != nil {
		t.Fatal(err)
	}
	sign := newSigner(t, t.TempDir())
	try := func(stateURL, blobsURL, origin string) error {
		s, err := store.Open(t.Context(), store.Config{URL: stateURL, BlobURL: blobsURL, Origin: origin, Signer: sign, Now: time.Now, Rand: rand.Reader})
		if err == nil {
			s.Close()
		}
		return err
	}
	if err := try(p.URL(state), p.URL(blobs), storetest.Origin); err != nil {
		t.Fatal(err)
	}
	if err := p.Exec(state, "UPDATE tree_head SET origin = 'elsewhere/log'"); err != nil {
		t.Fatal(err)
	}
	secret := testbed.PostgresPassword
	for name, c := range map[string]struct{ state, blobs, says string }{
		"no URL":                {"state.db", p.URL(blobs), "not of the form"},
		"no database name":      {"postgres://writ:" + secret + "@127.0.0.1:1", p.URL(blobs), "must name user, host and database"},
		"a port out of range":   {"postgres://writ:" + secret + "@127.0.0.1:999999/x", p.URL(blobs), ""},
		"an unknown mode":       {p.URL(other) + "?sslmode=sometimes", p.URL(blobs), "unknown or wrong"},
		"a far server, no TLS":  {"postgres://writ:" + secret + "@db.example/x", p.URL(blobs), "sslmode=verify-full"},
		"a far server, any TLS": {"postgres://writ:" + secret + "@db.example/x?sslmode=require", p.URL(blobs), "sslmode=verify-full"},
		"nobody listens":        {"postgres://writ:" + secret + "@127.0.0.1:1/x", p.URL(blobs), "cannot be reached"},
		"a wrong password":      {strings.Replace(p.URL(other), secret, "x"+secret, 1), p.URL(blobs), "user or the password"},
		"no such database":      {p.URL("nowhere"), p.URL(blobs), "no such database"},
		"one for both":          {p.URL(other), p.URL(other), "a database each"},
		"swapped":               {p.URL(blobs), p.URL(other), "swapped"},
		"another ledger":        {p.URL(state), p.URL(blobs), "elsewhere/log"},
		"something else":        {p.URL(foreign), p.URL(blobs), "something else"},
		"a newer schema":        {p.URL(newer), p.URL(blobs), "version 99"},
		"read-only":             {p.URL(readOnly), p.URL(blobs), ""},
		"commits may be lost":   {p.URL(lax), p.URL(blobs), "synchronous_commit=off"},
		"no rights":             {p.URL("no_rights"), p.URL(blobs), "right"},
		"another encoding":      {p.URL("latin"), p.URL(blobs), "UTF8"},
	} {
		err := try(c.state, c.blobs, storetest.Origin)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want %q, got %v", name, c.says, err)
			continue
		}
		if !errors.Is(err, writ.ErrInvalid) && !errors.Is(err, writ.ErrUnavailable) {
			t.Errorf("%s: of no kind: %v", name, err)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error quotes the password: %v", name, err)
		}
		if strings.Contains(err.Error(), "\n") && name != "nobody listens" {
			t.Errorf("%s: more than one sentence: %v", name, err)
		}
	}
}

func TestAURLFileIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.url")
	if err := os.WriteFile(file, []byte("postgres://writ:secret@127.0.0.1/writ\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := store.ReadURL(file); err != nil || got != "postgres://writ:secret@127.0.0.1/writ" {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ReadURL(file); !errors.Is(err, writ.ErrInvalid) || strings.Contains(err.Error(), "secret") {
		t.Errorf("readable by a group: %v", err)
	}
	if _, err := store.ReadURL(file + ".not"); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("no file: %v", err)
	}
}
