// Package rotate replaces keys, in three steps that can each be repeated: the new key is announced to those who check what it
// signs (runners, in their trust file), its holder begins to sign with it, and the old one is retired once nothing that
// it signed is alive. Between the first step and the last a runner takes both, so that nothing in flight is lost. Entries
// of the ledger name grants by digest and are signed by other keys: old ones stay verifiable whatever becomes of these.
package rotate

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/internal/trust"
)

// Overlap is how long the old key is kept after the new one is in use: the longest life of a grant.
const Overlap = writ.MaxGrantLife

// A Grant is the grant key of one control plane: File is the key in use, as the server's configuration names it. Beside
// it lie next (announced, not in use) and previous (not in use any more).
type Grant struct{ File string }

func (g Grant) beside(what string) string { return place(g.File).beside(what) }

// A Key is one key file.
type Key struct {
	Use     string    `json:"use"` // next, current or previous
	ID      string    `json:"kid"`
	File    string    `json:"file"`
	Changed time.Time `json:"changed"` // of the file: when it was made, or took this place
}

// Keys lists the key files that exist.
func (g Grant) Keys() ([]Key, error) {
	return place(g.File).keys(func(file string) (string, error) {
		key, err := token.LoadKey(file)
		if err != nil {
			return "", err
		}
		return token.KeyID(&key.PublicKey), nil
	})
}

// Load reads the key in use, and the public halves of the others: grants of theirs may be alive.
func (g Grant) Load() (current *ecdsa.PrivateKey, others []*ecdsa.PublicKey, err error) {
	current, keys, err := g.load()
	for _, k := range keys {
		others = append(others, &k.PublicKey)
	}
	return current, others, err
}

// load reads the key in use, and those beside it.
func (g Grant) load() (current *ecdsa.PrivateKey, others []*ecdsa.PrivateKey, err error) {
	if current, err = token.LoadKey(g.File); err != nil {
		return nil, nil, err
	}
	for _, use := range []string{"next", "previous"} {
		key, err := token.LoadKey(g.beside(use))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, nil, err
		default:
			others = append(others, key)
		}
	}
	return current, others, nil
}

// Announce makes the next key, unless there is one, and returns the next version of a runner's trust file, in which both
// keys stand, signed by its owner. A file in which they stand already is returned as it is.
func (g Grant) Announce(file []byte, owner ed25519.PrivateKey) (signed []byte, kid string, err error) {
	next, err := token.LoadKey(g.beside("next"))
	if errors.Is(err, fs.ErrNotExist) {
		next, err = token.CreateKey(g.beside("next"), rand.Reader)
	}
	if err != nil {
		return nil, "", err
	}
	kid = token.KeyID(&next.PublicKey)
	signed, err = change(file, owner, func(t *trust.Trust) error {
		if slices.ContainsFunc(t.GrantKeys, func(k trust.GrantKey) bool { return k.Kid == kid }) {
			return nil
		}
		return pinKey(t, &next.PublicKey)
	})
	return signed, kid, err
}

// Switch puts the next key in the place of the current one. It is refused for a runner whose trust file does not hold
// it: that runner would take no grant any more. A server takes it up when it starts. Each of its two renames is atomic,
// and a second call finishes what a crash between them left.
func (g Grant) Switch(files [][]byte) (kid string, err error) {
	next, err := token.LoadKey(g.beside("next"))
	if errors.Is(err, fs.ErrNotExist) {
		if !place(g.File).switched() {
			return "", refuse("there is no next key: it has to be announced first", "writ keys rotate announce")
		}
		current, err := token.LoadKey(g.File)
		if err != nil {
			return "", err
		}
		return token.KeyID(&current.PublicKey), nil // asked again
	}
	if err != nil {
		return "", err
	}
	kid = token.KeyID(&next.PublicKey)
	for _, file := range files {
		t, err := trust.Payload(file)
		if err != nil {
			return "", err
		}
		if !slices.ContainsFunc(t.GrantKeys, func(k trust.GrantKey) bool { return k.Kid == kid }) {
			return "", refuse(fmt.Sprintf("the trust file of %s does not hold key %s", t.Runner, kid), "writ keys rotate announce, for each runner's trust file")
		}
	}
	return kid, place(g.File).promote(time.Now())
}

// Retire returns the next version of a trust file, in which the current key stands alone, signed by its owner. It is
// refused while grants of the previous key may be alive. The previous key's file is deleted by Forget, when all trust
// files have been written.
func (g Grant) Retire(file []byte, owner ed25519.PrivateKey, now time.Time) ([]byte, error) {
	current, err := token.LoadKey(g.File)
	if err != nil {
		return nil, err
	}
	if err := place(g.File).ripe(now); err != nil {
		return nil, err
	}
	return change(file, owner, func(t *trust.Trust) error {
		t.GrantKeys = nil
		return pinKey(t, &current.PublicKey)
	})
}

// Forget deletes the previous key.
func (g Grant) Forget() error { return place(g.File).forget() }

// pinKey adds a key to a trust file's contents.
func pinKey(t *trust.Trust, pub *ecdsa.PublicKey) error {
	b, err := token.MarshalPublic(pub)
	if err != nil {
		return err
	}
	t.GrantKeys = append(t.GrantKeys, trust.GrantKey{Kid: token.KeyID(pub), PEM: string(b)})
	return nil
}

// change makes the next version of a trust file, unless the change changes nothing.
func change(file []byte, owner ed25519.PrivateKey, f func(*trust.Trust) error) ([]byte, error) {
	t, err := trust.Payload(file)
	if err != nil {
		return nil, err
	}
	keys, authors, log := slices.Clone(t.GrantKeys), len(t.Control), t.Log
	if err := f(&t); err != nil {
		return nil, err
	}
	if slices.Equal(keys, t.GrantKeys) && authors == len(t.Control) && log == t.Log {
		return file, nil
	}
	t.Version++
	return trust.Sign(t, owner)
}

func refuse(detail, hint string) error {
	return &writ.Refusal{Code: writ.ReasonKeyRotation, Kind: writ.ErrConflict, Detail: detail, Hint: hint}
}
