package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// twoSteps are two calls whose effects do not depend on how busy the machine is. What they are checked by is a parameter,
// so that a run can be made to wait.
const twoSteps = `v: 1
name: two-steps
version: 1
owner: checkout
title: put {service} on release {to}, one-click on
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
  - operation: httpapi/flag.set
    with: {service: $service, flag: one-click, "on": true}
verify:
  - {name: release, reader: httpapi/service.status, with: {service: $service}, fact: release, op: equals, value: $to, within_seconds: 5}
undo: inverse
limits: {max_objects: 2, max_permille: 500}
`

// waitsLong is one call that is never seen to help.
var waitsLong = strings.NewReplacer("name: two-steps", "name: waits-long", `
  - operation: httpapi/flag.set
    with: {service: $service, flag: one-click, "on": true}`, "",
	"{name: release, reader: httpapi/service.status, with: {service: $service}, fact: release, op: equals, value: $to, within_seconds: 5}",
	"{name: load, reader: httpapi/service.metrics, with: {service: $service}, fact: requests, op: at_least, value: 100000, within_seconds: 60}",
).Replace(twoSteps)

// more needs a person.
var more = strings.NewReplacer("name: two-steps", "name: more", "class: rollback", "class: capacity", "tier: T1", "tier: T2",
	"put {service} on release {to}, one-click on", "run {replicas} replicas of {service}",
	"{name: to, type: name, title: the release to go back to}", "{name: replicas, type: integer, title: how many, min: 2, max: 6}", `
  - operation: httpapi/release.set
    with: {service: $service, release: $to}
  - operation: httpapi/flag.set
    with: {service: $service, flag: one-click, "on": true}`, `
  - operation: httpapi/replicas.set
    with: {service: $service, replicas: $replicas}`,
	"fact: release, op: equals, value: $to, within", "fact: replicas, op: equals, value: $replicas, within",
	"max_objects: 2, max_permille: 500", "max_objects: 1, max_permille: 1000",
).Replace(twoSteps)

// firstStep is the first change of twoSteps.
const firstStep = "/services/" + storefront.Checkout + "/release"

// A halting is an installation whose repairs get stopped: server, runner and signer as processes, a wire before the
// target, and a proxy between runner and server.
type halting struct {
	*counter
	wire  *install.Wire
	gap   *install.Proxy
	asks  *client.Client // as the repairing agent
	round int
}

// openHalting starts one. cut is the runner's cut_off; nil for none.
func openHalting(t testing.TB, cut *config.CutOff) *halting {
	t.Helper()
	x := &halting{}
	x.counter = prepareShop(t, func(c *counter, o *setup.Options) {
		x.gap, x.wire = install.NewProxy(t, o.Runners), install.NewWire(t, c.shop)
		o.RunnerURL = "https://" + x.gap.Address()
		o.Targets = []setup.Target{install.ShopAt(t, c.shop, x.wire.URL, "shop")}
		o.Playbooks = append(o.Playbooks, []byte(twoSteps), []byte(waitsLong), []byte(more))
		o.Ceiling = &setup.Ceiling{MaxObjects: 5, MaxPermille: 1000, RunsPerHour: 10_000, ProofT2: writ.ProofD}
	})
	x.edit(func(c *config.Server) { c.Limits = &config.Limits{Attempts: 10_000, AttemptsPerObject: 10_000} })
	install.EditRunner(t, x.in.Runner, x.in.Runner, func(c *config.Runner) { c.CutOff = cut })
	x.start()
	x.asks = install.Client(t, x.in, x.url, repairer, client.Config{})
	return x
}

// bad rolls out a release that is bad, and has it diagnosed in an incident of its own.
func (x *halting) bad() *halting {
	x.t.Helper()
	x.round++
	must(x.t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline"))
	x.tell(false)
	id, _ := x.agent(x.t, diagnoser).observe(x.t, x.incident, "httpapi/service.status", map[string]any{"service": storefront.Checkout})
	x.evidence = []string{id}
	return x
}

// tell posts the alert of this round, or that it is resolved.
func (x *halting) tell(resolved bool) {
	x.t.Helper()
	code, text := x.post(x.t, install.Webhook(x.t, install.Alert{
		Name: "Errors", Service: storefront.Checkout, Severity: "critical", Group: fmt.Sprint("round ", x.round), Resolved: resolved,
	}))
	if code/100 != 2 {
		x.t.Fatalf("alert: %d %s", code, text)
	}
	var in writ.Incident
	must(x.t, json.Unmarshal([]byte(text), &in))
	x.incident = in.ID
}

// inFlight has two-steps granted and returns when its first step has been made and not been answered.
func (x *halting) inFlight() (writ.PlanID, *install.Held) {
	x.t.Helper()
	h := x.wire.Hold(x.t)
	plan := x.wants("two-steps", rollbackTo("v41"), writ.PlanGranted).Plan
	select {
	case <-h.Made:
	case <-time.After(time.Minute):
		x.t.Fatal("the first step was not made")
	}
	return plan, h
}

// putBack demands that a run made its first step, put it back and did nothing else, and that its lease is dead.
func (x *halting) putBack(plan writ.PlanID, h *install.Held, want writ.Reason) {
	x.t.Helper()
	r := x.ends(plan)
	if r.State != writ.RunUndone || r.Reason != want {
		x.t.Errorf("the run is %s (%s), want undone (%s)\n%s", r.State, r.Reason, want, story(r))
	}
	x.back(h)
}

// back demands that the shop is as it was, by two changes alone, and refuses the lease's token.
func (x *halting) back(h *install.Held) {
	x.t.Helper()
	if got := x.wire.Changes(); !slices.Equal(got, []string{firstStep, firstStep}) {
		x.t.Errorf("the changes are %v; want the first step and its undo", got)
	}
	v, err := x.shop.Look(storefront.Checkout)
	must(x.t, err)
	if v.Release != "v42" || v.Flags["one-click"] {
		x.t.Errorf("the shop is not as it was: %+v", v)
	}
	if code := x.wire.Status(x.t, h.Token); code != http.StatusUnauthorized {
		x.t.Errorf("the shop answers the lease's token with %d", code)
	}
}

// TestI18AFreezeStopsARunOfWholeProcessesAndSurvivesThem: a freeze on the command line stops a run in flight before its next step,
// which is undone under a lease that is then dead. Killed and started again, server and runner refuse every way in, until
// the freeze is lifted.
func TestI18AFreezeStopsARunOfWholeProcessesAndSurvivesThem(t *testing.T) {
	t.Parallel()
	x := openHalting(t, nil).bad()
	waiting := x.scaleUp() // since before the freeze
	plan, h := x.inFlight()
	frozen := x.wantCLI(t, 0, you, "freeze", "--service", storefront.Checkout, "--reason", "the agent misbehaves")
	h.Free()
	x.putBack(plan, h, writ.ReasonFrozen)

	x.procs["server"].kill()
	x.procs["runner"].kill()
	x.startServer()
	x.startRunner()
	x.awaitRunner()
	x.refuses(writ.ReasonFrozen)
	if r := x.approves(waiting); r.code == 0 {
		p, err := x.person.WaitPlan(t.Context(), waiting)
		must(t, err)
		if p.Run != "" || p.Reason != writ.ReasonFrozen {
			t.Errorf("what waited since before the freeze is %s (%s), run %q", p.State, p.Reason, p.Run)
		}
	} else if !strings.Contains(r.err, string(writ.ReasonFrozen)) {
		t.Errorf("the approval is refused with %s", r.err)
	}
	if x.denied(writ.ReasonFrozen) == 0 {
		t.Error("the ledger has no refusal")
	}
	x.back(h) // nothing happened since
	if list := x.wantCLI(t, 0, you, "freeze", "list"); !strings.Contains(list.out, storefront.Checkout) {
		t.Errorf("the freeze is not listed: %s%s", list.out, frozen.out)
	}

	x.wantCLI(t, 0, you, "unfreeze", "--service", storefront.Checkout, "--reason", "it was taught")
	again := x.ask("two-steps", rollbackTo("v41"))
	if again.State == string(writ.PlanWaiting) { // after a run that did not help, an owner must agree
		x.approves(again.Plan)
	}
	if r := x.ends(again.Plan); r.State != writ.RunSucceeded {
		t.Errorf("after the freeze was lifted the run is %s (%s): %s", r.State, r.Reason, again.text)
	}
	x.verified(t)
}

// scaleUp asks for what needs a person.
func (x *halting) scaleUp() writ.PlanID {
	x.t.Helper()
	return x.wants("more", replicas(4), writ.PlanWaiting).Plan
}

// refuses demands that an ask is refused over HTTP and over MCP, with the code.
func (x *halting) refuses(want writ.Reason) {
	x.t.Helper()
	var cited []writ.EvidenceID
	for _, id := range x.evidence {
		cited = append(cited, writ.EvidenceID(id))
	}
	_, err := x.asks.Propose(x.t.Context(), writ.Ask{Incident: x.incident, Playbook: "two-steps", Evidence: cited, Because: "it began with v42",
		Parameters: writ.Parameters{"service": writ.String(storefront.Checkout), "to": writ.String("v41")}})
	if writ.ReasonOf(err) != want || !errors.Is(err, writ.ErrFrozen) {
		x.t.Errorf("over HTTP: %v, want %s", err, want)
	}
	if a := x.ask("two-steps", rollbackTo("v41")); a.Plan != "" || !a.refuse || !strings.Contains(a.text, string(want)) {
		x.t.Errorf("over MCP: %s, want %s", a.text, want)
	}
}

// TestI01ARunnerThatIsCutOffGoesNoFurther: a runner that loses the control plane between two steps makes no further one. It
// puts back what it did and ends its lease by itself, and what comes back later is told, not done.
func TestI01ARunnerThatIsCutOffGoesNoFurther(t *testing.T) {
	t.Parallel()
	t.Run("for longer than its limit", func(t *testing.T) {
		t.Parallel()
		x := openHalting(t, &config.CutOff{Wait: config.Duration(3 * time.Second)}).bad()
		plan, h := x.inFlight()
		x.gap.Cut()
		h.Free()
		await(t, "the undo by a runner that nobody reaches", func() (bool, string) {
			v, err := x.shop.Look(storefront.Checkout)
			must(t, err)
			return v.Release == "v42" && x.wire.Status(t, h.Token) == http.StatusUnauthorized, fmt.Sprintf("%+v", v)
		})
		x.back(h)
		x.gap.Mend()
		x.putBack(plan, h, writ.ReasonUnavailable)
		x.verified(t)
	})
	t.Run("while a person freezes", func(t *testing.T) {
		t.Parallel()
		x := openHalting(t, nil).bad()
		plan, h := x.inFlight()
		x.gap.Cut()
		x.wantCLI(t, 0, you, "freeze", "--all", "--reason", "it does not answer")
		h.Free()
		x.gap.Mend()
		x.putBack(plan, h, writ.ReasonFrozen)
		x.verified(t)
	})
}

// TestACutOffOutOfBoundsStartsNoRunner: an owner can only make the limits shorter.
func TestACutOffOutOfBoundsStartsNoRunner(t *testing.T) {
	t.Parallel()
	x := prepareShop(t)
	for name, c := range map[string]config.CutOff{
		"feed_age": {FeedAge: config.Duration(31 * time.Second)}, "feed_age_t1": {FeedAgeT1: config.Duration(time.Hour)}, "wait": {Wait: config.Duration(time.Second)},
	} {
		file := filepath.Join(x.in.Dir, name+".yaml")
		install.EditRunner(t, x.in.Runner, file, func(r *config.Runner) { r.CutOff = &c })
		if r := x.run(t, x.dir, "runner", "-c", file); r.code == 0 || !strings.Contains(r.err, "cut_off."+name) || !strings.Contains(r.err, "2s") {
			t.Errorf("%s: status %d, %s", name, r.code, r.err)
		}
	}
}

// BenchmarkFreezeOfWholeProcesses measures how long a freeze takes to bite a run in flight, over processes and TLS:
// go test -run - -bench FreezeOfWhole -benchtime 50x ./e2e. It reports quantiles of the time from the call until the
// control plane has answered, from when it takes no step; until the target has put the run's change back; and until the
// lease to do that with is dead, too.
func BenchmarkFreezeOfWholeProcesses(b *testing.B) {
	x := openHalting(b, nil)
	var answered, undone, dead []time.Duration
	for b.Loop() {
		b.StopTimer()
		made := x.bad().wire.Next()
		plan := x.ask("waits-long", rollbackTo("v41"))
		if plan.State == string(writ.PlanWaiting) {
			x.approves(plan.Plan)
		}
		<-made
		back := x.wire.Next()
		b.StartTimer()
		began := time.Now()
		z, err := x.person.Freeze(b.Context(), writ.FreezeAll, "", "measured")
		must(b, err)
		answered = append(answered, time.Since(began))
		<-back
		undone = append(undone, time.Since(began))
		x.ends(plan.Plan)
		dead = append(dead, time.Since(began))
		b.StopTimer()
		must(b, x.person.Unfreeze(b.Context(), z.ID, "measured"))
		x.tell(true)
		b.StartTimer()
	}
	for name, all := range map[string][]time.Duration{"answered": answered, "undone": undone, "dead": dead} {
		slices.Sort(all)
		for at, permille := range map[string]int{"p50": 500, "p99": 990} {
			b.ReportMetric(float64(all[(len(all)-1)*permille/1000])/float64(time.Millisecond), name+"-"+at+"-ms")
		}
	}
}
