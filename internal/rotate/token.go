package rotate

import (
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/writ-dev/writ/internal/token"
)

// TokenOverlap is how long the old key of control-plane tokens is kept after the new one is in use: the longest life of
// one.
const TokenOverlap = token.MaxAccessLife

// A Token is the key that signs the control-plane tokens of one control plane: File is the key in use, as the server's
// configuration names it. Beside it lie next and previous, as with Grant. Servers take what any of the three has signed,
// and publish all of them; runners are not concerned, so no trust file changes.
type Token struct{ File string }

func (t Token) files() Grant { return Grant(t) }

// Keys lists the key files that exist.
func (t Token) Keys() ([]Key, error) { return t.files().Keys() }

// Load reads the key in use, and the public halves of the others.
func (t Token) Load() (current *ecdsa.PrivateKey, others []*ecdsa.PublicKey, err error) {
	return t.files().Load()
}

// Announce makes the next key, unless there is one. Servers publish it when they start: all of them have to know it
// before the first one signs with it.
func (t Token) Announce() (kid string, err error) {
	next, err := token.LoadKey(t.files().beside("next"))
	if errors.Is(err, fs.ErrNotExist) {
		next, err = token.CreateKey(t.files().beside("next"), rand.Reader)
	}
	if err != nil {
		return "", err
	}
	return token.KeyID(&next.PublicKey), nil
}

// Switch puts the next key in the place of the current one; see Grant.Switch.
func (t Token) Switch() (kid string, err error) { return t.files().Switch(nil) }

// Retire deletes the previous key. It is refused while tokens of it may be alive.
func (t Token) Retire(now time.Time) error {
	info, err := os.Stat(t.File)
	if err != nil {
		return err
	}
	if rest := info.ModTime().Add(TokenOverlap).Sub(now); rest > 0 {
		return refuse(fmt.Sprintf("tokens of the previous key may be alive for another %s", rest.Round(time.Second)), "wait; if the old key is in somebody else's hands, delete its file and restart the servers: agents ask for new tokens")
	}
	return t.files().Forget()
}
