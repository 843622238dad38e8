package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/testbed"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
	"github.com/writ-dev/writ/internal/token"
)

var metadataURL = regexp.MustCompile(`resource_metadata="([^"]+)"`)

// An agent that knows the tools' address alone finds the token endpoint from there, and gets in with what it gives.
func TestAnAgentFindsItsWayFromARefusalToATokenAndIn(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	c := start(t, func(c *config.Server) {
		c.Tokens = &config.Tokens{Required: true}
		c.SPIFFE = &config.SPIFFE{WorkloadAPI: d.Serve(t, "/writ", time.Hour).Address(), Agents: []string{"spiffe://corp.example/agents"}, Audience: "https://writ.test"}
		c.Agents = append(c.Agents, config.Agent{
			Name: "repair", Iss: "spiffe://corp.example", Sub: "spiffe://corp.example/agents/repair", Team: "payments",
			Owner: config.Person{Iss: c.Approvers[0].Iss, Sub: "bo"}, Roles: []string{"repair"},
		})
	})
	resp, err := http.Post(c.ExternalURL+"/mcp", "application/json", strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	found := metadataURL.FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))
	if resp.StatusCode != http.StatusUnauthorized || found == nil {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	fetch := func(url string, to any) {
		t.Helper()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(to); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", url, resp.Status, err)
		}
	}
	var resource struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Proofs   []string `json:"dpop_signing_alg_values_supported"`
	}
	fetch(found[1], &resource)
	if len(resource.Servers) != 1 || resource.Servers[0] != c.ExternalURL || resource.Resource != c.ExternalURL+"/mcp" || len(resource.Proofs) != 1 {
		t.Fatalf("%+v", resource)
	}
	var server struct {
		Issuer   string `json:"issuer"`
		Endpoint string `json:"token_endpoint"`
		Keys     string `json:"jwks_uri"`
	}
	fetch(resource.Servers[0]+"/.well-known/oauth-authorization-server", &server)
	var set struct{ Keys []map[string]string }
	fetch(server.Keys, &set)
	if server.Issuer != c.ExternalURL || len(set.Keys) != 1 {
		t.Fatalf("%+v %v", server, set)
	}

	raw, err := d.JWTSVID("/agents/repair", []string{"https://writ.test"}, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := token.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := ask(t, server.Endpoint, key, url.Values{
		"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"}, "client_assertion": {raw},
		"resource": {resource.Resource},
	})
	for name, call := range map[string][]string{"the API": {"GET", "/v1/playbooks", ""}, "the tools": {"POST", "/mcp", list}} {
		proof := func() string {
			p, err := token.Prove(key, token.Proof{Method: call[0], URL: c.ExternalURL + call[1], AccessTokenHash: token.AccessTokenHash(own)}, time.Now(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		says := func(what, want string, header ...string) {
			t.Helper()
			if got, err := answer(t, http.DefaultClient, call[0], c.ExternalURL+call[1], call[2], header...); err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("%s, %s: %s %v, want %s", name, what, got, err, want)
			}
		}
		once := proof()
		says("with token and proof", "200 ", "Authorization", "DPoP "+own, "DPoP", once)
		says("the proof again", "401 ", "Authorization", "DPoP "+own, "DPoP", once)
		says("as a bearer token", "401 ", "Authorization", "Bearer "+own, "DPoP", proof())
		says("without a proof", "401 ", "Authorization", "DPoP "+own)
		says("the JWT-SVID itself", "401 ", "Authorization", "Bearer "+raw, "DPoP", proof())
	}
}

// ask asks for a token until it is given, which may be a moment after the Workload API has answered.
func ask(t *testing.T, endpoint string, key *ecdsa.PrivateKey, form url.Values) (own string) {
	t.Helper()
	testbed.Await(t, "a token", func(context.Context) (bool, string, error) {
		p, err := token.ProveBare(key, "POST", endpoint, time.Now(), rand.Reader)
		if err != nil {
			return false, "", err
		}
		got, err := answer(t, http.DefaultClient, "POST", endpoint, form.Encode(), "DPoP", p, "Content-Type", "application/x-www-form-urlencoded")
		if err != nil {
			return false, "", err
		}
		var m map[string]any
		if status, body, _ := strings.Cut(got, " OK "); status == "200" && json.Unmarshal([]byte(body), &m) == nil {
			own, _ = m["access_token"].(string)
		}
		return own != "", got, nil
	})
	return own
}

// Under --dev a development key is an assertion like any other, so that what needs a token can be tried.
func TestADevelopmentKeyIsExchangedUnderDev(t *testing.T) {
	c := start(t, func(*config.Server) {})
	key, err := token.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(string(c.Dir), "tokens", "fixer"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is good as often as it comes
		ask(t, c.ExternalURL+"/token", key, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {strings.TrimSpace(string(b))}})
	}
}
