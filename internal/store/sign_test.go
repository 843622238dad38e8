package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// noting is a signer that notes the sizes that it is asked to sign. As one in another process, it does nothing for whom has gone.
type noting struct {
	ledger.Signer

	mu    sync.Mutex
	sizes []int64
}

func (n *noting) Sign(ctx context.Context, r ledger.SignRequest) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sizes = append(n.sizes, r.Next.Size)
	return n.Signer.Sign(ctx, r)
}

// signing opens a store whose signer notes what it signs.
func signing(t *testing.T) (*store.Store, *noting) {
	t.Helper()
	n := &noting{Signer: newSigner(t, t.TempDir())}
	s, err := open(storetest.Setup{Dir: t.TempDir(), Signer: n})
	must(t, err)
	return s, n
}

func entered(t *testing.T, s *store.Store, leaf string) (index int64) {
	t.Helper()
	must(t, s.Update(t.Context(), func(tx *store.Tx) (err error) { index, _, err = tx.Append([]byte(leaf)); return err }))
	return index
}

// Commits that nobody waits for share a signature, which comes by itself.
func TestCommitsThatNobodyWaitsForShareASignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := signing(t)
		for i := range 5 {
			entered(t, s, fmt.Sprint("entry ", i))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		if !slices.Equal(n.sizes, []int64{5}) {
			t.Errorf("signed were the sizes %d", n.sizes)
		}
		must(t, s.Close())
	})
}

// Whoever needs a signature gets it at once.
func TestAReceiptWaitsForNothingButItsSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := signing(t)
		for i := range 3 {
			index, began := entered(t, s, fmt.Sprint("entry ", i)), time.Now()
			_, err := s.Receipt(t.Context(), index, 0)
			must(t, err)
			if took := time.Since(began); took > 0 {
				t.Errorf("entry %d: it rested for %v", i, took)
			}
		}
		must(t, s.Close())
	})
}

// A store that was closed in order has nothing that its signer does not remember: a copy from before is refused.
func TestI17ClosingHasAllThatIsCommittedSigned(t *testing.T) {
	s, n := signing(t)
	for i := range 3 {
		entered(t, s, fmt.Sprint("entry ", i))
	}
	must(t, s.Close())
	if head, err := n.Head(t.Context()); err != nil || head.Size != 3 {
		t.Errorf("the signer remembers %d entries, %v", head.Size, err)
	}
}
