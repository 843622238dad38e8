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

// held demands what rule wants of a genuine token: that it was not used before, or that its holder's key signed this
// request. id names the token, and is its jti where the issuer gives one; several allows any number of keys.
func (a *Authenticator) held(ctx context.Context, r *http.Request, raw, id string, exp time.Time, rule Replay, several bool) error {
	proofs := r.Header.Values(proofHeader)
	switch {
	case rule == ReplayBearer:
		return nil
	case len(proofs) == 0 && rule == ReplayOnce:
		mine := once()
		return a.remembered(ctx, "token "+id, mine, exp, CodeReplayed)
	case len(proofs) == 0:
		return refuse(CodeProofMissing)
	case len(proofs) > 1: // RFC 9449 section 4.3, check 1
		return refuse(CodeProof)
	}
	now := a.now()
	jti, key, err := token.ReadProof(proofs[0], token.WantProof{
		Method: r.Method, URL: a.external + r.URL.EscapedPath(), Token: raw, Now: now, Life: token.ProofLife,
	})
	if err != nil {
		return refuse(CodeProof)
	}
	// The jti is kept under the key that made it: another holder's proof with the same jti is another proof.
	if err := a.remembered(ctx, "proof "+key+" "+jti, once(), now.Add(token.ProofLife+token.ProofSkew), CodeProofReplayed); err != nil {
		return err
	}
	if several {
		return nil
	}
	return a.remembered(ctx, "token "+id, key, exp, CodeHolder)
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
