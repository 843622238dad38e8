package storefront_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/writ-dev/writ/internal/storefront"
)

// An admin is one OAuth client at the admin API.
type admin struct {
	*testing.T
	shop   *storefront.Shop
	client string
	token  string
}

type res struct {
	status int
	etag   string
	header http.Header
	json   map[string]any
}

func (a admin) send(method, path, body string, header map[string]string) res {
	a.Helper()
	req, err := http.NewRequest(method, a.shop.AdminURL()+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		a.Fatal(err)
	}
	out := res{status: r.StatusCode, etag: r.Header.Get("ETag"), header: r.Header}
	_ = json.Unmarshal(b, &out.json) // some answers are not JSON
	return out
}

// form posts to an OAuth endpoint as the client.
func (a admin) form(path string, v url.Values) res {
	a.Helper()
	secret, err := a.shop.Client(a.client)
	if err != nil {
		a.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, a.shop.AdminURL()+path, nil)
	if err != nil {
		a.Fatal(err)
	}
	req.SetBasicAuth(a.client, string(secret))
	return a.send(http.MethodPost, path, v.Encode(), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Authorization": req.Header.Get("Authorization"),
	})
}

// with gets a token of that scope.
func (a admin) with(client, scope string) admin {
	a.Helper()
	a.client = client
	r := a.form("/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
	if r.status != http.StatusOK {
		a.Fatalf("token: %d %v", r.status, r.json)
	}
	a.token = r.json["access_token"].(string)
	return a
}

func TestAWriteNeedsTheCurrentETag(t *testing.T) {
	s := open(t, storefront.Config{Rate: -1})
	a := admin{T: t, shop: s}
	reader, writer := a.with(storefront.ClientReader, "read"), a.with(storefront.ClientT1, "setRelease:checkout")
	before := reader.send("GET", "/services/checkout", "", nil)
	if before.status != 200 || before.etag == "" || before.json["release"] != "v41" {
		t.Fatalf("%+v", before)
	}
	put := func(match string, body string) res {
		h := map[string]string{"Content-Type": "application/json"}
		if match != "" {
			h["If-Match"] = match
		}
		return writer.send("PUT", "/services/checkout/release", body, h)
	}
	for what, c := range map[string]struct {
		match, body string
		want        int
	}{
		"no precondition":    {"", `{"release":"v40"}`, 428},
		"any version":        {"*", `{"release":"v40"}`, 428},
		"another version":    {`"x"`, `{"release":"v40"}`, 412},
		"an unknown release": {before.etag, `{"release":"v99"}`, 422},
		"no release":         {before.etag, `{}`, 400},
		"more than asked":    {before.etag, `{"release":"v40","force":true}`, 400},
		"two values":         {before.etag, `{"release":"v40"}{}`, 400},
	} {
		if r := put(c.match, c.body); r.status != c.want {
			t.Errorf("%s: %d", what, r.status)
		}
	}
	done := put(before.etag, `{"release":"v40"}`)
	if done.status != 200 || done.json["release"] != "v40" || done.json["uid"] != before.json["uid"] || done.etag == before.etag || done.json["changed_by"] != storefront.ClientT1 {
		t.Errorf("%+v", done)
	}
	if r := put(before.etag, `{"release":"v41"}`); r.status != 412 {
		t.Errorf("the old version: %d", r.status)
	}
}

func TestOneOfManyWritersWins(t *testing.T) {
	s := open(t, storefront.Config{Rate: -1})
	a := admin{T: t, shop: s}
	etag := a.with(storefront.ClientReader, "read").send("GET", "/services/checkout", "", nil).etag
	w := a.with(storefront.ClientT2, "setReplicas:checkout")
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 8 {
		wg.Go(func() {
			r := w.send("PUT", "/services/checkout/replicas", `{"replicas":2}`, map[string]string{"If-Match": etag})
			mu.Lock()
			defer mu.Unlock()
			if r.status == 200 {
				won++
			} else if r.status != 412 {
				t.Errorf("status %d", r.status)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
}

func TestAnIdempotencyKeyGetsTheFirstAnswerAgain(t *testing.T) {
	s := open(t, storefront.Config{Rate: -1})
	a := admin{T: t, shop: s}
	etag := a.with(storefront.ClientReader, "read").send("GET", "/services/checkout", "", nil).etag
	w := a.with(storefront.ClientT2, "restartService:checkout")
	h := map[string]string{"If-Match": etag, "Idempotency-Key": "k1"}
	first, second := w.send("POST", "/services/checkout/restart", "", h), w.send("POST", "/services/checkout/restart", "", h)
	if first.status != 200 || second.status != 200 || first.etag != second.etag || second.header.Get("Idempotency-Replayed") != "true" || first.json["changed_key"] != "k1" {
		t.Errorf("%+v, then %+v", first, second)
	}
	h["If-Match"] = first.etag
	if r := w.send("POST", "/services/checkout/restart", "", h); r.status != 422 {
		t.Errorf("another request under the same key: %d", r.status)
	}
}

func TestATokenCanDoWhatItsScopeSaysAndNothingElse(t *testing.T) {
	s := open(t, storefront.Config{Rate: -1})
	a := admin{T: t, shop: s}
	calls := []struct{ method, path, scope string }{
		{"GET", "/services/checkout", "read"},
		{"PUT", "/services/checkout/release", "setRelease:checkout"},
		{"PUT", "/services/checkout/replicas", "setReplicas:checkout"},
		{"PUT", "/services/checkout/flags/one-click", "setFlag:checkout/one-click"},
		{"POST", "/services/checkout/restart", "restartService:checkout"},
	}
	for _, scope := range []string{"setRelease:checkout", "setReplicas:checkout", "setFlag:checkout/one-click", "restartService:checkout", "setRelease:payments", "lease"} {
		w := a.with(storefront.ClientT2, scope)
		for _, c := range calls {
			r := w.send(c.method, c.path, "", nil)
			if forbidden := r.status == 403; forbidden == (c.scope == scope) {
				t.Errorf("scope %s: %s %s: %d", scope, c.method, c.path, r.status)
			}
		}
	}
	for _, c := range calls {
		if r := a.send(c.method, c.path, "", nil); r.status != 401 || !strings.Contains(r.header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("no token: %s %s: %d", c.method, c.path, r.status)
		}
	}
}

func TestAClientGetsOnlyItsOwnClassOfScopes(t *testing.T) {
	s := open(t, storefront.Config{Rate: -1})
	a := admin{T: t, shop: s}
	for _, c := range []struct{ client, scope string }{
		{storefront.ClientReader, "setRelease:checkout"}, {storefront.ClientReader, "lease"}, {storefront.ClientT1, "restartService:checkout"},
		{storefront.ClientT1, "setReplicas:checkout"}, {storefront.ClientT1, "read"}, {storefront.ClientT2, "setRelease:"}, {storefront.ClientT2, "*"},
		{storefront.ClientT2, ""}, {storefront.ClientT2, "setRelease:checkout restartService:checkout admin"},
	} {
		a.client = c.client
		if r := a.form("/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {c.scope}}); r.status != 400 || r.json["error"] != "invalid_scope" {
			t.Errorf("%s asks for %q: %d %v", c.client, c.scope, r.status, r.json)
		}
	}
	if r := a.send("POST", "/oauth/token", "grant_type=client_credentials&scope=read", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}); r.status != 401 {
		t.Errorf("a client without a secret: %d", r.status)
	}
}

func TestRevocationActsAtOnceAndOnWhatWasExchanged(t *testing.T) {
	s := open(t, storefront.Config{Rate: -1})
	a := admin{T: t, shop: s}
	parent := a.with(storefront.ClientT1, "lease")
	exchange := func(subject string) res {
		return parent.form("/oauth/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {subject},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "scope": {"setRelease:checkout"}, "lifetime": {"60"},
		})
	}
	r := exchange(parent.token)
	if r.status != 200 || r.json["expires_in"].(float64) > 60 {
		t.Fatalf("%d %v", r.status, r.json)
	}
	child := parent
	child.token = r.json["access_token"].(string)
	try := func(a admin) int {
		return a.send("PUT", "/services/checkout/release", `{"release":"v40"}`, map[string]string{"If-Match": `"x"`}).status
	}
	if got := try(child); got != 412 {
		t.Fatalf("the exchanged token: %d", got)
	}
	if x := parent.form("/oauth/introspect", url.Values{"token": {child.token}}); x.json["active"] != true || x.json["scope"] != "setRelease:checkout" {
		t.Errorf("introspection: %v", x.json)
	}
	stranger := a
	stranger.client = storefront.ClientT2
	if x := stranger.form("/oauth/revoke", url.Values{"token": {parent.token}}); x.status != 200 || try(child) != 412 {
		t.Error("another client ended the token")
	}
	if x := parent.form("/oauth/revoke", url.Values{"token": {parent.token}}); x.status != 200 {
		t.Fatalf("%d", x.status)
	}
	if got := try(child); got != 401 {
		t.Errorf("after its subject was revoked: %d", got)
	}
	if x := parent.form("/oauth/introspect", url.Values{"token": {child.token}}); x.json["active"] != false {
		t.Errorf("introspection: %v", x.json)
	}
	if x := exchange(parent.token); x.status != 400 || x.json["error"] != "invalid_grant" {
		t.Errorf("a revoked subject: %d %v", x.status, x.json)
	}
	if x := exchange(a.with(storefront.ClientT1, "setRelease:checkout").token); x.json["error"] != "invalid_grant" {
		t.Errorf("a subject that is no lease: %v", x.json)
	}
}
