// Package durable writes small files that must survive a crash whole, and locks files against a second process.
//
// After a crash a file written by WriteFile holds its old bytes or its new ones, never a part of either; once
// WriteFile has returned nil, the new ones. It relies on a file system that keeps fsync's and rename's promises (ext4,
// XFS, APFS; not every network file system).
package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile replaces the file at path: a new file beside it is written, fsynced and renamed over it, and then the
// directory is fsynced. Concurrent calls for one path are not allowed.
func WriteFile(path string, data []byte, perm os.FileMode) (err error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	defer func() {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		f = nil
		return err
	}
	f = nil
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path)) // Committed: before this the old file may come back.
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes an exclusive lock on the file at path, which it creates if needed and never removes: removing it would
// let two processes lock two files of one name. The lock ends with Close or with the process, however that ends. It
// returns ErrLocked at once when it is held, by this process too.
func Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return lock{f}, nil
}

type lock struct{ f *os.File }

// Close unlocks by name: a process that is being forked at this moment holds a copy of the file until it executes, and
// with it, otherwise, the lock.
func (l lock) Close() error {
	return errors.Join(syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN), l.f.Close())
}
