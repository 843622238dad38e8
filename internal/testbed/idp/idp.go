// Package idp is a whole OpenID provider on this machine, zitadel's, with one client and one person, for tests of what
// logs in there. It speaks plain HTTP on the loopback interface.
package idp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// A Provider is one provider with a client and a person.
type Provider struct {
	*httptest.Server
	user string
}

// What the client and the person are known by.
const (
	Person   = "id1"
	Client   = "writ"
	Secret   = "a secret of the client"
	password = "verysecure"
)

// New starts a provider, which ends with the test. Its client comes back to redirect.
func New(t testing.TB, redirect string) *Provider {
	t.Helper()
	p := &Provider{Server: httptest.NewUnstartedServer(nil)}
	at := "http://" + p.Listener.Addr().String()
	client := storage.WebClient(Client, Secret, redirect)
	users := storage.NewUserStore(at)
	p.user = users.GetUserByID(Person).Username
	p.Config.Handler = exampleop.SetupServer(at, store{storage.NewStorage(users), client}, nil, false)
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// A store knows one client. The library's own table of clients is one for the whole process: providers of tests that run at the
// same time would change each other's.
type store struct {
	*storage.Storage
	client *storage.Client
}

// GetClientByClientID implements op.Storage.
func (s store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != Client {
		return nil, errors.New("client not found")
	}
	return storage.RedirectGlobsClient(s.client), nil
}

// AuthorizeClientIDSecret implements op.Storage.
func (s store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != Client || secret != Secret {
		return errors.New("client not found, or another secret")
	}
	return nil
}

// Browser keeps cookies, and does not follow redirects.
func Browser(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

var requestID = regexp.MustCompile(`name="id" value="([^"]*)"`)

// LogIn follows the authorization request to the form, fills it in, and returns where the provider sends the browser to.
func (p *Provider) LogIn(t testing.TB, b *http.Client, authorize string) *url.URL {
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
		if resp.StatusCode == http.StatusFound || resp.StatusCode == http.StatusSeeOther {
			at = follows(t, resp).String()
			continue
		}
		found := requestID.FindSubmatch(body)
		if found == nil {
			t.Fatalf("%s: %s: no form: %s", at, resp.Status, body)
		}
		resp, err = b.PostForm(p.URL+"/login/username", url.Values{"username": {p.user}, "password": {password}, "id": {html.UnescapeString(string(found[1]))}})
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

func follows(t testing.TB, resp *http.Response) *url.URL {
	t.Helper()
	u, err := resp.Location()
	if err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return u
}

// IDToken plays a client of the code flow with PKCE.
func (p *Provider) IDToken(t testing.TB, redirect string) string {
	t.Helper()
	const verifier = "a-verifier-of-at-least-forty-three-characters"
	sum := sha256.Sum256([]byte(verifier))
	back := p.LogIn(t, Browser(t), p.URL+"/auth?"+url.Values{
		"client_id": {Client}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid profile"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode())
	req, err := http.NewRequest("POST", p.URL+"/oauth/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(Client, url.QueryEscape(Secret))
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
