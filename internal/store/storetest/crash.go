package storetest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// The environment of a child: where it works and how it is to die.
const (
	envDir  = "WRIT_STORETEST_DIR"
	envMode = "WRIT_STORETEST_MODE"
)

// How a child dies at its tenth signature.
const (
	dieNever      = "never" // it is killed from outside
	dieBeforeSign = "before"
	dieAfterSign  = "after" // the signer remembers the head, the store never sees the note
)

// Child turns the process into the suite's victim when it has been started as one, and never returns then. TestMain
// calls it before anything else.
func Child(open func(Setup) (*store.Store, error)) {
	dir := os.Getenv(envDir)
	if dir == "" {
		return
	}
	fmt.Fprintln(os.Stderr, "child:", child(dir, os.Getenv(envMode), open))
	os.Exit(1)
}

func child(dir, mode string, open func(Setup) (*store.Store, error)) error {
	inner, err := newSigner(dir)
	if err != nil {
		return err
	}
	s, err := open(Setup{Dir: dir, Signer: &suicide{Signer: inner, mode: mode}})
	if err != nil {
		return err
	}
	out := make(chan string)
	for worker := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d/%d/%d", os.Getpid(), worker, i)
				err := s.Update(context.Background(), func(tx *store.Tx) error {
					if _, _, err := tx.Append([]byte(name)); err != nil {
						return err
					}
					r := row(name)
					return tx.Insert(store.Leases, r)
				})
				if err != nil {
					name = "error " + err.Error()
				}
				out <- name
			}
		}()
	}
	for line := range out {
		fmt.Println(line) // the parent counts on what it reads
	}
	return nil
}

type suicide struct {
	ledger.Signer
	mode  string
	calls atomic.Int64
}

func (s *suicide) Sign(ctx context.Context, r ledger.SignRequest) ([]byte, error) {
	tenth := s.calls.Add(1) == 10
	if tenth && s.mode == dieBeforeSign {
		die()
	}
	note, err := s.Signer.Sign(ctx, r)
	if tenth && s.mode == dieAfterSign {
		die()
	}
	return note, err
}

func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// victim runs a child and returns the entries it acknowledged. It kills the child after that many, or waits for its
// own death when that is 0.
func victim(t *testing.T, dir, mode string, after int) (acked []string) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), envDir+"="+dir, envMode+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Error(lines.Text())
		}
		acked = append(acked, lines.Text())
		if len(acked) == after {
			must(t, cmd.Process.Signal(syscall.SIGKILL))
		}
	}
	err = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return acked
}

// survived opens what a child left behind and checks that every acknowledged entry and row is there, that entries and
// rows belong together, and that the log verifies and gives receipts.
func survived(t *testing.T, dir string, e Engine, acked []string, seen ledger.Head) ledger.Head {
	t.Helper()
	sgn, err := newSigner(dir)
	must(t, err)
	defer sgn.Close()
	s, err := e.Open(Setup{Dir: dir, Signer: sgn})
	must(t, err)
	defer s.Close()
	f := &fixture{Store: s, t: t}
	must(t, s.Verify(f.ctx()))
	f.view(func(tx *store.Tx) error {
		for _, name := range acked {
			if _, err := tx.Get(store.Leases, name); err != nil {
				t.Errorf("acknowledged row: %v", err)
			}
			if _, err := tx.IndexOf(ledger.LeafHash([]byte(name))); err != nil {
				t.Errorf("acknowledged entry: %v", err)
			}
		}
		for from := int64(0); from < tx.Head(); from += store.MaxRows {
			leaves, err := tx.Leaves(from, store.MaxRows)
			must(t, err)
			for _, l := range leaves {
				if _, err := tx.Get(store.Leases, string(l)); err != nil {
					t.Errorf("an entry without its row: %v", err)
				}
			}
		}
		return nil
	})
	last := f.size() - 1
	r, err := s.Receipt(f.ctx(), last, seen.Size)
	must(t, err)
	var leaf []byte
	f.view(func(tx *store.Tx) (err error) { leaf, err = tx.Leaf(last); return err })
	head, err := ledger.CheckReceipt(r, leaf, sgn.Verifier(), seen)
	must(t, err)
	return head
}

func testKilled(t *testing.T, e Engine) {
	dir := e.dir(t)
	var acked []string
	var seen ledger.Head
	for round := range rounds(4, 2) {
		acked = append(acked, victim(t, dir, dieNever, 50+137*round)...)
		seen = survived(t, dir, e, acked, seen)
	}
}

func testKilledAtSignature(t *testing.T, e Engine) {
	var both sync.WaitGroup
	for _, mode := range []string{dieBeforeSign, dieAfterSign} {
		both.Go(func() {
			dir := e.dir(t)
			var acked []string
			var seen ledger.Head
			for range 2 {
				acked = append(acked, victim(t, dir, mode, 0)...)
				if len(acked) == 0 {
					t.Error("the child acknowledged nothing")
				}
				seen = survived(t, dir, e, acked, seen)
			}
		})
	}
	both.Wait()
}
