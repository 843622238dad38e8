package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Bounds of what is remembered. Beyond either of them all is forgotten, and read again when it is asked for.
const (
	maxRemembered      = 4096    // answers: several times the incidents, agents and tools that are in use at one time
	maxRememberedBytes = 8 << 20 // of questions and answers
)

// glanced are the tables whose rows are remembered: what every call of an agent asks about, and what changes seldom.
var glanced = []Table{Agents, Freezes, Incidents, Pins, PolicySets}

// A memory holds what was read from a SQLite store, as long as it is what the newest commit left. This process alone writes to the
// file. So an answer is forgotten when a row is written that could change it, before that is committed; and what is read while its
// table is being written is not remembered. All methods are safe for concurrent use.
type memory struct {
	mu      sync.Mutex
	clock   int64 // ticks when a transaction ends
	answers int
	bytes   int
	about   map[Table]*tableMemory
	written []*tableMemory // that the open transaction has written to
}

// A tableMemory is what is known of one table.
type tableMemory struct {
	one    map[string]*answer // what row has this id
	many   map[string]*answer // which rows a query finds
	counts map[string]int64   // never less than how many rows a query finds, without those written since Open

	rows   int64 // written since Open, whether they were kept or not
	before int64 // of these, before the open transaction
	open   bool  // the open transaction has written some
	ended  int64 // the tick at which the last transaction ended that has written some
}

// An answer holds from a tick of the clock on until it is gone. Its rows are shared by all who ask, and never changed.
type answer struct {
	rows  []Row
	since int64
	gone  bool
}

func newMemory() *memory {
	m := &memory{about: map[Table]*tableMemory{}}
	for t := range tables {
		m.about[t] = &tableMemory{one: map[string]*answer{}, many: map[string]*answer{}, counts: map[string]int64{}}
	}
	return m
}

func (m *memory) tick() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.clock
}

// wrote forgets what rows of these ids could change. It is called before they are written.
func (m *memory) wrote(t Table, ids ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	about := m.about[t]
	if !about.open {
		about.open, m.written = true, append(m.written, about)
	}
	about.rows += int64(len(ids))
	for _, id := range ids {
		m.forget(about.one, id)
	}
	for q := range about.many {
		m.forget(about.many, q)
	}
}

// over says that the open transaction has ended, whether it was kept or not.
func (m *memory) over() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock++
	for _, about := range m.written {
		about.open, about.before, about.ended = false, about.rows, m.clock
	}
	m.written = m.written[:0]
}

// forget is for whoever holds mu.
func (m *memory) forget(from map[string]*answer, q string) {
	a, ok := from[q]
	if !ok {
		return
	}
	a.gone = true
	m.answers, m.bytes = m.answers-1, m.bytes-a.size(q)
	delete(from, q)
}

// recall returns the answer to a question that held at a tick and still holds.
func (m *memory) recall(q question, at int64) *answer {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := q.in(m.about[q.table])[q.text]; a != nil && a.since <= at {
		return a
	}
	return nil
}

// remember keeps an answer of a snapshot that was taken after a tick. It returns nil when the table was written meanwhile, so that
// nobody knows for how long it holds.
func (m *memory) remember(q question, rows []Row, at int64) *answer {
	a := &answer{rows: rows, since: at}
	n := a.size(q.text)
	m.mu.Lock()
	defer m.mu.Unlock()
	about := m.about[q.table]
	if about.open || about.ended > at || n > maxRememberedBytes {
		return nil
	}
	if known := q.in(about)[q.text]; known != nil {
		return known
	}
	if m.answers >= maxRemembered || m.bytes+n > maxRememberedBytes {
		m.forgetAll()
	}
	q.in(about)[q.text] = a
	m.answers, m.bytes = m.answers+1, m.bytes+n
	return a
}

// forgetAll is for whoever holds mu.
func (m *memory) forgetAll() {
	for _, about := range m.about {
		for _, from := range []map[string]*answer{about.one, about.many} {
			for q := range from {
				m.forget(from, q)
			}
		}
		clear(about.counts)
	}
}

func (a *answer) size(q string) int {
	n := len(q)
	for _, r := range a.rows {
		n += len(r.ID) + len(r.Incident) + len(r.State) + len(r.Key) + len(r.Doc)
	}
	return n
}

// hold reports whether all of these answers still hold.
func (m *memory) hold(all []*answer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !slices.ContainsFunc(all, func(a *answer) bool { return a.gone })
}

// count keeps that a query finds n rows in a snapshot that was taken after a tick. It reports false when the table was written
// meanwhile.
func (m *memory) count(q question, n int, at int64) (base int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	about := m.about[q.table]
	if about.ended > at {
		return 0, false
	}
	if len(about.counts) >= maxRemembered {
		clear(about.counts)
	}
	about.counts[q.text] = int64(n) - about.before
	return about.counts[q.text], true
}

func (m *memory) counted(q question) (base int64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	base, ok = m.about[q.table].counts[q.text]
	return base, ok
}

// fewer reports whether the rows that were written since, all of them, would not be too many.
func (m *memory) fewer(c counted) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return c.base+m.about[c.table].rows < int64(c.most)
}

// A question asks a table for rows.
type question struct {
	table Table
	ofID  bool   // for the one with this id
	text  string // or with the query and its arguments
}

func (q question) in(about *tableMemory) map[string]*answer {
	if q.ofID {
		return about.one
	}
	return about.many
}

// asking is the question that a query puts to a table.
func asking(t Table, clause string, args []any) question {
	if id, ok := args[0].(string); ok && clause == byID {
		return question{t, true, id}
	}
	var w strings.Builder
	w.WriteString(clause)
	for _, a := range args {
		fmt.Fprintf(&w, "\x00%v", a)
	}
	return question{t, false, w.String()}
}
