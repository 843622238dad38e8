package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/internal/testbed/idp"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/policies"
	"github.com/writ-dev/writ/verify"
)

// A front ends TLS before a server, as a proxy does, for both of its origins.
type front struct {
	*httptest.Server
	base, origin string
	spki         string // of its key, as Chromium pins it
	to           *url.URL
	issuer       *idp.Provider // at which people log in
}

func newFront(t *testing.T) *front {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	sum := sha256.Sum256(public)
	f := &front{spki: base64.StdEncoding.EncodeToString(sum[:])}
	f.Server = httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(f.to); r.Out.Host = r.In.Host },
		FlushInterval: -1, // streams
	})
	f.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	f.StartTLS()
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	f.base = "https://" + f.Listener.Addr().String()
	f.origin = strings.Replace(f.base, "127.0.0.1", "localhost", 1)
	f.issuer = idp.New(t, f.base+authn.PathCallback)
	return f
}

// before has the front stand before an installation.
func (f *front) before(c *counter, o *setup.Options) {
	var err error
	f.to, err = url.Parse("http://" + o.Listen)
	must(c.t, err)
}

// Who log in at the issuer, and the person's name in the installation that each takes the place of.
var people = map[string]struct{ sub, user string }{you: {"id1", "test-user@127.0.0.1"}, ana: {"id2", "test-user2"}}

// loginsAt configures an installation, not yet started, for a front: its origins, its issuer, and the people who log in there.
func (x *counter) loginsAt(f *front) {
	x.t.Helper()
	at := f.issuer.URL
	x.edit(func(c *config.Server) {
		secret := filepath.Join(x.in.Dir, "client-secret")
		write(x.t, secret, []byte(idp.Secret))
		c.ExternalURL, c.Approve = f.base, &config.Approve{Origin: f.origin}
		c.Issuers = append(c.Issuers, config.Issuer{URL: at, Audience: idp.Client, Kind: "human", Algorithms: []string{"RS256"}})
		c.Login = &config.Login{Issuer: at, Client: idp.Client, SecretFile: secret}
		for i, a := range c.Approvers {
			if p, ok := people[a.Sub]; ok {
				c.Approvers[i].Iss, c.Approvers[i].Sub = at, p.sub
			}
		}
	})
	x.move(at, server.PresentURL(f.base))
}

// logsIn opens a browser in which you and ana log in at the issuer, and so at both origins.
func (x *counter) logsIn(f *front) *chromium {
	x.t.Helper()
	b := newChromium(x.t, f.base, f.origin, map[string]string{"issuer": f.issuer.URL, "spki": f.spki})
	for _, who := range []string{you, ana} {
		if got := b.does(act{Do: "oidc", Who: who, User: people[who].user, Key: "verysecure"}); !strings.Contains(got.Page, authn.SessionCookie) || !strings.Contains(got.Page, "__Host-writ-approve") {
			x.t.Fatalf("the cookies of %s: %s", who, got.Page)
		}
	}
	return b
}

// TestTheWholeWalkInABrowser goes from the login at an OpenID provider to the end of a run, over HTTPS, in Chromium: the
// hand-over to the approving origin, a passkey, an approval, a run that is watched live, a rejection, a freeze, an answer by
// somebody who may not, and the log-out, which ends both sessions.
func TestTheWholeWalkInABrowser(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	x := prepareShop(t, f.before)
	x.loginsAt(f)
	x.edit(func(c *config.Server) { c.Policies = asksForRollbacks(t) })
	x.start()
	x.fails()
	b := x.logsIn(f)
	got := b.does(act{Do: "enrol", Who: you, Verified: true})
	if got.Fingerprint == "" {
		t.Fatalf("%s\n%s", got.Told, got.Page)
	}
	b.does(act{Do: "confirm", Who: ana, Fingerprint: got.Fingerprint})
	x.signIn(x.wantCLI(t, 0, you, "approver", "export").out)

	sees := func(who, path, until string, parts ...string) {
		t.Helper()
		got := b.does(act{Do: "look", Who: who, Path: path, Until: until})
		for _, part := range parts {
			if !strings.Contains(got.Page, part) {
				t.Errorf("%s does not say %q to %s\n%s", path, part, who, got.Page)
			}
		}
	}
	// Somebody who has no passkey answers nothing; a rejection ends the plan, and nothing of it runs.
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	if got := b.does(act{Do: "answer", Who: ana, Plan: plan, Verdict: writ.Approve, Verified: true, Wrong: true}); !strings.HasPrefix(got.Told, "Not done: ") {
		t.Errorf("a person without a passkey was told %q", got.Told)
	}
	if s, err := x.person.Plan(t.Context(), plan); err != nil || s.State != writ.PlanWaiting || len(s.Approvals) != 0 {
		t.Fatalf("%s, %d answers, %v", s.State, len(s.Approvals), err)
	}
	b.does(act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Reject, Verified: true})
	sees(you, "/plans/"+string(plan), "rejected", "as the graph says")
	rejected := plan

	// What is read is approved, runs, and is watched until it has succeeded and its credential is dead.
	plan = x.wants("rollback-release", rollbackTo("v41"), writ.PlanWaiting).Plan
	sees(you, "/", "then it is denied", "Asked by agent "+repairer)
	sees(you, "/plans/"+string(plan), "Your answer", "Exact change", "not verified")
	if got := b.does(act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Approve, Verified: true}); strings.HasPrefix(got.Told, "Not done") {
		t.Fatal(got.Told)
	}
	id := x.runOf(plan)
	b.does(act{Do: "look", Who: you, Path: "/runs/" + string(id), Until: "What happened"})
	if r := x.ends(plan); r.State != writ.RunSucceeded {
		t.Fatalf("the run is %s: %s %s", r.State, r.Reason, r.Detail)
	}
	b.does(act{Do: "look", Who: you, Until: "succeeded"}) // the page that was open all the while says so by itself
	b.does(act{Do: "look", Who: you, Until: "proven dead"})

	// A freeze from the page is on every page of everybody at once.
	b.does(act{Do: "look", Who: ana, Path: "/freeze", Press: "Freeze now", Until: "Frozen: everything"})
	sees(you, "/", "What waits for me?", "Frozen: everything")
	b.does(act{Do: "look", Who: ana, Path: "/freeze", Press: "Lift it", Until: "Nothing is frozen."})
	sees(you, "/reach", "Who could touch this service?", storefront.Checkout, "scale-service")
	sees(you, "/policy?plan="+string(rejected), "What would change it", "Save as a test")

	// Who logs out at the external URL is logged out at the approving origin, too.
	b.does(act{Do: "look", Who: you, At: "origin", Path: "/enrol", Until: "Yours"})
	b.does(act{Do: "leave", Who: you})
	if got := b.does(act{Do: "reopen", Who: you, Path: "/enrol"}); strings.HasPrefix(got.Told, f.origin) {
		t.Errorf("after the log-out %s still opens: %s", got.Told, got.Page)
	}
}

// asksForRollbacks is the set of --dev, which leaves no rollback of checkout to policy alone.
func asksForRollbacks(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, policies.Dev()))
	file := filepath.Join(dir, "tiers.yaml")
	was := string(read(t, file))
	is := strings.Replace(was, "raises: []", "raises:\n  - {service: checkout, playbook: rollback-release, at_least: T2}", 1)
	if is == was {
		t.Fatal("tiers.yaml has another form")
	}
	write(t, file, []byte(is))
	return dir
}

// move gives the people of the trust files, the runner's and the auditor's, the identities that they have at an issuer, and pins
// another execution URL.
func (x *counter) move(issuer, present string) {
	x.t.Helper()
	file := filepath.Join(x.in.Dir, "trust.json")
	tr, err := trust.Payload(read(x.t, file))
	must(x.t, err)
	tr.Version++
	tr.Presented = present
	for i, a := range tr.Approvers {
		if at, ok := people[a.Sub]; ok {
			tr.Approvers[i].Iss, tr.Approvers[i].Sub = issuer, at.sub
		}
	}
	owner, err := pin.Load(filepath.Join(x.in.Dir, "keys", "owner.pem"))
	must(x.t, err)
	signed, err := trust.Sign(tr, owner)
	must(x.t, err)
	write(x.t, file, signed)
	x.audit(func(v *verify.Trust) {
		for i, a := range v.Approvers {
			if at, ok := people[a.Sub]; ok {
				v.Approvers[i].Iss, v.Approvers[i].Sub = issuer, at.sub
			}
		}
	})
}

// audit changes the trust file of the offline verifier.
func (s *site) audit(f func(*verify.Trust)) {
	s.t.Helper()
	v, err := verify.ParseTrust(read(s.t, s.in.Verify))
	must(s.t, err)
	f(&v)
	b, err := json.Marshal(v)
	must(s.t, err)
	write(s.t, s.in.Verify, b)
}

// runOf waits for the run of a plan.
func (x *counter) runOf(id writ.PlanID) writ.RunID {
	x.t.Helper()
	var run writ.RunID
	await(x.t, "the run", func() (bool, string) {
		p, err := x.person.Plan(x.t.Context(), id)
		if err != nil {
			return false, err.Error()
		}
		run = p.Run
		return run != "" || slices.Contains([]writ.PlanState{writ.PlanDenied, writ.PlanRefused}, p.State), string(p.State) + " " + p.Detail
	})
	if run == "" {
		x.t.Fatal("the plan came to no run")
	}
	return run
}
