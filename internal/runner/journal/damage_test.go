package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/runner/journal"
)

func TestOneProcessHoldsTheJournal(t *testing.T) {
	_, path := open(t)
	if _, err := journal.Open(ctx, path); !errors.Is(err, journal.ErrHeld) {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
}

// durability.md's trap 8: the tail is cut at every byte of the last transactions.
func TestATornTailIsRepairedToTheLastWholeTransaction(t *testing.T) {
	j, path := open(t)
	must(t, j.Spend(ctx, run(runID, grantID)))
	wal, err := os.ReadFile(path + "-wal")
	must(t, err)
	whole := len(wal)
	must(t, j.Append(ctx, runID, []journal.Event{{Kind: "a", At: at}}))
	wal, err = os.ReadFile(path + "-wal")
	must(t, err)
	step := max(1, (len(wal)-whole)/97)
	for cut := whole; cut <= len(wal); cut += step {
		torn, err := journal.Open(ctx, copies(t, path, cut))
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", cut, len(wal), err)
		}
		events, err := torn.Events(ctx, runID)
		must(t, err)
		if _, err := torn.Run(ctx, runID); err != nil || len(events) > 1 || len(events) == 1 && cut < whole+4096 {
			t.Errorf("cut at %d: %d events, %v", cut, len(events), err)
		}
		must(t, torn.Close())
	}
}

func TestADamagedFileIsRefusedWithAClearWord(t *testing.T) {
	j, path := open(t)
	must(t, j.PutPlan(ctx, journal.Plan{ID: planID, Digest: writ.DigestOf([]byte("b")), Bytes: make([]byte, 20000), Entry: []byte("e")}))
	must(t, j.Close())
	for name, damage := range map[string]func([]byte) []byte{
		"not a database": func(b []byte) []byte { return []byte(strings.Repeat("rubbish ", 2000)) },
		"cut":            func(b []byte) []byte { return b[:len(b)/2] },
		"overwritten": func(b []byte) []byte {
			for i := 4096; i < 8192; i++ {
				b[i] = 0xAA
			}
			return b
		},
		"another schema": func(b []byte) []byte { b[63] = 9; return b },
	} {
		b, err := os.ReadFile(path)
		must(t, err)
		bad := filepath.Join(t.TempDir(), "journal.db")
		must(t, os.WriteFile(bad, damage(b), 0o600))
		if _, err := journal.Open(ctx, bad); !errors.Is(err, journal.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Starting costs the same however much a journal remembers: of a large file a part is checked, and Check reads all of it.
func TestTrap9AStartDoesNotReadTheWholeJournal(t *testing.T) {
	j, path := open(t)
	must(t, j.PutPlan(ctx, journal.Plan{ID: planID, Digest: writ.DigestOf([]byte("b")), Bytes: make([]byte, 5<<20), Entry: []byte("e")}))
	must(t, j.Close())
	must(t, journal.Check(ctx, path))
	b, err := os.ReadFile(path)
	must(t, err)
	old := len(b) / 2 / 4096 * 4096
	for i := old; i < old+4096; i++ {
		b[i] = 0xAA
	}
	must(t, os.WriteFile(path, b, 0o600))
	j, err = journal.Open(ctx, path)
	if err != nil {
		t.Fatalf("a start reads the past: %v", err)
	}
	if err := journal.Check(ctx, path); !errors.Is(err, journal.ErrHeld) {
		t.Errorf("checked while it is in use: %v", err)
	}
	must(t, j.Close())
	if err := journal.Check(ctx, path); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("checked as a whole: %v", err)
	}
}
