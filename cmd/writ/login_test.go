package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server/servertest"
	"github.com/writ-dev/writ/internal/testbed/idp"
)

// A portal is a running server at whose provider a person can log in.
type portal struct {
	url   string
	ca    string
	idp   *idp.Provider
	roots *x509.CertPool
}

func newPortal(t *testing.T, changes ...func(*config.Server)) portal {
	t.Helper()
	in := servertest.Install(t)
	c, sc := servertest.Load(t, in)
	p := portal{url: "https://" + c.Listen}
	p.idp = idp.New(t, p.url+authn.PathCallback)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.ca = filepath.Join(in.Dir, "tls.pem")
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for file, b := range map[string][]byte{
		p.ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), filepath.Join(in.Dir, "tls.key"): pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		filepath.Join(in.Dir, "secret"): []byte(idp.Secret),
	} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.TLS, c.ExternalURL = &config.TLSFiles{Cert: p.ca, Key: filepath.Join(in.Dir, "tls.key")}, p.url
	c.Issuers = []config.Issuer{{URL: p.idp.URL, Audience: idp.Client, Kind: "human", Algorithms: []string{"RS256"}}}
	c.Login = &config.Login{Issuer: p.idp.URL, Client: idp.Client, SecretFile: filepath.Join(in.Dir, "secret")}
	for _, change := range changes {
		change(&c)
	}
	servertest.Serve(t, c, sc)
	return p
}

// browser is one that trusts the server.
func (p portal) browser(t *testing.T) *http.Client {
	t.Helper()
	b := idp.Browser(t)
	b.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}}
	return b
}

func get(t *testing.T, b *http.Client, method, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// cookie is the session's cookie as the server set it.
func cookie(resp *http.Response) *http.Cookie {
	for _, c := range resp.Cookies() {
		if c.Name == authn.SessionCookie {
			return c
		}
	}
	return nil
}

func (p portal) logIn(t *testing.T, b *http.Client) *http.Cookie {
	t.Helper()
	back := p.idp.LogIn(t, b, p.url+authn.PathLogin)
	resp, body := get(t, b, "GET", back.String())
	c := cookie(resp)
	if resp.StatusCode != http.StatusOK || c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 || c.MaxAge > 8*3600 {
		t.Fatalf("%s %s %v", resp.Status, body, c)
	}
	if again, _ := get(t, b, "GET", back.String()); again.StatusCode != http.StatusUnauthorized {
		t.Errorf("the same callback again: %s", again.Status)
	}
	return c
}

func TestPitfall09LoginRenewsTheCookie(t *testing.T) {
	p := newPortal(t)
	b := p.browser(t)
	status := func(b *http.Client) int {
		resp, _ := get(t, b, "GET", p.url+"/v1/sessions")
		return resp.StatusCode
	}
	if got := status(b); got != http.StatusUnauthorized {
		t.Errorf("before the login: %d", got)
	}
	first := p.logIn(t, b)
	if got := status(b); got != http.StatusOK {
		t.Errorf("after it: %d", got)
	}
	second := p.logIn(t, b)
	if first.Value == second.Value {
		t.Error("the cookie was kept")
	}
	old := p.browser(t)
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	old.Jar.SetCookies(u, []*http.Cookie{first})
	if got := status(old); got != http.StatusUnauthorized {
		t.Errorf("the cookie from before: %d", got)
	}

	// Another site's page cannot use the cookie to change anything.
	r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+authn.PathLogout, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || status(b) != http.StatusOK {
		t.Errorf("a logout from another site: %s", resp.Status)
	}
	if resp, _ := get(t, b, "POST", p.url+authn.PathLogout); resp.StatusCode != http.StatusNoContent {
		t.Errorf("logout: %s", resp.Status)
	}
	old.Jar.SetCookies(u, []*http.Cookie{second})
	if got := status(old); got != http.StatusUnauthorized {
		t.Errorf("the cookie after the logout: %d", got)
	}
}

func TestACallbackThatThisBrowserDidNotBeginIsRefused(t *testing.T) {
	p := newPortal(t)
	mine, theirs := p.browser(t), p.browser(t)
	back := p.idp.LogIn(t, theirs, p.url+authn.PathLogin)
	if resp, _ := get(t, mine, "GET", back.String()); resp.StatusCode != http.StatusUnauthorized || cookie(resp) != nil {
		t.Errorf("another browser's callback: %s", resp.Status)
	}
	get(t, mine, "GET", p.url+authn.PathLogin) // a login of its own, with another state
	if resp, _ := get(t, mine, "GET", back.String()); resp.StatusCode != http.StatusUnauthorized || cookie(resp) != nil {
		t.Errorf("another browser's state: %s", resp.Status)
	}
	foreign := back.Query()
	foreign.Set("iss", "https://evil.example")
	if resp, _ := get(t, theirs, "GET", p.url+authn.PathCallback+"?"+foreign.Encode()); resp.StatusCode != http.StatusUnauthorized || cookie(resp) != nil {
		t.Errorf("another issuer's answer: %s", resp.Status)
	}
}

var loginURL = regexp.MustCompile(`https://\S+`)

func TestTheCommandLineLogsInByBrowserAndItsSessionsCanBeEnded(t *testing.T) {
	p := newPortal(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "cli.yaml")
	if err := os.WriteFile(file, []byte("server: "+p.url+"\nca: "+p.ca+"\ntoken_file: token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	says, tells := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(t.Context(), &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: tells}, []string{"login", "--config", file})
		tells.Close()
	}()
	var said []byte
	buf := make([]byte, 4096)
	for loginURL.Find(said) == nil {
		n, err := says.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	go io.Copy(io.Discard, says)
	b := p.browser(t)
	resp, _ := get(t, b, "GET", p.idp.LogIn(t, b, string(loginURL.Find(said))).String())
	to, err := resp.Location()
	if err != nil || to.Hostname() != "127.0.0.1" || cookie(resp) != nil {
		t.Fatalf("%s %v %v", resp.Status, to, err)
	}
	if resp, _ := get(t, b, "GET", to.String()); resp.StatusCode != http.StatusOK {
		t.Errorf("the listener: %s", resp.Status)
	}
	if code := <-done; code != exitDone {
		t.Fatalf("status %d", code)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "token"))
	var l login
	if err != nil || info.Mode().Perm() != 0o600 || json.Unmarshal(kept, &l) != nil || l.Sub != idp.Person || !l.Expires.After(time.Now()) {
		t.Fatalf("%v %v %s", err, info.Mode(), kept)
	}
	if bytes.Contains([]byte(to.String()), []byte(l.Token)) {
		t.Error("the session's token was in the browser's address")
	}

	code, out, errs := cli(t, "session", "list", "--config", file, "-o", "jsonl")
	var s struct{ ID, Way string }
	if code != exitDone || json.Unmarshal([]byte(out), &s) != nil || s.Way != "command line" {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, _, errs := cli(t, "session", "revoke", s.ID, "--config", file); code != exitDone {
		t.Fatalf("%d %s", code, errs)
	}
	if code, _, _ := cli(t, "session", "list", "--config", file); code == exitDone {
		t.Error("an ended session lists")
	}
}

// The provider's one claim that is a list of texts says how its person logged in; here it stands for groups.
func TestTeamsComeFromTheClaimOfARealLogin(t *testing.T) {
	groups := func(claim string) func(*config.Server) {
		return func(c *config.Server) {
			c.Issuers[0].Groups = &config.Groups{Claim: claim, Teams: map[string]string{"pwd": "platform"}}
			c.Operators = []string{"platform"}
		}
	}
	p := newPortal(t, groups("amr"))
	b := p.browser(t)
	p.logIn(t, b)
	if resp, body := get(t, b, "GET", p.url+"/v1/sessions?all=true"); resp.StatusCode != http.StatusOK || !strings.Contains(body, idp.Person) {
		t.Errorf("an operator by the claim: %s %s", resp.Status, body)
	}

	p = newPortal(t, groups("groups"))
	b = p.browser(t)
	if resp, body := get(t, b, "GET", p.idp.LogIn(t, b, p.url+authn.PathLogin).String()); resp.StatusCode != http.StatusUnauthorized || cookie(resp) != nil {
		t.Errorf("a token without the claim: %s %s", resp.Status, body)
	}
}
