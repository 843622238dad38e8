package ledger_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

func TestABundleReadsBackAsItWasWritten(t *testing.T) {
	l := grow(9)
	note := l.receipt(t, 0, 0, 9).Checkpoint
	whole := ledger.Export(origin, note, l.leaves)
	some, err := ledger.ExportSome(origin, note, 9, []int64{2, 5}, func(i int64) ([]byte, error) { return l.leaves[i], nil }, l)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]ledger.Bundle{"whole": whole, "some": some, "empty": ledger.Export(origin, note, nil), "nil": {V: 1, Origin: origin}} {
		raw, err := b.Bytes()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := ledger.ParseBundle(append(raw, '\n'))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := back.Bytes()
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%s: %s, %v", name, again, err)
		}
	}
	for i, e := range some.Entries {
		if err := ledger.CheckInclusion(ledger.LeafHash(e.Leaf), e.Index, l.heads[9], e.Proof); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	for _, bad := range []string{"", "[]", `{"v":2,"origin":"x","checkpoint":"","entries":[]}`, `{"v":1,"origin":"x","checkpoint":"","entries":null}`} {
		if _, err := ledger.ParseBundle([]byte(bad)); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	broken := errors.New("disk")
	if _, err := ledger.ExportSome(origin, note, 9, []int64{2}, func(int64) ([]byte, error) { return nil, broken }, l); !errors.Is(err, broken) {
		t.Errorf("an unreadable leaf: %v", err)
	}
}

func FuzzParseBundle(f *testing.F) {
	l := grow(3)
	raw, err := ledger.Export(origin, []byte("note"), l.leaves).Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := ledger.ParseBundle(in)
		if err != nil {
			return
		}
		if _, err := b.Bytes(); err != nil {
			t.Fatalf("read %q and cannot write it: %v", in, err)
		}
	})
}
