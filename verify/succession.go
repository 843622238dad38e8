package verify

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// maxRoots bounds the roots of a log: as many as a runner's trust file has owners.
const maxRoots = 16

// Roots are the people, with keys that are kept away from servers, who appoint the log's next key. Without them no bundle
// leads from one key to another.
type Roots struct {
	Threshold int      `json:"threshold"` // how many of them must sign, at least 1
	Keys      [][]byte `json:"keys"`      // Ed25519, 32 bytes each, in base64
}

// Public returns the keys.
func (r Roots) Public() []ed25519.PublicKey {
	out := make([]ed25519.PublicKey, len(r.Keys))
	for i, k := range r.Keys {
		out[i] = k
	}
	return out
}

// check refuses roots that whoever has the log's key, or an author's, could be: a stolen key would appoint its own successor.
func (r *Roots) check(t Trust) error {
	bad := func(what string) error { return fmt.Errorf("%w: trust: roots: %s", writ.ErrInvalid, what) }
	switch {
	case r == nil:
		return nil
	case len(r.Keys) > maxRoots || r.Threshold < 1 || r.Threshold > len(r.Keys):
		return bad(fmt.Sprintf("threshold is from 1 to the number of keys, of which there are at most %d", maxRoots))
	}
	for i, k := range r.Keys {
		if len(k) != ed25519.PublicKeySize {
			return bad("a key is the base64 of 32 bytes")
		}
		for _, other := range r.Keys[:i] {
			if ed25519.PublicKey(k).Equal(ed25519.PublicKey(other)) {
				return bad("a key stands twice")
			}
		}
		if slices.ContainsFunc(t.Log, func(l LogKey) bool { return ledger.SameKey(l.VKey, k) }) ||
			slices.ContainsFunc(t.Actors, func(a Actor) bool { return ed25519.PublicKey(k).Equal(ed25519.PublicKey(a.Public)) }) {
			return bad("a root's key is also that of the log or of an actor")
		}
	}
	return nil
}

// A Rotation is a change of the log's key that the roots have signed, or that the trust file itself names.
type Rotation struct {
	Index int64  `json:"index"` // of the entry: the old key signs no tree beyond it
	Old   string `json:"old"`
	New   string `json:"new"`
}

// follow learns the log's keys from the entries that tell of them. Such an entry proves itself: only what the old key, the new
// one and enough roots have signed is believed, wherever it stands. From there on the old key signs no larger tree.
func (c *check) follow() {
	for i, e := range c.entries {
		if b, ok := e.Body.(*writ.KeyRotateBody); ok && !e.Hash.IsZero() {
			if err := c.succeed(c.index[i], *b); err != nil {
				c.find(authority, c.index[i], "succession", "the log's key was not replaced by entry %d: %v", c.index[i], err)
			}
		}
	}
}

// succeed takes one entry.
func (c *check) succeed(index int64, b writ.KeyRotateBody) error {
	s, err := ledger.OpenSuccession(b.Statement)
	switch {
	case err != nil:
		return err
	case s.Old != b.Old || s.New != b.New || s.Origin != c.keys.origin:
		return fmt.Errorf("%w: the statement is about other keys or another log", writ.ErrInvalid)
	}
	find := func(vkey string) int {
		return slices.IndexFunc(c.keys.log, func(k logKey) bool { return k.VKey == vkey })
	}
	old, next := find(s.Old), find(s.New)
	switch {
	case old < 0:
		return fmt.Errorf("%w: the key before it is none of this log's", writ.ErrInvalid)
	case index <= 0 || index < c.keys.log[old].FromSize || c.keys.log[old].ToSize > 0 && index > c.keys.log[old].ToSize:
		return fmt.Errorf("%w: the key before it was not in use then", writ.ErrInvalid)
	case next >= 0 && c.keys.log[next].FromSize <= c.keys.log[old].FromSize:
		return fmt.Errorf("%w: the key after it was in use before", writ.ErrInvalid)
	case c.keys.roots == nil && next < 0:
		return fmt.Errorf("%w: the trust file names no roots who could have signed it", writ.ErrInvalid)
	case c.keys.roots != nil && s.Endorsed(c.keys.roots.Public()) < c.keys.roots.Threshold:
		return fmt.Errorf("%w: %d of %d roots have signed it", writ.ErrInvalid, s.Endorsed(c.keys.roots.Public()), c.keys.roots.Threshold)
	}
	if c.keys.log[old].ToSize == 0 {
		c.keys.log[old].ToSize = index
	}
	if next < 0 {
		v, err := ledger.ParseVerifier(s.New)
		if err != nil {
			return err
		}
		c.keys.log = append(c.keys.log, logKey{LogKey{VKey: s.New, FromSize: index + 1}, v})
	}
	c.r.Rotations = append(c.r.Rotations, Rotation{Index: index, Old: s.Old, New: s.New})
	return nil
}
