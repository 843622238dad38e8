package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// A gate stands between a runner and the API server. It passes everything on, keeps the tokens that it sees, and can
// hold one call so that a test does something at exactly that moment.
type gate struct {
	*httptest.Server
	to *httputil.ReverseProxy

	mu     sync.Mutex
	tokens map[string]string // of ServiceAccounts, by name
	next   *held
	keeps  bool // deletions fail
}

// A held call is the next write on one object by a lease.
type held struct {
	path    string
	after   bool          // it reaches the API server before it is held; else it never does
	reached chan struct{} // closed when it is held
	cut     chan struct{} // closed by free
	free    func()        // ends the hold: the wire is cut, no answer comes
}

func newGate(t testing.TB, b bed) *gate {
	t.Helper()
	target, err := url.Parse(b.Host)
	must(t, err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(t, b.CAFile)) {
		t.Fatal("the cluster's CA file holds no certificate")
	}
	g := &gate{tokens: map[string]string{}}
	g.to = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 32},
	}
	g.Server = httptest.NewTLSServer(g)
	t.Cleanup(g.Close)
	return g
}

// ServeHTTP passes one call on.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account := g.note(r)
	if r.Method == http.MethodDelete && g.keeping() {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	h := g.take(account, r)
	if h == nil {
		g.to.ServeHTTP(w, r)
		return
	}
	if h.after {
		g.to.ServeHTTP(httptest.NewRecorder(), r)
	}
	close(h.reached)
	<-h.cut
	panic(http.ErrAbortHandler)
}

// keep makes all deletions fail, or no more: what a runner would end stays.
func (g *gate) keep(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keeps = on
}

func (g *gate) keeping() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keeps
}

// note keeps the token of a call and returns the name of its account.
func (g *gate) note(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	account := accountOf(token)
	g.mu.Lock()
	defer g.mu.Unlock()
	if account != "" {
		g.tokens[account] = token
	}
	return account
}

// accountOf reads a ServiceAccount's name out of its token.
func accountOf(token string) string {
	part := strings.Split(token, ".")
	if len(part) != 3 {
		return ""
	}
	b, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Sub string `json:"sub"`
	}
	if json.Unmarshal(b, &claims) != nil {
		return ""
	}
	return claims.Sub[strings.LastIndex(claims.Sub, ":")+1:]
}

// take returns the hold that is for this call.
func (g *gate) take(account string, r *http.Request) *held {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.next
	if h == nil || r.Method == http.MethodGet || r.URL.Path != h.path || r.URL.Query().Has("dryRun") || !strings.HasPrefix(account, "writ-0") {
		return nil
	}
	g.next = nil
	return h
}

// hold holds the next write of a lease on a Deployment.
func (g *gate) hold(t *testing.T, namespace, name string, after bool) *held {
	t.Helper()
	h := &held{
		path: "/apis/apps/v1/namespaces/" + namespace + "/deployments/" + name, after: after,
		reached: make(chan struct{}), cut: make(chan struct{}),
	}
	h.free = sync.OnceFunc(func() { close(h.cut) })
	t.Cleanup(h.free)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = h
	return h
}

// token returns the token that an account used.
func (g *gate) token(account string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tokens[account]
}

// leaseTokens are all tokens of leases that were seen.
func (g *gate) leaseTokens() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for account, token := range g.tokens {
		if strings.HasPrefix(account, "writ-0") {
			out = append(out, token)
		}
	}
	return out
}

// kubeconfig writes a kubeconfig through the gate for the bearer of a token, and returns its path.
func (g *gate) kubeconfig(t testing.TB, dir, name, token string) string {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw})
	file := filepath.Join(dir, name)
	write(t, file, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, g.URL, base64.StdEncoding.EncodeToString(ca), token))
	return file
}

// statusOf asks the API server itself, not through the gate, and returns its status for the bearer of a token.
func (b bed) statusOf(t *testing.T, token string) int {
	t.Helper()
	c, err := b.Config(token)
	must(t, err)
	h, err := rest.HTTPClientFor(c)
	must(t, err)
	defer h.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.Host+"/api", nil)
	must(t, err)
	resp, err := h.Do(r)
	must(t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}
