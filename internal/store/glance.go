package store

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/writ-dev/writ"
)

// Glance is View for questions that are asked with every call: what rows of the tables Agents, Freezes, Incidents, Pins and
// PolicySets say is remembered for as long as it is what the newest commit left, and where all that fn asks for is remembered, no
// connection is taken. Whatever fn sees is of one committed state, which is not older than the last Update that has returned. Where
// something is not remembered, fn is run again, in a View: what it did the first time must do no harm. Rows, and what Decode makes of
// them, are shared with others and must not be changed. On PostgreSQL, where other replicas commit too, it is a View.
func (s *Store) Glance(ctx context.Context, fn func(*Tx) error) error {
	if s.memory == nil {
		return s.View(ctx, fn)
	}
	if err := s.readers.open(); err != nil {
		return err
	}
	if known, err := s.recall(fn); known {
		return err
	}
	at := s.memory.tick() // before the snapshot is taken
	return s.readers.view(ctx, func(tx *Tx) error {
		tx.memory, tx.at, tx.seen = s.memory, at, &Seen{sure: true}
		return fn(tx)
	})
}

// recall runs fn on what is remembered. It reports whether that was all that fn asked for.
func (s *Store) recall(fn func(*Tx) error) (known bool, err error) {
	here := &nowhere{}
	tx := &Tx{conn: here, memory: s.memory, at: s.memory.tick(), seen: &Seen{sure: true}}
	defer func() { tx.over = true }()
	err = fn(tx)
	return !here.asked, err
}

// A Seen is what a Glance found, as long as its process lives. The zero Seen is nothing that could be relied on.
type Seen struct {
	sure    bool // all that was found is in answers and counted
	answers []*answer
	counted []counted
}

// A counted is the finding that fewer rows than most match.
type counted struct {
	table Table
	base  int64
	most  int
}

// Seen returns what this Glance has found so far.
func (tx *Tx) Seen() Seen {
	if tx.seen == nil {
		return Seen{}
	}
	return Seen{tx.seen.sure, slices.Clone(tx.seen.answers), slices.Clone(tx.seen.counted)}
}

// Still reports, inside Update, whether all that was seen would be seen in this transaction too. When in doubt it says no.
func (tx *Tx) Still(v Seen) bool {
	if !v.sure || tx.w == nil || tx.w.memory == nil || tx.alive() != nil || !tx.w.memory.hold(v.answers) {
		return false
	}
	return !slices.ContainsFunc(v.counted, func(c counted) bool { return !tx.w.memory.fewer(c) })
}

// Fewer reports whether fewer rows than most match f. Where that is certain without counting, nothing is counted.
func (tx *Tx) Fewer(t Table, f Filter, most int) (bool, error) {
	if tx.seen == nil {
		n, err := tx.tally(t, f, most)
		return err == nil && n < most, err
	}
	if err := tx.alive(); err != nil {
		return false, err
	}
	clause, args := f.clause()
	q := asking(t, clause, args)
	if base, ok := tx.memory.counted(q); ok {
		if c := (counted{t, base, most}); tx.memory.fewer(c) {
			tx.seen.counted = append(tx.seen.counted, c)
			return true, nil
		}
	}
	n, err := tx.tally(t, f, most)
	if err != nil {
		return false, err
	}
	if n >= most { // or more: nothing follows from it for later
		tx.seen.sure = false
		return false, nil
	}
	if base, ok := tx.memory.count(q, n, tx.at); ok {
		tx.seen.counted = append(tx.seen.counted, counted{t, base, most})
	} else {
		tx.seen.sure = false
	}
	return true, nil
}

// look answers a query for rows from memory, or asks and remembers.
func (tx *Tx) look(t Table, clause string, args []any, ask func() ([]Row, error)) ([]Row, error) {
	if tx.seen == nil {
		return ask()
	}
	if !slices.Contains(glanced, t) {
		tx.asks()
		return ask()
	}
	q := asking(t, clause, args)
	a := tx.memory.recall(q, tx.at)
	if a == nil {
		rows, err := ask()
		if err != nil {
			return nil, err
		}
		for i := range rows {
			rows[i].decoded = new(atomic.Pointer[any])
		}
		if a = tx.memory.remember(q, rows, tx.at); a == nil {
			tx.seen.sure = false
			return rows, nil
		}
	}
	tx.seen.answers = append(tx.seen.answers, a)
	return slices.Clone(a.rows), nil
}

// asks says that something is asked for that is not remembered.
func (tx *Tx) asks() {
	if tx.seen != nil {
		tx.seen.sure = false
	}
	if n, ok := tx.conn.(*nowhere); ok {
		n.asked = true
	}
}

// nowhere is the connection of a Glance while it goes by what is remembered.
type nowhere struct{ asked bool }

var errNotRemembered = fmt.Errorf("%w: it is not remembered", writ.ErrUnavailable)

func (n *nowhere) exec(string, ...any) (int64, error) { n.asked = true; return 0, errNotRemembered }
func (n *nowhere) query(string, func(row) error, ...any) error {
	n.asked = true
	return errNotRemembered
}
func (n *nowhere) size() (int64, error) { n.asked = true; return 0, errNotRemembered }
func (n *nowhere) close() error         { return nil }
