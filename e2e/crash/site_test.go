package crash_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

var theBinary struct {
	sync.Once
	dir, path string
	err       error
}

// binary builds writ with the tag faults, once.
func binary(t testing.TB) string {
	t.Helper()
	theBinary.Do(func() {
		if theBinary.dir, theBinary.err = os.MkdirTemp("", "writ-crash-"); theBinary.err != nil {
			return
		}
		theBinary.path = filepath.Join(theBinary.dir, "writ")
		out, err := exec.Command("go", "build", "-tags", "faults", "-o", theBinary.path, "github.com/writ-dev/writ/cmd/writ").CombinedOutput()
		if err != nil {
			theBinary.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	must(t, theBinary.err)
	return theBinary.path
}

// atOnce is how many sites live at a time: they wait much more than they compute.
const atOnce = 6

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(atOnce)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if theBinary.dir != "" {
		os.RemoveAll(theBinary.dir)
	}
	for _, shared := range []io.Closer{&thePostgres, &theCluster} {
		if err := shared.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// Names of an installation's parties.
const (
	team      = "checkout"
	you       = "you" // approves
	ana       = "ana" // answers for the diagnosing agent
	rob       = "rob" // answers for the repairing agent
	diagnoser = "diagnose"
	repairer  = "repair"
	alerts    = "alertmanager"
)

// A topology is how many processes an installation has.
type topology int

const (
	threeProcesses topology = iota
	oneProcess
)

// A site is one installation with its processes and its target.
type site struct {
	t                        *testing.T
	how                      topology
	dir                      string
	plane                    plane
	scenarios                []scenario       // what is played on the plane
	books                    string           // the directory of its playbooks
	away                     time.Time        // when the trust file was taken away
	raised                   []byte           // the trust file before the newest one
	shop                     *storefront.Shop // nil on another plane, as wire
	wire                     *wire
	in                       setup.Installation
	database                 engine
	url, admin               string
	person, reads, asks, src *client.Client
	signer, server, runner   *process // in one process all three are the same
	services                 []string
	jumped                   atomic.Bool  // a clock has gone back
	storm                    atomic.Bool  // processes are killed all the time
	alerted, refused         atomic.Int64 // incidents, and runs that were refused
}

// An option changes a site before it starts.
type option func(*site)

// withServices gives the site that many services.
func withServices(n int) option {
	return func(s *site) {
		s.services = nil
		for i := range n {
			s.services = append(s.services, fmt.Sprintf("svc-%d", i))
		}
	}
}

// newSite installs Writ for a shop with one service and starts it.
func newSite(t *testing.T, how topology, options ...option) *site {
	t.Helper()
	s := prepare(t, how, options...)
	s.start()
	return s
}

// often is above what any site is asked for.
const often = 10_000

// prepare installs and starts nothing.
func prepare(t *testing.T, how topology, options ...option) *site {
	t.Helper()
	s := &site{t: t, how: how, dir: t.TempDir(), services: []string{"svc-0"}, database: &sqlite{}, plane: &storefrontPlane{}, scenarios: scenarios, books: "playbooks"}
	for _, o := range options {
		o(s)
	}
	about, locations := s.plane.open(s)
	var catalogue strings.Builder
	for i, name := range s.services {
		fmt.Fprintf(&catalogue, "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: %s\n  annotations:\n    writ.dev/environment: prod\n    writ.dev/locations: %s\nspec: {type: service, lifecycle: production, owner: %s}\n",
			name, locations[i], team)
	}
	var err error
	addr := install.Addresses(t, 4)
	s.in, err = setup.Write(filepath.Join(s.dir, "writ"), setup.Options{
		Listen: addr[0], Runners: addr[1], Signer: addr[2], Admin: addr[3], Services: []byte(catalogue.String()), Playbooks: playbooks(t, s.books), Now: time.Now(),
		Ceiling: &setup.Ceiling{MaxObjects: 5, MaxPermille: 1000, RunsPerHour: 100_000, ProofT2: writ.ProofD},
		Targets: []setup.Target{about},
		Agents: []setup.Agent{
			{Name: diagnoser, Team: "observability", Owner: ana, Roles: []string{"diagnose"}},
			{Name: repairer, Team: team, Owner: rob, Roles: []string{"repair"}},
		},
		People:  []setup.Person{{Sub: you, Groups: []string{team, team + "-oncall"}}, {Sub: ana, Groups: []string{team}}, {Sub: rob, Groups: []string{team}}},
		Sources: []string{alerts},
	})
	must(t, err)
	s.url, s.admin = "http://"+addr[0], "http://"+addr[3]
	for name, to := range map[string]**client.Client{you: &s.person, diagnoser: &s.reads, repairer: &s.asks, alerts: &s.src} {
		secret, err := os.ReadFile(s.in.Tokens[name])
		must(t, err)
		*to, err = client.New(s.url, client.Config{Token: client.Static(strings.TrimSpace(string(secret)))})
		must(t, err)
	}
	s.edit(func(c *config.Server) {
		s.database.configure(t, c)
		c.Limits = &config.Limits{OpenIncidents: often, Attempts: often, AttemptsPerObject: often} // the same service is repaired again and again
		c.Autonomy = &config.Autonomy{DropTo: "T2"}                                                // and each time a person can let it go on
		if how == threeProcesses {
			c.Dev = nil
		}
	})
	if how == oneProcess {
		s.server = s.process("all", "serve", "-c", s.in.Server, "--dev", "--log-level", "warn")
		s.signer, s.runner = s.server, s.server
	} else {
		s.signer = s.process("signer", "signer", "-c", s.in.Signer, "--log-level", "warn")
		s.server = s.process("server", "serve", "-c", s.in.Server, "--dev", "--log-level", "warn")
		s.runner = s.process("runner", "runner", "-c", s.in.Runner, "--log-level", "info")
	}
	return s
}

// processes are the site's, each once.
func (s *site) processes() []*process {
	if s.how == oneProcess {
		return []*process{s.server}
	}
	return []*process{s.signer, s.server, s.runner}
}

// start starts all processes and returns when they are ready.
func (s *site) start() {
	s.t.Helper()
	for _, p := range s.processes() {
		must(s.t, p.start())
		if p == s.signer && p != s.server {
			await(s.t, "the signer", func() (bool, string) { return strings.Contains(p.tail(), "listens on"), s.trouble() })
		}
	}
	s.awaitServer()
}

// awaitServer waits until the server is ready.
func (s *site) awaitServer() {
	s.t.Helper()
	await(s.t, "the server", func() (bool, string) {
		resp, err := http.Get(s.admin + "/readyz")
		if err != nil {
			return false, s.trouble()
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status
	})
}

// trouble says which process can not go on.
func (s *site) trouble() string {
	var out []string
	for _, p := range s.processes() {
		if _, _, failed := p.state(); failed != "" {
			out = append(out, failed)
		}
	}
	return strings.Join(out, "; ")
}

// stop kills everything: the site is not used any more.
func (s *site) stop() {
	for _, p := range s.processes() {
		p.end(syscall.SIGKILL)
	}
	if s.wire != nil {
		s.wire.Close()
		s.shop.Stop()
	}
}

// logs are the ends of all logs.
func (s *site) logs() string {
	var b strings.Builder
	for _, p := range s.processes() {
		b.WriteString(p.tail() + "\n")
	}
	return b.String()
}

// edit changes the control plane's configuration.
func (s *site) edit(f func(*config.Server)) {
	s.t.Helper()
	c, err := config.LoadServer(s.in.Server, true)
	must(s.t, err)
	f(&c)
	b, err := yaml.Marshal(c)
	must(s.t, err)
	must(s.t, os.WriteFile(s.in.Server, b, 0o600))
}

func playbooks(t testing.TB, dir string) [][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	must(t, err)
	var out [][]byte
	for _, n := range names {
		b, err := os.ReadFile(n)
		must(t, err)
		out = append(out, b)
	}
	return out
}

// patience is how long anything may take on a machine that is busy with other things.
const patience = 90 * time.Second

// until asks again and again, until done or out of patience.
func until(what string, done func() (ok bool, state string)) error {
	return untilCalm(what, func() bool { return true }, done)
}

// untilCalm is until with a patience that begins when calm says so: in a storm nothing need ever end.
func untilCalm(what string, calm func() bool, done func() (ok bool, state string)) error {
	deadline := time.Now().Add(patience)
	for {
		if !calm() {
			deadline = time.Now().Add(patience)
		}
		ok, state := done()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s: %s", patience, what, state)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func await(t testing.TB, what string, done func() (ok bool, state string)) {
	t.Helper()
	must(t, until(what, done))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// persist calls f until it works. Only what asking again cannot change ends it at once.
func (s *site) persist(what string, f func(ctx context.Context) error) error {
	var last error
	err := untilCalm(what, func() bool { return !s.storm.Load() }, func() (bool, string) {
		if why := s.trouble(); why != "" {
			last = errors.New(why)
			return true, ""
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		last = f(ctx)
		return last == nil || errors.Is(last, writ.ErrInvalid) || errors.Is(last, writ.ErrDenied) || errors.Is(last, writ.ErrNotFound), fmt.Sprint(last)
	})
	return errors.Join(err, last)
}
