package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// A lateSigner does not answer the first calls.
type lateSigner struct {
	ledger.Signer
	silent int
}

// Head implements ledger.Signer.
func (s *lateSigner) Head(ctx context.Context) (ledger.Head, error) {
	if s.silent > 0 {
		s.silent--
		return ledger.Head{}, fmt.Errorf("%w: nobody listens", writ.ErrUnavailable)
	}
	return s.Signer.Head(ctx)
}

// Server and signer that are started together, or die together, find one another.
func TestTheStoreWaitsForASignerThatIsThereSoon(t *testing.T) {
	dir := t.TempDir()
	late := &lateSigner{newSigner(t, dir), 3}
	s, err := open(storetest.Setup{Dir: dir, Signer: late})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if late.silent != 0 {
		t.Errorf("the signer was not asked again: %d", late.silent)
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}
