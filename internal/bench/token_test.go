package bench_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/bench"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/token"
)

// desk gives control-plane tokens out and takes them, over the store of a world.
type desk struct {
	w        *bench.World
	platform *ecdsa.PrivateKey
	holder   *ecdsa.PrivateKey
	access   *token.Access
	auth     *authn.Authenticator
	handler  http.Handler
}

const (
	deskURL = "https://writ.example"
	agentOf = "https://bench.writ" // the issuer of the world's agents
)

// A crowd counts each token as another agent's, durably like the server: no agent is given as many as are measured.
type crowd struct {
	ctl *control.Control
	n   atomic.Int64
}

func (c *crowd) NextToken(ctx context.Context, agent writ.Principal) (time.Duration, error) {
	agent.Sub = fmt.Sprintf("%s-%d", agent.Sub, c.n.Add(1))
	return c.ctl.NextToken(ctx, agent)
}

func newDesk(b testing.TB, at bench.Place) *desk {
	b.Helper()
	w, err := bench.Open(b.Context(), at, 1)
	fatal(b, err)
	b.Cleanup(func() { closed(b, w) })
	key := func() *ecdsa.PrivateKey {
		k, err := token.NewKey(rand.Reader)
		fatal(b, err)
		return k
	}
	d := &desk{w: w, platform: key(), holder: key()}
	published, err := token.NewAccess(agentOf, d.platform)
	fatal(b, err)
	set, err := published.KeySet()
	fatal(b, err)
	file := filepath.Join(b.TempDir(), "keys.json")
	fatal(b, os.WriteFile(file, set, 0o600))
	d.access, err = token.NewAccess(deskURL, key())
	fatal(b, err)
	memory := w.Control().Memory()
	d.auth, err = authn.New(authn.Config{
		Issuers:     []authn.Issuer{{URL: agentOf, Audience: deskURL, Kind: writ.KindAgent, Algorithms: []string{"ES256"}, KeysFile: file}},
		ExternalURL: deskURL, Memory: memory, Tokens: d.access, Revoked: memory, Required: true, Now: time.Now,
	})
	fatal(b, err)
	grants := key()
	var minutes atomic.Int64
	e, err := oauth.New(oauth.Config{
		Tokens: d.access, Clients: d.auth, Admission: w.Control(), Pace: &crowd{ctl: w.Control()}, Unspent: w.Control(), Revocations: memory,
		GrantIssuer: agentOf, GrantKeys: map[string]*ecdsa.PublicKey{token.KeyID(&grants.PublicKey): &grants.PublicKey}, PresentURL: deskURL + "/v1/runs",
		Now:  func() time.Time { return time.Now().Add(time.Duration(minutes.Add(1)) * time.Minute) }, // one agent asks for all of them
		Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	})
	fatal(b, err)
	d.handler = e.Handler()
	return d
}

func fatal(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// asks makes n requests for a token, each with a platform token and a proof of its own.
func (d *desk) asks(b *testing.B, n int) (all []*http.Request) {
	for range n {
		raw, err := token.Sign(d.platform, token.KeyID(&d.platform.PublicKey), "at+jwt", map[string]any{
			"iss": agentOf, "sub": "repair", "aud": deskURL, "iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(), "jti": rand.Text(),
		})
		fatal(b, err)
		proof, err := token.ProveBare(d.holder, "POST", deskURL+"/token", time.Now(), rand.Reader)
		fatal(b, err)
		r := httptest.NewRequest("POST", "/token", strings.NewReader(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {raw}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		all = append(all, r)
	}
	return all
}

// calls makes n calls with one control-plane token, each with a proof of its own.
func (d *desk) calls(b *testing.B, n int) (all []*http.Request) {
	raw, _, err := d.access.Issue(agentOf, "repair", token.Confirmation{Thumbprint: token.Thumbprint(&d.holder.PublicKey)}, time.Now(), token.MaxAccessLife, rand.Reader)
	fatal(b, err)
	for range n {
		proof, err := token.Prove(d.holder, token.Proof{Method: "GET", URL: deskURL + "/v1/plans", AccessTokenHash: token.AccessTokenHash(raw)}, time.Now(), rand.Reader)
		fatal(b, err)
		r := httptest.NewRequest("GET", "/v1/plans", nil)
		r.Header.Set("Authorization", "DPoP "+raw)
		r.Header.Set("DPoP", proof)
		all = append(all, r)
	}
	return all
}

// BenchmarkToken is one exchange of a platform token for a control-plane token (ask), and one call that comes with such
// a token and a proof, up to the admission of its agent (call). Requests are made before the clock starts, and are good
// for a minute: go test -run - -bench Token -benchtime 2000x ./internal/bench. It reports p50-µs, p99-µs and how many a
// second.
func BenchmarkToken(b *testing.B) {
	for _, place := range places {
		for _, callers := range []int{1, 16, 64} {
			for _, what := range []string{"ask", "call"} {
				b.Run(fmt.Sprintf("%s/%s/callers=%d", what, place.engine, callers), func(b *testing.B) {
					d := newDesk(b, place.at(b))
					make, do := d.asks, d.ask
					if what == "call" {
						make, do = d.calls, d.call
					}
					requests := make(b, b.N)
					took := slices.Repeat([]time.Duration{0}, b.N)
					var next atomic.Int64
					var all sync.WaitGroup
					b.ReportAllocs()
					b.ResetTimer()
					for range callers {
						all.Go(func() {
							for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
								began := time.Now()
								if err := do(b.Context(), requests[i]); err != nil {
									b.Error(err)
									return
								}
								took[i] = time.Since(began)
							}
						})
					}
					all.Wait()
					b.StopTimer()
					slices.Sort(took)
					b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
					b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "per-s")
				})
			}
		}
	}
}

func (d *desk) ask(_ context.Context, r *http.Request) error {
	rec := httptest.NewRecorder()
	d.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		return fmt.Errorf("%d %s", rec.Code, rec.Body)
	}
	return nil
}

func (d *desk) call(ctx context.Context, r *http.Request) error {
	p, err := d.auth.Principal(ctx, r)
	if err != nil {
		return err
	}
	return d.w.Control().Admit(ctx, p)
}
