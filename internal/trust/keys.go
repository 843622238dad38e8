package trust

import (
	"crypto/ecdsa"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// A KeySet holds public keys by key id.
type KeySet = map[string]*ecdsa.PublicKey

// GrantKeySet returns the issuer's keys by key id, for grant.Want.
func (t Trust) GrantKeySet() (KeySet, error) {
	if len(t.GrantKeys) == 0 {
		return nil, bad("no grant key is pinned")
	}
	keys := KeySet{}
	for _, k := range t.GrantKeys {
		pub, err := token.ParsePublic([]byte(k.PEM))
		if err != nil {
			return nil, bad("grant key %s: %s", writ.Printable(k.Kid, 40), err)
		}
		if k.Kid == "" || keys[k.Kid] != nil {
			return nil, bad("a grant key has no id or stands twice")
		}
		keys[k.Kid] = pub
	}
	return keys, nil
}
