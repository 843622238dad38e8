package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// build builds writ in a directory and returns its path.
func build(dir string) (string, error) {
	file := filepath.Join(dir, "writ")
	if out, err := exec.Command("go", "build", "-o", file, "github.com/writ-dev/writ/cmd/writ").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, nil
}

// binary is built once for all tests that run at a time, and removed after the last of them.
var binary struct {
	sync.Mutex
	users     int
	dir, file string
}

// Binary returns the path of writ. It is there until the test has ended.
func Binary(t testing.TB) string {
	t.Helper()
	b := &binary
	b.Lock()
	defer b.Unlock()
	if b.file == "" {
		dir, err := os.MkdirTemp("", "writ-e2e-")
		must(t, err)
		if b.file, err = build(dir); err != nil {
			_ = os.RemoveAll(dir) // in the system's folder for such files
			t.Fatal(err)
		}
		b.dir = dir
	}
	b.users++
	t.Cleanup(func() {
		b.Lock()
		defer b.Unlock()
		if b.users--; b.users == 0 {
			_ = os.RemoveAll(b.dir) // likewise
			b.file = ""
		}
	})
	return b.file
}
