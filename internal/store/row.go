package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/writ-dev/writ"
)

// A Row is one object: its JSON, and the few of its members that are searched for.
type Row struct {
	ID       string
	Incident string // "" for none
	State    string // closed for incident, plan and run; elsewhere the user's, "" for none
	Key      string // "" for none; what it means is the table's
	Due      int64  // epoch milliseconds; 0 for none
	Doc      []byte // JSON
	Seq      int64  // grows with each insertion in any table, with gaps; set by Insert

	decoded *atomic.Pointer[any] // what Doc says, once somebody has asked; nil outside of Glance
}

// A Filter selects rows; empty fields select all. Rows come in the order of insertion, or the other way round with
// Newest.
type Filter struct {
	Incident  string
	State     string
	Key       string
	DueBefore int64 // rows with 0 < Due < DueBefore
	AfterSeq  int64 // rows that come after this one, in the order asked for
	Limit     int   // 0 means MaxRows
	Newest    bool
}

// MaxRows bounds one Find, so that no question grows with the age of the database. Page on with AfterSeq.
const MaxRows = 1000

// clause is the SQL of a filter. The conditions on emptiness are those of the partial indexes, which are not used without
// them. Of several members only the one that leaves the fewest rows gets its condition, so that this is the index: what
// is due is little, an incident or a key has few rows, and a state may have nearly all.
func (f Filter) clause() (clause string, args []any) {
	var where []string
	add := func(condition string, arg any) { where, args = append(where, condition), append(args, arg) }
	steered := f.DueBefore != 0
	by := func(column, value string) {
		condition := column + " = ?"
		if !steered {
			condition += " AND " + column + " <> ''"
		}
		steered = true
		add(condition, value)
	}
	if f.Incident != "" {
		by("incident", f.Incident)
	}
	if f.Key != "" {
		by("key", f.Key)
	}
	if f.State != "" {
		by("state", f.State)
	}
	if f.DueBefore != 0 {
		add("due > 0 AND due < ?", f.DueBefore)
	}
	order := "seq"
	switch {
	case f.Newest && f.AfterSeq != 0:
		add("seq < ?", f.AfterSeq)
	case f.AfterSeq != 0:
		add("seq > ?", f.AfterSeq)
	}
	if f.DueBefore != 0 {
		order = "+seq" // what is due is sorted: an index in this order would be read from the beginning of time
	}
	if f.Newest {
		order += " DESC"
	}
	if f.Limit <= 0 || f.Limit > MaxRows {
		f.Limit = MaxRows
	}
	if len(where) > 0 {
		clause = "WHERE " + strings.Join(where, " AND ")
	}
	return clause + " ORDER BY " + order + " LIMIT ?", append(args, f.Limit)
}

// Load gets a row and decodes its document.
func Load[T any](tx *Tx, t Table, id string) (T, Row, error) {
	var v T
	r, err := tx.Get(t, id)
	if err != nil {
		return v, Row{}, err
	}
	v, err = Decode[T](r)
	return v, r, err
}

// Decode decodes the document of a row. In a Glance that is done once for all who ask, and they share what is in it.
func Decode[T any](r Row) (T, error) {
	if r.decoded != nil {
		if known := r.decoded.Load(); known != nil {
			if v, ok := (*known).(T); ok {
				return v, nil
			}
		}
	}
	var v T
	if err := json.Unmarshal(r.Doc, &v); err != nil {
		return v, fmt.Errorf("%w: row %s: %w", writ.ErrInvalid, r.ID, err)
	}
	if r.decoded != nil {
		r.decoded.Store(new(any(v)))
	}
	return v, nil
}

// Create inserts r with v as its document.
func Create[T any](tx *Tx, t Table, r Row, v T) error {
	doc, err := encode(r, v)
	if err != nil {
		return err
	}
	r.Doc = doc
	return tx.Insert(t, r)
}

// Save updates r, whose stored state must be was, with v as its document.
func Save[T any](tx *Tx, t Table, r Row, was string, v T) error {
	doc, err := encode(r, v)
	if err != nil {
		return err
	}
	r.Doc = doc
	return tx.Update(t, r, was)
}

func encode(r Row, v any) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: row %s: %w", writ.ErrInvalid, r.ID, err)
	}
	return doc, nil
}
