package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
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
	team       = install.Team
	you        = install.You
	ana        = install.Ana
	rob        = install.Rob
	diagnoser  = install.Diagnoser
	repairer   = install.Repairer
	alerts     = install.Alerts
	deployment = "api" // of every service
)

// A site is one installation with its running processes.
type site struct {
	bed
	*gate
	t          testing.TB
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

// newSite installs Writ for services with these names, each with a namespace of its own, and starts it.
func newSite(t testing.TB, how topology, services ...string) *site {
	t.Helper()
	s := prepare(t, how, nil, services...)
	s.start()
	return s
}

// prepare installs and starts nothing.
func prepare(t testing.TB, how topology, ceiling *setup.Ceiling, services ...string) *site {
	t.Helper()
	b := newBed(t)
	s := &site{bed: b, gate: newGate(t, b), t: t, topology: how, namespaces: map[string]string{}, procs: map[string]*process{}}
	var err error
	s.dir, err = os.MkdirTemp(b.Dir, "site-")
	must(t, err)
	var catalogue strings.Builder
	for _, name := range services {
		s.namespaces[name] = b.Namespace(t)
		catalogue.WriteString(install.Component(name, target+writ.Location("/"+s.namespaces[name])))
	}
	o := install.Options(t)
	o.Services, o.Playbooks, o.Ceiling = []byte(catalogue.String()), playbookSet(t), ceiling
	o.Targets = []setup.Target{{
		Location: target, Catalogue: kubernetes.Catalogue(), Namespace: "writ-leases",
		Kubeconfig: s.kubeconfig(t, s.dir, "minter.kubeconfig", b.minter), Reader: s.kubeconfig(t, s.dir, "reader.kubeconfig", b.reader),
	}}
	s.install(o)
	return s
}

// install writes the installation into the site's directory. Nothing is started.
func (s *site) install(o setup.Options) {
	t := s.t
	t.Helper()
	var err error
	s.in, err = setup.Write(filepath.Join(s.dir, "writ"), o)
	must(t, err)
	s.url, s.admin = "http://"+o.Listen, "http://"+o.Admin
	s.person = install.Client(t, s.in, s.url, you, client.Config{})
	if s.topology == threeProcesses {
		s.edit(func(c *config.Server) { c.Dev = nil })
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range s.procs {
				t.Log(p.tail())
			}
		}
	})
}

// edit changes the control plane's configuration.
func (s *site) edit(f func(*config.Server)) {
	s.t.Helper()
	install.EditServer(s.t, s.in.Server, s.in.Server, f)
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
	return install.Token(s.t, s.in, name)
}

// heard keeps what was told, for the search for secrets.
func (s *site) heard(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.WriteString(text)
}

// cli runs a command as a person.
func (s *site) cli(t testing.TB, person string, args ...string) result {
	t.Helper()
	r := s.run(t, s.dir, append(args, "--config", s.in.Clients[person])...)
	s.heard(r.out + r.err)
	return r
}

// wantCLI is cli where only this status will do.
func (s *site) wantCLI(t testing.TB, code int, person string, args ...string) result {
	t.Helper()
	r := s.cli(t, person, args...)
	if r.code != code {
		t.Fatalf("writ %s ended with %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	return r
}
