package rotate

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// An Identity is an Ed25519 key with which a process signs entries and by which its peers know it: the control plane's, or a
// runner's. What it signed stays verifiable: auditors' files keep every key that ever signed.
type Identity struct{ File string }

// Keys lists the key files that exist.
func (i Identity) Keys() ([]Key, error) {
	return place(i.File).keys(func(file string) (string, error) {
		key, err := pin.Load(file)
		if err != nil {
			return "", err
		}
		return ledger.KeyID(public(key)), nil
	})
}

// Next makes the next key, unless there is one, and returns it.
func (i Identity) Next() (ed25519.PrivateKey, error) {
	next, err := pin.Load(place(i.File).beside("next"))
	if errors.Is(err, fs.ErrNotExist) {
		return pin.Create(place(i.File).beside("next"), rand.Reader)
	}
	return next, err
}

// Current returns the key in use.
func (i Identity) Current() (ed25519.PrivateKey, error) { return pin.Load(i.File) }

// Previous returns the key that was in use before.
func (i Identity) Previous() (ed25519.PrivateKey, error) {
	return pin.Load(place(i.File).beside("previous"))
}

// Promote puts the next key in the place of the current one. A process takes it up when it starts.
func (i Identity) Promote(now time.Time) error {
	if place(i.File).switched() {
		return nil // asked again
	}
	if _, err := pin.Load(place(i.File).beside("next")); errors.Is(err, fs.ErrNotExist) {
		return refuse("there is no next key: it has to be announced first", "writ keys rotate announce")
	} else if err != nil {
		return err
	}
	return place(i.File).promote(now)
}

// Forget deletes the previous key.
func (i Identity) Forget() error { return place(i.File).forget() }

// AnnounceAuthor returns the next version of a runner's trust file, in which the next key stands beside the control plane's
// current one, signed by its owner.
func (i Identity) AnnounceAuthor(file []byte, owner ed25519.PrivateKey) ([]byte, error) {
	current, err := i.Current()
	if err != nil {
		return nil, err
	}
	next, err := i.Next()
	if err != nil {
		return nil, err
	}
	return change(file, owner, func(t *trust.Trust) error {
		was := slices.IndexFunc(t.Control, func(a trust.Author) bool { return a.KeyID == ledger.KeyID(public(current)) })
		if was < 0 {
			return refuse(fmt.Sprintf("the trust file of %s does not hold the current key", t.Runner), "it belongs to another installation")
		}
		if id := ledger.KeyID(public(next)); !slices.ContainsFunc(t.Control, func(a trust.Author) bool { return a.KeyID == id }) {
			t.Control = append(t.Control, trust.Author{Principal: t.Control[was].Principal, KeyID: id, Public: public(next)})
		}
		return nil
	})
}

// SwitchAuthor promotes the next key. It is refused for a runner whose trust file does not hold it: that runner would believe
// no feed and no grant's entry any more.
func (i Identity) SwitchAuthor(files [][]byte, now time.Time) error {
	if place(i.File).switched() {
		return nil // asked again
	}
	next, err := pin.Load(place(i.File).beside("next"))
	if errors.Is(err, fs.ErrNotExist) {
		return refuse("there is no next key: it has to be announced first", "writ keys rotate announce")
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		t, err := trust.Payload(file)
		if err != nil {
			return err
		}
		if id := ledger.KeyID(public(next)); !slices.ContainsFunc(t.Control, func(a trust.Author) bool { return a.KeyID == id }) {
			return refuse(fmt.Sprintf("the trust file of %s does not hold key %s", t.Runner, id), "writ keys rotate announce, for each runner's trust file")
		}
	}
	return i.Promote(now)
}

// RetireAuthor returns the next version of a trust file, in which the current key stands alone for the control plane.
func (i Identity) RetireAuthor(file []byte, owner ed25519.PrivateKey, now time.Time) ([]byte, error) {
	current, err := i.Current()
	if err != nil {
		return nil, err
	}
	if err := place(i.File).ripe(now); err != nil {
		return nil, err
	}
	return change(file, owner, func(t *trust.Trust) error {
		id := ledger.KeyID(public(current))
		at := slices.IndexFunc(t.Control, func(a trust.Author) bool { return a.KeyID == id })
		if at < 0 {
			return refuse(fmt.Sprintf("the trust file of %s does not hold the current key", t.Runner), "writ keys rotate announce")
		}
		kept := t.Control[at]
		t.Control = slices.DeleteFunc(t.Control, func(a trust.Author) bool { return a.Principal.Same(kept.Principal) && a.KeyID != id })
		return nil
	})
}

// Witness returns an auditors' trust file in which the next key stands too, for the same actor and with the same roles as the
// current one. Nothing is ever taken out of it: what an old key signed is verified by it for ever.
func (i Identity) Witness(file []byte) ([]byte, error) {
	t, err := verify.ParseTrust(file)
	if err != nil {
		return nil, err
	}
	current, err := i.Current()
	if err != nil {
		return nil, err
	}
	next, err := i.Next()
	if err != nil {
		return nil, err
	}
	id := ledger.KeyID(public(next))
	at := slices.IndexFunc(t.Actors, func(a verify.Actor) bool { return a.KeyID == ledger.KeyID(public(current)) })
	switch {
	case at < 0:
		return nil, refuse("the auditors' trust file does not hold the current key", "it belongs to another installation")
	case slices.ContainsFunc(t.Actors, func(a verify.Actor) bool { return a.KeyID == id }):
		return file, nil
	}
	t.Actors = append(t.Actors, verify.Actor{Principal: t.Actors[at].Principal, KeyID: id, Public: public(next), Roles: t.Actors[at].Roles})
	out, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return append(out, '\n'), nil
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }
