package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// Export returns a bundle for offline verification: the whole ledger, or, with an incident, that incident's entries
// and whatever they refer to, each with its proof, and those that tell of the log's keys. It covers at least what was committed when it was called, and waits
// for the signature on it. Blobs are the caller's to disclose.
func (s *Store) Export(ctx context.Context, incident writ.IncidentID) (ledger.Bundle, error) {
	size, err := s.newest(ctx)
	if err != nil {
		return ledger.Bundle{}, err
	}
	now, err := s.covering(ctx, max(1, size))
	if err != nil {
		return ledger.Bundle{}, err
	}
	var b ledger.Bundle
	err = s.readers.with(ctx, func(c conn) error {
		if incident == "" {
			leaves := make([][]byte, 0, now.head.Size)
			err := scan(c, now.head.Size, func(_ int64, leaf []byte) error { leaves = append(leaves, leaf); return nil })
			b = ledger.Export(s.origin, now.note, leaves)
			return err
		}
		indexes, err := belonging(c, now.head.Size, incident)
		if err != nil {
			return err
		}
		if indexes == nil {
			return fmt.Errorf("%w: the ledger has no entry of %s", writ.ErrNotFound, incident)
		}
		b, err = ledger.ExportSome(s.origin, now.note, now.head.Size, indexes, func(i int64) ([]byte, error) { return leafAt(c, i) }, nodes{c})
		return err
	})
	return b, err
}

// belonging returns the indexes of an incident's entries, of all that they refer to, and of those without which a verifier could
// not follow the log from one key to the next; ascending. It returns nil when there is no entry of the incident.
func belonging(c conn, size int64, incident writ.IncidentID) ([]int64, error) {
	found := map[int64]bool{}
	var todo []writ.Ref
	var keys []int64
	take := func(index int64, leaf []byte) error {
		rec, err := peek(leaf)
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		if rec.Task == incident {
			found[index] = true
			todo = append(todo, rec.Refs...)
		}
		if rec.Kind == writ.EntryKeyRotate {
			keys = append(keys, index)
		}
		return nil
	}
	if err := scan(c, size, take); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, nil
	}
	for _, index := range keys {
		found[index] = true
	}
	for len(todo) > 0 {
		r := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		index := int64(-1)
		var leaf []byte
		err := c.query("SELECT idx, leaf FROM entry WHERE hash = ?", func(r row) error { return r.Scan(&index, &leaf) }, r.Leaf.Bytes())
		if err != nil {
			return nil, err
		}
		if index < 0 || index >= size || found[index] {
			continue // a ref to nothing is the verifier's finding
		}
		found[index] = true
		rec, err := peek(leaf)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		todo = append(todo, rec.Refs...)
	}
	indexes := make([]int64, 0, len(found))
	for i := range found {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	return indexes, nil
}

// peek reads what an export needs of a leaf without checking it: the verifier does that.
func peek(leaf []byte) (rec writ.Record, err error) {
	var e ledger.Envelope
	if err := json.Unmarshal(leaf, &e); err != nil {
		return rec, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	if err := json.Unmarshal(e.Payload, &rec); err != nil {
		return rec, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return rec, nil
}

// scan calls each for the first size leaves, in order.
func scan(c conn, size int64, each func(index int64, leaf []byte) error) error {
	for at := int64(0); at < size; {
		from := at
		err := c.query("SELECT idx, leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?", func(r row) error {
			var index int64
			var leaf []byte
			if err := r.Scan(&index, &leaf); err != nil {
				return err
			}
			if index != at {
				return forked("entry %d is missing", at)
			}
			at++
			return each(index, leaf)
		}, from, size, page)
		if err != nil {
			return err
		}
		if at == from {
			return forked("entry %d is missing", at)
		}
	}
	return nil
}
