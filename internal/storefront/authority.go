package storefront

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// OAuth clients of the shop, one for each class of authority: what a token may hold at most is decided here, by the
// shop, whatever its client asks for.
const (
	ClientReader = "writ-reader" // reads only
	ClientT1     = "writ-t1"     // releases and flags
	ClientT2     = "writ-t2"     // and replicas and restarts
)

// Life of a token. A request may ask for less with the parameter lifetime, in seconds.
const (
	MaxTokenLife = 15 * time.Minute
	maxTokens    = 10_000
)

// Scopes that name no object. All others are <operationId>:<object>.
const (
	ScopeRead  = "read"  // all GET operations
	ScopeLease = "lease" // nothing but to be exchanged for a token with power, which dies with it
)

var clientScopes = map[string][]string{
	ClientReader: {ScopeRead},
	ClientT1:     {ScopeLease, "setRelease:*", "setFlag:*"},
	ClientT2:     {ScopeLease, "setRelease:*", "setFlag:*", "setReplicas:*", "restartService:*"},
}

// Refusals of the authority; the text is the error code of RFC 6749 section 5.2.
var (
	errClient  = errors.New("invalid_client")
	errGrant   = errors.New("invalid_grant")
	errScope   = errors.New("invalid_scope")
	errRequest = errors.New("invalid_request")
	errFull    = errors.New("temporarily_unavailable")
)

type digest = [sha256.Size]byte

// An authority mints, checks and revokes access tokens. It keeps only their digests. What it revokes is refused from
// the next request on.
type authority struct {
	rand    io.Reader
	now     func() time.Time
	secrets map[string]string // fixed

	mu     sync.Mutex
	tokens map[digest]*token
}

// A token is a live access token.
type token struct {
	client  string
	scopes  []string
	expires time.Time
	parent  digest // zero: none
}

func newAuthority(r io.Reader, now func() time.Time) (*authority, error) {
	a := &authority{rand: r, now: now, secrets: map[string]string{}, tokens: map[digest]*token{}}
	for id := range clientScopes {
		s, err := randomID(r)
		if err != nil {
			return nil, err
		}
		a.secrets[id] = s
	}
	return a, nil
}

// randomID returns 128 random bits as text.
func randomID(r io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

func (a *authority) secret(id string) ([]byte, error) {
	s, ok := a.secrets[id]
	if !ok {
		return nil, fmt.Errorf("shop: no OAuth client %q", id)
	}
	return []byte(s), nil
}

func (a *authority) authenticate(id, secret string) error {
	want, ok := a.secrets[id]
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(secret)) != 1 {
		return errClient
	}
	return nil
}

// mint gives client a token with exactly scopes. With a subject token, which must be the client's own and hold
// ScopeLease, the new one lives no longer than that and dies with it.
func (a *authority) mint(client string, scopes []string, life time.Duration, subject string) (string, time.Duration, error) {
	if len(scopes) == 0 || !slices.IsSortedFunc(scopes, strings.Compare) || len(slices.Compact(slices.Clone(scopes))) != len(scopes) {
		return "", 0, errScope
	}
	for _, s := range scopes {
		if !allowed(clientScopes[client], s) {
			return "", 0, errScope
		}
	}
	text, err := randomID(a.rand)
	if err != nil {
		return "", 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.purge(now)
	if len(a.tokens) >= maxTokens {
		return "", 0, errFull
	}
	t := &token{client: client, scopes: scopes, expires: now.Add(life)}
	if subject != "" {
		d := sha256.Sum256([]byte(subject))
		p, ok := a.tokens[d]
		if !ok || p.client != client || !slices.Contains(p.scopes, ScopeLease) {
			return "", 0, errGrant
		}
		t.parent = d
		if p.expires.Before(t.expires) {
			t.expires = p.expires
		}
	}
	a.tokens[sha256.Sum256([]byte(text))] = t
	return text, t.expires.Sub(now), nil
}

func allowed(patterns []string, scope string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		op, ok := strings.CutSuffix(p, "*")
		return p == scope || ok && strings.HasPrefix(scope, op) && len(scope) > len(op)
	})
}

// revoke ends a token of client and all that were exchanged for it. An unknown token is no error (RFC 7009 section
// 2.2); another client's is left alone.
func (a *authority) revoke(client, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := sha256.Sum256([]byte(text))
	t, ok := a.tokens[d]
	if !ok || t.client != client {
		return
	}
	delete(a.tokens, d)
	for child, t := range a.tokens {
		if t.parent == d {
			delete(a.tokens, child)
		}
	}
}

// check returns what a presented token may do; false if it is not alive.
func (a *authority) check(text string) (token, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, ok := a.tokens[sha256.Sum256([]byte(text))]
	if !ok || !a.now().Before(t.expires) {
		return token{}, false
	}
	return *t, true
}

// LiveTokens counts the tokens of one client that would be accepted now: what a test asks when it wants to know that
// nothing was left behind.
func (s *Shop) LiveTokens(client string) int {
	a := s.auth
	a.mu.Lock()
	defer a.mu.Unlock()
	a.purge(a.now())
	n := 0
	for _, t := range a.tokens {
		if t.client == client {
			n++
		}
	}
	return n
}

func (a *authority) purge(now time.Time) {
	for d, t := range a.tokens {
		if !now.Before(t.expires) {
			delete(a.tokens, d)
		}
	}
}
