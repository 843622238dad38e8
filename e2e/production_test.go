package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/trust"
)

// audience is what tokens for this installation are for.
const audience = "https://writ.test"

// An issuer publishes discovery and a key over TLS and signs tokens: what a relying party sees of an OpenID provider.
type issuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	i := &issuer{key: key}
	answer := func(v func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v()) // a reader that is gone is its own trouble
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", answer(func() any {
		return map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"ES256"}}
	}))
	mux.HandleFunc("GET /keys", answer(func() any {
		return map[string]any{"keys": []any{jose.JSONWebKey{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}}
	}))
	i.Server = httptest.NewTLSServer(mux)
	t.Cleanup(i.Close)
	return i
}

// token signs claims; life may be negative.
func (i *issuer) token(t *testing.T, sub, aud string, life time.Duration) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	must(t, err)
	now := time.Now().Add(min(0, life-time.Minute))
	claims, err := json.Marshal(map[string]any{"iss": i.URL, "sub": sub, "aud": aud, "iat": now.Unix(), "exp": time.Now().Add(life).Unix()})
	must(t, err)
	jws, err := signer.Sign(claims)
	must(t, err)
	out, err := jws.CompactSerialize()
	must(t, err)
	return out
}

// certificate writes a self-signed certificate for 127.0.0.1 and its key.
func certificate(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, private.Public(), private)
	must(t, err)
	b, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
	return cert, key
}

// harden turns a development installation into one that serve takes without --dev: HTTPS, people and agents of OpenID
// issuers, no development keys, agents that make no proofs, and a trust file that its owner has signed anew.
func (s *site) harden(agents, people, sources *issuer) (cert string) {
	s.t.Helper()
	cert, key := certificate(s.t, s.in.Dir)
	var c config.Server
	s.edit(func(all *config.Server) {
		all.DevKeys, all.Dev, all.Tokens, all.TLS = nil, nil, nil, &config.TLSFiles{Cert: cert, Key: key}
		all.ExternalURL = strings.Replace(all.ExternalURL, "http://", "https://", 1)
		for kind, i := range map[string]*issuer{"agent": agents, "human": people, "service": sources} {
			ca := filepath.Join(s.in.Dir, kind+"-ca.pem")
			write(s.t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw}))
			all.Issuers = append(all.Issuers, config.Issuer{URL: i.URL, Audience: audience, Kind: kind, Algorithms: []string{"ES256"}, CA: ca})
		}
		for n := range all.Agents {
			all.Agents[n].Iss, all.Agents[n].Owner.Iss = agents.URL, people.URL
		}
		for n := range all.Approvers {
			all.Approvers[n].Iss = people.URL
		}
		c = *all
	})
	file := filepath.Join(s.in.Dir, "trust.json")
	tr, err := trust.Payload(read(s.t, file))
	must(s.t, err)
	tr.Version++
	tr.Presented = server.PresentURL(c.ExternalURL)
	for n := range tr.AgentOwners {
		tr.AgentOwners[n].Iss, tr.AgentOwners[n].Owner.Iss = agents.URL, people.URL
	}
	for n := range tr.Approvers {
		tr.Approvers[n].Iss = people.URL
	}
	owner, err := pin.Load(filepath.Join(s.in.Dir, "keys", "owner.pem"))
	must(s.t, err)
	signed, err := trust.Sign(tr, owner)
	must(s.t, err)
	write(s.t, file, signed)
	return cert
}

// TestProductionWithoutDevelopmentKeys runs the three processes without --dev: HTTPS for everybody, and nobody is known
// but by a token of the issuer that is pinned for their kind.
func TestProductionWithoutDevelopmentKeys(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses, nil, "production")
	agents, people, sources := newIssuer(t), newIssuer(t), newIssuer(t)
	cert := s.harden(agents, people, sources)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(t, cert)) {
		t.Fatal("no certificate")
	}
	secure := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	s.url = strings.Replace(s.url, "http://", "https://", 1)
	var err error
	s.person, err = client.New(s.url, client.Config{Token: client.Static(people.token(t, you, audience, time.Hour)), RootCAs: roots})
	must(t, err)
	s.startSigner()
	s.startServer("--log", "json")
	s.startRunner()
	s.awaitRunner()

	for name, token := range map[string]string{
		"nobody":                          "",
		"a development key":               s.tokenOf(diagnoser),
		"an expired token":                agents.token(t, diagnoser, audience, -time.Minute),
		"a token for somebody else":       agents.token(t, diagnoser, "https://other.test", time.Hour),
		"an agent's token, forged":        flip(agents.token(t, diagnoser, audience, time.Hour)),
		"a token of an unknown issuer":    newIssuer(t).token(t, diagnoser, audience, time.Hour),
		"a person's token at this issuer": "x." + people.token(t, you, audience, time.Hour),
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := secure.RoundTrip(r)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	plain, err := http.Get(strings.Replace(s.url, "https://", "http://", 1) + "/v1/status")
	must(t, err)
	plain.Body.Close()
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP is answered with %s", plain.Status)
	}

	x := s.broken(t, "production")
	source, err := client.New(s.url, client.Config{Token: client.Static(sources.token(t, alerts, audience, time.Hour)), RootCAs: roots})
	must(t, err)
	in, err := source.Alert(t.Context(), x.webhook("firing", x.service))
	must(t, err)
	x.incident = in.ID
	read := s.connect(t, bearer{agents.token(t, diagnoser, audience, time.Hour), secure})
	for _, reader := range []writ.OperationName{"kubernetes/workload.status", "kubernetes/workload.history"} {
		id, _ := read.observe(t, in.ID, reader, x.workload())
		x.evidence = append(x.evidence, id)
	}
	repair := s.connect(t, bearer{agents.token(t, repairer, audience, time.Hour), secure})
	out := repair.propose(t, in.ID, "rollback-deployment", map[string]any{"namespace": x.ns, "name": deployment}, x.evidence...)
	if out.State != string(writ.PlanGranted) {
		t.Fatalf("%s", out.text)
	}
	r := x.ended(out.Plan, writ.RunSucceeded)
	x.fixed()
	x.dead(r.ID)
	x.wantWrites(1)
	for _, p := range []string{"runner", "server", "signer"} {
		s.procs[p].end(t)
	}
}

// flip changes a token's signature.
func flip(token string) string {
	b := []byte(token)
	at := len(b) - 10
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}
