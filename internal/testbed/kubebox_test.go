package testbed_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/testbed"
)

func TestKubeboxIsBuiltOnceAndKept(t *testing.T) {
	first, err := testbed.Kubebox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	was, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := testbed.Kubebox(t.Context())
	if err != nil || second != first {
		t.Fatalf("want %s again, got %s, error %v", first, second, err)
	}
	is, err := os.Stat(second)
	if err != nil || !os.SameFile(was, is) || !is.ModTime().Equal(was.ModTime()) {
		t.Errorf("it was built again: %v", err)
	}
	if left, _ := filepath.Glob(first + ".new"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKubeboxKeyChangesWithEachInput(t *testing.T) {
	source, err := testbed.KubeboxSource()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"go.mod", "go.sum", "main.go"}
	dir := t.TempDir()
	content := map[string][]byte{}
	for _, name := range names {
		if content[name], err = os.ReadFile(filepath.Join(source, name)); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), content[name])
	}
	key := func(flags ...string) string {
		t.Helper()
		k, err := testbed.BuildKey(t.Context(), dir, flags)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	flags := testbed.BuildFlags("1.2.3")
	seen := map[string]string{key(flags...): "the original"}
	if _, again := seen[key(flags...)]; !again {
		t.Fatal("the key of the same content differs")
	}
	note := func(what, k string) {
		t.Helper()
		if same, ok := seen[k]; ok {
			t.Errorf("%s has the key of %s", what, same)
		}
		seen[k] = what
	}
	note("another version", key(testbed.BuildFlags("1.2.4")...))
	for _, name := range names {
		write(t, filepath.Join(dir, name), append([]byte("// changed\n"), content[name]...))
		note("another "+name, key(flags...))
		write(t, filepath.Join(dir, name), content[name])
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLockIsHeldByOneAndWaitsNoLongerThanItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := testbed.Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := testbed.Lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want to wait in vain, got %v", err)
	}
	next := make(chan error)
	go func() {
		unlock, err := testbed.Lock(context.Background(), path)
		if err == nil {
			unlock()
		}
		next <- err
	}()
	unlock()
	if err := <-next; err != nil {
		t.Errorf("after the first has given it back: %v", err)
	}
}
