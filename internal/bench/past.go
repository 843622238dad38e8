package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// MaxPast bounds the past runs of a measurement: they take some gigabytes of disk.
const MaxPast = 100_000

// pastEntries is how many ledger entries a past run gets. A real one has 16; a quarter keeps the loading of 100,000
// runs below a minute, and the ledger's own cost grows with the logarithm of its length.
const pastEntries = 4

// pastBatch is how many past runs are loaded in one transaction.
const pastBatch = 250

// Past loads n runs as if they had been carried out long ago. One real repair is made and then copied: its rows under
// new ids in the control plane's tables, its rows in the runner's journal, and ledger entries of usual size under the new
// incidents. Rows that live for a run only (budgets, locks, nonces) are not copied, nor are the entries' meaning: the
// copied ledger is real as a tree and says nothing.
func (w *World) Past(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	in, err := w.template(ctx)
	if err != nil {
		return err
	}
	var rows []copied
	err = w.store.View(ctx, func(tx *store.Tx) error {
		rows, err = copies(tx, in)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	ids := map[string]int{}
	for _, r := range rows {
		if _, known := ids[r.ID]; !known {
			ids[r.ID] = len(ids)
		}
	}
	if err := multiply(ctx, w.storeFile(), n, func(tx *sql.Tx) error { return copyRows(ctx, tx, n, rows, ids) }); err != nil {
		return fmt.Errorf("bench: past rows: %w", err)
	}
	if err := multiply(ctx, w.journalFile(), n, func(tx *sql.Tx) error { return copyJournal(ctx, tx, n, ids) }); err != nil {
		return fmt.Errorf("bench: past journal: %w", err)
	}
	if err := w.startControl(ctx); err != nil {
		return err
	}
	if err := w.pastLedger(ctx, n, in, ids); err != nil {
		return fmt.Errorf("bench: past entries: %w", err)
	}
	return w.startRunner(ctx)
}

// template makes one real repair and returns its incident.
func (w *World) template(ctx context.Context) (writ.IncidentID, error) {
	if _, err := w.Cycle(ctx, 0); err != nil {
		return "", err
	}
	some, _, err := w.control.Incidents(ctx, writ.Principal{Kind: writ.KindHuman, Iss: issuer, Sub: "auditor"}, writ.IncidentFilter{Limit: 1})
	if err != nil || len(some) == 0 {
		return "", errors.Join(err, fmt.Errorf("%w: bench: the repair has no incident", writ.ErrNotFound))
	}
	return some[0].ID, nil
}

// A copied row is one that is copied, with its table.
type copied struct {
	store.Row
	table string
}

// pastTables are those whose rows stay when a run is over.
var pastTables = []struct {
	table store.Table
	sql   string
}{
	{store.Evidence, "evidence"}, {store.Proposals, "proposals"}, {store.Plans, "plans"}, {store.Grants, "grants"}, {store.Runs, "runs"},
	{store.Leases, "leases"}, {store.Assignments, "assignments"},
}

func copies(tx *store.Tx, in writ.IncidentID) ([]copied, error) {
	r, err := tx.Get(store.Incidents, string(in))
	if err != nil {
		return nil, err
	}
	r.State = string(writ.IncidentResolved)
	out := []copied{{r, "incidents"}}
	for _, t := range pastTables {
		rows, err := tx.Find(t.table, store.Filter{Incident: string(in)})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out = append(out, copied{r, t.sql})
		}
	}
	return out, nil
}

// multiply runs f in one transaction on a SQLite file that nobody else has open.
func multiply(ctx context.Context, path string, n int, f func(*sql.Tx) error) (err error) {
	q := url.Values{"_pragma": {"journal_mode(wal)", "synchronous(off)", "cache_size(-64000)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// numbers is the table n of the numbers from 1 to its argument.
const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "

// fresh is the SQL of expr with every id replaced by one of the copy's own: the same prefix, then the copy's number and
// the id's.
func fresh(expr string, ids map[string]int) string {
	for id, k := range ids {
		prefix, _, _ := strings.Cut(id, "_")
		expr = fmt.Sprintf("replace(%s, '%s', printf('%s_%%022d%04d', n.i))", expr, id, prefix, k)
	}
	return expr
}

func copyRows(ctx context.Context, tx *sql.Tx, n int, rows []copied, ids map[string]int) error {
	var base int64
	if err := tx.QueryRowContext(ctx, "SELECT value FROM counter WHERE name = 'seq'").Scan(&base); err != nil {
		return err
	}
	each := int64(len(rows))
	if _, err := tx.ExecContext(ctx, "UPDATE counter SET value = ? WHERE name = 'seq'", base+each*int64(n+1)); err != nil {
		return err
	}
	for k, r := range rows {
		key := fresh("?", ids)
		if r.table == "incidents" {
			key = "? || '-past-' || n.i" // each had a group of its own
		}
		// In this order the parameters stand in the text: n, then seq's two, id, incident, state, key, doc.
		_, err := tx.ExecContext(ctx, numbers+"INSERT INTO "+r.table+" (seq, id, incident, state, key, due, doc) SELECT ? + n.i * ?, "+
			fresh("?", ids)+", "+fresh("?", ids)+", ?, "+key+", 0, "+fresh("?", ids)+" FROM n",
			n, base+int64(k), each, r.ID, r.Incident, r.State, r.Key, string(r.Doc))
		if err != nil {
			return fmt.Errorf("%s: %w", r.table, err)
		}
	}
	return nil
}

// copyJournal multiplies what the journal knows of the one run that it has. Acknowledged entries are not copied: the
// runner forgets those of ended runs after some days.
func copyJournal(ctx context.Context, tx *sql.Tx, n int, ids map[string]int) error {
	own := map[string]int{}
	for id, k := range ids {
		own[id] = k
	}
	var name string
	if err := tx.QueryRowContext(ctx, "SELECT name FROM lease LIMIT 1").Scan(&name); err != nil {
		return err
	}
	for _, table := range []string{"run", "spent", "plan", "event", "lease"} {
		var columns, values []string
		rows, err := tx.QueryContext(ctx, "SELECT name FROM pragma_table_info('"+table+"')")
		if err != nil {
			return err
		}
		for rows.Next() {
			var c string
			if err := rows.Scan(&c); err != nil {
				return err
			}
			value := "t." + c
			switch c {
			case "name":
				value = "t.name || '-' || n.i"
			case "id", "run", "plan", "grant_id", "assignment", "incident":
				value = fresh(value, own)
			}
			columns, values = append(columns, c), append(values, value)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, numbers+"INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") SELECT "+strings.Join(values, ", ")+
			" FROM n, (SELECT * FROM "+table+") AS t", n); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}

// pastLedger appends entries and their lines in the timelines of the past incidents.
func (w *World) pastLedger(ctx context.Context, n int, in writ.IncidentID, ids map[string]int) error {
	filler := strings.Repeat("past ", 240) // 1.2 KB, as a usual entry
	for from := 1; from <= n; from += pastBatch {
		err := w.store.Update(ctx, func(tx *store.Tx) error {
			for i := from; i < min(from+pastBatch, n+1); i++ {
				for e := range pastEntries {
					at, hash, err := tx.Append(fmt.Appendf(nil, "%d/%d %s", i, e, filler))
					if err != nil {
						return err
					}
					row := store.Row{ID: hash.String(), Incident: fmt.Sprintf("inc_%022d%04d", i, ids[string(in)]), Doc: fmt.Appendf(nil, `{"index":%d}`, at)}
					if err := tx.Insert(store.Timeline, row); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// openIDs keeps the ids of open plans apart from those of past ones.
const openIDs = 5000

// OpenProposals loads n plans that wait for an approval: copies of one real plan with all that it holds.
func (w *World) OpenProposals(ctx context.Context, n int) error {
	in, err := w.template(ctx)
	if err != nil {
		return err
	}
	var rows []copied
	err = w.store.View(ctx, func(tx *store.Tx) error {
		all, err := copies(tx, in)
		for _, r := range all {
			switch r.table {
			case "incidents":
				r.State = string(writ.IncidentOpen)
			case "plans":
				r.State = string(writ.PlanWaiting)
			case "evidence", "proposals":
			default:
				continue
			}
			rows = append(rows, r)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	ids := map[string]int{}
	for _, r := range rows {
		ids[r.ID] = openIDs + len(ids)
	}
	due := time.Now().Add(time.Hour).UnixMilli()
	if err := multiply(ctx, w.storeFile(), n, func(tx *sql.Tx) error {
		if err := copyRows(ctx, tx, n, rows, ids); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE plans SET due = ? WHERE state = 'waiting'", due)
		return err
	}); err != nil {
		return fmt.Errorf("bench: open proposals: %w", err)
	}
	return w.start(ctx)
}

// Waiting pages through the plans that wait, as a person's inbox does, and returns how many there were on the pages read.
func (w *World) Waiting(ctx context.Context, pages int) (int, error) {
	person := writ.Principal{Kind: writ.KindHuman, Iss: issuer, Sub: "auditor"}
	f := writ.PlanFilter{State: writ.PlanWaiting}
	total := 0
	for range pages {
		some, next, err := w.control.Plans(ctx, person, f)
		if err != nil {
			return total, err
		}
		total += len(some)
		if next == "" {
			break
		}
		f.Cursor = next
	}
	return total, nil
}

// Glance is the control plane at a glance.
func (w *World) Glance(ctx context.Context) (writ.Status, error) { return w.control.Glance(ctx) }
