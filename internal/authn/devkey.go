package authn

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/writ-dev/writ"
)

// DevIssuer is the issuer of every principal that a development key stands for.
const DevIssuer = "https://writ.local/dev"

// A development key is devPrefix and 32 random bytes in base64url without padding. The prefix lets secret scanners
// find it.
const (
	devPrefix = "writdev_"
	devRandom = 32
)

// A DevKey lets the bearer of one token be one principal. The token itself is not kept, only its digest.
type DevKey struct {
	Hash writ.Digest // of the whole token, prefix included
	Kind writ.Kind   // agent, human or service
	Sub  string
}

// NewDevToken makes a token from random and returns it with the digest to configure. The token is a secret.
func NewDevToken(random io.Reader) (string, writ.Digest, error) {
	b := make([]byte, devRandom)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", writ.Digest{}, fmt.Errorf("development key: %w", err)
	}
	token := devPrefix + base64.RawURLEncoding.EncodeToString(b)
	return token, writ.DigestOf([]byte(token)), nil
}

func checkKeys(c Config) error {
	if len(c.Keys) > 0 && !c.Dev {
		return fmt.Errorf("%w: development keys are configured without --dev", writ.ErrInvalid)
	}
	for n, k := range c.Keys {
		p := writ.Principal{Kind: k.Kind, Iss: DevIssuer, Sub: k.Sub}
		if k.Hash.IsZero() || !speaks(k.Kind) || !p.Valid() || !plain(k.Sub) {
			return fmt.Errorf("%w: development key %d needs a hash, a subject and the kind agent, human or service", writ.ErrInvalid, n+1)
		}
		for _, other := range c.Keys[:n] {
			if other.Hash.Equal(k.Hash) {
				return fmt.Errorf("%w: development key %d has the hash of another one", writ.ErrInvalid, n+1)
			}
		}
	}
	return nil
}

// dev compares the token's digest with every key, so that the time taken does not tell which one came near.
func (a *Authenticator) dev(token string) (writ.Principal, error) {
	random, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(token, devPrefix))
	if err != nil || len(random) != devRandom {
		return writ.Principal{}, refuse(CodeDevKey)
	}
	hash := writ.DigestOf([]byte(token))
	var found writ.Principal
	for _, k := range a.keys {
		if k.Hash.Equal(hash) {
			found = writ.Principal{Kind: k.Kind, Iss: DevIssuer, Sub: k.Sub}
		}
	}
	if !found.Valid() {
		return writ.Principal{}, refuse(CodeDevKey)
	}
	return found, nil
}
