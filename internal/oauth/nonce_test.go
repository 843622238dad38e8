package oauth_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/token"
)

// nonces is another replica of a world's endpoint, which asks for nonces.
func (w *world) nonces(mode authn.NonceMode) http.Handler {
	w.t.Helper()
	c := w.config
	c.Nonces = mode
	auth, err := authn.New(c)
	must(w.t, err)
	set := w.endpoint.Config
	set.Clients = auth
	e, err := oauth.New(set)
	must(w.t, err)
	return auth.Challenges(e.Handler())
}

// RFC 9449 section 8: the question is an error of its own with the nonce in a header, and the same request with that nonce in
// its proof goes through, an assertion that is good once included.
func TestRFC9449TheTokenEndpointAsksForANonceAndTakesTheSameRequestWithIt(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	a, b := w.nonces(authn.NonceRequired), w.nonces(authn.NonceRequired)
	form := url.Values{"grant_type": {jwtBearer}, "assertion": {w.assertion(platform, "repair")}}
	bare := func(key *ecdsa.PrivateKey, nonce string) string {
		p, err := token.ProveBareWith(key, token.Proof{Method: "POST", URL: external + oauth.PathToken, Nonce: nonce}, w.now(), rand.Reader)
		must(t, err)
		return p
	}
	asked := func(what string, got reply) string {
		t.Helper()
		nonce := got.header.Get("DPoP-Nonce")
		if got.status != 400 || got.text("error") != "use_dpop_nonce" || got.text("error_description") == "" || got.text("hint") == "" || nonce == "" || got.body["access_token"] != nil {
			t.Errorf("%s: %d %s %v", what, got.status, got.raw, got.header)
		}
		return nonce
	}
	nonce := asked("without one", w.send(a, oauth.PathToken, form.Encode(), "DPoP", bare(key, "")))
	thief := newKey(t)
	asked("in another key's proof", w.send(a, oauth.PathToken, form.Encode(), "DPoP", bare(thief, nonce)))
	got := w.send(b, oauth.PathToken, form.Encode(), "DPoP", bare(key, nonce))
	if got.status != http.StatusOK || got.header.Get("DPoP-Nonce") != "" {
		t.Fatalf("with it, at another replica: %d %s %v", got.status, got.raw, got.header)
	}
	raw := got.text("access_token")

	// The exchange is the same door.
	exchanging := url.Values{
		"grant_type": {exchange}, "subject_token": {raw}, "subject_token_type": {accessTyp}, "resource": {string(runner)}, "authorization_details": {theDetails()},
	}
	held := func(nonce string) string {
		p, err := token.Prove(key, token.Proof{Method: "POST", URL: external + oauth.PathToken, AccessTokenHash: token.AccessTokenHash(raw), Nonce: nonce}, w.now(), rand.Reader)
		must(t, err)
		return p
	}
	asked("an exchange without one", w.send(a, oauth.PathToken, exchanging.Encode(), "DPoP", held("")))
	if len(w.ctl.asked) != 0 {
		t.Error("the control plane was asked for a grant")
	}
	w.pass(time.Minute)
	got = w.send(a, oauth.PathToken, exchanging.Encode(), "DPoP", held(nonce))
	if got.status != http.StatusOK || got.text("grant") != string(grantID) {
		t.Errorf("an exchange with it: %d %s", got.status, got.raw)
	}
	renewed := got.header.Get("DPoP-Nonce")
	if renewed == "" || renewed == nonce {
		t.Errorf("no newer nonce came after a minute: %v", got.header)
	}
	w.pass(time.Minute)
	asked("a stale one", w.send(a, oauth.PathToken, exchanging.Encode(), "DPoP", held(nonce)))
	if got = w.send(b, oauth.PathToken, exchanging.Encode(), "DPoP", held(renewed)); got.status != http.StatusOK {
		t.Errorf("the newer one: %d %s", got.status, got.raw)
	}

	// What is wrong with a proof besides is said first, and brings no nonce.
	for what, proof := range map[string]string{"no proof": "", "another URL's": w.with(key, oauth.PathRevoke, raw), "a proof without ath": bare(key, renewed)} {
		if got := w.send(a, oauth.PathToken, exchanging.Encode(), "DPoP", proof); got.text("error") != "invalid_dpop_proof" || got.header.Get("DPoP-Nonce") != "" {
			t.Errorf("%s: %s %v", what, got.raw, got.header)
		}
	}
}

// The other doors here are resources: they ask as RFC 9449 section 9 says.
func TestRFC9449RevocationAsksForANonceAsAResourceDoes(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	raw := w.tokenOf("repair", key)
	h := w.nonces(authn.NonceRequired)
	got := w.send(h, oauth.PathRevoke, url.Values{"token": {raw}}.Encode(), "Authorization", "DPoP "+raw, "DPoP", w.with(key, oauth.PathRevoke, raw))
	nonce := got.header.Get("DPoP-Nonce")
	if challenge := got.header.Get("WWW-Authenticate"); got.status != 401 || nonce == "" || !strings.HasPrefix(challenge, "DPoP ") || !strings.Contains(challenge, `error="use_dpop_nonce"`) {
		t.Fatalf("%d %s %v", got.status, got.raw, got.header)
	}
	p, err := token.Prove(key, token.Proof{Method: "POST", URL: external + oauth.PathRevoke, AccessTokenHash: token.AccessTokenHash(raw), Nonce: nonce}, w.now(), rand.Reader)
	must(t, err)
	if got := w.send(h, oauth.PathRevoke, url.Values{"token": {raw}}.Encode(), "Authorization", "DPoP "+raw, "DPoP", p); got.status != http.StatusOK {
		t.Errorf("with it: %d %s", got.status, got.raw)
	}
}
