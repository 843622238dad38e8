package ledger_test

import (
	"errors"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

func TestI17WithoutALogKeyNoCheckpointIsBelieved(t *testing.T) {
	l := grow(3)
	note := signed(t, ledger.Checkpoint{Origin: origin, Size: 3, Root: l.heads[3].Root}, 1)
	if _, err := verifier(t, origin, key(1)).Open(note); err != nil {
		t.Fatal(err)
	}
	var none ledger.Verifier
	if c, err := none.Open(note); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("want %v, got %+v, %v", writ.ErrInvalid, c, err)
	}
	if _, err := ledger.CheckReceipt(l.receipt(t, 2, 0, 3), l.leaves[2], none, ledger.Head{}); writ.ReasonOf(err) != writ.ReasonReceipt {
		t.Errorf("want %s, got %v", writ.ReasonReceipt, err)
	}
}
