package authn_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

const audience = "https://writ.example"

// signedKeyServer is a small server that publishes discovery and a key set over TLS and signs tokens. It is not a whole
// OpenID provider: it has no login, only what a verifier of its tokens sees of one.
type signedKeyServer struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	keys    map[string]*ecdsa.PrivateKey // by kid
	extra   []any                        // further members of the key set
	fetches atomic.Int64                 // of the key set
	down    atomic.Bool
}

func newServer(t *testing.T) *signedKeyServer {
	t.Helper()
	s := &signedKeyServer{t: t, keys: map[string]*ecdsa.PrivateKey{}}
	s.addKey("first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"issuer": s.URL, "jwks_uri": s.URL + "/keys", "authorization_endpoint": s.URL + "/auth",
			"token_endpoint": s.URL + "/token", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		keys := append([]any{}, s.extra...)
		for kid, k := range s.keys {
			keys = append(keys, jose.JSONWebKey{Key: k.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"})
		}
		json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	})
	s.Server = httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *signedKeyServer) addKey(kid string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.keys[kid] = k
	s.mu.Unlock()
}

// caFile writes the certificate that vouches for the server.
func (s *signedKeyServer) caFile() string {
	name := filepath.Join(s.t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(name, b, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return name
}

func (s *signedKeyServer) issuer(kind writ.Kind) authn.Issuer {
	return authn.Issuer{URL: s.URL, Audience: audience, Kind: kind, Algorithms: []string{"ES256"}, CAFile: s.caFile()}
}

// claims are good ones, with changes; a nil change takes the claim out.
func (s *signedKeyServer) claims(now time.Time, changes map[string]any) map[string]any {
	c := map[string]any{"iss": s.URL, "sub": "u-4821", "aud": audience, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes a token under the key with this kid, which the token's header names unless header says otherwise.
func (s *signedKeyServer) sign(kid string, claims any, header map[string]any) string {
	s.mu.Lock()
	key := s.keys[kid]
	s.mu.Unlock()
	all := map[string]any{"kid": kid}
	maps.Copy(all, header)
	return signed(s.t, jose.ES256, key, claims, all)
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, claims any, header map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, v := range header {
		if v != nil {
			options.WithHeader(jose.HeaderKey(name), v)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, ok := claims.([]byte)
	if !ok {
		if payload, err = json.Marshal(claims); err != nil {
			t.Fatal(err)
		}
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// clock is a time that tests move.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func public(k crypto.Signer) crypto.PublicKey { return k.Public() }
