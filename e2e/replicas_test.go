package e2e_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/internal/testbed"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// A fleet is several servers on one PostgreSQL, a signer, and two runners, each with a shop of its own. It needs no
// cluster.
type fleet struct {
	t        *testing.T
	bed      bed // the binary alone
	dir      string
	pg       *testbed.Postgres
	in       setup.Installation
	servers  []*replica
	signer   *process
	runners  []*process
	shops    []*storefront.Shop
	proxies  []*install.Proxy // between the first runner and the servers
	people   []*client.Client
	repairs  []*client.Client // one for each server, as the repairing agent
	watchers []*client.Client // likewise, as the diagnosing agent
	alerts   []*client.Client
	made     [2]int // repairs at each shop
}

// A replica is one server with its configuration.
type replica struct {
	*process
	file, url, admin, runners string
}

// repairPlaybook puts a service back on its release. It looks at no error rates: how fast a busy machine takes orders is
// not what these tests are about.
const repairPlaybook = `v: 1
name: put-back
version: 1
owner: checkout
title: put {service} back on release {to}
class: rollback
tier: T1
plane: httpapi
parameters:
  - {name: service, type: name, title: the service}
  - {name: to, type: name, title: the release to go back to}
evidence:
  - httpapi/service.status
guards:
  - {name: it-is-bad, reader: httpapi/service.status, with: {service: $service}, fact: release, op: equals, value: v42}
steps:
  - operation: httpapi/release.set
    with: {service: $service, release: $to}
verify:
  - {name: release, reader: httpapi/service.status, with: {service: $service}, fact: release, op: equals, value: $to, within_seconds: 5}
undo: inverse
limits: {max_objects: 1, max_permille: 500}
`

func newFleet(t *testing.T, servers int) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), bed: bed{writ: install.Binary(t)}}
	var err error
	f.pg, err = testbed.StartPostgres()
	must(t, err)
	t.Cleanup(func() { f.pg.Close() })
	must(t, errors.Join(f.pg.Create("state"), f.pg.Create("blobs")))
	var services strings.Builder
	var targets []setup.Target
	for _, name := range []string{"east", "west"} {
		s, err := storefront.Start(t.Context(), storefront.Config{Rate: -1})
		must(t, err)
		t.Cleanup(s.Stop)
		f.shops = append(f.shops, s)
		targets = append(targets, install.Shop(t, s, name))
		services.WriteString(install.Component("checkout-"+name, writ.Location("httpapi://"+name+"/services/checkout")))
	}
	o := install.Options(t)
	addr := append([]string{o.Listen, o.Runners, o.Admin}, install.Addresses(t, 3*(servers-1))...)
	for i := range servers {
		a := addr[3*i:]
		f.servers = append(f.servers, &replica{url: "http://" + a[0], runners: a[1], admin: "http://" + a[2]})
	}
	o.Runner, o.Services, o.Playbooks, o.Targets = "east", []byte(services.String()), [][]byte{[]byte(repairPlaybook)}, targets
	o.Ceiling = &setup.Ceiling{MaxObjects: 5, MaxPermille: 1000, RunsPerHour: 1000, ProofT2: writ.ProofD}
	f.in, err = setup.Write(filepath.Join(f.dir, "site"), o)
	must(t, err)
	second := f.secondRunner()
	write(t, filepath.Join(f.in.Dir, "state.url"), []byte(f.pg.URL("state")+"\n"))
	write(t, filepath.Join(f.in.Dir, "blobs.url"), []byte(f.pg.URL("blobs")+"\n"))
	for i, r := range f.servers {
		r.file = filepath.Join(f.in.Dir, fmt.Sprintf("writ-%d.yaml", i))
		install.EditServer(t, f.in.Server, r.file, func(c *config.Server) {
			c.Dev, c.Data, c.Database = nil, "", &config.Database{URLFile: "state.url", BlobsURLFile: "blobs.url"}
			c.Listen, c.RunnerListen, c.AdminListen = strings.TrimPrefix(r.url, "http://"), r.runners, strings.TrimPrefix(r.admin, "http://")
			c.Runners = append(c.Runners, config.RunnerPeer{ID: second, Public: "keys/west.pub"})
			c.Targets[1].Runner = second
			c.Limits = &config.Limits{Attempts: 100, AttemptsPerObject: 100}
		})
	}
	f.runnerConfigs()
	t.Cleanup(func() {
		if t.Failed() {
			for _, r := range f.servers {
				t.Log(r.tail())
			}
			for _, p := range append(f.runners, f.signer) {
				t.Log(p.tail())
			}
		}
	})
	f.start()
	return f
}

// secondRunner makes the keys and the trust file of a runner for the second shop.
func (f *fleet) secondRunner() (id string) {
	t := f.t
	t.Helper()
	key, err := pin.Create(filepath.Join(f.in.Dir, "keys", "west.pem"), crand.Reader)
	must(t, err)
	public, err := pin.MarshalPublic(key.Public().(ed25519.PublicKey))
	must(t, err)
	write(t, filepath.Join(f.in.Dir, "keys", "west.pub"), public)
	owner, err := pin.Load(filepath.Join(f.in.Dir, "keys", "owner.pem"))
	must(t, err)
	tr, err := trust.Payload(read(t, filepath.Join(f.in.Dir, "trust.json")))
	must(t, err)
	id = strings.Replace(string(tr.Runner), "/east", "/west", 1)
	tr.Runner, tr.Ceiling.Targets = writ.RunnerID(id), []writ.Location{"httpapi://west"}
	file, err := trust.Sign(tr, owner)
	must(t, err)
	write(t, filepath.Join(f.in.Dir, "trust-west.json"), file)
	// Auditors know it too.
	v, err := verify.ParseTrust(read(t, f.in.Verify))
	must(t, err)
	public32 := key.Public().(ed25519.PublicKey)
	v.Actors = append(v.Actors, verify.Actor{
		Principal: writ.RunnerID(id).Principal(), KeyID: ledger.KeyID(public32), Public: public32, Roles: []verify.Role{verify.RoleRunner},
	})
	b, err := json.Marshal(v)
	must(t, err)
	write(t, f.in.Verify, b)
	return id
}

// runnerConfigs gives the first runner the servers behind proxies, and the second one the servers themselves.
func (f *fleet) runnerConfigs() {
	t := f.t
	t.Helper()
	var direct, proxied []string
	for _, r := range f.servers {
		p := install.NewProxy(t, r.runners)
		f.proxies = append(f.proxies, p)
		direct, proxied = append(direct, "https://"+r.runners), append(proxied, "https://"+p.Address())
	}
	for i, name := range []string{"east", "west"} {
		install.EditRunner(t, f.in.Runner, filepath.Join(f.in.Dir, "runner-"+name+".yaml"), func(c *config.Runner) {
			urls := [][]string{proxied, direct}[i]
			c.Control.URL, c.Control.URLs = urls[0], urls[1:]
			c.Targets = c.Targets[i : i+1]
			if name == "west" {
				c.ID = strings.Replace(c.ID, "/east", "/west", 1)
				c.Key, c.Trust.File, c.Journal = "keys/west.pem", "trust-west.json", "west.db"
			}
		})
	}
}

func (f *fleet) start() {
	t := f.t
	t.Helper()
	f.signer = f.bed.launch(t, f.dir, "signer", "signer", "-c", f.in.Signer)
	for i := range f.servers {
		f.startServer(i)
	}
	for i := range f.servers { // several start at once on an empty database
		f.ready(i)
	}
	for _, name := range []string{"east", "west"} {
		f.runners = append(f.runners, f.bed.launch(t, f.dir, "runner-"+name, "runner", "-c", filepath.Join(f.in.Dir, "runner-"+name+".yaml")))
	}
	for _, r := range f.servers {
		for _, c := range []struct {
			to   *[]*client.Client
			name string
		}{{&f.people, you}, {&f.repairs, repairer}, {&f.watchers, diagnoser}, {&f.alerts, alerts}} {
			*c.to = append(*c.to, install.Client(t, f.in, r.url, c.name, client.Config{HTTPClient: &http.Client{Timeout: 25 * time.Second}}))
		}
	}
}

func (f *fleet) startServer(i int) {
	f.servers[i].process = f.bed.launch(f.t, f.dir, fmt.Sprintf("server-%d", i), "serve", "-c", f.servers[i].file, "--dev")
}

func (f *fleet) ready(i int) {
	f.t.Helper()
	await(f.t, "server "+fmt.Sprint(i), func() (bool, string) {
		if f.servers[i].dead() {
			f.t.Fatal(f.servers[i].tail())
		}
		return f.serves(i)
	})
}

// serves reports whether a server is ready, and what it says otherwise.
func (f *fleet) serves(i int) (bool, string) {
	ctx, cancel := context.WithTimeout(f.t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.servers[i].admin+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false, err.Error()
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK, resp.Status
}

// anotherServes reports whether a server beside this one is ready.
func (f *fleet) anotherServes(beside int) bool {
	for i := range f.servers {
		if ok, _ := f.serves(i); ok && i != beside {
			return true
		}
	}
	return false
}

// anyone calls one server after another until one answers.
func anyone[T any](f *fleet, what string, call func(ctx context.Context, server int) (T, error)) T {
	f.t.Helper()
	var out T
	at, key := rand.IntN(len(f.servers)), crand.Text() // the same call, whichever server hears it first
	await(f.t, what, func() (bool, string) {
		at = (at + 1) % len(f.servers)
		ctx, cancel := context.WithTimeout(f.t.Context(), 8*time.Second)
		defer cancel()
		var err error
		if out, err = call(client.WithKey(ctx, key), at); err == nil {
			return true, ""
		}
		// What a server that dies, waits for its database, or is told of a repeat may say; everything else is wrong.
		if !errors.Is(err, writ.ErrUnavailable) && !errors.Is(err, writ.ErrBusy) && !errors.Is(err, writ.ErrConflict) &&
			!errors.Is(err, context.DeadlineExceeded) && writ.ReasonOf(err) != "" {
			f.t.Fatalf("%s: %v", what, err)
		}
		return false, err.Error()
	})
	return out
}

var shopNames = []string{"east", "west"}

// broken rolls a bad release out at a shop and has it diagnosed.
func (f *fleet) broken(shop int) writ.Ask {
	t := f.t
	t.Helper()
	name := shopNames[shop]
	must(t, f.shops[shop].Deploy(storefront.Checkout, "v42", "pipeline"))
	group := fmt.Sprintf(`{}:{service="checkout-%s", round="%d"}`, name, f.made[shop])
	hook := install.Webhook(t, install.Alert{Name: "Errors", Service: "checkout-" + name, Severity: "error", Group: group})
	in := anyone(f, "the alert", func(ctx context.Context, i int) (writ.Incident, error) { return f.alerts[i].Alert(ctx, hook) })
	ev := anyone(f, "the evidence", func(ctx context.Context, i int) (writ.Evidence, error) {
		// A reading takes as long as its runner does, and a key stays taken for a minute when its server dies meanwhile: read anew.
		ctx = client.WithKey(ctx, crand.Text())
		e, _, err := f.watchers[i].Observe(ctx, in.ID, "httpapi/service.status", writ.Location("httpapi://"+name), writ.Parameters{"service": writ.String(storefront.Checkout)})
		return e, err
	})
	return writ.Ask{
		Incident: in.ID, Playbook: "put-back", Evidence: []writ.EvidenceID{ev.ID}, Because: "it began with v42",
		Parameters: writ.Parameters{"service": writ.String(storefront.Checkout), "to": writ.String("v41")},
	}
}

// repaired breaks a shop and has it repaired: exactly one change, whatever happens to the servers meanwhile.
func (f *fleet) repaired(shop int) {
	f.t.Helper()
	ask := f.broken(shop)
	before := f.shops[shop].Changes()
	p := anyone(f, "the proposal", func(ctx context.Context, i int) (writ.PlanStatus, error) {
		for p, err := range f.people[i].Plans(ctx, writ.PlanFilter{Incident: ask.Incident}) {
			return p, err // the answer to an earlier try got lost; the repair may even be done
		}
		return f.repairs[i].Propose(ctx, ask)
	})
	f.ended(shop, p.ID, before)
}

func (f *fleet) ended(shop int, id writ.PlanID, before int) {
	t := f.t
	t.Helper()
	var run writ.RunID
	await(t, "the run of "+string(id), func() (bool, string) {
		p := anyone(f, "the plan", func(ctx context.Context, i int) (writ.PlanStatus, error) { return f.people[i].Plan(ctx, id) })
		if p.Run == "" && p.State != writ.PlanPlanning && p.State != writ.PlanWaiting {
			t.Fatalf("the plan is %s (%s: %s) and has no run", p.State, p.Reason, p.Detail)
		}
		run = p.Run
		return run != "", string(p.State)
	})
	await(t, "the end of "+string(run), func() (bool, string) {
		r := anyone(f, "the run", func(ctx context.Context, i int) (writ.RunStatus, error) { return f.people[i].Run(ctx, run) })
		if r.State.Final() && r.State != writ.RunSucceeded {
			t.Fatalf("the run is %s (%s: %s)\n%s", r.State, r.Reason, r.Detail, story(r))
		}
		return r.State == writ.RunSucceeded, string(r.State)
	})
	v, err := f.shops[shop].Look(storefront.Checkout)
	must(t, err)
	if n := f.shops[shop].Changes() - before; n != 1 || v.Release != "v41" {
		t.Errorf("the shop made %d changes and runs release %s", n, v.Release)
	}
	f.made[shop]++
}

// whole demands, at the end, that nothing lives, nothing is held and the ledger verifies offline.
func (f *fleet) whole() {
	t := f.t
	t.Helper()
	await(t, "the end of all leases", func() (bool, string) {
		st := anyone(f, "the status", func(ctx context.Context, i int) (writ.Status, error) { return f.people[i].Status(ctx) })
		return st.Running == 0 && st.LeasesAlive == 0, fmt.Sprintf("%d runs, %d leases", st.Running, st.LeasesAlive)
	})
	for _, q := range []string{"SELECT count(*) FROM reservations", "SELECT count(*) FROM locks"} {
		if n, err := f.pg.Count("state", q); err != nil || n != 0 {
			t.Errorf("%s: %d, %v", q, n, err)
		}
	}
	bundle := anyone(f, "the export", func(ctx context.Context, i int) ([]byte, error) { return f.people[i].Export(ctx, "") })
	tr, err := verify.ParseTrust(read(t, f.in.Verify))
	must(t, err)
	report, err := verify.Bundle(bytes.NewReader(bundle), tr)
	must(t, err)
	if report.Altered.Verdict != verify.OK || report.Authority.Verdict != verify.OK || report.Missing.Verdict == verify.Violated || len(report.Findings) != 0 {
		t.Errorf("%s", report.Text())
	}
	for i, s := range f.shops {
		if n := s.Changes(); n != f.made[i] {
			t.Errorf("%s made %d changes for %d repairs", shopNames[i], n, f.made[i])
		}
	}
	for _, r := range f.servers {
		if b, err := os.ReadFile(r.log); err != nil || bytes.Contains(b, []byte(testbed.PostgresPassword)) {
			t.Errorf("the log of %s quotes the database's password, or %v", r.name, err)
		}
	}
}

// TestReplicasCarryRepairsThroughKills kills and restarts servers at random moments while repairs go on at two shops.
func TestReplicasCarryRepairsThroughKills(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	stop, done := make(chan struct{}), make(chan struct{})
	var kills atomic.Int64
	over := sync.OnceFunc(func() { close(stop); <-done })
	defer over() // a test that has failed kills and starts nothing any more
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(500+rand.IntN(1500)) * time.Millisecond):
			}
			i := rand.IntN(len(f.servers))
			if !f.anotherServes(i) { // on a busy machine they start more slowly than they are killed
				continue
			}
			f.servers[i].kill()
			kills.Add(1)
			f.startServer(i)
		}
	}()
	rounds, least := 4, int64(4)
	if testing.Short() {
		rounds, least = 1, 1
	}
	for n := 0; n < rounds || kills.Load() < least; n++ {
		f.repaired(0)
		f.repaired(1)
	}
	over()
	t.Logf("%d kills", kills.Load())
	for i := range f.servers {
		f.ready(i)
	}
	f.whole()
}

// TestReplicasThroughTrouble: two servers are asked the same at once; a runner is cut off; a server stands still; the
// database restarts.
func TestReplicasThroughTrouble(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)

	// D12: both are asked the same at once. One plan, one grant, nothing held twice.
	ask := f.broken(0)
	before := f.shops[0].Changes()
	plans := make([]writ.PlanStatus, 8)
	var all sync.WaitGroup
	for i := range plans {
		all.Go(func() {
			var err error
			if plans[i], err = f.repairs[i%2].Propose(t.Context(), ask); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, p := range plans {
		if p.ID != plans[0].ID {
			t.Fatalf("one ask has the plans %s and %s", plans[0].ID, p.ID)
		}
	}
	f.ended(0, plans[0].ID, before)
	f.only(writ.EntryProposal, plans[0].ID)

	// A runner is cut off from all servers while it has work, and comes back.
	ask, before = f.broken(0), f.shops[0].Changes()
	for _, p := range f.proxies {
		p.Cut()
	}
	cut := anyone(f, "the proposal", func(ctx context.Context, i int) (writ.PlanStatus, error) { return f.repairs[i].Propose(ctx, ask) })
	f.repaired(1) // the other one goes on
	if n := f.shops[0].Changes() - before; n != 0 {
		t.Errorf("a runner that is cut off made %d changes", n)
	}
	for _, p := range f.proxies {
		p.Mend()
	}
	f.ended(0, cut.ID, before)

	// A server stands still, with whatever it holds; the other goes on; it comes back and does no harm.
	must(t, f.servers[0].cmd.Process.Signal(syscall.SIGSTOP))
	f.repaired(1)
	f.repaired(0)
	must(t, f.servers[0].cmd.Process.Signal(syscall.SIGCONT))
	f.ready(0)
	f.repaired(1)

	// The database restarts while a repair is under way.
	ask, before = f.broken(1), f.shops[1].Changes()
	p := anyone(f, "the proposal", func(ctx context.Context, i int) (writ.PlanStatus, error) { return f.repairs[i].Propose(ctx, ask) })
	f.pg.Stop()
	must(t, f.pg.Start())
	f.ended(1, p.ID, before)
	f.repaired(0)
	f.whole()
}

// only demands that the ledger has one entry of a kind, and one grant, about a plan.
func (f *fleet) only(kind writ.EntryKind, plan writ.PlanID) {
	f.t.Helper()
	counts := map[writ.EntryKind]int{}
	var from int64
	for {
		page, _, err := f.people[0].Entries(f.t.Context(), from, writ.MaxPage)
		must(f.t, err)
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			e, err := ledger.Open(p.Leaf)
			must(f.t, err)
			var body struct {
				Plan writ.PlanID `json:"plan"`
			}
			if json.Unmarshal(e.Record.Body, &body) == nil && body.Plan == plan {
				counts[e.Record.Kind]++
			}
		}
		from += int64(len(page))
	}
	if counts[kind] != 1 || counts[writ.EntryGrant] != 1 {
		f.t.Errorf("the plan has the entries %v", counts)
	}
}
