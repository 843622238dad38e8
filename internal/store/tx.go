package store

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/writ-dev/writ"
)

// A Tx is what a closure works on. It is void when the closure returns.
type Tx struct {
	conn conn
	w    *writer // nil in a View
	size int64   // of the ledger, in a View
	over bool

	// In a Glance; seen is nil elsewhere.
	memory *memory
	at     int64 // what is remembered is of this tick, or of a later one
	seen   *Seen
}

const columns = "id, incident, state, key, due, doc, seq"

// Insert adds a row. It returns ErrConflict when the id exists already, or a key that the table declares unique, and
// ErrInvalid when the row has no id or document, or a state that its table does not know.
func (tx *Tx) Insert(t Table, r Row) error {
	name, err := tx.writing(t)
	if err != nil {
		return err
	}
	if err := r.check(t); err != nil {
		return err
	}
	seq, err := tx.w.nextSeq(tx.w)
	if err != nil {
		return fmt.Errorf("insert %s: %w", t, tx.note(err))
	}
	tx.w.wrote(t, r.ID)
	n, err := tx.exec("INSERT INTO "+name+" ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		r.ID, r.Incident, r.State, r.Key, r.Due, string(r.Doc), seq)
	if err == nil && n == 0 {
		err = errExists
	}
	if err != nil {
		return fmt.Errorf("insert %s %s: %w", t, writ.Printable(r.ID, 80), err)
	}
	return nil
}

// Update replaces everything but id and sequence of a row whose stored state is was. It returns ErrConflict when the
// state is another, and ErrNotFound when there is no such row. Nobody else can change the row before the commit.
func (tx *Tx) Update(t Table, r Row, was string) error {
	name, err := tx.writing(t)
	if err != nil {
		return err
	}
	if err := r.check(t); err != nil {
		return err
	}
	exec := tx.exec
	if tables[t].unique {
		exec = tx.guarded
	}
	tx.w.wrote(t, r.ID)
	n, err := exec("UPDATE "+name+" SET incident = ?, state = ?, key = ?, due = ?, doc = ? WHERE id = ? AND state = ?",
		r.Incident, r.State, r.Key, r.Due, string(r.Doc), r.ID, was)
	if err != nil {
		return fmt.Errorf("update %s %s: %w", t, writ.Printable(r.ID, 80), err)
	}
	if n == 1 {
		return nil
	}
	now, err := tx.Get(t, r.ID)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s %s is %q, not %q", writ.ErrConflict, t, r.ID, now.State, was)
}

// Delete removes a row of a table whose rows may go: idempotency, nonce, assignment, reservation, lock, attempt, slot,
// session, notice, channel. It
// returns ErrNotFound when there is no such row.
func (tx *Tx) Delete(t Table, id string) error {
	name, err := tx.writing(t)
	if err != nil {
		return err
	}
	if !tables[t].deletable {
		return fmt.Errorf("%w: rows of %s are never deleted", writ.ErrInvalid, t)
	}
	tx.w.wrote(t, id)
	n, err := tx.exec("DELETE FROM "+name+" WHERE id = ?", id)
	switch {
	case err != nil:
		return fmt.Errorf("delete %s: %w", t, err)
	case n == 0:
		return noRow(t, id)
	}
	return nil
}

const byID = "WHERE id = ?"

// Get returns one row, or ErrNotFound.
func (tx *Tx) Get(t Table, id string) (Row, error) {
	rows, err := tx.find(t, byID, id)
	switch {
	case err != nil:
		return Row{}, err
	case len(rows) == 0:
		return Row{}, noRow(t, id)
	}
	return rows[0], nil
}

// Find returns the rows that match every given field of f, at most MaxRows of them.
func (tx *Tx) Find(t Table, f Filter) ([]Row, error) {
	clause, args := f.clause()
	return tx.find(t, clause, args...)
}

func (tx *Tx) find(t Table, clause string, args ...any) ([]Row, error) {
	name, err := t.name()
	if err != nil {
		return nil, err
	}
	if err := tx.alive(); err != nil {
		return nil, err
	}
	for _, a := range args {
		if s, ok := a.(string); ok && !storable(s) {
			return nil, nil // no row can have it
		}
	}
	return tx.look(t, clause, args, func() (found []Row, err error) {
		err = tx.conn.query("SELECT "+columns+" FROM "+name+" "+clause, func(rows row) error {
			var r Row
			if err := rows.Scan(&r.ID, &r.Incident, &r.State, &r.Key, &r.Due, &r.Doc, &r.Seq); err != nil {
				return err
			}
			found = append(found, r)
			return nil
		}, args...)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", t, tx.note(err))
		}
		return found, nil
	})
}

func (tx *Tx) exec(query string, args ...any) (int64, error) {
	tx.w.dirty = true
	n, err := tx.conn.exec(query, args...)
	return n, tx.note(err)
}

// guarded is exec of a statement after whose broken constraint the closure may go on.
func (tx *Tx) guarded(query string, args ...any) (int64, error) {
	tx.w.dirty = true
	n, err := tx.w.guarded(query, args...)
	return n, tx.note(err)
}

// note remembers an error that took the closure, or perhaps the whole transaction, with it.
func (tx *Tx) note(err error) error {
	if err == nil || tx.w == nil {
		return err
	}
	switch tx.w.harm(err) {
	case harmClosure:
		tx.w.broken = err
	case harmBatch:
		tx.w.spoilt = err
	}
	return err
}

// alive refuses whatever comes after the closure, or after an error that may have ended the transaction: outside of one
// each further statement would commit by itself.
func (tx *Tx) alive() error {
	switch {
	case tx.over:
		return errOver
	case tx.w != nil && tx.w.spoilt != nil:
		return lost(tx.w.spoilt)
	case tx.w != nil && tx.w.broken != nil:
		return tx.w.broken
	}
	return nil
}

func (tx *Tx) writing(t Table) (string, error) {
	if err := tx.alive(); err != nil {
		return "", err
	}
	if tx.w == nil {
		return "", errReadOnly
	}
	return t.name()
}

func (r Row) check(t Table) error {
	switch {
	case r.ID == "" || len(r.Doc) == 0:
		return fmt.Errorf("%w: a row of %s needs id and document", writ.ErrInvalid, t)
	case len(r.ID) > maxText || len(r.State) > maxText || len(r.Incident) > maxText || len(r.Key) > maxText:
		return fmt.Errorf("%w: a row of %s has a member longer than %d bytes", writ.ErrInvalid, t, maxText)
	case len(r.Doc) > maxDoc:
		return fmt.Errorf("%w: a document of %s has %d bytes; %d are allowed", writ.ErrInvalid, t, len(r.Doc), maxDoc)
	case !storable(r.ID) || !storable(r.Incident) || !storable(r.State) || !storable(r.Key) || !storable(string(r.Doc)):
		return fmt.Errorf("%w: a row of %s has text that is not UTF-8, or has a NUL in it", writ.ErrInvalid, t)
	case r.Due < 0:
		return fmt.Errorf("%w: a row of %s is due before 1970", writ.ErrInvalid, t)
	}
	return nil
}

// Bounds of a row: keys are group keys and issuer+subject pairs; a document holds at most a plan, 256 KiB, several
// times over.
const (
	maxText = 4 << 10
	maxDoc  = 4 << 20
)

var (
	errOver     = fmt.Errorf("%w: the transaction is over", writ.ErrInvalid)
	errExists   = fmt.Errorf("%w: it exists already", writ.ErrConflict)
	errReadOnly = fmt.Errorf("%w: a view changes nothing", writ.ErrInvalid)
)

// storable reports whether PostgreSQL could keep a text. SQLite could keep any, and is held to the same.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func noRow(t Table, id string) error {
	return fmt.Errorf("%w: %s %s", writ.ErrNotFound, t, writ.Printable(id, 80))
}
