package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// A template is one real repair, from which any number of others are made as they would have been carried out at other
// times: with ids, times, nonces, plans and digests of their own, entries that refer to each other and are signed by the
// world's own authors, and the rows that go with them. What a copy has in common with the repair is the grant's token,
// whose signature the ledger does not hold, and the commitments, whose content it does not hold.
type template struct {
	known    tokens
	ids      map[int]ulid.ULID // by token
	lower    map[int]int       // token in lower case -> the token
	times    map[int]time.Time // by token, to the second
	nonces   []int
	wholes   []whole // what others name by its digest, in the order in which they are made
	leaves   []sealed
	rows     []rowMold
	upto     int // entries that are kept
	incident int // token of its id
}

// A whole is a document that others hold as base64 and name by its digest.
type whole struct {
	mold           mold
	digest, base64 int // tokens
}

type sealed struct {
	payload      mold
	author       ledger.Author
	hash, base64 int // tokens: leaf hash, and the leaf itself
	kind         writ.EntryKind
}

type rowMold struct {
	table                         store.Table
	id, incident, state, key, doc mold
	due                           int64
	index                         int // of the entry whose number stands in it, -1 for none
}

var (
	idText    = regexp.MustCompile(`_(01[0-9A-HJKMNP-TV-Z]{24})`)
	timeText  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`)
	nonceText = regexp.MustCompile(`"nonce":"([A-Za-z0-9_-]{22})"`)
	indexText = regexp.MustCompile(`"Index":(\d+)`)
)

// read takes the world's one repair, whose processes have ended, as the template.
func (w *World) read(ctx context.Context) (*template, error) {
	t := &template{ids: map[int]ulid.ULID{}, lower: map[int]int{}, times: map[int]time.Time{}}
	type found struct {
		table store.Table
		store.Row
	}
	var rows []found
	var leaves [][]byte
	var indexes []int64
	err := w.store.View(ctx, func(tx *store.Tx) error {
		newest, err := tx.Find(store.Incidents, store.Filter{Newest: true, Limit: 1})
		if err != nil || len(newest) == 0 {
			return fmt.Errorf("%w: bench: the repair has no incident: %w", writ.ErrNotFound, err)
		}
		in := newest[0].ID
		for _, table := range store.Tables() {
			some, err := tx.Find(table, store.Filter{Incident: in})
			if err != nil {
				return err
			}
			if table == store.Incidents {
				some = newest
			}
			for _, r := range some {
				if table != store.Timeline {
					rows = append(rows, found{table, r})
					continue
				}
				var line struct{ Index int64 }
				if err := json.Unmarshal(r.Doc, &line); err != nil {
					return err
				}
				leaf, err := tx.Leaf(line.Index)
				if err != nil {
					return err
				}
				e, err := ledger.Open(leaf)
				if err != nil {
					return err
				}
				if e.Record.Kind == writ.EntryReceipt { // its own signature covers the names in it, and receipts are one chain: copies have none
					continue
				}
				leaves, indexes = append(leaves, leaf), append(indexes, line.Index)
			}
		}
		t.incident = t.known.add(strings.TrimPrefix(in, "inc_"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, r := range rows {
		texts = append(texts, r.ID, r.Incident, r.State, r.Key, string(r.Doc))
	}
	opened := make([]ledger.Entry, len(leaves))
	for i, leaf := range leaves {
		if opened[i], err = ledger.Open(leaf); err != nil {
			return nil, err
		}
		texts = append(texts, string(opened[i].Envelope.Payload))
	}
	// Documents that others name.
	documents := map[string][]byte{}
	for _, r := range rows {
		if r.table != store.Plans {
			continue
		}
		var p struct{ ProposalBytes, Bytes []byte }
		if err := json.Unmarshal(r.Doc, &p); err != nil {
			return nil, err
		}
		for _, b := range [][]byte{p.ProposalBytes, p.Bytes} { // a plan names its proposal
			if len(b) > 0 && documents[string(b)] == nil {
				documents[string(b)] = b
				t.wholes = append(t.wholes, whole{mold{parts: [][]byte{b}}, t.known.add(writ.DigestOf(b).String()), t.known.add(base64.StdEncoding.EncodeToString(b))})
				texts = append(texts, string(b))
			}
		}
	}
	for _, text := range texts {
		for _, m := range idText.FindAllStringSubmatch(text, -1) {
			id, err := ulid.ParseStrict(m[1])
			if err != nil {
				continue // a text that looks like one
			}
			n := t.known.add(m[1])
			t.ids[n], t.lower[t.known.add(strings.ToLower(m[1]))] = id, n
		}
		for _, m := range timeText.FindAllString(text, -1) {
			at, err := time.Parse("2006-01-02T15:04:05", m)
			if err != nil {
				return nil, err
			}
			t.times[t.known.add(m)] = at
		}
		for _, m := range nonceText.FindAllStringSubmatch(text, -1) {
			t.nonces = append(t.nonces, t.known.add(m[1]))
		}
	}
	runner, err := ledger.NewAuthor(w.keys.runner)
	if err != nil {
		return nil, err
	}
	for i, leaf := range leaves {
		author := w.config.Author
		if opened[i].KeyID() == runner.KeyID {
			author = runner
		}
		t.leaves = append(t.leaves, sealed{mold{parts: [][]byte{opened[i].Envelope.Payload}}, author, t.known.add(opened[i].Hash.String()),
			t.known.add(base64.StdEncoding.EncodeToString(leaf)), opened[i].Record.Kind})
	}
	t.upto = len(t.leaves)
	// All tokens are known.
	pattern := t.known.pattern()
	cut := func(s string) mold { return t.known.cut(pattern, []byte(s)) }
	for i := range t.wholes {
		t.wholes[i].mold = t.known.cut(pattern, t.wholes[i].mold.parts[0])
	}
	for i := range t.leaves {
		t.leaves[i].payload = t.known.cut(pattern, t.leaves[i].payload.parts[0])
	}
	for _, r := range rows {
		m := rowMold{table: r.table, id: cut(r.ID), incident: cut(r.Incident), state: cut(r.State), key: cut(r.Key), due: r.Due, index: -1}
		doc := string(r.Doc)
		if at := indexText.FindStringSubmatchIndex(doc); at != nil && r.table == store.Grants {
			for i, index := range indexes {
				if fmt.Sprint(index) == doc[at[2]:at[3]] {
					m.index = i
				}
			}
			doc = doc[:at[2]] + "\x00" + doc[at[3]:] // filled in by row
		}
		m.doc = cut(doc)
		t.rows = append(t.rows, m)
	}
	return t, nil
}

// A copied is one repair that was made from the template. Its rows still lack the numbers of its entries.
type copied struct {
	values []string
	leaves [][]byte
	rows   []store.Row
	by     time.Duration // later than the template
}

// copy makes a repair that began so much later. by is a whole number of seconds, and no two copies have the same.
func (t *template) copy(by time.Duration) (copied, error) {
	c := copied{values: make([]string, len(t.known.all)), by: by}
	for n, id := range t.ids {
		if err := id.SetTime(id.Time() + uint64(by.Milliseconds())); err != nil {
			return c, err
		}
		c.values[n] = id.String()
	}
	for n, of := range t.lower {
		c.values[n] = strings.ToLower(c.values[of])
	}
	for n, at := range t.times {
		c.values[n] = at.Add(by).Format("2006-01-02T15:04:05")
	}
	for _, n := range t.nonces {
		nonce, err := ident.Nonce(rand.Reader)
		if err != nil {
			return c, err
		}
		c.values[n] = nonce
	}
	for _, d := range t.wholes {
		b := d.mold.fill(nil, c.values)
		c.values[d.digest], c.values[d.base64] = writ.DigestOf(b).String(), base64.StdEncoding.EncodeToString(b)
	}
	for i, e := range t.leaves {
		leaf, err := ledger.SealEnvelope(ledger.RecordType, e.payload.fill(nil, c.values), e.author)
		if err != nil {
			return c, err
		}
		c.values[e.hash] = ledger.LeafHash(leaf).String()
		c.values[e.base64] = base64.StdEncoding.EncodeToString(leaf)
		if i < t.upto {
			c.leaves = append(c.leaves, leaf)
		}
	}
	for _, r := range t.rows {
		due := r.due
		if due > 0 {
			due += by.Milliseconds()
		}
		row := store.Row{
			ID: r.id.text(c.values), Incident: r.incident.text(c.values), State: r.state.text(c.values), Key: r.key.text(c.values), Due: due, Doc: r.doc.fill(nil, c.values),
		}
		if r.table == store.Incidents {
			row.Key += "/" + row.ID // each had an alert of its own
		}
		c.rows = append(c.rows, row)
	}
	return c, nil
}

// task is the copy's incident.
func (t *template) task(c copied) writ.IncidentID {
	return writ.IncidentID("inc_" + c.values[t.incident])
}

// keep writes copies into the ledger and the tables.
func (t *template) keep(ctx context.Context, s *store.Store, all []copied) error {
	return s.Update(ctx, func(tx *store.Tx) error {
		var leaves [][]byte
		for _, c := range all {
			leaves = append(leaves, c.leaves...)
		}
		at, err := tx.AppendAll(leaves)
		if err != nil {
			return err
		}
		byTable := map[store.Table][]store.Row{}
		for _, c := range all {
			task := t.task(c)
			for i, r := range t.rows {
				row := c.rows[i]
				if r.index >= 0 {
					row.Doc = []byte(strings.Replace(string(row.Doc), "\x00", fmt.Sprint(at+int64(r.index)), 1))
				}
				byTable[r.table] = append(byTable[r.table], row)
			}
			for range c.leaves {
				byTable[store.Timeline] = append(byTable[store.Timeline], control.TimelineRow(at, task))
				at++
			}
		}
		for _, table := range store.Tables() {
			if err := tx.InsertAll(table, byTable[table]); err != nil {
				return err
			}
		}
		return nil
	})
}
