package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

const (
	diskSamples   = 500
	commitSamples = 500
	pageSize      = 4096
	fileSize      = 1 << 20 // preallocated, so that no write changes the file's size
)

// fdatasync measures one durable write of a page over space that is already there.
func fdatasync(dir string) (_ Quantiles, err error) {
	f, err := os.Create(filepath.Join(dir, "disk"))
	if err != nil {
		return Quantiles{}, fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, fileSize)); err != nil {
		return Quantiles{}, err
	}
	if err := f.Sync(); err != nil {
		return Quantiles{}, err
	}
	page := make([]byte, pageSize)
	var ds []time.Duration
	for i := range diskSamples {
		page[0]++
		began := time.Now()
		if _, err := f.WriteAt(page, int64(i)*pageSize%fileSize); err != nil {
			return Quantiles{}, err
		}
		if err := syncData(f); err != nil {
			return Quantiles{}, err
		}
		ds = append(ds, time.Since(began))
	}
	return quantiles(ds), nil
}

// commits measures one entry of usual size and one row, durable, from one caller. The leaves are no envelopes: the
// store does not look into them, and this ledger is thrown away unread.
func commits(ctx context.Context, s *store.Store) (Quantiles, error) {
	var ds []time.Duration
	for i := range commitSamples {
		leaf := fmt.Appendf(nil, "%0832d", i)
		began := time.Now()
		err := s.Update(ctx, func(tx *store.Tx) error {
			_, hash, err := tx.Append(leaf)
			if err != nil {
				return err
			}
			return tx.Insert(store.Decisions, store.Row{ID: hash.String(), Doc: []byte(`{}`)})
		})
		if err != nil {
			return Quantiles{}, err
		}
		ds = append(ds, time.Since(began))
	}
	return quantiles(ds), nil
}
