package authn

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ"
)

const (
	// refetch is the least time between two fetches of one issuer's keys, whatever kids the tokens name: strangers
	// must not be able to make Writ load an identity provider.
	refetch = time.Minute
	// fetchTime bounds one request to an issuer: the callers wait for it.
	fetchTime = 10 * time.Second
	// maxFetch bounds what an issuer may answer: 256 KiB are some hundred keys.
	maxFetch = 256 << 10
)

// A keySet holds the public keys of one issuer. It implements oidc.KeySet.
type keySet struct {
	issuer string
	file   string // instead of requests; "" for none
	dev    bool
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	fetching sync.Mutex // held over a fetch, so that there is one at a time
	tried    time.Time  // start of the newest fetch; guarded by fetching

	mu   sync.RWMutex // guards keys
	keys []jose.JSONWebKey
}

// VerifySignature implements oidc.KeySet. The verifier has checked the algorithm before.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	t, ok := parseJWT(token)
	if !ok {
		return nil, errNobody
	}
	keys := s.named(t.kid)
	if len(keys) == 0 {
		s.fetch(ctx, t.kid)
		keys = s.named(t.kid)
	}
	for _, k := range keys {
		if k.Algorithm != "" && k.Algorithm != t.alg {
			continue // RFC 7517 section 4.4: the key is for that algorithm alone
		}
		one := oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{k.Key}}
		if payload, err := one.VerifySignature(ctx, token); err == nil {
			return payload, nil
		}
	}
	return nil, errNobody
}

func (s *keySet) named(kid string) []jose.JSONWebKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []jose.JSONWebKey
	for _, k := range s.keys {
		if k.KeyID == kid {
			found = append(found, k)
		}
	}
	return found
}

// fetch loads the issuer's keys, unless that was tried less than refetch ago or another caller has just found the kid.
func (s *keySet) fetch(ctx context.Context, kid string) {
	s.fetching.Lock()
	defer s.fetching.Unlock()
	now := s.now()
	if len(s.named(kid)) > 0 || !s.tried.IsZero() && now.Sub(s.tried) < refetch {
		return
	}
	s.tried = now
	keys, err := s.load(context.WithoutCancel(ctx)) // others wait for it too; the client bounds its time
	if err != nil {
		if s.log != nil {
			s.log.Warn("the keys of an issuer could not be had; its tokens with new keys are refused",
				"issuer", s.issuer, "error", writ.Printable(err.Error(), 300))
		}
		return
	}
	s.mu.Lock()
	s.keys = keys
	s.mu.Unlock()
}

// load does discovery (OpenID Connect Discovery 1.0 section 4) and reads the key set (RFC 7517 section 5), or reads it
// from the file.
func (s *keySet) load(ctx context.Context) ([]jose.JSONWebKey, error) {
	if s.file != "" {
		return loadKeys(s.file)
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, s.client), s.issuer)
	if err != nil {
		return nil, err
	}
	var found struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&found); err != nil {
		return nil, err
	}
	if !fetchable(found.Keys, s.dev) {
		return nil, fmt.Errorf("%w: jwks_uri is not an https:// URL", writ.ErrInvalid)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, found.Keys, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the key set answers %d", resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return parseKeys(body)
}

// loadKeys reads a key set from a file of at most maxFetch bytes.
func loadKeys(file string) ([]jose.JSONWebKey, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFetch))
	if err != nil {
		return nil, err
	}
	return parseKeys(b)
}

// parseKeys keeps the public signature keys of a set and leaves out those of a kind it does not know, as RFC 7517
// section 5 wants.
func parseKeys(b []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || !k.Valid() || !k.IsPublic() || k.KeyID == "" || k.Use != "" && k.Use != "sig" {
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: the key set holds no usable key", writ.ErrInvalid)
	}
	return keys, nil
}

// bounded cuts every answer after maxFetch bytes.
type bounded struct{ next http.RoundTripper }

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxFetch)
	}
	return resp, err
}
