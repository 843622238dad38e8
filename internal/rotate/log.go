package rotate

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// A Log is the key that signs a log's checkpoints: File is the key in use, as the signer's configuration names it. Beside it
// lie next and previous, and the succession that both and the log's roots sign. From announce to retire the signer signs each
// checkpoint with both, so that runners, servers and auditors may know either.
type Log struct{ File string }

// Succession is the file that says which key follows which.
func (l Log) Succession() string {
	f := place(l.File).beside("succession")
	return strings.TrimSuffix(f, ".pem") + ".json"
}

func (l Log) identity() Identity { return Identity(l) }

// Keys lists the key files that exist.
func (l Log) Keys() ([]Key, error) { return l.identity().Keys() }

// Load reads the key in use, and those that sign beside it.
func (l Log) Load() (current ed25519.PrivateKey, others []crypto.Signer, err error) {
	if current, err = pin.Load(l.File); err != nil {
		return nil, nil, err
	}
	for _, use := range []string{"next", "previous"} {
		key, err := pin.Load(place(l.File).beside(use))
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

// Announce makes the next key, unless there is one, and the succession, with one more root's signature. It says how many of
// the auditors' roots have signed by now.
func (l Log) Announce(origin string, auditors verify.Trust, root ed25519.PrivateKey, now time.Time) (s ledger.SignedSuccession, endorsed int, err error) {
	if auditors.Roots == nil {
		return s, 0, refuse("the auditors' trust file names no roots: nobody could follow the log to another key", "add roots to it, the public keys of the log's owners and how many of them must sign")
	}
	if place(l.File).switched() {
		return s, 0, refuse("a previous key is there still", "retire it first: writ keys rotate retire --key log")
	}
	current, err := pin.Load(l.File)
	if err != nil {
		return s, 0, err
	}
	next, err := l.identity().Next()
	if err != nil {
		return s, 0, err
	}
	s, err = l.Announced()
	if errors.Is(err, fs.ErrNotExist) || err == nil && !(ledger.SameKey(s.Old, public(current)) && ledger.SameKey(s.New, public(next))) {
		s, err = ledger.Succeed(origin, current, next, now) // none yet, or that of the rotation before
	}
	if err != nil {
		return s, 0, err
	}
	if err := s.Endorse(root); err != nil {
		return s, 0, err
	}
	b, err := s.Bytes()
	if err != nil {
		return s, 0, err
	}
	return s, s.Endorsed(auditors.Roots.Public()), durable.WriteFile(l.Succession(), append(b, '\n'), 0o644)
}

// Announced reads the succession.
func (l Log) Announced() (ledger.SignedSuccession, error) { return ReadSuccession(l.Succession()) }

// ReadSuccession reads the file that Announce wrote.
func ReadSuccession(file string) (ledger.SignedSuccession, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return ledger.SignedSuccession{}, err
	}
	return ledger.OpenSuccession(bytes.TrimSpace(b))
}

// AnnounceIn returns the next version of a runner's trust file, in which the new key stands beside the current one, signed by
// its owner.
func (l Log) AnnounceIn(file []byte, owner ed25519.PrivateKey, s ledger.SignedSuccession) ([]byte, error) {
	return change(file, owner, func(t *trust.Trust) error {
		switch {
		case t.Log.VKey == s.New && t.Log.Next == "", t.Log.VKey == s.Old && t.Log.Next == s.New:
		case t.Log.VKey == s.Old && t.Log.Next == "":
			t.Log.Next = s.New
		default:
			return refuse(fmt.Sprintf("the trust file of %s does not hold the log's current key alone", t.Runner), "it belongs to another installation, or another rotation has not come to its end")
		}
		return nil
	})
}

// Switch promotes the next key. It is refused until enough roots have signed the succession, and for a runner whose trust file
// does not hold the new key. The signer takes it up when it starts, and goes on signing with the old one beside it.
func (l Log) Switch(files [][]byte, auditors verify.Trust, now time.Time) error {
	s, err := l.Announced()
	if errors.Is(err, fs.ErrNotExist) {
		return refuse("there is no next key: it has to be announced first", "writ keys rotate announce --key log")
	}
	if err != nil {
		return err
	}
	if err := enough(s, auditors); err != nil {
		return err
	}
	for _, file := range files {
		t, err := trust.Payload(file)
		if err != nil {
			return err
		}
		if t.Log.Next != s.New && t.Log.VKey != s.New {
			return refuse(fmt.Sprintf("the trust file of %s does not hold the log's next key", t.Runner), "writ keys rotate announce --key log, for each runner's trust file")
		}
	}
	return l.identity().Promote(now)
}

// enough refuses a succession that auditors would not believe.
func enough(s ledger.SignedSuccession, auditors verify.Trust) error {
	if auditors.Roots == nil {
		return refuse("the auditors' trust file names no roots", "add roots to it")
	}
	if n := s.Endorsed(auditors.Roots.Public()); n < auditors.Roots.Threshold {
		return refuse(fmt.Sprintf("%d of %d roots have signed the succession", n, auditors.Roots.Threshold), "writ keys rotate announce --key log again, with the --owner of another root")
	}
	return nil
}

// RetireIn returns the next version of a runner's trust file, in which the new key stands alone, signed by its owner.
func (l Log) RetireIn(file []byte, owner ed25519.PrivateKey) ([]byte, error) {
	s, err := l.Announced()
	if err != nil {
		return nil, err
	}
	return change(file, owner, func(t *trust.Trust) error {
		if t.Log.VKey != s.New && t.Log.Next != s.New {
			return refuse(fmt.Sprintf("the trust file of %s does not hold the log's current key", t.Runner), "writ keys rotate announce --key log")
		}
		t.Log.VKey, t.Log.Next = s.New, ""
		return nil
	})
}

// Close returns an auditors' trust file in which the old key signs no tree beyond the entry that tells of its end, and the
// new one signs from there on. The ledger's export must hold that entry, under a checkpoint of the new key: before that the
// old one cannot be done without. A file that says so already is returned as it is.
func (l Log) Close(file []byte, export []byte, pins ...[]byte) ([]byte, error) {
	t, err := verify.ParseTrust(file)
	if err != nil {
		return nil, err
	}
	s, err := l.Announced()
	if err != nil {
		return nil, err
	}
	if !place(l.File).switched() && !onlyCurrent(l, s) {
		return nil, refuse("the next key is not in use yet", "writ keys rotate switch --key log, then restart the signer")
	}
	report, err := verify.Bundle(bytes.NewReader(export), t, pins...)
	if err != nil {
		return nil, err
	}
	at := int64(-1)
	for _, k := range report.Rotations {
		if k.Old == s.Old && k.New == s.New {
			at = k.Index
		}
	}
	switch {
	case report.Altered.Verdict == verify.Violated:
		return nil, refuse("the export was altered", "writ ledger verify says why")
	case at < 0 || report.LogKey != s.New:
		return nil, refuse("the export does not hold the entry that tells of the new key, under a checkpoint that it signed", "set signer.succession at the servers, restart signer and servers, and export the ledger again: writ ledger export")
	}
	changed := false
	for i, k := range t.Log {
		switch {
		case k.VKey == s.Old && k.ToSize == 0:
			t.Log[i].ToSize, changed = at, true
		case k.VKey == s.New:
			at = -1 // it stands there already
		}
	}
	if at >= 0 {
		t.Log, changed = append(t.Log, verify.LogKey{VKey: s.New, FromSize: at + 1}), true
	}
	if !changed {
		return file, nil
	}
	out, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return append(out, '\n'), nil
}

// onlyCurrent reports whether the rotation has come to its end: retire asked again.
func onlyCurrent(l Log, s ledger.SignedSuccession) bool {
	current, others, err := l.Load()
	return err == nil && len(others) == 0 && ledger.SameKey(s.New, public(current))
}

// Forget deletes the previous key. The signer is restarted then.
func (l Log) Forget() error { return l.identity().Forget() }
