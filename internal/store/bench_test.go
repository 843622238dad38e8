package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// The benchmarks report percentiles: p50-µs and p99-µs. Compare them with BenchmarkFdatasync of the same run, never
// with another machine's.

func benchStore(b *testing.B) *store.Store {
	b.Helper()
	dir := b.TempDir()
	s, err := open(storetest.Setup{Dir: dir, Signer: newSigner(b, dir)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// measure runs b.N calls of one from several callers at once.
func measure(b *testing.B, callers int, one func(i int64) error) {
	b.Helper()
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					return
				}
				start := time.Now()
				if err := one(i); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func leaf(i int64) []byte { return fmt.Appendf(make([]byte, 0, 832), "%0832d", i) }

// BenchmarkAppend is one entry and one row, durable.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := benchStore(b)
			measure(b, callers, func(i int64) error {
				return s.Update(context.Background(), func(tx *store.Tx) error {
					_, _, err := tx.Append(leaf(i))
					return err
				})
			})
		})
	}
}

// BenchmarkAppendWithRow is one entry and one row of state.
func BenchmarkAppendWithRow(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := benchStore(b)
			doc := []byte(`{"doc":"` + string(leaf(0)) + `"}`)
			measure(b, callers, func(i int64) error {
				return s.Update(context.Background(), func(tx *store.Tx) error {
					if _, _, err := tx.Append(leaf(i)); err != nil {
						return err
					}
					return tx.Insert(store.Leases, store.Row{ID: fmt.Sprint(i), Incident: "inc", State: "s", Doc: doc})
				})
			})
		})
	}
}

// BenchmarkReceipt is one entry, durable, with its receipt under a checkpoint that the signer has remembered.
func BenchmarkReceipt(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := benchStore(b)
			measure(b, callers, func(i int64) error {
				var index int64
				err := s.Update(context.Background(), func(tx *store.Tx) (err error) {
					index, _, err = tx.Append(leaf(i))
					return err
				})
				if err == nil {
					_, err = s.Receipt(context.Background(), index, 0)
				}
				return err
			})
		})
	}
}

// BenchmarkFdatasync is the floor: 4 KiB over preallocated space on the same disk.
func BenchmarkFdatasync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const size = 1 << 20
	if _, err := f.Write(make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	page := make([]byte, 4096)
	measure(b, 1, func(i int64) error {
		page[0]++
		if _, err := f.WriteAt(page, i*4096%size); err != nil {
			return err
		}
		return syscall.Fdatasync(int(f.Fd()))
	})
}
