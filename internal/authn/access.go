package authn

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// Revocations tell whether a control-plane token was taken back, by its jti. All replicas share them. On an error the
// token is refused; the caller does not retry.
type Revocations interface {
	Revoked(ctx context.Context, id string) (bool, error)
}

func (a *Authenticator) checkTokens() error {
	bad := func(what string) error { return fmt.Errorf("%w: control-plane tokens: %s", writ.ErrInvalid, what) }
	switch {
	case a.tokens == nil && a.required:
		return bad("they are required and not issued")
	case a.tokens == nil:
		return nil
	case a.memory == nil || a.revoked == nil:
		return bad("nothing remembers which proofs were used and which tokens were revoked")
	case a.tokens.URL() != a.external:
		return bad("their issuer must be the external URL")
	}
	if _, twice := a.issuers[a.external]; twice {
		return bad("no other issuer may have the external URL's name")
	}
	return nil
}

// isOwn reports whether raw claims to be a control-plane token. It believes nothing else of it.
func (a *Authenticator) isOwn(raw string) bool {
	if a.tokens == nil {
		return false
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return false
	}
	claims, ok := members(parts[1])
	var iss string
	return ok && json.Unmarshal(claims["iss"], &iss) == nil && iss == a.external
}

// A Holder is an agent that came with its control-plane token and showed that it holds it.
type Holder struct {
	Principal  writ.Principal
	Thumbprint string // of the key whose proof came with the request; "" where none was needed
	Token      string // its jti
	Expires    time.Time
}

// holder checks a control-plane token and that r is its holder's: by a proof under the scheme DPoP, or by the
// certificate of other, the peer of the connection, under the scheme Bearer. other is nil where there are no client
// certificates. At a connection with one, the token must be its agent's, whatever binds it.
func (a *Authenticator) holder(ctx context.Context, r *http.Request, raw, scheme string, other *peer) (Holder, error) {
	c, err := a.access(raw)
	if err != nil {
		return Holder{}, err
	}
	if (c.Confirm.Certificate != "") != (scheme == schemeBearer) { // RFC 9449 section 7.2, RFC 8705 section 3
		return Holder{}, refuse(CodeScheme)
	}
	return a.confirmed(ctx, r, raw, c, other, c.Confirm.Certificate == "")
}

// access checks a control-plane token itself.
func (a *Authenticator) access(raw string) (token.AccessClaims, error) {
	if a.tokens == nil {
		return token.AccessClaims{}, refuse(CodeIssuerUnknown)
	}
	c, err := a.tokens.Verify(raw, a.now())
	if err != nil {
		return c, refuse(Code(token.CodeOf(err)))
	}
	return c, nil
}

// confirmed demands the holder of a genuine token, and that it was not revoked. prove demands a proof with the hash of
// the token in any case.
func (a *Authenticator) confirmed(ctx context.Context, r *http.Request, raw string, c token.AccessClaims, other *peer, prove bool) (Holder, error) {
	h := Holder{
		Principal: writ.Principal{Kind: writ.KindAgent, Iss: c.Writ.Issuer, Sub: c.Subject}, Token: c.ID, Expires: time.Unix(c.Expires, 0),
	}
	nobody := func(code Code) (Holder, error) { return Holder{}, from(c.Writ.Issuer, refuse(code)) }
	switch {
	case !a.vouches(h.Principal):
		return nobody(CodeIssuerUnknown)
	case other != nil && other.principal != h.Principal:
		return nobody(CodeHolder)
	case c.Confirm.Certificate != "" && (other == nil || !equal(other.thumbprint, c.Confirm.Certificate)):
		return nobody(CodeHolder)
	}
	if prove {
		p, err := a.readProof(ctx, r, raw)
		switch {
		case err != nil:
			return Holder{}, from(c.Writ.Issuer, err)
		case c.Confirm.Thumbprint != "" && !equal(p.key, c.Confirm.Thumbprint):
			return nobody(CodeHolder)
		}
		if err := a.firstUse(ctx, p); err != nil {
			return Holder{}, from(c.Writ.Issuer, err)
		}
		h.Thumbprint = p.key
	}
	switch revoked, err := a.revoked.Revoked(ctx, c.ID); {
	case err != nil:
		return Holder{}, refuseBecause(CodeMemory, err)
	case revoked:
		return nobody(CodeRevoked)
	}
	return h, nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// vouches reports whether the configuration still takes this agent's platform credentials: a token does not outlive the
// trust in who vouched for it.
func (a *Authenticator) vouches(p writ.Principal) bool {
	if i, ok := a.issuers[p.Iss]; ok {
		return i.config.Kind == p.Kind
	}
	if p.Iss == DevIssuer {
		for _, k := range a.keys {
			if k.Kind == p.Kind && k.Sub == p.Sub {
				return true
			}
		}
		return false
	}
	if a.spiffe == nil {
		return false
	}
	id, err := spiffeid.FromString(p.Sub)
	if err != nil {
		return false
	}
	found, err := a.spiffe.agent(id)
	return err == nil && found == p
}
