package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// journalTables are those that hold something of a run.
var journalTables = []string{"run", "spent", "plan", "event", "outbox", "lease"}

// A journalRow is one row of the template's run: texts and blobs as molds, numbers as they are.
type journalRow struct {
	insert string
	cells  []any // mold, blob or int64
}

type blob struct{ mold }

// epochMillis is above any number in a journal that is no time.
const epochMillis = 1_000_000_000_000

// A pastJournal is a runner's journal that no runner has open, to which past runs are added. The journal's package has
// no call for that, and must not.
type pastJournal struct {
	db   *sql.DB
	rows []journalRow
}

func (j *pastJournal) close() error { return j.db.Close() }

// openJournal reads what the journal knows of its one run.
func (t *template) openJournal(ctx context.Context, path string) (*pastJournal, error) {
	q := url.Values{"_pragma": {"journal_mode(wal)", "synchronous(off)", "cache_size(-64000)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	j := &pastJournal{db: db}
	for _, table := range journalTables {
		some, err := t.journalRows(ctx, db, table)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", table, err), db.Close())
		}
		j.rows = append(j.rows, some...)
	}
	return j, nil
}

func (t *template) journalRows(ctx context.Context, db *sql.DB, table string) (out []journalRow, err error) {
	pattern := t.known.pattern()
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	insert := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	for rows.Next() {
		values := make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		ours := false
		for i, v := range values {
			switch v := v.(type) {
			case string:
				m := t.known.cut(pattern, []byte(v))
				ours = ours || len(m.slots) > 0
				values[i] = m
			case []byte:
				values[i] = blob{t.known.cut(pattern, v)}
			}
		}
		if ours {
			out = append(out, journalRow{insert, values})
		}
	}
	return out, rows.Err()
}

// keep writes the rows of copies in one transaction.
func (j *pastJournal) keep(ctx context.Context, all []copied) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	prepared := map[string]*sql.Stmt{}
	for _, r := range j.rows {
		if prepared[r.insert] == nil {
			if prepared[r.insert], err = tx.PrepareContext(ctx, r.insert); err != nil {
				return err
			}
		}
	}
	for _, c := range all {
		for _, r := range j.rows {
			args := make([]any, len(r.cells))
			for i, cell := range r.cells {
				switch v := cell.(type) {
				case mold:
					args[i] = v.text(c.values)
				case blob:
					args[i] = v.fill(nil, c.values)
				case int64:
					if args[i] = v; v > epochMillis {
						args[i] = v + c.by.Milliseconds()
					}
				default:
					args[i] = v
				}
			}
			if _, err := prepared[r.insert].ExecContext(ctx, args...); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}
