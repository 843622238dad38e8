package storetest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// ballast is a file that a test removes to make room again.
const ballast = "ballast"

// mountSmall mounts a disk of 4 MiB with a quarter taken by ballast, where the process may mount.
func mountSmall(t *testing.T, dir string) bool {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		return false
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	must(t, os.WriteFile(filepath.Join(dir, ballast), make([]byte, 1<<20), 0o600))
	return true
}

func remountReadOnly(t *testing.T, dir string) {
	t.Helper()
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=4m"))
}
