package authn_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// A provider is a whole OpenID provider on this machine, zitadel's, with a client named writ and a person.
type provider struct {
	*httptest.Server
	user string
}

const (
	providerClient   = "writ"
	providerSecret   = "a secret of the client"
	providerPassword = "verysecure"
)

// newProvider starts it. Its clients come back to redirect.
func newProvider(t *testing.T, redirect string) *provider {
	t.Helper()
	p := &provider{Server: httptest.NewUnstartedServer(nil)}
	at := "http://" + p.Listener.Addr().String()
	client := storage.WebClient(providerClient, providerSecret, redirect)
	users := storage.NewUserStore(at)
	p.user = users.GetUserByID("id1").Username
	storage.RegisterClients(client)
	p.Config.Handler = exampleop.SetupServer(at, storage.NewStorage(users), nil, false)
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// browser keeps cookies, and stops where it is told to.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

var requestID = regexp.MustCompile(`name="id" value="([^"]*)"`)

// logIn follows the authorization request to the form, fills it in, and returns where the provider sends the browser to.
func (p *provider) logIn(t *testing.T, b *http.Client, authorize string) *url.URL {
	t.Helper()
	for at := authorize; ; {
		resp, err := b.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode == http.StatusFound {
			at = follows(t, resp).String()
			continue
		}
		found := requestID.FindSubmatch(body)
		if found == nil {
			t.Fatalf("%s: %s: no form: %s", at, resp.Status, body)
		}
		resp, err = b.PostForm(p.URL+"/login/username", url.Values{"username": {p.user}, "password": {providerPassword}, "id": {html.UnescapeString(string(found[1]))}})
		for err == nil && strings.HasPrefix(follows(t, resp).String(), p.URL) {
			resp.Body.Close()
			resp, err = b.Get(follows(t, resp).String())
		}
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return follows(t, resp)
	}
}

func follows(t *testing.T, resp *http.Response) *url.URL {
	t.Helper()
	u, err := resp.Location()
	if err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return u
}

// idToken plays a client of the code flow with PKCE.
func (p *provider) idToken(t *testing.T, redirect string) string {
	t.Helper()
	const verifier = "a-verifier-of-at-least-forty-three-characters"
	sum := sha256.Sum256([]byte(verifier))
	back := p.logIn(t, browser(t), p.URL+"/auth?"+url.Values{
		"client_id": {providerClient}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid profile"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	req, err := http.NewRequest("POST", p.URL+"/oauth/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(providerClient, url.QueryEscape(providerSecret))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		IDToken string `json:"id_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.IDToken == "" {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return got.IDToken
}

func TestARealProvidersIDTokenIsItsPerson(t *testing.T) {
	const redirect = "http://127.0.0.1:1/back"
	p := newProvider(t, redirect)
	i := authn.Issuer{URL: p.URL, Audience: providerClient, Kind: writ.KindHuman, Algorithms: []string{"RS256"}}
	auth := func(i authn.Issuer) *authn.Authenticator {
		a, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, Dev: true, Now: time.Now}) // Dev allows plain HTTP on this machine
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	raw := p.idToken(t, redirect)
	wantAgent(t, "the ID token", auth(i), request(raw), writ.Principal{Kind: writ.KindHuman, Iss: p.URL, Sub: "id1"})
	other := i
	other.Audience = "another-client"
	wantCode(t, "for another client", auth(other), request(raw), authn.CodeAudience)
	pinned := i
	pinned.Algorithms = []string{"ES256"}
	wantCode(t, "an algorithm that is not pinned", auth(pinned), request(raw), authn.CodeAlgorithm)
}

// go-oidc alone takes a token whose list of audiences holds ours.
func TestPitfall03ATokenForTwoAudiencesIsRefused(t *testing.T) {
	s, c := newServer(t), newClock()
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	for _, list := range [][]string{{audience, "https://other.example"}, {"https://other.example", audience}, {audience, audience}, {}} {
		raw := s.sign("first", s.claims(c.Now(), map[string]any{"aud": list}), nil)
		wantCode(t, strings.Join(list, ","), a, request(raw), authn.CodeAudience)
	}
}
