package e2e_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// eve is of another team than the one that owns the services.
const eve = "eve"

// fingerprints are as a page of passkeys shows them.
var fingerprints = regexp.MustCompile(`SHA256:[A-Za-z0-9_+/=-]+`)

// A detour is an installation with a browser whose people answer plans.
type detour struct {
	*halting
	b     *chromium
	known string // fingerprints of passkeys
}

// TestTheWalkTakesOtherWaysInABrowser: what the walk does not meet when all goes well. A plan whose time is over, or
// whose world moved, cannot be answered and is asked for anew, and whoever may not answer is refused.
func TestTheWalkTakesOtherWaysInABrowser(t *testing.T) {
	t.Parallel()
	x := openDetour(t)
	late := x.late() // before the browser, whose open pages would lose the server
	x.people()

	anew := x.askedAnew(late)
	x.refusedFor(you, anew, "nobody answers what they asked for")
	x.b.does(act{Do: "answer", Who: ana, Plan: anew, Verdict: writ.Reject, Verified: true})
	x.is(anew, writ.PlanRejected, 1)

	plan := x.wants("more", replicas(4), writ.PlanWaiting).Plan
	x.refusedFor(rob, plan, "")
	x.refusedFor(eve, plan, "")
	x.moves(plan)
}

func openDetour(t *testing.T) *detour {
	t.Helper()
	x := &detour{halting: &halting{}}
	var origin string
	x.counter = prepareShop(t, func(c *counter, o *setup.Options) {
		u, err := url.Parse("http://" + o.Listen)
		must(t, err)
		origin = "http://localhost:" + u.Port()
		x.wire = install.NewWire(t, c.shop)
		o.Targets = []setup.Target{install.ShopAt(t, c.shop, x.wire.URL, "shop")}
		o.People = append(o.People, setup.Person{Sub: eve, Groups: []string{"payments"}})
		o.Playbooks = append(o.Playbooks, []byte(more))
	})
	x.edit(func(c *config.Server) {
		c.Approve = &config.Approve{Origin: origin}
		c.PlanLife = config.Duration(15 * time.Second)
		c.Limits = &config.Limits{Attempts: 100, AttemptsPerObject: 100}
	})
	x.start()
	x.bad()
	return x
}

// late asks for a plan that nobody answers in time, and lets the plans after it wait longer.
func (x *detour) late() writ.PlanID {
	x.t.Helper()
	plan := x.wants("more", replicas(5), writ.PlanWaiting).Plan
	await(x.t, "the end of the plan's time", func() (bool, string) {
		p, err := x.person.Plan(x.t.Context(), plan)
		must(x.t, err)
		return p.State == writ.PlanExpired, string(p.State)
	})
	x.procs["server"].kill()
	x.edit(func(c *config.Server) { c.PlanLife = config.Duration(install.PlanLife) })
	x.startServer()
	x.awaitRunner()
	return plan
}

// people opens the browser, in which everybody logs in, and those who may answer enrol passkeys.
func (x *detour) people() {
	x.t.Helper()
	u, err := url.Parse(x.url)
	must(x.t, err)
	x.b = newChromium(x.t, x.url, "http://localhost:"+u.Port())
	for _, who := range []string{you, ana, rob, eve} {
		x.b.does(act{Do: "login", Who: who, Key: x.tokenOf(who)})
	}
	x.enrols(you, ana)
	x.enrols(ana, you)
	x.enrols(rob, you)
}

// enrols makes a passkey of a person, confirmed by another, and signs it in at the runner.
func (x *detour) enrols(who, by string) (fingerprint string) {
	x.t.Helper()
	fingerprint = x.makes(who)
	x.confirms(by, fingerprint)
	return fingerprint
}

// makes has a person make a passkey, which waits for somebody who confirms it.
func (x *detour) makes(who string) (fingerprint string) {
	x.t.Helper()
	got := x.b.does(act{Do: "enrol", Who: who, Verified: true})
	for _, p := range fingerprints.FindAllString(got.Page, -1) {
		if !strings.Contains(x.known, p) {
			fingerprint = p
		}
	}
	if fingerprint == "" {
		x.t.Fatalf("%s\n%s", got.Told, got.Page)
	}
	x.known += fingerprint + "\n"
	return fingerprint
}

// confirms has somebody confirm what they were told, and the owners of the trust files sign it in.
func (x *detour) confirms(by, fingerprint string) {
	x.t.Helper()
	x.b.does(act{Do: "confirm", Who: by, Fingerprint: fingerprint})
	x.signIn(x.wantCLI(x.t, 0, you, "approver", "export").out)
}

// is demands a plan's state and how many have answered it.
func (x *detour) is(id writ.PlanID, want writ.PlanState, answers int) writ.PlanStatus {
	x.t.Helper()
	p, err := x.person.Plan(x.t.Context(), id)
	must(x.t, err)
	if p.State != want || len(p.Approvals) != answers {
		x.t.Fatalf("the plan is %s with %d answers, want %s with %d: %s", p.State, len(p.Approvals), want, answers, p.Detail)
	}
	return p
}

// askedAnew demands that a plan that is over has no buttons and offers one new plan, which then waits.
func (x *detour) askedAnew(over writ.PlanID) writ.PlanID {
	x.t.Helper()
	got := x.b.does(act{Do: "look", Who: you, Path: "/plans/" + string(over), Until: "Ask anew"})
	if strings.Contains(got.Page, "with a passkey") || strings.Contains(got.Page, "writ approve") || strings.Contains(got.Page, "Your answer") || strings.Count(got.Page, "Ask anew") != 1 {
		x.t.Errorf("a plan that is over is offered as\n%s", got.Page)
	}
	got = x.b.does(act{Do: "reopen", Who: ana, Path: "/approve/" + string(over)})
	if strings.Contains(got.Page, "Your answer") {
		x.t.Errorf("a plan that is over can be answered:\n%s", got.Page)
	}
	got = x.b.does(act{Do: "look", Who: you, Press: "Ask anew", Until: "Your answer"})
	_, name, _ := strings.Cut(got.Told, "/plans/")
	id, err := writ.ParsePlanID(name)
	must(x.t, err)
	if id == over {
		x.t.Fatal("it is the same plan")
	}
	x.is(id, writ.PlanWaiting, 0)
	return id
}

// refusedFor demands that a person's answer is not taken.
func (x *detour) refusedFor(who string, plan writ.PlanID, told string) {
	x.t.Helper()
	got := x.b.does(act{Do: "answer", Who: who, Plan: plan, Verdict: writ.Approve, Verified: true, Wrong: true})
	if !strings.HasPrefix(got.Told, "Not done: ") || !strings.Contains(got.Told, told) {
		x.t.Errorf("%s was told %q, want %q", who, got.Told, told)
	}
	x.is(plan, writ.PlanWaiting, 0)
}

// moves has the world move under a plan that is then approved: nothing runs, and it is asked for anew.
func (x *detour) moves(plan writ.PlanID) {
	x.t.Helper()
	must(x.t, x.shop.Scale(storefront.Checkout, 3, "somebody"))
	x.b.does(act{Do: "answer", Who: you, Plan: plan, Verdict: writ.Approve, Verified: true})
	await(x.t, "the plan to be stale", func() (bool, string) {
		p, err := x.person.Plan(x.t.Context(), plan)
		must(x.t, err)
		return p.State == writ.PlanStale, string(p.State) + " " + p.Detail
	})
	x.b.does(act{Do: "look", Who: you, Path: "/plans/" + string(plan), Until: "The world moved."})
	if changes := x.wire.Changes(); len(changes) != 0 {
		x.t.Errorf("changes were made: %v", changes)
	}
	next := x.askedAnew(plan)
	x.b.does(act{Do: "look", Who: you, Path: "/plans/" + string(next), Press: "Withdraw", Until: "withdrawn"})
}
