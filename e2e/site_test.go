package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/setup"
)

// The two ways to run Writ. The same scripts run against both.
type topology string

const (
	oneProcess     topology = "one process"
	threeProcesses topology = "three processes"
)

var topologies = []topology{oneProcess, threeProcesses}

// Names of an installation's parties.
const (
	target     = writ.Location("kubernetes://prod")
	team       = "checkout"
	you        = "you" // approves
	ana        = "ana" // answers for the diagnosing agent
	rob        = "rob" // answers for the repairing agent
	diagnoser  = "diagnose"
	repairer   = "repair"
	alerts     = "alertmanager"
	deployment = "api" // of every service
)

// A site is one installation with its running processes.
type site struct {
	bed
	*gate
	t          *testing.T
	topology   topology
	dir        string // outputs of the processes, and below it the installation
	in         setup.Installation
	url, admin string
	person     *client.Client
	namespaces map[string]string // by service
	procs      map[string]*process

	mu   sync.Mutex
	said strings.Builder // everything that agents and people were told
}

// Plans are short-lived enough for tests, and long enough for a busy machine.
const planLife = 5 * time.Minute

// newSite installs Writ for services with these names, each with a namespace of its own, and starts it.
func newSite(t *testing.T, how topology, services ...string) *site {
	t.Helper()
	s := prepare(t, how, nil, services...)
	s.start()
	return s
}

// prepare installs and starts nothing.
func prepare(t *testing.T, how topology, ceiling *setup.Ceiling, services ...string) *site {
	t.Helper()
	b := newBed(t)
	s := &site{bed: b, gate: newGate(t, b), t: t, topology: how, namespaces: map[string]string{}, procs: map[string]*process{}}
	var err error
	s.dir, err = os.MkdirTemp(b.Dir, "site-")
	must(t, err)
	var catalogue strings.Builder
	for _, name := range services {
		s.namespaces[name] = b.Namespace(t)
		fmt.Fprintf(&catalogue, "---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: %s\n  annotations:\n    writ.dev/environment: prod\n    writ.dev/locations: %s/%s\nspec: {type: service, lifecycle: production, owner: %s}\n",
			name, target, s.namespaces[name], team)
	}
	addr := freePorts(t, 4)
	s.in, err = setup.Write(filepath.Join(s.dir, "writ"), setup.Options{
		Listen: addr[0], Runners: addr[1], Signer: addr[2], Admin: addr[3],
		Services: []byte(catalogue.String()), Playbooks: playbookSet(t), PlanLife: planLife, Now: time.Now(), Ceiling: ceiling,
		Targets: []setup.Target{{
			Location: target, Catalogue: kubernetes.Catalogue(), Namespace: "writ-leases",
			Kubeconfig: s.kubeconfig(t, s.dir, "minter.kubeconfig", b.minter), Reader: s.kubeconfig(t, s.dir, "reader.kubeconfig", b.reader),
		}},
		Agents: []setup.Agent{
			{Name: diagnoser, Team: "observability", Owner: ana, Roles: []string{"diagnose"}},
			{Name: repairer, Team: team, Owner: rob, Roles: []string{"repair"}},
		},
		People: []setup.Person{
			{Sub: you, Groups: []string{team, team + "-oncall"}}, {Sub: ana, Groups: []string{team}}, {Sub: rob, Groups: []string{team}},
		},
		Sources: []string{alerts},
	})
	must(t, err)
	s.url, s.admin = "http://"+addr[0], "http://"+addr[3]
	s.person, err = client.New(s.url, client.Config{Token: client.Static(s.tokenOf(you))})
	must(t, err)
	if how == threeProcesses {
		s.edit(func(c *config.Server) { c.Dev = nil })
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range s.procs {
				t.Log(p.tail())
			}
		}
	})
	return s
}

// edit changes the control plane's configuration.
func (s *site) edit(f func(*config.Server)) {
	s.t.Helper()
	c, err := config.LoadServer(s.in.Server, true)
	must(s.t, err)
	f(&c)
	b, err := yaml.Marshal(c)
	must(s.t, err)
	write(s.t, s.in.Server, b)
}

// start starts all processes and returns when the runner has asked for work.
func (s *site) start() {
	s.t.Helper()
	if s.topology == threeProcesses {
		s.startSigner()
	}
	s.startServer()
	if s.topology == threeProcesses {
		s.startRunner()
	}
	s.awaitRunner()
}

func (s *site) startSigner() {
	s.t.Helper()
	s.procs["signer"] = s.launch(s.t, s.dir, "signer", "signer", "-c", s.in.Signer)
	await(s.t, "the signer", func() (bool, string) {
		b, err := os.ReadFile(s.procs["signer"].log)
		return err == nil && strings.Contains(string(b), "listens on"), s.state("signer")
	})
}

func (s *site) startServer(args ...string) {
	s.t.Helper()
	if len(args) == 0 {
		args = []string{"--dev"}
	}
	s.procs["server"] = s.launch(s.t, s.dir, "server", append([]string{"serve", "-c", s.in.Server}, args...)...)
	await(s.t, "the server", func() (bool, string) {
		resp, err := http.Get(s.admin + "/readyz")
		if err != nil {
			return false, s.state("server")
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status
	})
}

func (s *site) startRunner() {
	s.t.Helper()
	s.procs["runner"] = s.launch(s.t, s.dir, "runner", "runner", "-c", s.in.Runner)
}

// state fails the test when a process that is being waited for has ended.
func (s *site) state(name string) string {
	p := s.procs[name]
	if p.dead() {
		s.t.Fatalf("%s ended: %s", name, p.tail())
	}
	return "it runs"
}

// awaitRunner waits until a runner has asked for work since now.
func (s *site) awaitRunner() {
	s.t.Helper()
	began := time.Now()
	await(s.t, "the runner", func() (bool, string) {
		st, err := s.person.Status(s.t.Context())
		if err != nil || len(st.Runners) != 1 || st.Runners[0].LastSeen == nil {
			return false, fmt.Sprint(st.Runners, err)
		}
		return st.Runners[0].LastSeen.After(began.Add(-time.Second)), st.Runners[0].LastSeen.String()
	})
}

// tokenOf is the secret with which a party calls.
func (s *site) tokenOf(name string) string {
	s.t.Helper()
	return strings.TrimSpace(string(read(s.t, s.in.Tokens[name])))
}

// heard keeps what was told, for the search for secrets.
func (s *site) heard(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.WriteString(text)
}

// cli runs a command as a person.
func (s *site) cli(t *testing.T, person string, args ...string) result {
	t.Helper()
	r := s.run(t, s.dir, append(args, "--config", s.in.Clients[person])...)
	s.heard(r.out + r.err)
	return r
}

// wantCLI is cli where only this status will do.
func (s *site) wantCLI(t *testing.T, code int, person string, args ...string) result {
	t.Helper()
	r := s.cli(t, person, args...)
	if r.code != code {
		t.Fatalf("writ %s ended with %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	return r
}

// Ports of installations lie below those that the kernel gives to outgoing connections (ip(7), ip_local_port_range: from
// 32768): one of these could otherwise take a port between our choice and the process's bind.
const (
	firstPort = 20000
	ports     = 12000
)

// handedOut remembers ports, so that two tests never get the same one.
var handedOut sync.Map

// freePorts finds loopback addresses that nobody listens on.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for tries := 0; len(out) < n; tries++ {
		if tries > 1000 {
			t.Fatal("no free ports")
		}
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(ports))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		must(t, l.Close())
		if _, taken := handedOut.LoadOrStore(address, true); !taken {
			out = append(out, address)
		}
	}
	return out
}
