package e2e_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// A glassSite is a site with an emergency playbook, whose people have security keys behind an agent.
type glassSite struct {
	*site
	ring *keyring
}

// newGlassSite prepares a site and gives it break-glass, online and for when the control plane is down: two people of
// three. Nothing is started.
func newGlassSite(t *testing.T, service string) *glassSite {
	t.Helper()
	s := prepare(t, threeProcesses, nil, service)
	g := &glassSite{site: s, ring: newKeyring(t, you, ana, rob)}
	lines := g.ring.lines
	s.edit(func(c *config.Server) {
		c.BreakGlass = &config.BreakGlass{AskProof: "C"}
		for i := range c.Approvers {
			c.Approvers[i].Keys = append(c.Approvers[i].Keys, lines[c.Approvers[i].Sub])
		}
	})
	rc, err := config.LoadRunner(s.in.Runner)
	must(t, err)
	rc.BreakGlass = &config.RunnerBreakGlass{Socket: filepath.Join(g.ring.dir, "runner"), Playbooks: []string{"playbooks"}}
	b, err := yaml.Marshal(rc)
	must(t, err)
	write(t, s.in.Runner, b)
	file := filepath.Join(s.in.Dir, "trust.json")
	tr, err := trust.Payload(read(t, file))
	must(t, err)
	tr.Version++
	for i := range tr.Approvers {
		tr.Approvers[i].Keys = append(tr.Approvers[i].Keys, lines[tr.Approvers[i].Sub])
	}
	tr.Ceiling.Emergency.Offline = &trust.Offline{Approvals: 2, Scopes: []trust.Scope{{
		Service: service, Environment: "prod", Locations: []writ.Location{target + writ.Location("/"+s.namespaces[service])},
	}}}
	owner, err := pin.Load(filepath.Join(s.in.Dir, "keys", "owner.pem"))
	must(t, err)
	b, err = trust.Sign(tr, owner)
	must(t, err)
	write(t, file, b)
	v, err := verify.ParseTrust(read(t, s.in.Verify))
	must(t, err)
	for i := range v.Approvers {
		v.Approvers[i].Keys = append(v.Approvers[i].Keys, lines[v.Approvers[i].Sub])
	}
	b, err = json.Marshal(v)
	must(t, err)
	write(t, s.in.Verify, b)
	return g
}

// writ runs the binary with the agent at hand.
func (g *glassSite) writ(code int, args ...string) result {
	g.t.Helper()
	r := g.try(args...)
	if r.code != code {
		g.t.Fatalf("writ %s ended with %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	return r
}

func (g *glassSite) try(args ...string) result {
	r := g.ring.try(g.t, g.bed.writ, g.dir, args...)
	g.heard(r.out + r.err)
	return r
}

func (g *glassSite) as(person string, args ...string) []string {
	return append(args, "--config", g.in.Clients[person], "--sk", "--key", g.ring.public[person])
}

const inEmergency = "emergency-restart"

// TestPitfall36AnOfflineQuorumRunsOnePlanAndTheLedgerHearsOfIt kills the control plane, lets two people sign one plan on
// the runner's host, and brings it back: what was done stands in the ledger, which verifies offline.
func TestPitfall36AnOfflineQuorumRunsOnePlanAndTheLedgerHearsOfIt(t *testing.T) {
	t.Parallel()
	g := newGlassSite(t, "glass")
	g.start()
	x := g.healthy(t, "glass")
	before := x.now().Generation
	params := []string{"--service", "glass", "--param", "kind=deployment", "--param", "namespace=" + x.ns, "--param", "name=" + deployment}
	request, mine, hers := filepath.Join(g.dir, "request.json"), filepath.Join(g.dir, "you.sig"), filepath.Join(g.dir, "ana.sig")
	plan := append([]string{"runner", "breakglass", inEmergency, "-c", g.in.Runner, "-f", request}, params...)
	if r := g.writ(3, plan...); !strings.Contains(r.err, "heard") {
		t.Errorf("while the control plane answers: %s", r.err)
	}

	g.procs["server"].kill()
	var made result
	await(t, "the runner to be cut off", func() (bool, string) { made = g.try(plan...); return made.code == 0, made.err })
	var q struct {
		Digest string `json:"plan_digest"`
	}
	must(t, json.Unmarshal(read(t, request), &q))
	for who, file := range map[string]string{you: mine, ana: hers} {
		r := g.writ(0, g.as(who, "breakglass", "sign", request, "-f", file, "--digest", q.Digest)...)
		if !strings.Contains(r.err, "BREAK-GLASS") || !strings.Contains(r.err, "while the control plane is down") {
			t.Errorf("what %s was shown: %s", who, r.err)
		}
	}
	run := []string{"runner", "breakglass", "run", "-c", g.in.Runner, "-o", "json"}
	if r := g.writ(3, append(run, mine)...); !strings.Contains(r.err, string(writ.ReasonOfflineQuorum)) && !strings.Contains(r.err, "1 of 2") {
		t.Errorf("one signature: %s", r.err)
	}
	r := g.writ(0, append(run, mine, hers)...)
	var done struct {
		Run     writ.RunID `json:"run"`
		Applied int        `json:"applied"`
	}
	must(t, json.Unmarshal([]byte(r.out), &done))
	if now := x.now().Generation; done.Applied != 1 || now <= before {
		t.Errorf("%s; the Deployment was at generation %d and is at %d", r.out, before, now)
	}
	if r := g.writ(3, append(run, mine, hers)...); !strings.Contains(r.err, "used before") {
		t.Errorf("a second time: %s", r.err)
	}
	after := x.now().Generation

	g.startServer()
	var told writ.RunStatus
	await(t, "the ledger to hear of it", func() (bool, string) {
		var err error
		told, err = g.person.Run(t.Context(), done.Run)
		return err == nil && told.State == writ.RunSucceeded && slices.ContainsFunc(told.Leases, writ.Lease.Dead), story(told)
	})
	if x.now().Generation != after {
		t.Error("it was run again")
	}
	g.verified(t)
	list := g.wantCLI(t, 0, rob, "breakglass", "list", "-o", "json")
	var all []writ.BreakGlass
	must(t, json.Unmarshal([]byte(list.out), &all))
	if len(all) != 1 || !all[0].Offline || len(all[0].Signers) != 2 || all[0].ReviewDue == nil || all[0].Run != done.Run {
		t.Fatalf("%s", list.out)
	}
	if status := g.wantCLI(t, 0, rob, "status"); !strings.Contains(status.out, "REVIEW of break-glass "+string(all[0].ID)) {
		t.Errorf("status: %s", status.out)
	}
	review := []string{"breakglass", "review", string(all[0].ID), "--verdict", "justified", "--note", "the server was down"}
	g.wantCLI(t, 3, you, review...) // who signed
	g.wantCLI(t, 0, rob, review...)
	g.verified(t)
}

// TestNHI03ADrillEndsByItselfWithTwoPeopleAndAReview exercises one use and one refusal with the command line, with an approval by
// somebody else in between, and then asks as an agent.
func TestNHI03ADrillEndsByItselfWithTwoPeopleAndAReview(t *testing.T) {
	t.Parallel()
	g := newGlassSite(t, "drill")
	g.start()
	x := g.healthy(t, "drill")
	if s := g.wantCLI(t, 0, you, "status"); !strings.Contains(s.out, "last drill never") {
		t.Errorf("before it: %s", s.out)
	}
	drilled := make(chan result, 1)
	go func() {
		drilled <- g.try(g.as(you, "breakglass", "drill", inEmergency, "--service", "drill", "--param", "kind=deployment", "--param", "namespace="+x.ns, "--param", "name="+deployment)...)
	}()
	var waiting writ.PlanStatus
	await(t, "the drill's plan", func() (bool, string) {
		for p, err := range g.person.Plans(t.Context(), writ.PlanFilter{State: writ.PlanWaiting}) {
			must(t, err)
			waiting = p
		}
		return waiting.ID != "", "none"
	})
	g.wantCLI(t, 3, you, "approve", string(waiting.ID), "--digest", waiting.Digest.String()) // who asked
	g.wantCLI(t, 0, ana, "approve", string(waiting.ID), "--digest", waiting.Digest.String())
	select {
	case r := <-drilled:
		if r.code != 0 || !strings.Contains(r.out, "passed") {
			t.Fatalf("the drill ended with %d: %s%s", r.code, r.out, r.err)
		}
	case <-time.After(3 * time.Minute):
		t.Fatal("the drill does not end")
	}
	if s := g.wantCLI(t, 0, you, "status"); strings.Contains(s.out, "last drill never") || strings.Contains(s.out, "DRILL DUE") || !strings.Contains(s.out, "next ") {
		t.Errorf("after it: %s", s.out)
	}
	if s := g.wantCLI(t, 0, you, "breakglass", "list"); !strings.Contains(s.out, " used ") || !strings.Contains(s.out, " due ") {
		t.Errorf("nothing is left open, and a review is owed: %s", s.out)
	}
	x.diagnosed()
	if out := g.agent(t, repairer).propose(t, x.incident, inEmergency, x.workload(), x.evidence...); out.Plan != "" || !strings.Contains(out.text, string(writ.ReasonBreakGlass)) {
		t.Errorf("an agent's ask: %s", out.text)
	}
	g.verified(t)
}
