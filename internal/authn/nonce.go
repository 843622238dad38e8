package authn

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// A NonceMode says when a DPoP proof must carry a nonce of this server's (RFC 9449 sections 8 and 9). Whatever it is, a proof
// is good once, at all replicas.
type NonceMode string

const (
	// NonceOff gives no nonces; iat alone says when a proof was made, and a nonce in it means nothing: a replica that was started
	// with another mode may have given it.
	NonceOff NonceMode = "off"
	// NonceClock asks for one where iat is not of this server's time, so that a holder whose clock is off gets in.
	NonceClock NonceMode = "clock"
	// NonceRequired asks for one in each proof: none can be made ahead, not even by whoever has the key for a moment.
	NonceRequired NonceMode = "required"
)

// NonceModes are all there are.
var NonceModes = []NonceMode{NonceOff, NonceClock, NonceRequired}

const (
	// nonceLife is how long a nonce is good: longer than the round trip for which it is given, and than the calls that come
	// after it, which use it too. A proof that carries one is remembered for as long, whatever its iat says.
	nonceLife = 2 * time.Minute
	// nonceRenew is the age from which a call that carries a nonce is answered with the next one.
	nonceRenew = nonceLife / 2
	// noncePeriod is how long one key makes nonces: a replica asks the memory for a key once in it.
	noncePeriod = time.Hour
	// nonceKeySize and nonceTag are in bytes: SHA-256's, and half of it, which is 128 bits (RFC 2104 section 5).
	nonceKeySize = 32
	nonceTag     = 16
	// nonceSize is a time in seconds and a tag.
	nonceSize = 8 + nonceTag
)

// nonces make and judge nonces: the server's time, and a tag of it and of the thumbprint of the holder's key, under a key that
// all replicas find in the memory that they share. Nothing is kept for one.
type nonces struct {
	mode   NonceMode
	memory Memory
	now    func() time.Time

	mu   sync.Mutex // guards keys
	keys map[int64][]byte
}

func newNonces(mode NonceMode, memory Memory, now func() time.Time) (*nonces, error) {
	switch mode {
	case "", NonceOff:
		return nil, nil
	case NonceClock, NonceRequired:
	default:
		return nil, fmt.Errorf("%w: nonces: %q is none of %v", writ.ErrInvalid, writ.Printable(string(mode), 20), NonceModes)
	}
	if memory == nil {
		return nil, fmt.Errorf("%w: nonces: nothing is shared that their key could be kept in", writ.ErrInvalid)
	}
	return &nonces{mode: mode, memory: memory, now: now, keys: map[int64][]byte{}}, nil
}

// give makes a nonce for the holder of the key of that thumbprint.
func (n *nonces) give(ctx context.Context, thumbprint string) (string, error) {
	at := n.now().Unix()
	tag, err := n.tag(ctx, at, thumbprint)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(at)), tag...)), nil
}

// judge reports whether a nonce is one that this server gave to the holder of that key, and for how long it has been good.
func (n *nonces) judge(ctx context.Context, nonce, thumbprint string) (age time.Duration, good bool, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != nonceSize {
		return 0, false, nil
	}
	at := int64(binary.BigEndian.Uint64(b))
	// The time is looked at first: no key is made for one of a stranger's choosing.
	now := n.now()
	if at > now.Add(token.ProofSkew).Unix() || at <= now.Add(-nonceLife).Unix() {
		return 0, false, nil
	}
	tag, err := n.tag(ctx, at, thumbprint)
	if err != nil {
		return 0, false, err
	}
	return max(0, now.Sub(time.Unix(at, 0))), hmac.Equal(tag, b[8:]), nil
}

func (n *nonces) tag(ctx context.Context, at int64, thumbprint string) ([]byte, error) {
	key, err := n.key(ctx, at/int64(noncePeriod/time.Second))
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte("writ/dpop/nonce/v1\x00"))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(at)))
	h.Write([]byte(thumbprint))
	return h.Sum(nil)[:nonceTag], nil
}

// key is the key of a period: that of the replica which needed it first.
func (n *nonces) key(ctx context.Context, period int64) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if k, ok := n.keys[period]; ok {
		return k, nil
	}
	mine := make([]byte, nonceKeySize)
	if _, err := rand.Read(mine); err != nil {
		return nil, err
	}
	until := time.Unix((period+1)*int64(noncePeriod/time.Second), 0).Add(nonceLife + token.ProofSkew)
	name := writ.DigestOf(fmt.Appendf(nil, "authn nonce key %d", period)).String()
	kept, err := n.memory.First(ctx, name, base64.RawURLEncoding.EncodeToString(mine), until)
	if err != nil {
		return nil, err
	}
	k, err := base64.RawURLEncoding.Strict().DecodeString(kept)
	if err != nil || len(k) != nonceKeySize {
		return nil, errors.New("the key of nonces is not of its form")
	}
	for p := range n.keys { // of two periods at most, on either side of their border
		if p < period-1 || p > period+1 {
			delete(n.keys, p)
		}
	}
	n.keys[period] = k
	return k, nil
}

// A NonceError asks the holder for the same request with Nonce in its proof. It matches writ.ErrInvalid.
type NonceError struct{ Nonce string }

func (e *NonceError) Error() string { return "a DPoP proof with a nonce of this server's is needed" }

// Is makes it an error about the proof.
func (e *NonceError) Is(target error) bool { return target == writ.ErrInvalid }

// timely is how this server judges the times of proofs, for one request. A memory that cannot be asked refuses.
func (a *Authenticator) timely(ctx context.Context) *token.Nonces {
	n := a.nonces
	if n == nil {
		return &token.Nonces{Good: func(string, string) (bool, error) { return false, nil }}
	}
	return &token.Nonces{Required: n.mode == NonceRequired, Good: func(nonce, thumbprint string) (bool, error) {
		age, good, err := n.judge(ctx, nonce, thumbprint)
		if err != nil {
			return false, refuseBecause(CodeMemory, err)
		}
		if good && age >= nonceRenew {
			next, err := n.give(ctx, thumbprint)
			if err != nil {
				return false, refuseBecause(CodeMemory, err)
			}
			noteNonce(ctx, next, false)
		}
		return good, nil
	}}
}

// wantNonce refuses a proof whose only fault is its time, with a nonce for the next one.
func (a *Authenticator) wantNonce(ctx context.Context, thumbprint string) error {
	next, err := a.nonces.give(ctx, thumbprint)
	if err != nil {
		return refuseBecause(CodeMemory, err)
	}
	noteNonce(ctx, next, true)
	return &refused{code: CodeProofNonce, nonce: next}
}
