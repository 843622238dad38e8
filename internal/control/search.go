package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

const (
	// searchChunk is how many leaves are read at once.
	searchChunk = 200

	// maxSearched bounds the entries that one page looks through: some 100 ms. The cursor leads on from there.
	maxSearched = 4000

	// searchSlack is how far entries of the control plane itself may be out of the order of their times: clocks of replicas differ.
	searchSlack = time.Hour

	// maxActor bounds the subject that is searched for.
	maxActor = 300
)

// SearchLedger returns entries that match, newest first, as sentences. A page may be short, or empty, and yet have a cursor: it has
// looked through as many entries as one page does. People only.
func (c *Control) SearchLedger(ctx context.Context, by writ.Principal, f writ.EntryFilter) (found []writ.Event, next string, err error) {
	if err := first(person(by), checkFilter(f)); err != nil {
		return nil, "", err
	}
	if f.Limit == 0 {
		f.Limit = writ.DefaultPage
	}
	f.Limit = min(max(f.Limit, 1), writ.MaxPage)
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		found, next = nil, ""
		before := tx.Head()
		if f.Cursor != "" {
			n, err := strconv.ParseInt(f.Cursor, 10, 64)
			if err != nil || n < 1 {
				return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "cursor must be the next value of the page before"}
			}
			before = min(n, before)
		}
		s := search{EntryFilter: f, self: c.self}
		if f.Incident != "" {
			if err := s.incident(tx, before); err != nil {
				return err
			}
		} else if err := s.all(tx, before); err != nil {
			return err
		}
		found, next = s.found, s.next
		return nil
	})
	return found, next, err
}

func checkFilter(f writ.EntryFilter) error {
	bad := func(detail, hint string) error {
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: detail, Hint: hint}
	}
	if _, known := writ.EntryBodies[f.Kind]; f.Kind != "" && !known {
		var kinds []string
		for k := range writ.EntryBodies {
			kinds = append(kinds, string(k))
		}
		slices.Sort(kinds)
		return bad(fmt.Sprintf("kind %q is none of the ledger's", writ.Printable(string(f.Kind), 40)), "kinds: "+strings.Join(kinds, ", "))
	}
	switch {
	case len(f.Actor) > maxActor:
		return bad(fmt.Sprintf("actor must have at most %d bytes", maxActor), "name the last part of the subject")
	case !f.Since.IsZero() && !f.Until.IsZero() && f.Until.Before(f.Since):
		return bad("until must not be before since", "")
	}
	return nil
}

// A search goes through entries, newest first.
type search struct {
	writ.EntryFilter
	self   writ.Principal // of the control plane
	found  []writ.Event
	next   string
	looked int
	over   bool // nothing before this entry can match
}

// all goes through the whole ledger.
func (s *search) all(tx *store.Tx, before int64) error {
	for before > 0 && !s.over {
		from := max(before-searchChunk, 0)
		leaves, err := tx.Leaves(from, int(before-from))
		if err != nil {
			return err
		}
		for i, leaf := range slices.Backward(leaves) {
			at := from + int64(i)
			if s.full() {
				s.next = strconv.FormatInt(at+1, 10)
				return nil
			}
			if err := s.look(at, leaf); err != nil {
				return err
			}
			if s.over {
				return nil
			}
		}
		before = from
	}
	return nil
}

// incident goes through the entries of one incident.
func (s *search) incident(tx *store.Tx, before int64) error {
	indices, err := incidentIndices(tx, s.Incident)
	if err != nil {
		return err
	}
	for _, at := range slices.Backward(indices) {
		if at >= before {
			continue
		}
		if s.full() {
			s.next = strconv.FormatInt(at+1, 10)
			return nil
		}
		leaf, err := tx.Leaf(at)
		if err != nil {
			return err
		}
		if err := s.look(at, leaf); err != nil || s.over {
			return err
		}
	}
	return nil
}

// full reports whether the page ends here.
func (s *search) full() bool { return len(s.found) == s.Limit || s.looked == maxSearched }

func (s *search) look(at int64, leaf []byte) error {
	s.looked++
	e, err := ledger.Open(leaf)
	if err != nil {
		return err
	}
	r := e.Record
	// Runners deliver late, so that their times say nothing about the entries before.
	s.over = !s.Since.IsZero() && r.Actor == s.self && r.Time.Before(s.Since.Add(-searchSlack))
	if s.Kind != "" && r.Kind != s.Kind || !s.Since.IsZero() && r.Time.Before(s.Since) || !s.Until.IsZero() && r.Time.After(s.Until) {
		return nil
	}
	if s.Actor != "" && !subject(r.Actor.Sub, s.Actor) && !names(r.Body, s.Actor) {
		return nil
	}
	ev, err := event(at, leaf)
	if err == nil {
		s.found = append(s.found, ev)
	}
	return err
}

// subject reports whether a subject is, or ends with, what was asked for.
func subject(sub, want string) bool {
	return sub == want || strings.HasSuffix(sub, "/"+want)
}

// names reports whether a body names a subject anywhere: in a principal or in a person.
func names(body json.RawMessage, want string) bool {
	var v any
	if json.Unmarshal(body, &v) != nil { // it was canonical when it was sealed
		return false
	}
	return named(v, want)
}

func named(v any, want string) bool {
	switch x := v.(type) {
	case map[string]any:
		for k, m := range x {
			if sub, ok := m.(string); ok && k == "sub" && subject(sub, want) || named(m, want) {
				return true
			}
		}
	case []any:
		for _, m := range x {
			if named(m, want) {
				return true
			}
		}
	}
	return false
}
