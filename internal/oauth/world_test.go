package oauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/token"
)

const (
	external = "https://writ.example"
	platform = "https://idp.example"
	issuer   = "https://writ.corp.example"
	ulid     = "01JDB4A2Q7N5S3J8E6X0F4G1MB"
	planID   = writ.PlanID("pln_" + ulid)
	grantID  = writ.GrantID("gnt_" + ulid)
	runner   = writ.RunnerID("spiffe://corp.example/runner/prod-eu1")
)

var (
	digest = writ.DigestOf([]byte("plan"))
	repair = writ.Principal{Kind: writ.KindAgent, Iss: platform, Sub: "repair"}
)

// fakeControl stands in for the control plane: it keeps what replicas share in a map, and answers an exchange as it is
// told to.
type fakeControl struct {
	mu      sync.Mutex
	kept    map[string]string
	barred  map[string]error // by subject
	refuse  error            // of Exchange
	spent   bool
	grants  *ecdsa.PrivateKey
	asked   []writ.Authorization
	revoked []writ.GrantID
	now     func() time.Time
	wait    map[string]time.Duration // by subject, before it is given another token
	paced   error
}

func (f *fakeControl) First(_ context.Context, key, value string, _ time.Time) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.kept[key]; !there {
		f.kept[key] = value
	}
	return f.kept[key], nil
}

func (f *fakeControl) Revoke(ctx context.Context, id string, expires time.Time) error {
	_, err := f.First(ctx, "revoked "+id, "x", expires)
	return err
}

func (f *fakeControl) Revoked(_ context.Context, id string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kept["revoked "+id] != "", nil
}

func (f *fakeControl) Admit(_ context.Context, p writ.Principal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.barred[p.Sub]
}

func (f *fakeControl) NextToken(_ context.Context, p writ.Principal) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wait[p.Sub], f.paced
}

func (f *fakeControl) bar(sub string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.barred[sub] = err
}

func (f *fakeControl) claims(thumbprint string) writ.GrantClaims {
	at := f.now().Unix()
	return writ.GrantClaims{
		Issuer: issuer, Audience: runner, Subject: "incident:INC-1", Client: repair.Iss + " " + repair.Sub, ID: grantID, Incident: "inc_" + ulid,
		IssuedAt: at, NotBefore: at, Expires: at + 300, Confirm: writ.Confirmation{Thumbprint: thumbprint},
		AuthorizationDetails: []writ.Authorization{{
			Type: writ.AuthorizationType, Actions: []writ.OperationName{"kubernetes/workload.rollback"}, Locations: []writ.Location{"kubernetes://prod-eu1/payments/deployment/api"},
			Playbook: writ.PlaybookRef{Name: "rollback", Version: 5, Digest: digest}, Plan: planID, PlanDigest: digest, Limits: writ.GrantLimits{MaxObjects: 1, MaxRuns: 1, MaxPermille: 1000},
		}},
		Writ: writ.GrantDetails{V: writ.FormatVersion, Tier: writ.T2, Mode: writ.ModeHandle, Decision: "dec_" + ulid, Policy: digest, EvidenceDigest: digest},
	}
}

func (f *fakeControl) Exchange(_ context.Context, who writ.Principal, thumbprint string, details writ.Authorization, to writ.RunnerID) (writ.IssuedGrant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, details)
	switch {
	case f.refuse != nil:
		return writ.IssuedGrant{}, f.refuse
	case who != repair:
		return writ.IssuedGrant{}, writ.Refuse(writ.ReasonNotYours, "it is another agent's plan")
	case to != runner:
		return writ.IssuedGrant{}, writ.Refuse(writ.ReasonRunnerAltered, "the plan is another runner's")
	}
	c := f.claims(thumbprint)
	compact, err := token.Sign(f.grants, token.KeyID(&f.grants.PublicKey), "at+jwt", c)
	return writ.IssuedGrant{Token: compact, Grant: grantID, Plan: planID, Run: "run_" + ulid, Expires: time.Unix(c.Expires, 0)}, err
}

func (f *fakeControl) RevokeGrant(_ context.Context, who writ.Principal, g writ.GrantID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = append(f.revoked, g)
	if f.spent {
		return writ.Refuse(writ.ReasonSpent, "it was spent")
	}
	return nil
}

func (f *fakeControl) GrantUnspent(context.Context, writ.GrantID, string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.spent, nil
}

// world is a token endpoint over a real authenticator, with a platform whose tokens it takes.
type world struct {
	t        testing.TB
	ctl      *fakeControl
	platform *ecdsa.PrivateKey
	access   *token.Access
	config   authn.Config
	auth     *authn.Authenticator
	endpoint *oauth.Endpoint
	handler  http.Handler
	offset   atomic.Int64
}

var begin = time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)

func (w *world) now() time.Time       { return begin.Add(time.Duration(w.offset.Load())) }
func (w *world) pass(d time.Duration) { w.offset.Add(int64(d)) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := token.NewKey(rand.Reader)
	must(t, err)
	return key
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t testing.TB, changes ...func(*oauth.Config)) *world {
	t.Helper()
	w := &world{t: t, platform: newKey(t)}
	w.ctl = &fakeControl{kept: map[string]string{}, barred: map[string]error{}, grants: newKey(t), now: w.now}
	published, err := token.NewAccess(platform, w.platform)
	must(t, err)
	set, err := published.KeySet()
	must(t, err)
	file := filepath.Join(t.TempDir(), "platform.json")
	must(t, os.WriteFile(file, set, 0o600))
	w.access, err = token.NewAccess(external, newKey(t))
	must(t, err)
	w.config = authn.Config{
		Issuers: []authn.Issuer{
			{URL: platform, Audience: external, Kind: writ.KindAgent, Algorithms: []string{"ES256"}, KeysFile: file},
			{URL: platform + "/people", Audience: external, Kind: writ.KindHuman, Algorithms: []string{"ES256"}, KeysFile: file},
		},
		ExternalURL: external, Memory: w.ctl, Tokens: w.access, Revoked: w.ctl, Required: true, Now: w.now,
	}
	w.auth, err = authn.New(w.config)
	must(t, err)
	c := oauth.Config{
		Tokens: w.access, Clients: w.auth, Admission: w.ctl, Pace: w.ctl, Grants: w.ctl, Unspent: w.ctl, Revocations: w.ctl,
		GrantIssuer: issuer, GrantKeys: map[string]*ecdsa.PublicKey{token.KeyID(&w.ctl.grants.PublicKey): &w.ctl.grants.PublicKey},
		Auditors:   []writ.Principal{{Kind: writ.KindHuman, Iss: platform + "/people", Sub: "auditor"}},
		PresentURL: external + "/v1/runs", Now: w.now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&c)
	}
	w.endpoint, err = oauth.New(c)
	must(t, err)
	w.handler = w.endpoint.Handler()
	return w
}

// assertion is a token of the platform for sub.
func (w *world) assertion(iss, sub string) string {
	w.t.Helper()
	compact, err := token.Sign(w.platform, token.KeyID(&w.platform.PublicKey), "at+jwt", map[string]any{
		"iss": iss, "sub": sub, "aud": external, "iat": w.now().Unix(), "exp": w.now().Add(5 * time.Minute).Unix(), "jti": rand.Text(),
	})
	must(w.t, err)
	return compact
}

// A reply is what the endpoint answered.
type reply struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (r reply) text(name string) string { s, _ := r.body[name].(string); return s }

// post sends a form with headers, and demands what every answer has.
func (w *world) post(path string, form url.Values, header ...string) reply {
	w.t.Helper()
	return w.send(w.handler, path, form.Encode(), header...)
}

func (w *world) send(h http.Handler, path, body string, header ...string) reply {
	w.t.Helper()
	r := httptest.NewRequest("POST", "http://evil.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-Host", "evil.example")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Body)
	must(w.t, err)
	out := reply{status: rec.Code, header: rec.Header(), raw: string(b)}
	if json.Unmarshal(b, &out.body) != nil || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Type") != "application/json" {
		w.t.Errorf("%s: %d %q %v", path, rec.Code, b, rec.Header())
	}
	return out
}

// bare is a proof for an ask without a token; with is one that carries the hash of raw.
func (w *world) bare(key *ecdsa.PrivateKey) string {
	w.t.Helper()
	p, err := token.ProveBare(key, "POST", external+oauth.PathToken, w.now(), rand.Reader)
	must(w.t, err)
	return p
}

func (w *world) with(key *ecdsa.PrivateKey, path, raw string) string {
	w.t.Helper()
	p, err := token.Prove(key, token.Proof{Method: "POST", URL: external + path, AccessTokenHash: token.AccessTokenHash(raw)}, w.now(), rand.Reader)
	must(w.t, err)
	return p
}

const (
	jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	exchange  = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessTyp = "urn:ietf:params:oauth:token-type:access_token"
)

// ask asks for a control-plane token for the agent sub, held by key.
func (w *world) ask(sub string, key *ecdsa.PrivateKey) reply {
	w.t.Helper()
	return w.post(oauth.PathToken, url.Values{"grant_type": {jwtBearer}, "assertion": {w.assertion(platform, sub)}}, "DPoP", w.bare(key))
}

func (w *world) tokenOf(sub string, key *ecdsa.PrivateKey) string {
	w.t.Helper()
	got := w.ask(sub, key)
	if got.status != http.StatusOK {
		w.t.Fatalf("%d %s", got.status, got.raw)
	}
	return got.text("access_token")
}

const details = `[{"type":"urn:writ:remediation:v1","plan":"pln_` + ulid + `","plan_digest":`

func theDetails() string { return details + `"` + digest.String() + `"}]` }

// exchanged asks for the grant of the plan with a control-plane token.
func (w *world) exchanged(raw string, key *ecdsa.PrivateKey, changes ...func(url.Values)) reply {
	w.t.Helper()
	f := url.Values{
		"grant_type": {exchange}, "subject_token": {raw}, "subject_token_type": {accessTyp}, "resource": {string(runner)}, "authorization_details": {theDetails()},
	}
	for _, change := range changes {
		change(f)
	}
	return w.post(oauth.PathToken, f, "DPoP", w.with(key, oauth.PathToken, raw))
}
