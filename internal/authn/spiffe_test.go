package authn_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/testbed"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
)

// svidLife outlasts a test; tests of rotation use less.
const svidLife = time.Hour

// spiffeAuth starts an authenticator that follows the Workload API of writ in domain d.
func spiffeAuth(t *testing.T, d *trustdomain.Domain, agents ...string) (*authn.Authenticator, *trustdomain.Socket) {
	t.Helper()
	socket := d.Serve(t, "/writ", svidLife)
	a, err := authn.New(authn.Config{
		SPIFFE:      &authn.SPIFFE{WorkloadAPI: socket.Address(), Agents: agents, Audience: audience},
		ExternalURL: external, Memory: newMemory(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, a)
	return a, socket
}

func follow(t *testing.T, a *authn.Authenticator) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); a.Watch(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// peersServer serves the agents' listener; every answer is who called, or the log's code.
func peersServer(t *testing.T, a *authn.Authenticator) *httptest.Server {
	t.Helper()
	peers, err := a.Peers()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, code, err := peers.Explain(r.Context(), r)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, code)
			return
		}
		fmt.Fprintf(w, "%s %s %s", p.Kind, p.Iss, p.Sub)
	}))
	s.Config.ErrorLog = quiet()
	s.Listener = tls.NewListener(s.Listener, peers.TLS()) // StartTLS would add a certificate of its own
	s.Start()
	s.URL = strings.Replace(s.URL, "http://", "https://", 1)
	t.Cleanup(s.Close)
	return s
}

// agent is a real go-spiffe client of the workload at path: it trusts writ in domain home.
func agent(t *testing.T, d *trustdomain.Domain, path string, life time.Duration, home string) *http.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(d.Serve(t, path, life).Address())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	c := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(spiffeid.RequireFromString("spiffe://"+home+"/writ")))
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	transport := &http.Transport{TLSClientConfig: c}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// call returns the answer, and whether it came over a connection that was open before. An error of TLS is its text.
func call(t *testing.T, c *http.Client, url string) (answer string, reused bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "error: " + err.Error(), reused
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "error: " + err.Error(), reused
	}
	return string(b), reused
}

// until calls again, each time on a new connection, until the answer begins with want.
func until(t *testing.T, what string, c *http.Client, url, want string) {
	t.Helper()
	testbed.Await(t, what, func(context.Context) (bool, string, error) {
		got, _ := call(t, c, url)
		c.CloseIdleConnections()
		return strings.HasPrefix(got, want), got, nil
	})
}

const repair = "agent spiffe://corp.example spiffe://corp.example/agents/repair"

func TestAnX509SVIDIsItsSPIFFEIDAndSurvivesRotation(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	a, _ := spiffeAuth(t, d, "spiffe://corp.example/agents")
	s := peersServer(t, a)
	c := agent(t, d, "/agents/repair", 2*time.Second, "corp.example")
	until(t, "the first answer", c, s.URL, repair)
	d.Rotate(t) // new authorities sign both sides; the old ones stay trusted
	for range 3 {
		time.Sleep(time.Second) // each SVID is renewed by then
		if got, _ := call(t, c, s.URL); got != repair {
			t.Fatal(got)
		}
		c.CloseIdleConnections()
	}
}

// With tickets on, a resumed connection would skip the checks of go-spiffe 2.9.0.
func TestPitfall01ASVIDThatIsDeniedLaterIsRefusedOnAnyNewConnection(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	a, _ := spiffeAuth(t, d, "spiffe://corp.example/agents")
	s := peersServer(t, a)
	old, err := d.SVID("/agents/repair", svidLife)
	if err != nil {
		t.Fatal(err)
	}
	resumed := false
	c := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{old.Cert}, PrivateKey: old.Key}}, InsecureSkipVerify: true, // the server is not what is tested
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
		VerifyConnection:   func(s tls.ConnectionState) error { resumed = resumed || s.DidResume; return nil },
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
	for range 3 {
		until(t, "a connection", client, s.URL, repair)
	}
	if resumed {
		t.Error("a session was resumed")
	}
	d.Rotate(t)
	d.Distrust() // the authority that signed the agent's SVID
	testbed.Await(t, "the refusal", func(context.Context) (bool, string, error) {
		got, _ := call(t, client, s.URL)
		client.CloseIdleConnections()
		return strings.HasPrefix(got, "error: "), got, nil
	})
	if resumed {
		t.Error("a session was resumed")
	}
}

func TestPitfall02AKeptConnectionIsJudgedAnewAtEachRequest(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	a, _ := spiffeAuth(t, d, "spiffe://corp.example/agents")
	s := peersServer(t, a)
	old, err := d.SVID("/agents/repair", svidLife)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{old.Cert}, PrivateKey: old.Key}}, InsecureSkipVerify: true,
	}}}
	until(t, "a connection", client, s.URL, repair)
	if got, _ := call(t, client, s.URL); got != repair {
		t.Fatal(got)
	}
	d.Rotate(t)
	d.Distrust()
	testbed.Await(t, "the refusal", func(context.Context) (bool, string, error) {
		got, reused := call(t, client, s.URL)
		if !reused {
			return false, got, fmt.Errorf("the connection was not kept: %s", got)
		}
		return got == string(authn.CodeCertificate), got, nil
	})
}

func TestAnSVIDThatEndsIsRefusedOnItsOpenConnection(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	a, _ := spiffeAuth(t, d, "spiffe://corp.example/agents")
	s := peersServer(t, a)
	short, err := d.SVID("/agents/repair", 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{short.Cert}, PrivateKey: short.Key}}, InsecureSkipVerify: true,
	}}}
	testbed.Await(t, "a connection", func(context.Context) (bool, string, error) {
		got, _ := call(t, client, s.URL)
		return got == repair, got, nil
	})
	testbed.Await(t, "the refusal", func(context.Context) (bool, string, error) {
		got, reused := call(t, client, s.URL)
		if !reused {
			return false, got, fmt.Errorf("the connection was not kept: %s", got)
		}
		return got == string(authn.CodeCertificate), got, nil
	})
}

func TestPitfall08PrefixesAreWholeSegmentsAndTrustDomainsAreWholeNames(t *testing.T) {
	d, evil := trustdomain.New(t, "corp.example"), trustdomain.New(t, "corp.example.evil")
	d.Federate(evil) // so that evil's SVIDs are genuine
	a, _ := spiffeAuth(t, d, "spiffe://corp.example/agents/x")
	s := peersServer(t, a)
	for _, row := range []struct {
		d    *trustdomain.Domain
		path string
		good bool
	}{
		{d, "/agents/x", true}, {d, "/agents/x/1", true},
		{d, "/agents/xy", false}, {d, "/agents", false}, {d, "/agents/X", false}, {d, "/x/agents/x", false}, {evil, "/agents/x", false},
	} {
		id := "spiffe://" + row.d.Name + row.path
		svid, err := row.d.SVID(row.path, svidLife)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{svid.Cert}, PrivateKey: svid.Key}}, InsecureSkipVerify: true,
		}}}
		if row.good {
			until(t, id, client, s.URL, "agent spiffe://corp.example "+id)
		} else if got, _ := call(t, client, s.URL); !strings.HasPrefix(got, "error: ") {
			t.Errorf("%s over TLS: %s", id, got)
		}
		raw, err := row.d.JWTSVID(row.path, []string{audience}, time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := request(raw, proof(t, holderKey(t), raw, time.Now()))
		if row.good {
			await(t, a, r, writ.Principal{Kind: writ.KindAgent, Iss: "spiffe://corp.example", Sub: id}, raw)
		} else {
			wantCode(t, id, a, r, authn.CodeSPIFFEID)
		}
	}
}

// await asks until JWT bundles have come, which may be a moment after the X.509 ones.
func await(t *testing.T, a *authn.Authenticator, r *http.Request, want writ.Principal, raw string) {
	t.Helper()
	testbed.Await(t, want.Sub, func(context.Context) (bool, string, error) {
		p, code, err := a.Explain(t.Context(), r)
		if err == nil && p != want {
			return false, "", fmt.Errorf("got %v", p)
		}
		return err == nil, string(code), nil
	})
}

func TestFederatedTrustDomainsAreAgentsWhileFederated(t *testing.T) {
	d, partner := trustdomain.New(t, "corp.example"), trustdomain.New(t, "partner.example")
	d.Federate(partner)
	partner.Federate(d)
	a, _ := spiffeAuth(t, d, "spiffe://corp.example/agents", "spiffe://partner.example/sre")
	s := peersServer(t, a)
	c := agent(t, partner, "/sre/repair", svidLife, "corp.example")
	until(t, "the partner's agent", c, s.URL, "agent spiffe://partner.example spiffe://partner.example/sre/repair")
	partner.Rotate(t)
	partner.Distrust()
	fresh := agent(t, partner, "/sre/repair", svidLife, "corp.example")
	until(t, "after the partner's rotation", fresh, s.URL, "agent spiffe://partner.example")
	if got, _ := call(t, fresh, s.URL); !strings.HasPrefix(got, "agent ") { // this connection stays open
		t.Fatal(got)
	}
	d.Defederate(partner)
	testbed.Await(t, "the refusal", func(context.Context) (bool, string, error) {
		got, _ := call(t, fresh, s.URL)
		return got == string(authn.CodeBundle), got, nil
	})
}

func TestAWorkloadAPIThatGoesAndComesBackChangesNothingMeanwhile(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	a, socket := spiffeAuth(t, d, "spiffe://corp.example/agents")
	s := peersServer(t, a)
	c := agent(t, d, "/agents/repair", svidLife, "corp.example")
	until(t, "the first answer", c, s.URL, repair)
	socket.Stop()
	for range 3 {
		if got, _ := call(t, c, s.URL); got != repair {
			t.Fatal(got)
		}
		c.CloseIdleConnections()
	}
	d.Rotate(t) // unheard
	socket.Start(t)
	fresh := agent(t, d, "/agents/repair", svidLife, "corp.example") // signed by the new authority
	until(t, "the news after the return", fresh, s.URL, repair)
}

func TestBeforeTheWorkloadAPIAnswersNobodyIsVouchedFor(t *testing.T) {
	a, err := authn.New(authn.Config{
		SPIFFE:      &authn.SPIFFE{WorkloadAPI: "unix:///nonexistent/api.sock", Agents: []string{"spiffe://corp.example/agents"}, Audience: audience},
		ExternalURL: external, Memory: newMemory(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, a)
	raw, err := trustdomain.New(t, "corp.example").JWTSVID("/agents/repair", []string{audience}, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "no bundle", a, request(raw, proof(t, holderKey(t), raw, time.Now())), authn.CodeBundle)
}

func TestAJWTSVIDNeedsOneAudienceAProofAndNoLeeway(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	a, _ := spiffeAuth(t, d, "spiffe://corp.example/agents")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	svid, err := workloadapi.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience}, workloadapi.WithAddr(d.Serve(t, "/agents/repair", time.Minute).Address()))
	if err != nil {
		t.Fatal(err)
	}
	raw, key := svid.Marshal(), holderKey(t)
	me := writ.Principal{Kind: writ.KindAgent, Iss: "spiffe://corp.example", Sub: "spiffe://corp.example/agents/repair"}
	await(t, a, request(raw, proof(t, key, raw, time.Now())), me, raw)
	wantCode(t, "no proof", a, request(raw), authn.CodeProofMissing)
	wantCode(t, "another key", a, request(raw, proof(t, holderKey(t), raw, time.Now())), authn.CodeHolder)

	stranger := trustdomain.New(t, "corp.example") // the same name, other authorities
	for name, row := range map[string]struct {
		d       *trustdomain.Domain
		path    string
		aud     []string
		life    time.Duration
		changes map[string]any
		code    authn.Code
	}{
		"two audiences, ours among them": {d, "/agents/repair", []string{audience, "https://other.example"}, time.Minute, nil, authn.CodeAudience}, // trap 3
		"another audience":               {d, "/agents/repair", []string{"https://other.example"}, time.Minute, nil, authn.CodeAudience},
		"a second past its exp":          {d, "/agents/repair", []string{audience}, -time.Second, nil, authn.CodeExpired}, // go-spiffe allows a minute
		"good for too long":              {d, "/agents/repair", []string{audience}, 2 * time.Hour, nil, authn.CodeLife},
		"no exp":                         {d, "/agents/repair", []string{audience}, time.Minute, map[string]any{"exp": nil}, authn.CodeExpired},
		"another's signature":            {stranger, "/agents/repair", []string{audience}, time.Minute, nil, authn.CodeSignature},
		"an unknown trust domain":        {trustdomain.New(t, "other.example"), "/agents/repair", []string{audience}, time.Minute, nil, authn.CodeBundle},
		"no agent":                       {d, "/web", []string{audience}, time.Minute, nil, authn.CodeSPIFFEID},
	} {
		raw, err := row.d.JWTSVID(row.path, row.aud, row.life, row.changes)
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, name, a, request(raw, proof(t, holderKey(t), raw, time.Now())), row.code)
	}
}

func TestBundlesInFilesAreReadAgainAndAMissingOneVouchesForNobody(t *testing.T) {
	d, c := trustdomain.New(t, "corp.example"), &clock{}
	c.ns.Store(time.Now().UnixNano())
	file := filepath.Join(t.TempDir(), "bundle.json")
	write := func() {
		t.Helper()
		if err := os.WriteFile(file, d.Bundle(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	a, err := authn.New(authn.Config{
		SPIFFE: &authn.SPIFFE{
			Bundles: []authn.BundleFile{{TrustDomain: "corp.example", File: file}}, Agents: []string{"spiffe://corp.example/agents"},
			Audience: audience, SharedTokens: true,
		},
		ExternalURL: external, Memory: newMemory(), Now: c.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Peers(); err == nil {
		t.Error("an agents' listener without an SVID")
	}
	me := writ.Principal{Kind: writ.KindAgent, Iss: "spiffe://corp.example", Sub: "spiffe://corp.example/agents/repair"}
	ask := func() *http.Request {
		raw, err := d.JWTSVID("/agents/repair", []string{audience}, 30*time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		return request(raw, proof(t, holderKey(t), raw, c.Now()))
	}
	wantAgent(t, "at first", a, ask(), me)
	d.Rotate(t)
	write()
	wantCode(t, "a new key, too soon", a, ask(), authn.CodeSignature)
	c.advance(5 * time.Second)
	wantAgent(t, "after five seconds", a, ask(), me)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	c.advance(5 * time.Second)
	wantCode(t, "without the file", a, ask(), authn.CodeBundle)

	raw, err := d.JWTSVID("/agents/repair", []string{audience}, 30*time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	write()
	c.advance(5 * time.Second)
	for range 2 { // tokens may be shared here
		wantAgent(t, "another key", a, request(raw, proof(t, holderKey(t), raw, c.Now())), me)
	}
}

func TestAWrongSPIFFEConfigurationIsRefused(t *testing.T) {
	for name, s := range map[string]authn.SPIFFE{
		"no agents":             {WorkloadAPI: "unix:///x"},
		"a whole trust domain":  {WorkloadAPI: "unix:///x", Agents: []string{"spiffe://corp.example"}},
		"a slash at the end":    {WorkloadAPI: "unix:///x", Agents: []string{"spiffe://corp.example/agents/"}},
		"a pattern":             {WorkloadAPI: "unix:///x", Agents: []string{"spiffe://corp.example/agents/*"}},
		"not SPIFFE":            {WorkloadAPI: "unix:///x", Agents: []string{"https://corp.example/agents"}},
		"no source":             {Agents: []string{"spiffe://corp.example/agents"}},
		"an address over HTTP":  {WorkloadAPI: "http://127.0.0.1:1", Agents: []string{"spiffe://corp.example/agents"}},
		"both sources":          {WorkloadAPI: "unix:///x", Bundles: []authn.BundleFile{{TrustDomain: "corp.example", File: "x"}}, Agents: []string{"spiffe://corp.example/agents"}},
		"an SVID beside a wAPI": {WorkloadAPI: "unix:///x", Cert: "x", Key: "y", Agents: []string{"spiffe://corp.example/agents"}},
		"no such file":          {Bundles: []authn.BundleFile{{TrustDomain: "corp.example", File: "/does/not/exist"}}, Agents: []string{"spiffe://corp.example/agents"}},
	} {
		if _, err := authn.New(authn.Config{SPIFFE: &s, ExternalURL: external, Memory: newMemory(), Now: time.Now}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	jwts := &authn.SPIFFE{WorkloadAPI: "unix:///x", Agents: []string{"spiffe://corp.example/agents"}, Audience: audience}
	if _, err := authn.New(authn.Config{SPIFFE: jwts, Now: time.Now}); err == nil {
		t.Error("JWT-SVIDs without a memory: accepted")
	}
}
