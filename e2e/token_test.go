package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/testbed/idp"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
	"github.com/writ-dev/writ/internal/token"
)

// An office is a fleet whose agents of a platform and of SPIFFE reach it with control-plane tokens alone.
type office struct {
	*fleet
	idp      *idp.Provider
	domain   *trustdomain.Domain
	external string
	peers    string // address of the agents' listener, of the first server
}

const ofPlatform, ofSPIFFE = "of-platform", "of-spiffe"

// newOffice changes the configuration of a fleet that runs, as people do, and restarts its servers. A shop is broken before
// that, and diagnosed with a development key.
func newOffice(t *testing.T, changes ...func(*config.Server)) (*office, writ.Ask) {
	t.Helper()
	o := &office{fleet: newFleet(t, 2), domain: trustdomain.New(t, "corp.example"), peers: install.Addresses(t, 1)[0]}
	o.idp = idp.New(t, "http://127.0.0.1/unused")
	ask := o.broken(0)
	for i, r := range o.servers {
		install.EditServer(t, r.file, r.file, func(c *config.Server) {
			o.external = c.ExternalURL
			c.Tokens = &config.Tokens{Required: true} // agents' other credentials are good at the token endpoint only
			c.Issuers = append(c.Issuers, config.Issuer{URL: o.idp.URL, Audience: idp.Client, Kind: "agent", Algorithms: []string{"RS256"}})
			c.SPIFFE = &config.SPIFFE{WorkloadAPI: o.domain.Serve(t, "/writ", time.Hour).Address(), Agents: []string{"spiffe://corp.example/agents"}, Audience: c.ExternalURL}
			if i == 0 {
				c.SPIFFE.Listen = o.peers
			}
			owner := c.Agents[0].Owner
			c.Agents = append(c.Agents,
				config.Agent{Name: ofPlatform, Iss: o.idp.URL, Sub: idp.Person, Team: team, Owner: owner, Roles: []string{"repair"}},
				config.Agent{Name: ofSPIFFE, Iss: "spiffe://corp.example", Sub: "spiffe://corp.example/agents/repair", Team: team, Owner: owner, Roles: []string{"repair"}})
			for _, change := range changes {
				change(c)
			}
		})
	}
	o.restart()
	return o, ask
}

// restart ends all servers and starts them again. They drain at the same time, because runners wait at their doors.
func (o *office) restart() {
	o.t.Helper()
	for _, r := range o.servers {
		must(o.t, r.cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, r := range o.servers {
		<-r.done
	}
	for i := range o.servers {
		o.startServer(i)
	}
	for i := range o.servers {
		o.ready(i)
	}
}

// platformToken logs the agent's stand-in in at the provider.
func (o *office) platformToken() string {
	return o.idp.IDToken(o.t, "http://127.0.0.1/unused")
}

// A said is one answer.
type said struct {
	status int
	body   map[string]any
	raw    string
}

func (s said) text(name string) string { v, _ := s.body[name].(string); return v }

func (o *office) send(c *http.Client, method, url string, form url.Values, header ...string) said {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, url, strings.NewReader(form.Encode()))
	must(o.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	must(o.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(o.t, err)
	out := said{status: resp.StatusCode, raw: string(b)}
	_ = json.Unmarshal(b, &out.body) // what is no object has no members
	return out
}

// ask exchanges a platform token at server i.
func (o *office) ask(i int, raw string, key *ecdsa.PrivateKey) said {
	o.t.Helper()
	p, err := token.ProveBare(key, "POST", o.external+"/token", time.Now(), rand.Reader)
	must(o.t, err)
	return o.send(http.DefaultClient, "POST", o.servers[i].url+"/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {raw}}, "DPoP", p)
}

func (o *office) proof(key *ecdsa.PrivateKey, raw string) string {
	o.t.Helper()
	p, err := token.Prove(key, token.Proof{Method: "GET", URL: o.external + "/v1/playbooks", AccessTokenHash: token.AccessTokenHash(raw)}, time.Now(), rand.Reader)
	must(o.t, err)
	return p
}

// playbooks calls server i with a control-plane token and a proof.
func (o *office) playbooks(i int, raw, proof string) said {
	o.t.Helper()
	return o.send(http.DefaultClient, "GET", o.servers[i].url+"/v1/playbooks", nil, "Authorization", "DPoP "+raw, "DPoP", proof)
}

// TestAgentsWithControlPlaneTokensThroughReplicasRotationAndSuspension lets an agent of a platform repair a shop with a
// token that its key holds, and an agent of SPIFFE with one that its certificate holds.
func TestAgentsWithControlPlaneTokensThroughReplicasRotationAndSuspension(t *testing.T) {
	t.Parallel()
	o, ask := newOffice(t)
	key, err := token.NewKey(rand.Reader)
	must(t, err)
	wants := func(what string, got said, status int, code string) {
		t.Helper()
		if got.status != status || code != "" && got.text("error")+got.text("code") != code {
			t.Errorf("%s: %d %s, want %d %s", what, got.status, got.raw, status, code)
		}
	}

	// The platform's token is taken at the token endpoint, there only, and once.
	raw := o.platformToken()
	wants("a platform token at the API", o.send(http.DefaultClient, "GET", o.servers[0].url+"/v1/playbooks", nil, "Authorization", "Bearer "+raw), 401, "unauthenticated")
	first := o.ask(0, raw, key)
	wants("its exchange", first, 200, "")
	wants("its exchange again, at a second replica", o.ask(1, raw, key), 400, "invalid_grant")
	own := first.text("access_token")

	// A proof counts once over all replicas.
	p := o.proof(key, own)
	wants("a call", o.playbooks(0, own, p), 200, "")
	wants("the same proof at a second replica", o.playbooks(1, own, p), 401, "unauthenticated")
	wants("another proof there", o.playbooks(1, own, o.proof(key, own)), 200, "")
	wants("without a proof", o.send(http.DefaultClient, "GET", o.servers[1].url+"/v1/playbooks", nil, "Authorization", "DPoP "+own), 401, "unauthenticated")
	thief, err := token.NewKey(rand.Reader)
	must(t, err)
	wants("a thief's proof", o.playbooks(0, own, o.proof(thief, own)), 401, "unauthenticated")

	// A whole repair, through the client that renews its tokens.
	source := &client.Source{Key: key, Assertion: func(context.Context) (string, error) { return o.platformToken(), nil }}
	agent, err := client.New(o.servers[1].url, client.Config{Source: source, ExternalURL: o.external})
	must(t, err)
	before := o.shops[0].Changes()
	plan, err := agent.Propose(t.Context(), ask)
	must(t, err)
	o.ended(0, plan.ID, before)
	if plan, err = agent.Plan(t.Context(), plan.ID); err != nil || plan.Requester != (writ.Principal{Kind: writ.KindAgent, Iss: o.idp.URL, Sub: idp.Person}) {
		t.Errorf("%v %v", plan.Requester, err)
	}

	// SPIFFE: the certificate gets a token that only it can use.
	x509, err := workloadapi.NewX509Source(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr(o.domain.Serve(t, "/agents/repair", time.Hour).Address())))
	must(t, err)
	t.Cleanup(func() { x509.Close() })
	mtls := &http.Client{Transport: &http.Transport{
		TLSClientConfig: tlsconfig.MTLSClientConfig(x509, x509, tlsconfig.AuthorizeID(spiffeid.RequireFromString("spiffe://corp.example/writ"))),
	}}
	peers := "https://" + o.peers
	wants("a certificate alone", o.send(mtls, "GET", peers+"/v1/playbooks", nil), 401, "unauthenticated")
	bound := o.send(mtls, "POST", peers+"/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"spiffe://corp.example/agents/repair"}})
	wants("a certificate at the token endpoint", bound, 200, "")
	if bound.text("token_type") != "Bearer" {
		t.Errorf("%s", bound.raw)
	}
	wants("certificate and token", o.send(mtls, "GET", peers+"/v1/playbooks", nil, "Authorization", "Bearer "+bound.text("access_token")), 200, "")
	wants("the token elsewhere", o.send(http.DefaultClient, "GET", o.servers[0].url+"/v1/playbooks", nil, "Authorization", "Bearer "+bound.text("access_token")), 401, "unauthenticated")
	wants("another agent's token", o.send(mtls, "GET", peers+"/v1/playbooks", nil, "Authorization", "DPoP "+own, "DPoP", o.proof(key, own)), 401, "unauthenticated")

	// A runner asks about a token that is none of its business.
	runnerKey, err := pin.Load(o.in.Dir + "/keys/runner.pem")
	must(t, err)
	rc, err := config.LoadRunner(o.in.Runner)
	must(t, err)
	pinned, err := pin.ClientTLS(runnerKey, rc.Control.Key)
	must(t, err)
	runner := &http.Client{Transport: &http.Transport{TLSClientConfig: pinned}}
	if got := o.send(runner, "POST", "https://"+o.servers[0].runners+"/introspect", url.Values{"token": {own}}); got.status != 200 || got.raw != `{"active":false}` {
		t.Errorf("a runner is told %d %s", got.status, got.raw)
	}

	// Rotation: what was issued before a step is good after it.
	rotate := func(step string) {
		t.Helper()
		if got := o.bed.run(t, o.dir, "keys", "rotate", step, "--key", "token", "-c", o.servers[0].file); got.code != 0 {
			t.Fatalf("%s: %s%s", step, got.out, got.err)
		}
		o.restart()
	}
	rotate("announce")
	wants("after the announcement", o.playbooks(0, own, o.proof(key, own)), 200, "")
	rotate("switch")
	for i := range o.servers {
		wants("an old token after the switch", o.playbooks(i, own, o.proof(key, own)), 200, "")
	}
	second := o.ask(0, o.platformToken(), key)
	wants("a new token", second, 200, "")
	fresh := second.text("access_token")
	wants("a new token at a second replica", o.playbooks(1, fresh, o.proof(key, fresh)), 200, "")
	if kid(t, own) == kid(t, fresh) {
		t.Error("the key did not change")
	}
	if got := o.bed.run(t, o.dir, "keys", "rotate", "retire", "--key", "token", "-c", o.servers[0].file); got.code == 0 || !strings.Contains(got.err, "may be alive for another") {
		t.Errorf("retired at once: %s%s", got.out, got.err)
	}

	// Revocation is seen by every replica, and so is suspension.
	rp, err := token.Prove(key, token.Proof{Method: "POST", URL: o.external + "/revoke", AccessTokenHash: token.AccessTokenHash(fresh)}, time.Now(), rand.Reader)
	must(t, err)
	wants("a revocation", o.send(http.DefaultClient, "POST", o.servers[0].url+"/revoke", url.Values{"token": {own}}, "Authorization", "DPoP "+fresh, "DPoP", rp), 200, "")
	wants("a revoked token at a second replica", o.playbooks(1, own, o.proof(key, own)), 401, "unauthenticated")
	_, err = o.people[0].SuspendAgent(t.Context(), ofPlatform, "it behaves oddly")
	must(t, err)
	wants("a suspended agent's token", o.playbooks(1, fresh, o.proof(key, fresh)), 403, "agent_suspended")
	wants("a suspended agent's ask", o.ask(1, o.platformToken(), key), 400, "access_deniedagent_suspended")
	if _, err := agent.Plan(t.Context(), plan.ID); !errors.Is(err, writ.ErrDenied) {
		t.Errorf("a suspended agent's client: %v", err)
	}
	for _, r := range o.servers {
		for _, secret := range []string{raw, own, fresh, bound.text("access_token")} {
			if strings.Contains(string(read(t, r.log)), secret) {
				t.Errorf("the log of %s holds a token", r.name)
			}
		}
	}
	o.whole()
}

// kid is the key id in a token's header.
func kid(t *testing.T, raw string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
	must(t, err)
	var h struct{ Kid string }
	must(t, json.Unmarshal(b, &h))
	return h.Kid
}
