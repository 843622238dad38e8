package durable_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/writ-dev/writ/internal/durable"
)

func TestWriteFileReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, want := range []string{"a longer first value", "second"} {
		if err := durable.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("want %q, got %q, %v", want, got, err)
		}
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := durable.WriteFile(filepath.Join(path, "below-a-file"), nil, 0o600); err == nil {
		t.Error("a write that cannot be made was reported as made")
	}
}

func TestALockIsHeldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Lock(path); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("want %v, got %v", durable.ErrLocked, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := durable.Lock(path)
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	again.Close()
}

// A copy of the file, such as a child has between fork and exec, does not keep the lock.
func TestALockEndsWithItsHolderThoughItsFileWasCopied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	copies, err := os.ReadDir("/proc/self/fd")
	copied := err != nil // elsewhere than on Linux there is no telling which file it is
	for _, e := range copies {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && name == path {
			dup, err := syscall.Dup(fd)
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(dup)
			copied = true
		}
	}
	if !copied {
		t.Fatal("the lock's file was not found")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func newCell(t testing.TB, value string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cell")
	if err := durable.CreateCell(path, []byte(value)); err != nil {
		t.Fatal(err)
	}
	return path
}

func set(t testing.TB, path string, values ...string) {
	t.Helper()
	c, _, err := durable.OpenCell(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, v := range values {
		if err := c.Set([]byte(v)); err != nil {
			t.Fatal(err)
		}
	}
}

func value(t testing.TB, path string) string {
	t.Helper()
	c, v, err := durable.OpenCell(path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	return string(v)
}

func TestACellKeepsTheNewestValue(t *testing.T) {
	path := newCell(t, "zero")
	if got := value(t, path); got != "zero" {
		t.Errorf("got %q", got)
	}
	for _, v := range []string{"one", "two", "three", ""} {
		set(t, path, v)
		if got := value(t, path); got != v {
			t.Errorf("want %q, got %q", v, got)
		}
	}
	set(t, path, "a", "b", "c")
	if got := value(t, path); got != "c" {
		t.Errorf("got %q", got)
	}
	if err := durable.CreateCell(path, []byte("fresh")); !errors.Is(err, os.ErrExist) {
		t.Errorf("a cell was made over another: %v", err)
	}
	if _, _, err := durable.OpenCell(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing cell: %v", err)
	}
}

func TestACellRefusesWhatDoesNotFit(t *testing.T) {
	path := newCell(t, "zero")
	c, _, err := durable.OpenCell(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Set(make([]byte, durable.MaxCell)); err != nil {
		t.Error(err)
	}
	if err := c.Set(make([]byte, durable.MaxCell+1)); err == nil {
		t.Error("too much was taken")
	}
}

// A write that a crash cuts short at any byte leaves the value before it, and a whole one the value itself.
func TestACellSurvivesATornWriteAtEveryByte(t *testing.T) {
	path := newCell(t, "zero")
	set(t, path, "before")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	set(t, path, "after")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, last := -1, -1
	for i := range whole {
		if whole[i] != old[i] {
			last = i
			if first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		t.Fatal("nothing was written")
	}
	for cut := first; cut <= last+1; cut++ {
		torn := append(bytes.Clone(whole[:cut]), old[cut:]...)
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		want := "before"
		if cut == last+1 {
			want = "after"
		}
		if got := value(t, path); got != want {
			t.Fatalf("cut at %d of %d..%d: want %q, got %q", cut, first, last, want, got)
		}
		set(t, path, "next")
		if got := value(t, path); got != "next" {
			t.Fatalf("after a cut at %d: got %q", cut, got)
		}
	}
}

func TestACellWithoutAWholeValueIsAnError(t *testing.T) {
	path := newCell(t, "zero")
	for name, content := range map[string][]byte{
		"empty":  {},
		"short":  make([]byte, 4096),
		"zeros":  make([]byte, 8192),
		"random": bytes.Repeat([]byte("writcell"), 1024),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, v, err := durable.OpenCell(path); err == nil {
			t.Errorf("%s: got %q", name, v)
		}
	}
}

func FuzzOpenCell(f *testing.F) {
	path := newCell(f, "zero")
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(make([]byte, 8192))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "cell")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, v, err := durable.OpenCell(path)
		if err != nil {
			return
		}
		defer c.Close()
		if len(v) > durable.MaxCell {
			t.Fatalf("a value of %d bytes", len(v))
		}
		if err := c.Set([]byte("next")); err == nil && value(t, path) != "next" {
			t.Fatal("the next value is not the newest")
		}
	})
}
