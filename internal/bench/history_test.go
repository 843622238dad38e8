package bench_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/writ-dev/writ/internal/bench"
)

// heard is what a world's store has prepared.
type heard struct {
	mu    sync.Mutex
	texts map[string]bool // guarded by mu
}

func (h *heard) add(query string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.texts == nil {
		h.texts = map[string]bool{}
	}
	h.texts[query] = true
}

// all returns the statements that read rows or find them to change.
func (h *heard) all() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for q := range h.texts {
		for _, verb := range []string{"SELECT ", "UPDATE ", "DELETE "} {
			if strings.HasPrefix(q, verb) {
				out = append(out, q)
			}
		}
	}
	return out
}

// work is everything that a control plane does over and over: it starts, repairs, looks and pages.
func work(t *testing.T, at bench.Place, past int) *heard {
	t.Helper()
	ctx := context.Background()
	h := &heard{}
	at.Prepared = h.add
	w, err := bench.Open(ctx, at, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, w)
	if err := w.Past(ctx, past); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	h.texts = nil // what loading took does not count
	h.mu.Unlock()
	if _, _, err := w.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cycle(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Glance(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Waiting(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if len(h.all()) < 20 {
		t.Fatalf("only %d statements: %q", len(h.all()), h.all())
	}
	return h
}

// fixed are tables that have as many rows as there are runners, freezes and the like, whatever the past.
var fixed = []string{"counter", "tree_head", "cells"}

// Cost does not grow with the past: no statement of a start, a cycle, a sweep or a look reads a table from end to end.
func TestTrap9NoStatementOfTheStoreReadsTheWholePast(t *testing.T) {
	at := bench.Place{Dir: t.TempDir()}
	queries := work(t, at, 1).all()
	db, err := sql.Open("sqlite", filepath.Join(at.Dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range queries {
		args := make([]any, strings.Count(q, "?"))
		for i := range args {
			args[i] = "1"
		}
		rows, err := db.Query("EXPLAIN QUERY PLAN "+q, args...)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(detail, "SCAN ") && !ordered(q) && !bounded(detail) {
				t.Errorf("%s: %s", q, detail)
			}
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
		rows.Close()
	}
}

// ordered reports whether a statement takes the first rows of a table in the order of an index, with no condition that
// any of them could fail: it reads as many as it returns.
func ordered(q string) bool {
	return !strings.Contains(q, "WHERE") && strings.Contains(q, "ORDER BY") && strings.Contains(q, "LIMIT") || strings.Contains(q, "MAX(idx)")
}

// bounded reports whether what is scanned does not grow: a fixed table, or the result of a query with a limit.
func bounded(detail string) bool {
	for _, name := range append([]string{"counted", "(subquery", "CONSTANT ROW"}, fixed...) {
		if strings.HasPrefix(detail, "SCAN "+name) {
			return true
		}
	}
	return false
}

// The same on PostgreSQL, whose plans depend on what the tables hold: asked with a past in them, for plans that hold for
// any arguments.
func TestTrap9NoStatementReadsTheWholePastOnPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("the long version")
	}
	at := places[1].at(t)
	ctx := context.Background()
	queries := work(t, at, 1200).all()
	c, err := pgx.Connect(ctx, at.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	// The past comes without the bytes of its readings.
	const readings = "INSERT INTO sealed SELECT 'past-' || n, 'evidence', 'evidence', 0, 0, 'key', '' FROM generate_series(1, 1200) AS n"
	for _, s := range []string{readings, "ANALYZE", "SET plan_cache_mode = force_generic_plan"} {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range queries {
		n := strings.Count(q, "$")
		if _, err := c.Exec(ctx, "PREPARE asked AS "+q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		execute := "EXPLAIN (FORMAT JSON) EXECUTE asked"
		if n > 0 {
			execute += "(NULL" + strings.Repeat(", NULL", n-1) + ")"
		}
		var text string
		if err := c.QueryRow(ctx, execute).Scan(&text); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if _, err := c.Exec(ctx, "DEALLOCATE asked"); err != nil {
			t.Fatal(err)
		}
		var plans []struct{ Plan node }
		if err := json.Unmarshal([]byte(text), &plans); err != nil {
			t.Fatal(err)
		}
		plans[0].Plan.visit(func(n node) {
			if n.scans() && !ordered(q) {
				t.Errorf("%s: %s of %s %s, filter %s, rows %v", q, n.Type, n.Table, n.Index, n.Filter, n.Rows)
			}
		})
	}
}

// A node is one step of a plan.
type node struct {
	Type   string `json:"Node Type"`
	Table  string `json:"Relation Name"`
	Index  string `json:"Index Name"`
	Cond   string `json:"Index Cond"`
	Filter string
	Rows   float64 `json:"Plan Rows"`
	Plans  []node
}

func (n node) visit(each func(node)) {
	each(n)
	for _, p := range n.Plans {
		p.visit(each)
	}
}

// few is a table whose rows end with what they are for: PostgreSQL rightly reads it as a whole while it is on one page.
var few = append([]string{"proposals", "locks", "slots", "reservations", "freezes", "approvals", "idempotency", "nonces", "checkpoint", "agentrecords", "commit_mark", "sessions", "enrolments", "handoffs", "rates", "records", "reviews", "answers", "delegations", "policychanges"}, fixed...)

// scans reports whether a step reads a table or an index from end to end.
func (n node) scans() bool {
	for _, name := range few {
		if n.Table == name {
			return false
		}
	}
	switch n.Type {
	case "Seq Scan":
		return true
	case "Index Scan", "Index Only Scan":
		return n.Cond == ""
	}
	return false
}
