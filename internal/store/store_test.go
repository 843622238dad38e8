package store_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

const stateFile = "state.db"

func open(s storetest.Setup) (*store.Store, error) {
	return store.Open(context.Background(), store.Config{
		Path:     filepath.Join(s.Dir, stateFile),
		BlobPath: filepath.Join(s.Dir, "blobs.db"),
		Origin:   storetest.Origin,
		Signer:   s.Signer,
		Now:      time.Now,
		Rand:     rand.Reader,
		MaxPages: s.MaxPages,
	})
}

// lite is the engine that needs no server.
var lite = storetest.Engine{
	Open: open,
	Alter: func(dir string, statements ...string) error {
		db, err := sql.Open("sqlite", filepath.Join(dir, stateFile))
		if err != nil {
			return err
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		return alter(db, statements)
	},
	Bytes:   func(b []byte) string { return "X'" + hex.EncodeToString(b) + "'" },
	Backup:  func(dir string) error { return copyFile(filepath.Join(dir, stateFile), filepath.Join(dir, "backup")) },
	Restore: func(dir string) error { return copyFile(filepath.Join(dir, "backup"), filepath.Join(dir, stateFile)) },
}

func alter(db *sql.DB, statements []string) error {
	for _, s := range statements {
		r, err := db.Exec(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("%s changed nothing: %w", s, err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

func TestMain(m *testing.M) {
	if os.Getenv(envServer) != "" {
		storetest.Child(openPostgres)
	}
	storetest.Child(open)
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// Old incidents must not slow new ones down: every way of finding uses an index and never reads a whole table.
func TestEveryFilterUsesAnIndex(t *testing.T) {
	dir := t.TempDir()
	s, err := open(storetest.Setup{Dir: dir, Signer: newSigner(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := sql.Open("sqlite", filepath.Join(dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range store.Tables() {
		for name, f := range map[string]store.Filter{
			"incident": {Incident: "x"}, "state": {State: "x"}, "key": {Key: "x"}, "due": {DueBefore: 1}, "all, newest": {Newest: true}, "after": {AfterSeq: 1},
		} {
			query, args := store.Select(table, f)
			plan := strings.Join(planOf(t, db, query, args), "; ")
			// A table stands in the order of its rows' numbers: the newest are read from its end, as many as are asked for.
			byNumber := strings.Contains(plan, " USING INTEGER PRIMARY KEY (") || f == store.Filter{Newest: true} && strings.HasPrefix(plan, "SCAN ")
			if !strings.Contains(plan, " USING INDEX ") && (!byNumber || strings.Contains(plan, "TEMP B-TREE")) {
				t.Errorf("%s by %s: %s", table, name, plan)
			}
		}
	}
}

// planOf is how SQLite would answer a query, step by step.
func planOf(t *testing.T, db *sql.DB, query string, args []any) (steps []string) {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, args...)
	must(t, err)
	for rows.Next() {
		var id, parent, unused int
		var detail string
		must(t, rows.Scan(&id, &parent, &unused, &detail))
		steps = append(steps, detail)
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
	return steps
}

// What is asked for by two or three members at once goes by the one that stays small as the database ages: never by a
// state that nearly all rows have, nor by the runner that all assignments are for.
func TestTheIndexOfTheFewestRowsIsUsed(t *testing.T) {
	dir := t.TempDir()
	s, err := open(storetest.Setup{Dir: dir, Signer: newSigner(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := sql.Open("sqlite", filepath.Join(dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range store.Tables() {
		for want, f := range map[string]store.Filter{
			"_due":      {Key: "runner", State: "open", DueBefore: 1, Limit: 1}, // a runner's next assignment
			"_key":      {Key: "plan", State: "counted"},                        // the approvals of a plan
			"_incident": {Incident: "x", State: "waiting"},                      // the plans of an incident
			"_state":    {State: "off", Newest: true, Limit: 200},               // revoked grants
		} {
			if want == "_due" && table != store.Assignments {
				continue // nothing else is asked for like this
			}
			query, args := store.Select(table, f)
			if used := strings.Join(planOf(t, db, query, args), "; "); !strings.Contains(used, want+" (") && !(table == store.Incidents && want == "_key" && strings.Contains(used, "_open (")) {
				t.Errorf("%s, for %s: %s", table, want, used)
			}
		}
	}
}

func newSigner(t testing.TB, dir string) *signer.Signer {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	path := filepath.Join(dir, "signer.state")
	if err := signer.Create(path, storetest.Origin, key); err != nil {
		t.Fatal(err)
	}
	s, err := signer.Open(path, storetest.Origin, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, lite)
	storetest.RunFile(t, lite)
}
