package rotate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/durable"
)

// place is a key file in use; beside it lie next (announced, not in use) and previous (not in use any more).
type place string

func (p place) beside(what string) string {
	f := string(p)
	return strings.TrimSuffix(f, filepath.Ext(f)) + "." + what + filepath.Ext(f)
}

// keys lists the key files that exist; id reads one and names it. A switch that was cut leaves no current key for a moment:
// then the list shows the others, and the same switch finishes.
func (p place) keys(id func(file string) (string, error)) (out []Key, err error) {
	uses := []Key{{Use: "next", File: p.beside("next")}, {Use: "current", File: string(p)}, {Use: "previous", File: p.beside("previous")}}
	for _, k := range uses {
		k.ID, err = id(k.File)
		if errors.Is(err, fs.ErrNotExist) && (k.Use != "current" || len(out) > 0) {
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(k.File)
		if err != nil {
			return nil, err
		}
		k.Changed = writ.Instant(info.ModTime())
		out = append(out, k)
	}
	return out, nil
}

// promote puts the next key in the place of the current one, and that one in the place of the previous. Each of its two
// renames is atomic, and a second call finishes what a crash between them left. It is refused while a previous key is
// there still.
func (p place) promote(now time.Time) error {
	if _, err := os.Stat(p.beside("previous")); err == nil {
		if _, err := os.Stat(string(p)); err == nil {
			return refuse("a previous key is there still", "retire it first: writ keys rotate retire")
		}
	}
	if err := os.Rename(string(p), p.beside("previous")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := errors.Join(os.Chtimes(p.beside("next"), now, now), os.Rename(p.beside("next"), string(p))); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(string(p)))
}

// switched reports whether a switch has come to its end and is not retired yet.
func (p place) switched() bool {
	for _, file := range []string{string(p), p.beside("previous")} {
		if _, err := os.Stat(file); err != nil {
			return false
		}
	}
	_, err := os.Stat(p.beside("next"))
	return errors.Is(err, fs.ErrNotExist)
}

// ripe refuses to retire the previous key before what it signed is dead.
func (p place) ripe(now time.Time) error {
	info, err := os.Stat(string(p))
	if err != nil {
		return err
	}
	if rest := info.ModTime().Add(Overlap).Sub(now); rest > 0 {
		return refuse("grants of the previous key may be alive for another "+rest.Round(time.Second).String(), "wait, or freeze everything first if the old key is in somebody else's hands: writ freeze --all")
	}
	return nil
}

// forget deletes the previous key, durably.
func (p place) forget() error {
	err := os.Remove(p.beside("previous"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, durable.SyncDir(filepath.Dir(string(p))))
}
