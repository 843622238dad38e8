package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
)

// CAP-01, CAP-07, pitfall 38: a grant that was captured is worth nothing without its key, in no altered form, and nothing
// the second time; and neither it nor the token it was fetched with stands in anything that Writ says or writes down.
func TestCAP01CAP07ACapturedGrantIsWorthNothing(t *testing.T) {
	t.Parallel()
	o, ask := newOffice(t)
	key, err := client.NewKey()
	must(t, err)
	ask.Holder, err = client.Thumbprint(&key.PublicKey)
	must(t, err)
	var assertions []string
	source := &client.Source{Key: key, Assertion: func(context.Context) (string, error) {
		assertions = append(assertions, o.platformToken())
		return assertions[len(assertions)-1], nil
	}}
	var wire canaries
	agent, err := client.New(o.servers[0].url, client.Config{Source: source, ExternalURL: o.external, HTTPClient: &http.Client{Transport: &wire}})
	must(t, err)
	before := o.shops[0].Changes()
	p, err := agent.Propose(t.Context(), ask)
	must(t, err)
	await(t, "the plan", func() (bool, string) {
		p, err = agent.Plan(t.Context(), p.ID)
		must(t, err)
		return p.State == writ.PlanReady, string(p.State) + " " + p.Detail
	})
	shown, err := o.people[0].Plan(t.Context(), p.ID)
	must(t, err)
	g, err := agent.Exchange(t.Context(), p.ID, p.Digest, shown.Plan.Runner)
	must(t, err)

	thief, err := client.NewKey()
	must(t, err)
	parts := strings.Split(g.Token, ".")
	header := func(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }
	flipped := []byte(parts[2])
	flipped[5] ^= 1
	for name, forged := range map[string]string{
		"alg none":              header(`{"alg":"none","typ":"at+jwt"}`) + "." + parts[1] + ".",
		"alg none, signed":      header(`{"alg":"none","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2],
		"HS256":                 header(`{"alg":"HS256","kid":"x","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2],
		"another key id":        header(`{"alg":"ES256","kid":"mine","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2],
		"a key of its own":      header(`{"alg":"ES256","kid":"x","typ":"at+jwt","jwk":{"kty":"EC"}}`) + "." + parts[1] + "." + parts[2],
		"a truncated signature": strings.Join(parts[:2], ".") + "." + parts[2][:20],
		"an altered signature":  strings.Join(parts[:2], ".") + "." + string(flipped),
		"no signature":          strings.Join(parts[:2], ".") + ".",
		"altered claims":        parts[0] + "." + header(`{"jti":"`+string(g.Grant)+`"}`) + "." + parts[2],
		"nothing":               "",
	} {
		if r, err := agent.Present(t.Context(), forged, key); err == nil {
			t.Errorf("%s: run %s is %s", name, r.ID, r.State)
		}
	}
	if _, err := agent.Present(t.Context(), g.Token, thief); err == nil {
		t.Error("with another key")
	}
	if got := o.shops[0].Changes(); got != before {
		t.Fatalf("%d changes by forged grants", got-before)
	}

	// A hundred at once, of the genuine one, are one run.
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { agent.Present(t.Context(), g.Token, key) }) // most are refused; what they did is counted below
	}
	all.Wait()
	o.ended(0, p.ID, before)
	if r, err := agent.Present(t.Context(), g.Token, key); err == nil && !r.State.Final() {
		t.Errorf("presented after its run: %s", r.State)
	}
	o.whole()

	wire.mu.Lock()
	secrets := map[string]string{"the grant": g.Token, "the grant's signature": parts[2]}
	for i, a := range assertions {
		secrets[fmt.Sprint("assertion ", i+1)] = a
	}
	for _, s := range wire.seen {
		secrets["a token or proof …"+s[len(s)-8:]] = s
	}
	wire.mu.Unlock()
	if len(secrets) < 5 {
		t.Fatalf("only %d secrets were seen", len(secrets))
	}
	o.search(p.ID, secrets)
}

// canaries notes the credentials that a client sends.
type canaries struct {
	mu   sync.Mutex
	seen []string // guarded by mu
}

func (c *canaries) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	_, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for _, s := range []string{raw, r.Header.Get("DPoP")} {
		if len(s) > 40 && len(c.seen) < 50 {
			c.seen = append(c.seen, s)
		}
	}
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// search demands that no secret stands in a log, a metric, an answer to people or the ledger's bundle.
func (o *office) search(plan writ.PlanID, secrets map[string]string) {
	o.t.Helper()
	places := map[string][]byte{}
	for _, r := range o.servers {
		places["log of "+r.url] = read(o.t, r.log)
	}
	for _, p := range append(o.runners, o.signer) {
		places["log of "+p.name] = read(o.t, p.log)
	}
	get := func(url string) []byte {
		resp, err := http.Get(url)
		must(o.t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		must(o.t, err)
		return b
	}
	for _, r := range o.servers {
		places["metrics of "+r.url] = get(r.admin + "/metrics")
	}
	shown, err := o.people[0].Plan(o.t.Context(), plan)
	must(o.t, err)
	bundle, err := o.people[0].Export(o.t.Context(), shown.Incident)
	must(o.t, err)
	places["the bundle"] = bundle
	places["the plan"] = shown.Bytes
	entries, _, err := o.people[0].Entries(o.t.Context(), 0, 200)
	must(o.t, err)
	for _, e := range entries {
		places["entries"] = append(places["entries"], e.Leaf...)
	}
	if len(places["entries"]) < 1000 || len(places["the bundle"]) < 1000 {
		o.t.Fatal("there is nothing to search")
	}
	for where, b := range places {
		for what, secret := range secrets {
			for _, form := range forms(secret) {
				if bytes.Contains(b, form) {
					o.t.Errorf("%s stands in %s", what, where)
				}
			}
		}
	}
}
