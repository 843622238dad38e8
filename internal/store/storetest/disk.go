package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// fill updates until the store refuses, and checks that the refusal is clear and nothing half-done is left.
func fill(t *testing.T, f *fixture) {
	t.Helper()
	var refused error
	kept := 0
	for refused == nil && kept < 10000 {
		refused = f.update(func(tx *store.Tx) error {
			r := row(fmt.Sprint(kept))
			r.Doc = []byte(`"` + strings.Repeat("x", 8000) + `"`)
			if err := tx.Insert(store.Leases, r); err != nil {
				return err
			}
			_, _, err := tx.Append([]byte(leafName(kept)))
			return err
		})
		if refused == nil {
			kept++
		}
	}
	wantErr(t, "full", refused, writ.ErrUnavailable)
	if refused == nil || !strings.Contains(refused.Error(), "full") {
		t.Errorf("the error does not say what is wrong: %v", refused)
	}
	if kept == 0 {
		t.Error("nothing fitted")
	}
	whole(t, f, kept)
	// A closure that swallows the error cannot have the half of it that fitted committed.
	err := f.update(func(tx *store.Tx) error {
		var met error // the refusal, unless it comes with the commit only
		tx.Append([]byte("half"))
		for i := range 100 {
			r := row(fmt.Sprint("half", i))
			r.Doc = []byte(`"` + strings.Repeat("x", 64<<10) + `"`)
			if err := tx.Insert(store.Leases, r); err != nil {
				met = err
			}
		}
		if err := tx.Insert(store.Leases, row("small")); met != nil {
			wantErr(t, "a small row after the refusal", err, writ.ErrUnavailable)
		}
		return nil
	})
	wantErr(t, "a swallowed refusal", err, writ.ErrUnavailable)
	f.view(func(tx *store.Tx) error {
		_, err := tx.Get(store.Leases, "small")
		wantErr(t, "a row from after the refusal", err, writ.ErrNotFound)
		return nil
	})
	whole(t, f, kept)
}

// whole checks that rows and entries are as many as were acknowledged.
func whole(t *testing.T, f *fixture, kept int) {
	t.Helper()
	if n := f.size(); n != int64(kept) {
		t.Errorf("%d updates were acknowledged, %d entries are there", kept, n)
	}
	f.view(func(tx *store.Tx) error {
		_, err := tx.Get(store.Leases, fmt.Sprint(kept))
		wantErr(t, "the refused row", err, writ.ErrNotFound)
		_, err = tx.Get(store.Leases, fmt.Sprint(kept-1))
		return err
	})
	must(t, f.Verify(f.ctx()))
}

func testFull(t *testing.T, e Engine) {
	f := start(t, e)
	must(t, f.Close())
	var err error
	f.Store, err = e.Open(Setup{Dir: f.dir, Signer: f.signer, MaxPages: 300})
	must(t, err)
	fill(t, f)
	n := int(f.size())
	f.reopen() // without the limit
	whole(t, f, n)
	f.append("there is room again")
}

func testDiskFull(t *testing.T, e Engine) {
	dir := t.TempDir()
	if !mountSmall(t, dir) {
		testFull(t, e) // without privileges the limit of pages stands in for the disk
		return
	}
	f := startIn(t, e, dir)
	fill(t, f)
	n := int(f.size())
	must(t, os.Remove(filepath.Join(dir, ballast)))
	must(t, f.update(func(tx *store.Tx) error { _, _, err := tx.Append([]byte("there is room again")); return err }))
	must(t, f.Verify(f.ctx()))
	f.reopen()
	if got := int(f.size()); got != n+1 {
		t.Errorf("want %d entries, got %d", n+1, got)
	}
	must(t, f.Verify(f.ctx()))
}

func testReadOnly(t *testing.T, e Engine) {
	dir := t.TempDir()
	signers := t.TempDir()
	sgn, err := newSigner(signers)
	must(t, err)
	t.Cleanup(func() { sgn.Close() })
	if mountSmall(t, dir) {
		s, err := e.Open(Setup{Dir: dir, Signer: sgn})
		must(t, err)
		must(t, s.Close())
		remountReadOnly(t, dir)
	} else {
		must(t, os.Chmod(dir, 0o500))
		t.Cleanup(func() { os.Chmod(dir, 0o700) })
	}
	_, err = e.Open(Setup{Dir: dir, Signer: sgn})
	wantErr(t, "open", err, writ.ErrUnavailable)
}

// startIn is start in a directory that is there already, with the signer elsewhere, as it would be.
func startIn(t *testing.T, e Engine, dir string) *fixture {
	t.Helper()
	s, err := newSigner(t.TempDir())
	must(t, err)
	t.Cleanup(func() { s.Close() })
	f := &fixture{t: t, e: e, dir: dir, signer: s}
	f.reopen()
	t.Cleanup(f.end)
	return f
}

func testBlob(t *testing.T, e Engine) {
	f := start(t, e)
	content := []byte("what was read")
	c, err := f.PutBlob(f.ctx(), "evidence", "evidence", content)
	must(t, err)
	again, err := f.PutBlob(f.ctx(), "evidence", "evidence", content)
	must(t, err)
	if again.Equal(c) {
		t.Error("two blobs share a salt")
	}
	f.reopen()
	got, salt, name, err := f.Blob(f.ctx(), c)
	must(t, err)
	if !bytes.Equal(got, content) || name != "evidence" || !writ.Commit(salt, name, got).Equal(c) {
		t.Errorf("%q under %q does not open its commitment", got, name)
	}
	empty, err := f.PutBlob(f.ctx(), "empty", "text", nil)
	must(t, err)
	if got, _, _, err := f.Blob(f.ctx(), empty); err != nil || len(got) != 0 {
		t.Errorf("empty blob: %q %v", got, err)
	}
	_, _, _, err = f.Blob(f.ctx(), writ.Commit(salt, "other", content))
	wantErr(t, "no such blob", err, writ.ErrNotFound)
	_, err = f.PutBlob(f.ctx(), "x", "no class", content)
	wantErr(t, "unknown class", err, writ.ErrInvalid)
	_, err = f.PutBlob(f.ctx(), "x", "text", make([]byte, store.MaxBlob+1))
	wantErr(t, "too large", err, writ.ErrInvalid)
}

func testSealed(t *testing.T, e Engine) {
	f := start(t, e)
	content := []byte("what was read, and nobody may find on a disk")
	b, err := f.SealBlob(f.ctx(), "evidence", "evidence", content)
	must(t, err)
	_, _, _, err = f.Blob(f.ctx(), b.Commitment)
	wantErr(t, "before its transaction", err, writ.ErrNotFound)
	boom := errors.New("boom")
	wantErr(t, "a closure that fails", f.update(func(tx *store.Tx) error { return errors.Join(tx.PutBlob(b), boom) }), boom)
	_, _, _, err = f.Blob(f.ctx(), b.Commitment)
	wantErr(t, "a closure that failed keeps nothing", err, writ.ErrNotFound)
	must(t, f.update(func(tx *store.Tx) error { return tx.PutBlob(b) }))
	wantErr(t, "twice", f.update(func(tx *store.Tx) error { return tx.PutBlob(b) }), writ.ErrConflict)
	f.reopen()
	got, salt, name, err := f.Blob(f.ctx(), b.Commitment)
	must(t, err)
	if !bytes.Equal(got, content) || name != "evidence" || !writ.Commit(salt, name, got).Equal(b.Commitment) {
		t.Errorf("%q under %q does not open its commitment", got, name)
	}
	for name, content := range map[string][]byte{"nothing": nil, "the largest beside the ledger": make([]byte, store.MaxSealed), "one byte more": make([]byte, store.MaxSealed+1)} {
		b, err := f.SealBlob(f.ctx(), "x", "evidence", content)
		must(t, err)
		must(t, f.update(func(tx *store.Tx) error { return tx.PutBlob(b) }))
		if got, _, _, err := f.Blob(f.ctx(), b.Commitment); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		must(t, f.EraseBlob(f.ctx(), b.Commitment))
		_, _, _, err = f.Blob(f.ctx(), b.Commitment)
		wantErr(t, name+", erased", err, writ.ErrNotFound)
	}
	_, err = f.SealBlob(f.ctx(), "x", "no class", content)
	wantErr(t, "unknown class", err, writ.ErrInvalid)
	must(t, f.EraseBlob(f.ctx(), b.Commitment))
	must(t, f.EraseBlob(f.ctx(), b.Commitment))
	f.reopen()
	_, _, _, err = f.Blob(f.ctx(), b.Commitment)
	wantErr(t, "an erased blob", err, writ.ErrNotFound)
}

// testSealedApart proves that the state database says nothing by itself: neither of what it keeps as ciphertext, nor of the
// salt, and that each content has a key of its own.
func testSealedApart(t *testing.T, e Engine) {
	f := start(t, e)
	content := []byte("personal data that nobody else has")
	var all []store.Sealed
	for range 3 {
		b, err := f.SealBlob(f.ctx(), "evidence", "evidence", content)
		must(t, err)
		must(t, f.update(func(tx *store.Tx) error { return tx.PutBlob(b) }))
		all = append(all, b)
	}
	_, salt, _, err := f.Blob(f.ctx(), all[0].Commitment)
	must(t, err)
	if onDisk(t, f.dir, content) || onDisk(t, f.dir, salt[:]) {
		t.Error("content or salt can be read from the disk")
	}
	must(t, f.EraseBlob(f.ctx(), all[0].Commitment))
	_, _, _, err = f.Blob(f.ctx(), all[0].Commitment)
	wantErr(t, "the erased one", err, writ.ErrNotFound)
	for _, b := range all[1:] {
		if got, _, _, err := f.Blob(f.ctx(), b.Commitment); err != nil || !bytes.Equal(got, content) {
			t.Errorf("another blob was lost with it: %q %v", got, err)
		}
	}
}

func testErase(t *testing.T, e Engine) {
	f := start(t, e)
	secret := []byte("personal data that nobody else has")
	c, err := f.PutBlob(f.ctx(), "claim", "claim", secret)
	must(t, err)
	_, salt, _, err := f.Blob(f.ctx(), c)
	must(t, err)
	if !onDisk(t, f.dir, secret) || !onDisk(t, f.dir, salt[:]) {
		t.Fatal("the blob is not where this test looks for it")
	}
	must(t, f.EraseBlob(f.ctx(), c))
	must(t, f.EraseBlob(f.ctx(), c))
	_, _, _, err = f.Blob(f.ctx(), c)
	wantErr(t, "an erased blob", err, writ.ErrNotFound)
	if onDisk(t, f.dir, secret) || onDisk(t, f.dir, salt[:]) {
		t.Error("content or salt is still on the disk")
	}
	wantErr(t, "erasing nothing", f.EraseBlob(f.ctx(), writ.Commit(salt, "other", secret)), writ.ErrNotFound)
}

// onDisk looks for b in all files of the store.
func onDisk(t *testing.T, dir string, b []byte) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if bytes.Contains(content, b) {
			return true
		}
	}
	return false
}
