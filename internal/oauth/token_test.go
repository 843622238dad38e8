package oauth_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/token"
)

func TestAPlatformTokenBecomesAControlPlaneTokenThatItsKeyHolds(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	got := w.ask("repair", key)
	c, err := w.access.Verify(got.text("access_token"), w.now())
	if got.status != http.StatusOK || err != nil || c.Confirm.Thumbprint != token.Thumbprint(&key.PublicKey) || c.Subject != "repair" || c.Writ.Issuer != platform ||
		c.Client != platform+" repair" || got.text("token_type") != "DPoP" || got.body["expires_in"] != float64(600) || len(got.body) != 3 {
		t.Errorf("%d %s %+v %v", got.status, got.raw, c, err)
	}
	r := httptest.NewRequest("GET", "http://evil.example/v1/plans", nil)
	proof, err := token.Prove(key, token.Proof{Method: "GET", URL: external + "/v1/plans", AccessTokenHash: token.AccessTokenHash(got.text("access_token"))}, w.now(), rand.Reader)
	must(t, err)
	r.Header.Set("Authorization", "DPoP "+got.text("access_token"))
	r.Header.Set("DPoP", proof)
	if p, err := w.auth.Principal(t.Context(), r); err != nil || p != repair {
		t.Errorf("%v %v", p, err)
	}
}

// What is wrong with a credential is not told, and a request that is not of the form is refused before anything counts
// as used.
func TestAnAskThatIsNotGoodIsRefusedWithOAuthsErrors(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	ok := func() url.Values {
		return url.Values{"grant_type": {jwtBearer}, "assertion": {w.assertion(platform, "repair")}}
	}
	used := ok()
	if got := w.post(oauth.PathToken, used, "DPoP", w.bare(key)); got.status != http.StatusOK {
		t.Fatal(got.raw)
	}
	proof := w.bare(key)
	if got := w.post(oauth.PathToken, ok(), "DPoP", proof); got.status != http.StatusOK {
		t.Fatal(got.raw)
	}
	set := func(pairs ...string) url.Values {
		f := ok()
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	for name, c := range map[string]struct {
		form   url.Values
		proof  string
		status int
		error  string
	}{
		"no grant type":              {set("grant_type", ""), w.bare(key), 400, "invalid_request"},
		"another grant type":         {set("grant_type", "authorization_code"), w.bare(key), 400, "unsupported_grant_type"},
		"a refresh token":            {set("grant_type", "refresh_token"), w.bare(key), 400, "unsupported_grant_type"},
		"no assertion":               {set("assertion", ""), w.bare(key), 400, "invalid_request"},
		"no token as assertion":      {set("assertion", "hello"), w.bare(key), 400, "invalid_grant"},
		"another issuer's":           {set("assertion", w.assertion("https://other.example", "repair")), w.bare(key), 400, "invalid_grant"},
		"a person's":                 {set("assertion", w.assertion(platform+"/people", "auditor")), w.bare(key), 400, "invalid_grant"},
		"one that was used before":   {used, w.bare(key), 400, "invalid_grant"},
		"a control-plane token":      {set("assertion", w.tokenOf("repair", key)), w.bare(key), 400, "invalid_grant"},
		"no proof":                   {ok(), "", 400, "invalid_dpop_proof"},
		"a proof that was used":      {ok(), proof, 400, "invalid_dpop_proof"},
		"a proof with a hash":        {ok(), w.with(key, oauth.PathToken, "x"), 400, "invalid_dpop_proof"},
		"a proof for another path":   {ok(), w.with(key, oauth.PathRevoke, "x"), 400, "invalid_dpop_proof"},
		"another client's id":        {set("client_id", "someone"), w.bare(key), 401, "invalid_client"},
		"for another server":         {set("resource", "https://other.example"), w.bare(key), 400, "invalid_target"},
		"a password":                 {url.Values{"grant_type": {"client_credentials"}, "client_secret": {"x"}}, w.bare(key), 401, "invalid_client"},
		"a certificate that is none": {url.Values{"grant_type": {"client_credentials"}}, "", 401, "invalid_client"},
		"another client assertion":   {url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:x"}, "client_assertion": {"x"}}, w.bare(key), 401, "invalid_client"},
		"a JWT-SVID that is none":    {url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {svid}, "client_assertion": {w.assertion(platform, "repair")}}, w.bare(key), 401, "invalid_client"},
	} {
		var header []string
		if c.proof != "" {
			header = []string{"DPoP", c.proof}
		}
		if got := w.post(oauth.PathToken, c.form, header...); got.status != c.status || got.text("error") != c.error || got.body["access_token"] != nil {
			t.Errorf("%s: %d %s, want %s", name, got.status, got.raw, c.error)
		}
	}
	for _, resource := range []string{external, external + "/v1", external + "/mcp"} {
		if got := w.post(oauth.PathToken, set("resource", resource, "client_id", platform+" repair"), "DPoP", w.bare(key)); got.status != http.StatusOK {
			t.Errorf("for %s: %s", resource, got.raw)
		}
	}
	body := ok().Encode()
	for name, c := range map[string]struct{ path, body, kind string }{
		"a parameter twice": {oauth.PathToken, body + "&assertion=x", "application/x-www-form-urlencoded"},
		"in the query":      {oauth.PathToken + "?" + body, body, "application/x-www-form-urlencoded"},
		"JSON":              {oauth.PathToken, "{}", "application/json"},
		"too long":          {oauth.PathToken, body + "&x=" + strings.Repeat("x", 64<<10), "application/x-www-form-urlencoded"},
		"no encoding":       {oauth.PathToken, "grant_type=%zz", "application/x-www-form-urlencoded"},
	} {
		if got := w.send(w.handler, c.path, c.body, "DPoP", w.bare(key), "Content-Type", c.kind); got.status != 400 || got.text("error") != "invalid_request" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
}

const svid = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"

func TestNHIAnAgentThatIsSuspendedGetsNoToken(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	raw := w.tokenOf("repair", key)
	w.ctl.bar("repair", &writ.Refusal{Code: writ.ReasonAgentSuspended, Detail: "this agent is suspended", Hint: "a person lets it go on"})
	for name, got := range map[string]reply{"a new token": w.ask("repair", key), "a grant": w.exchanged(raw, key)} {
		if got.status != 400 || got.text("error") != "access_denied" || got.text("code") != "agent_suspended" || got.body["access_token"] != nil {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if len(w.ctl.asked) != 0 {
		t.Error("a suspended agent's exchange went on")
	}
}

func TestAnAgentThatAsksForTokensWithoutEndIsSlowedDown(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	w.ctl.wait = map[string]time.Duration{"repair": time.Minute}
	got := w.ask("repair", key)
	if got.status != http.StatusTooManyRequests || got.text("error") != "slow_down" || got.header.Get("Retry-After") != "60" || got.body["access_token"] != nil {
		t.Errorf("%d %s %v", got.status, got.raw, got.header)
	}
	if got := w.ask("other", key); got.status != http.StatusOK {
		t.Errorf("another agent: %s", got.raw)
	}
	w.ctl.paced = writ.ErrUnavailable
	if got := w.ask("other", key); got.status < 500 || got.body["access_token"] != nil {
		t.Errorf("what is not counted is given out: %d %s", got.status, got.raw)
	}
}

func TestTheMetadataNamesWhatIsThere(t *testing.T) {
	w := newWorld(t)
	get := func(h http.Handler, path string) map[string]any {
		t.Helper()
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		var m map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil || rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
		return m
	}
	has := func(list any, want string) bool {
		all, _ := list.([]any)
		for _, v := range all {
			if v == want {
				return true
			}
		}
		return false
	}
	m := get(w.handler, oauth.PathServer)
	if m["issuer"] != external || m["token_endpoint"] != external+"/token" || m["jwks_uri"] != external+"/jwks.json" || !has(m["grant_types_supported"], exchange) ||
		!has(m["authorization_details_types_supported"], writ.AuthorizationType) || !has(m["dpop_signing_alg_values_supported"], "ES256") || m["tls_client_certificate_bound_access_tokens"] != false {
		t.Errorf("%v", m)
	}
	for path, resource := range map[string]string{oauth.PathResource: external, oauth.PathResource + "/v1": external + "/v1"} {
		if m := get(w.handler, path); m["resource"] != resource || !has(m["authorization_servers"], external) {
			t.Errorf("%s: %v", path, m)
		}
	}
	if m := get(w.handler, oauth.PathKeys); len(m["keys"].([]any)) != 1 {
		t.Errorf("%v", m)
	}
	without := newWorld(t, func(c *oauth.Config) { c.Grants, c.Certificate = nil, true })
	m = get(without.handler, oauth.PathServer)
	if has(m["grant_types_supported"], exchange) || m["authorization_details_types_supported"] != nil || m["tls_client_certificate_bound_access_tokens"] != true {
		t.Errorf("%v", m)
	}
	key := newKey(t)
	if got := without.exchanged(without.tokenOf("repair", key), key); got.text("error") != "unsupported_grant_type" {
		t.Errorf("%s", got.raw)
	}
}

func TestTheEndpointIsNotMadeOfHalfAConfiguration(t *testing.T) {
	for name, change := range map[string]func(*oauth.Config){
		"tokens": func(c *oauth.Config) { c.Tokens = nil }, "clients": func(c *oauth.Config) { c.Clients = nil }, "admission": func(c *oauth.Config) { c.Admission = nil },
		"unspent": func(c *oauth.Config) { c.Unspent = nil }, "revocations": func(c *oauth.Config) { c.Revocations = nil }, "issuer": func(c *oauth.Config) { c.GrantIssuer = "" },
		"keys": func(c *oauth.Config) { c.GrantKeys = nil }, "present": func(c *oauth.Config) { c.PresentURL = "" }, "clock": func(c *oauth.Config) { c.Now = nil },
		"randomness": func(c *oauth.Config) { c.Rand = nil }, "log": func(c *oauth.Config) { c.Log = nil },
	} {
		var c oauth.Config
		newWorld(t, func(whole *oauth.Config) { c = *whole })
		change(&c)
		if _, err := oauth.New(c); err == nil {
			t.Errorf("without %s it was made", name)
		}
	}
}
