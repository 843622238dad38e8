package authn

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// A Replay says what keeps a token from being used by whoever saw it.
type Replay string

const (
	// ReplayBearer takes a token as often as it comes until it expires (RFC 6750). For people's ID tokens, and for
	// issuers whose tokens live for minutes.
	ReplayBearer Replay = "bearer"
	// ReplayOnce takes a token's jti once. A token that comes with a DPoP proof is bound to the proof's key instead
	// and may come again with it.
	ReplayOnce Replay = "once"
	// ReplayProof demands a DPoP proof (RFC 9449) in each request. The first key that comes with a token is the only
	// one for the rest of its life.
	ReplayProof Replay = "proof"
)

// replays are in the order of their strength.
var replays = []Replay{ReplayBearer, ReplayOnce, ReplayProof}

// A Memory remembers what credentials were used with. All replicas share it.
//
// First keeps value under key until the time given, unless something is kept there already, and returns what is kept
// there. It is atomic, and durable when it returns. Neither key nor value can be turned back into a credential. On an
// error the credential is refused; the caller does not retry.
type Memory interface {
	First(ctx context.Context, key, value string, until time.Time) (kept string, err error)
}

// once is what a token's use is kept as when no key came with it: a random value that nobody else writes.
func once() string { return "used " + rand.Text() }

// held demands what its rule wants of a genuine token at a call: that it was not used before, or that its holder's key
// signed this request.
func (a *Authenticator) held(ctx context.Context, r *http.Request, raw string, v vouched) error {
	switch {
	case v.replay == ReplayBearer:
		return nil
	case len(r.Header.Values(proofHeader)) == 0 && v.replay == ReplayOnce:
		return a.usedOnce(ctx, v)
	}
	key, err := a.proved(ctx, r, raw)
	if err != nil || v.several {
		return err
	}
	return a.remembered(ctx, "token "+v.id, key, v.expires, CodeHolder)
}

// usedOnce refuses a token that was used before.
func (a *Authenticator) usedOnce(ctx context.Context, v vouched) error {
	mine := once()
	return a.remembered(ctx, "token "+v.id, mine, v.expires, CodeReplayed)
}

// proved demands one proof that fits r and was not used before, and returns the thumbprint of its key. With an empty
// raw no token rides along.
func (a *Authenticator) proved(ctx context.Context, r *http.Request, raw string) (key string, err error) {
	p, err := a.readProof(ctx, r, raw)
	if err != nil {
		return "", err
	}
	return p.key, a.firstUse(ctx, p)
}

// A proof is one that fits its request, and may have been used before.
type proof struct {
	jti, key string
	read     time.Time
}

func (a *Authenticator) readProof(ctx context.Context, r *http.Request, raw string) (p proof, err error) {
	proofs := r.Header.Values(proofHeader)
	switch {
	case len(proofs) == 0:
		return p, refuse(CodeProofMissing)
	case len(proofs) > 1: // RFC 9449 section 4.3, check 1
		return p, refuse(CodeProof)
	}
	p.read = a.now()
	want := token.WantProof{Method: r.Method, URL: a.external + r.URL.EscapedPath(), Token: raw, Now: p.read, Life: token.ProofLife, Nonces: a.timely(ctx)}
	if raw == "" {
		p.jti, p.key, err = token.ReadBareProof(proofs[0], want)
	} else {
		p.jti, p.key, err = token.ReadProof(proofs[0], want)
	}
	switch {
	case errors.Is(err, token.ErrProofNonce) && a.nonces != nil:
		return p, a.wantNonce(ctx, p.key)
	case CodeOf(err) != "": // of what the nonces are judged by
		return p, err
	case err != nil:
		return p, refuse(CodeProof)
	}
	return p, nil
}

// firstUse refuses a proof that was used before, at any replica. Its jti is kept under the key that made it: another
// holder's proof with the same jti is another proof.
func (a *Authenticator) firstUse(ctx context.Context, p proof) error {
	return a.remembered(ctx, "proof "+p.key+" "+p.jti, once(), p.read.Add(a.proofLife()), CodeProofReplayed)
}

// proofLife is how long a proof could be sent again after it was read: until its iat is too old, or its nonce.
func (a *Authenticator) proofLife() time.Duration {
	if a.nonces != nil {
		return max(token.ProofLife, nonceLife) + token.ProofSkew
	}
	return token.ProofLife + token.ProofSkew
}

// proofHeader carries DPoP proofs (RFC 9449 section 4.1).
const proofHeader = "DPoP"

// remembered refuses with code unless value is what is kept first under key.
func (a *Authenticator) remembered(ctx context.Context, key, value string, until time.Time, code Code) error {
	if a.memory == nil {
		return refuseBecause(CodeMemory, errors.New("no memory is configured"))
	}
	kept, err := a.memory.First(ctx, writ.DigestOf([]byte("authn "+key)).String(), value, until)
	if err != nil {
		return refuseBecause(CodeMemory, err)
	}
	if kept != value {
		return refuse(code)
	}
	return nil
}
