package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
)

// TestARunnerTakesItsSVIDFromTheWorkloadAPI runs a runner that connects by the X.509-SVID of its host's Workload API. The authority is
// replaced under it, and it is not restarted; the Workload API goes away, and it says so and works on; an SVID of another trust
// domain is never shown.
func TestARunnerTakesItsSVIDFromTheWorkloadAPI(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses, nil, "before", "between", "after")
	var id string
	install.EditRunner(t, s.in.Runner, s.in.Runner, func(c *config.Runner) { id = c.ID })
	domain, path, _ := strings.Cut(strings.TrimPrefix(id, "spiffe://"), "/")
	d, stranger := trustdomain.New(t, domain), trustdomain.New(t, "evil.example")
	host := d.Serve(t, "/"+path, time.Hour)
	install.EditRunner(t, s.in.Runner, s.in.Runner, func(c *config.Runner) { c.SPIFFE = &config.RunnerSPIFFE{WorkloadAPI: host.Address()} })
	s.edit(func(c *config.Server) {
		c.SPIFFE = &config.SPIFFE{WorkloadAPI: d.Serve(t, "/writ", time.Hour).Address(), Agents: []string{"spiffe://" + domain + "/agents"}, Audience: "https://writ.test", Runners: true}
	})
	s.start()
	repaired := func(service string) {
		t.Helper()
		x := s.broken(t, service).diagnosed()
		r := x.ended(x.rollback().Plan, writ.RunSucceeded)
		x.dead(r.ID)
	}
	repaired("before")
	doctor := func(code int, want string) {
		t.Helper()
		if r := s.run(t, s.dir, "doctor", "--runner", s.in.Runner); r.code != code || !strings.Contains(r.out, want) {
			t.Errorf("doctor: %d, no %q in %s%s", r.code, want, r.out, r.err)
		}
	}
	doctor(0, "✔ ok    the SPIFFE Workload API at "+host.Address())

	d.Rotate(t)
	d.Distrust() // what the old authority signed is worth nothing from now on
	s.awaitRunner()
	repaired("between")

	host.Stop()
	s.says("runner", "the SPIFFE Workload API cannot be asked; its last answer stays")
	doctor(1, "✗ wrong the SPIFFE Workload API at "+host.Address())
	s.awaitRunner()
	repaired("after")

	s.procs["runner"].end(t)
	install.EditRunner(t, s.in.Runner, s.in.Runner, func(c *config.Runner) { c.SPIFFE.WorkloadAPI = stranger.Serve(t, "/"+path, time.Hour).Address() })
	s.startRunner()
	s.says("runner", "the Workload API gives one of spiffe://evil.example/"+path)
	doctor(1, "this runner is "+id)
	s.quiet(t)
}
