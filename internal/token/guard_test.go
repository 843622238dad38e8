package token_test

import (
	"crypto/ecdsa"
	"errors"
	"testing"

	"github.com/writ-dev/writ/internal/token"
)

// Who forgets to say which type it wants does not get tokens without one, not even those that a known key signed.
func TestI05NoTypeWantedIsNotAnEmptyType(t *testing.T) {
	key := newKey(t)
	bare := forge(t, key, `{"alg":"ES256","kid":"`+kid+`","typ":""}`, `{"count":3,"name":"api"}`)
	var got claims
	if err := token.Verify(bare, token.Want{Keys: map[string]*ecdsa.PublicKey{kid: &key.PublicKey}}, &got); !errors.Is(err, token.ErrHeader) {
		t.Errorf("want ErrHeader, got %v", err)
	}
}
