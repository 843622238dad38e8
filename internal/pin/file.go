package pin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds a key file: PEM of the largest key that Writ keeps is below 400 bytes.
const maxFile = 16 << 10

// CreateFile writes a secret into a new file that only its owner may read (0600). It never overwrites: an existing
// file of that name is an error that matches fs.ErrExist, and is left as it is. When CreateFile returns nil, the file
// and its name are on stable storage; after another error there may be an incomplete file.
func CreateFile(path string, secret []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("new key file: %w", err)
	}
	_, err = f.Write(secret)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("new key file %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("new key file %s: %w", path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("new key file %s: %w", path, err)
	}
	return nil
}

// ReadFile reads a secret that CreateFile wrote. It refuses a file that others than the owner may read or write.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, fmt.Errorf("key file %s: it is not a regular file", path)
	case mode.Perm()&0o077 != 0:
		return nil, fmt.Errorf("key file %s: %w: mode %04o lets others in; run chmod 600", path, fs.ErrPermission, mode.Perm())
	case info.Size() > maxFile:
		return nil, fmt.Errorf("key file %s: %d bytes is no key", path, info.Size())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return b, nil
}
