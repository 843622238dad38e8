// Package storetest is the conformance suite of the store: what Update, View, Receipt and Open promise, also across
// kill -9, a full disk and a restored backup. Every implementation passes it.
package storetest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
)

// Origin names the log of the suite.
const Origin = "writ.test/log"

// A Setup is what an Opener opens: the same Dir again is the same store.
type Setup struct {
	Dir      string
	Signer   ledger.Signer
	MaxPages int64
}

// An Engine is the implementation under test.
type Engine struct {
	Open func(Setup) (*store.Store, error)
	// Make makes what Open needs for a directory that has not been opened yet; nil when that is nothing.
	Make func(dir string) error
	// Alter runs statements behind the store's back; each must change something.
	Alter func(dir string, statements ...string) error
	// Bytes is how a statement writes bytes.
	Bytes func(b []byte) string
	// Backup copies the state of a closed store, and Restore brings the copy back.
	Backup, Restore func(dir string) error
}

// Run runs what every engine promises. The test binary's TestMain calls Child first, since some tests run it again to be
// killed.
func Run(t *testing.T, e Engine) {
	run(t, e, map[string]func(*testing.T, Engine){
		"rows are found by what they are indexed by":                      testFind,
		"ids, unique keys and open incidents collide":                     testUnique,
		"an update needs the state it expects":                            testUpdate,
		"only passing rows are deleted":                                   testDelete,
		"a table refuses what it does not know":                           testForm,
		"a view is a snapshot and changes nothing":                        testView,
		"a glance sees what a view sees":                                  testGlance,
		"I05 a glance is of one committed state":                          testGlanceOfOneState,
		"a transaction is void after its closure":                         testOver,
		"a failed closure leaves neither state nor entry":                 testFailedClosure,
		"failed closures in a shared commit leave the others alone":       testSharedCommit,
		"a panic goes to its caller and keeps nothing":                    testPanic,
		"a closure that ends its goroutine does not stop the store":       testExit,
		"of two updates of one row one wins":                              testRace,
		"no wake-up is lost":                                              testChanged,
		"row numbers grow across failures and restarts":                   testSeq,
		"I01 a receipt proves the entry and extends what was seen":        testReceipt,
		"I01 receipts of several entries prove one head":                  testReceipts,
		"a leaf stands in the log once":                                   testAppend,
		"I17 Verify finds every altered row":                              testAltered,
		"I17 a restored older database is refused":                        testRestored,
		"I17 a database altered below the signed head is refused at open": testAlteredHead,
		"I17 a signer that has lost its memory is refused":                testForgetful,
		"I17 a fork at run time stops receipts, not records":              testForkAtRunTime,
		"the signer's outage delays receipts, not commits":                testSignerDown,
		"a lost answer of the signer is asked for again":                  testLostAnswer,
		"a closed store says so":                                          testClosed,
		"I01 kill -9 in the middle of commits":                            testKilled,
		"I17 kill -9 between commit and signature":                        testKilledAtSignature,
		"blobs open their commitments":                                    testBlob,
		"a sealed blob stands with its entry or not at all":               testSealed,
	})
}

// RunFile runs what an engine promises that keeps files of its own below Setup.Dir.
func RunFile(t *testing.T, e Engine) {
	run(t, e, map[string]func(*testing.T, Engine){
		"a second open is refused":                       testSecondOpen,
		"a full database refuses and keeps nothing half": testFull,
		"a full disk refuses and keeps nothing half":     testDiskFull,
		"a read-only disk gives a clear error":           testReadOnly,
		"I20 an erased blob is gone from the disk":       testErase,
		"I20 a sealed blob cannot be read from the disk": testSealedApart,
	})
}

func run(t *testing.T, e Engine, tests map[string]func(*testing.T, Engine)) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, e)
		})
	}
}

// a fixture is a directory with a signer and the store that is open in it.
type fixture struct {
	*store.Store
	t      *testing.T
	e      Engine
	dir    string
	signer *signer.Signer
}

func logKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))
}

func newSigner(dir string) (*signer.Signer, error) {
	path := filepath.Join(dir, "signer.state")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := signer.Create(path, Origin, logKey()); err != nil {
			return nil, err
		}
	}
	return signer.Open(path, Origin, logKey())
}

func start(t *testing.T, e Engine) *fixture {
	t.Helper()
	dir := e.dir(t)
	s, err := newSigner(dir)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	f := &fixture{t: t, e: e, dir: dir, signer: s}
	f.reopen()
	t.Cleanup(f.end)
	return f
}

// dir returns a new directory to open.
func (e Engine) dir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if e.Make != nil {
		must(t, e.Make(dir))
	}
	return dir
}

// reopen closes the store, if it is open, and opens it again.
func (f *fixture) reopen() {
	f.t.Helper()
	if f.Store != nil {
		must(f.t, f.Store.Close())
	}
	s, err := f.e.Open(Setup{Dir: f.dir, Signer: f.signer})
	must(f.t, err)
	f.Store = s
}

// end closes what is open.
func (f *fixture) end() {
	if f.Store != nil {
		f.Store.Close()
	}
}

func (f *fixture) update(fn func(*store.Tx) error) error { return f.Update(f.ctx(), fn) }

func (f *fixture) view(fn func(*store.Tx) error) {
	f.t.Helper()
	must(f.t, f.View(f.ctx(), fn))
}

func (f *fixture) append(leaves ...string) {
	f.t.Helper()
	must(f.t, f.update(func(tx *store.Tx) error {
		for _, l := range leaves {
			if _, _, err := tx.Append([]byte(l)); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (f *fixture) size() (n int64) {
	f.t.Helper()
	f.view(func(tx *store.Tx) error { n = tx.Head(); return nil })
	return n
}

// ctx bounds every wait: a test that hangs fails instead.
func (f *fixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	f.t.Cleanup(cancel)
	return ctx
}

const patience = 30 * time.Second

func row(id string) store.Row {
	return store.Row{ID: id, Incident: "inc_1", State: "s", Key: "k-" + id, Doc: []byte(`{"id":"` + id + `"}`)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: want %v, got %v", what, kind, err)
	}
}

// rounds is how often a test repeats itself; -short is for slow instruments such as the race detector.
func rounds(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
}

func leafName(i int) string { return fmt.Sprintf("leaf %d", i) }
