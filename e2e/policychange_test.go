package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/verify"
)

// decided waits until a plan is decided, and returns it as people see it.
func (g *governed) decided(ctx context.Context, server int, id writ.PlanID) (writ.PlanStatus, error) {
	for {
		p, err := g.people[server].Plan(ctx, id)
		if err == nil && p.State != writ.PlanPlanning || err != nil && !away(err) {
			return p, err
		}
		select {
		case <-ctx.Done():
			return p, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// proposed has the repairing agent ask, and waits until the plan waits for this many owners.
func (g *governed) proposed(ask writ.Ask, owners int) writ.PlanStatus {
	g.t.Helper()
	p := anyone(g.fleet, "the proposal", func(ctx context.Context, i int) (writ.PlanStatus, error) { return g.repairs[i].Propose(ctx, ask) })
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	p, err := g.decided(ctx, 0, p.ID)
	must(g.t, err)
	if p.State != writ.PlanWaiting || p.Needs.Approvals["owner"] != owners {
		g.t.Fatalf("%s %+v %s", p.State, p.Needs, p.Detail)
	}
	return p
}

// A tally is what agents were answered while a set came into force.
type tally struct {
	sync.Mutex
	t      *testing.T
	heard  map[writ.Digest]map[int]int // by set: how many owners it asked for, and how often
	seen   []map[writ.Digest]int       // by server
	strays int                         // plans that another set overtook
}

func (a *tally) answered(server int, p writ.PlanStatus) {
	a.Lock()
	defer a.Unlock()
	switch {
	case p.Decision == nil || p.Decision.Policy.IsZero():
		a.t.Errorf("server %d: a plan is %s (%s) and no set decided it", server, p.State, p.Reason)
	case p.State == writ.PlanStale && p.Reason == writ.ReasonPolicyStale:
		a.strays++
	case p.State != writ.PlanWaiting:
		a.t.Errorf("server %d: %s %s %s", server, p.State, p.Reason, p.Detail)
	default:
		if a.heard[p.Decision.Policy] == nil {
			a.heard[p.Decision.Policy] = map[int]int{}
		}
		a.heard[p.Decision.Policy][p.Needs.Approvals["owner"]]++
		a.seen[server][p.Decision.Policy]++
	}
}

// by waits until both servers have decided by a set.
func (a *tally) by(set writ.Digest) {
	a.t.Helper()
	await(a.t, "both servers to decide by the set", func() (bool, string) {
		a.Lock()
		defer a.Unlock()
		return a.t.Failed() || a.seen[0][set] > 0 && a.seen[1][set] > 0, fmt.Sprint(a.seen)
	})
}

// away reports whether an error is one of a server that was killed, or of two that are asked the same at once.
func away(err error) bool {
	return err != nil && (errors.Is(err, writ.ErrUnavailable) || errors.Is(err, writ.ErrBusy) || errors.Is(err, writ.ErrConflict) || errors.Is(err, context.DeadlineExceeded) || writ.ReasonOf(err) == "")
}

// pace is how long an agent rests between two asks: enough of them meet each moment of a change that takes seconds.
const pace = 100 * time.Millisecond

// asking has the agents ask for repairs of the first shop at one server until stop, each in an incident of its own.
func (g *governed) asking(ctx context.Context, server int, stop <-chan struct{}, to *tally) error {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
		call, cancel := context.WithTimeout(ctx, 20*time.Second)
		p, err := g.askedOnce(call, server, fmt.Sprintf("asking-%d-%d", server, n))
		cancel()
		if err == nil {
			to.answered(server, p)
		} else if writ.ReasonOf(err) != writ.ReasonStorm && !away(err) {
			return err
		}
	}
}

// askedOnce is one ask at one server, from the alert to its decision, taken back afterwards.
func (g *governed) askedOnce(ctx context.Context, server int, group string) (p writ.PlanStatus, err error) {
	alert := install.Alert{Name: "Errors", Service: "checkout-east", Severity: "error", Group: group}
	in, err := g.alerts[server].Alert(ctx, install.Webhook(g.t, alert))
	if err != nil {
		return p, err
	}
	alert.Resolved = true
	defer func() { _, _ = g.alerts[server].Alert(ctx, install.Webhook(g.t, alert)) }() // as well as it can be told
	e, _, err := g.watchers[server].Observe(ctx, in.ID, "httpapi/service.status", "httpapi://east", writ.Parameters{"service": writ.String("checkout")})
	if err != nil {
		return p, err
	}
	p, err = g.repairs[server].Propose(ctx, writ.Ask{
		Incident: in.ID, Playbook: "put-back", Evidence: []writ.EvidenceID{e.ID}, Because: "it began with v42",
		Parameters: writ.Parameters{"service": writ.String("checkout"), "to": writ.String("v41")},
	})
	if err != nil {
		return p, err
	}
	if p, err = g.decided(ctx, server, p.ID); err != nil {
		return p, err
	}
	_, err = g.repairs[server].Withdraw(ctx, p.ID, "only asking")
	if away(err) { // the set that has just come into force has ended it
		err = nil
	}
	return p, err
}

// edits breaks the directory of the first set by hand, and demands that the set in force stays at every server, with an alarm.
func (g *governed) edits(version int64) {
	t := g.t
	t.Helper()
	file := filepath.Join(g.in.Dir, "policies", "grants", "mutate.cedar")
	if _, err := os.Stat(file); err == nil {
		t.Fatalf("%s is part of the set", file)
	}
	write(t, file, []byte("@id(\"grants/all\")\n@reason(\"Everything.\")\npermit (principal, action in Action::\"mutate\", resource is Service);\n"))
	for i, c := range g.people {
		await(t, "the alarm", func() (bool, string) {
			st, err := c.Status(t.Context())
			return err == nil && st.PolicyProblem != "" && st.PolicyVersion == version, fmt.Sprint(st.PolicyVersion, st.PolicyProblem, err)
		})
		if m := g.metrics(i); !strings.Contains(m, "\nwrit_policy_refused 1") {
			t.Errorf("server %d does not measure it", i)
		}
	}
}

// inForceAlways demands that each decision of the ledger was taken by the set that was in force at its place, each of which
// people approved but the first, and returns how many decisions there are of each.
func (g *governed) inForceAlways(sets ...writ.Digest) map[writ.Digest]int {
	t := g.t
	t.Helper()
	of := map[writ.Digest]int{}
	var now writ.Digest
	var from int64
	for {
		page := anyone(g.fleet, "the ledger", func(ctx context.Context, i int) (out []writ.Entry, err error) {
			out, _, err = g.people[i].Entries(ctx, from, writ.MaxPage)
			return out, err
		})
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			e, err := ledger.Open(p.Leaf)
			must(t, err)
			switch b := e.Body.(type) {
			case *writ.PolicyBody:
				if now = b.Policy; len(sets) == 0 || !b.Policy.Equal(sets[0]) || (b.Version > 1) != (b.Change != "") {
					t.Fatalf("version %d came into force by change %q; still to come are %v", b.Version, b.Change, sets)
				}
				sets = sets[1:]
			case *writ.DecisionBody:
				if of[b.Policy]++; !b.Policy.Equal(now) {
					t.Errorf("entry %d: %s was decided by %s, and %s was in force", from, b.Decision, b.Policy, now)
				}
			}
			from++
		}
	}
	if len(sets) != 0 {
		t.Errorf("never in force: %v", sets)
	}
	return of
}

// TestPitfall08ASetIsPublishedWhileAgentsAskAtEveryReplica publishes a stricter set through whole processes while agents ask
// at both replicas all the time and one of them is killed, and puts the older one back under a new version. Each answer comes
// from the set that was in force just then, and there always is one. A plan that waits is decided again by the set that comes
// into force; a word that was given to the older set is not used. A set that somebody edits by hand is refused. The ledger of it
// verifies offline, and one in which a set's entry was changed does not.
func TestPitfall08ASetIsPublishedWhileAgentsAskAtEveryReplica(t *testing.T) {
	t.Parallel()
	g := newGoverned(t)
	// What waits for one owner in the west; the owner signs, and does not send it yet.
	ask := g.broken(1)
	asked := g.proposed(ask, 1)
	asked, statement, signature := g.holds(asked.ID)
	was := asked.Decision.Policy

	must(t, g.shops[0].Deploy("checkout", "v42", "pipeline"))
	answers := &tally{t: t, heard: map[writ.Digest]map[int]int{}, seen: []map[writ.Digest]int{{}, {}}}
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range g.servers {
		all.Go(func() {
			if err := g.asking(t.Context(), i, stop, answers); err != nil {
				t.Errorf("server %d: %v", i, err)
			}
		})
	}
	quiet := sync.OnceFunc(func() { close(stop); all.Wait() })
	defer quiet()
	answers.by(was)
	change := g.publish(g.signed("next", 2, strictSet, closing), func() {
		g.servers[1].kill() // in the middle of asks, with one approval given
		g.startServer(1)
	})
	strict := change.Change.Next.Policy
	answers.by(strict)
	quiet()
	if len(answers.heard) != 2 || len(answers.heard[was]) != 1 || answers.heard[was][1] == 0 || len(answers.heard[strict]) != 1 || answers.heard[strict][2] == 0 {
		t.Errorf("answers by set and owners asked for: %v", answers.heard)
	}
	if !change.Change.Base.Policy.Equal(was) || change.Change.Simulation.Decisions == 0 || len(change.Change.Signers) != 2 {
		t.Errorf("%+v", change.Change)
	}
	t.Logf("answers %v; %d plans were overtaken", answers.heard, answers.strays)
	g.ready(1)

	// The plan that waited is decided again by the set in force, which denies it. The word for the older set is not used, at
	// either server.
	for i, c := range g.people {
		await(t, "the word for the older set to be refused", func() (bool, string) {
			_, err := c.Approve(t.Context(), asked.ID, asked.Digest, statement, signature, "")
			if err == nil {
				t.Fatal("the word for the older set was taken")
			}
			return slices.Contains([]writ.Reason{writ.ReasonApprovalMismatch, writ.ReasonApprovalExpired}, writ.ReasonOf(err)), err.Error()
		})
		await(t, "the plan to be decided again", func() (bool, string) {
			p, err := g.people[1-i].Plan(t.Context(), asked.ID)
			return err == nil && p.State == writ.PlanDenied && p.Reason == writ.ReasonLimit && p.Decision.Policy.Equal(strict) && p.Run == "" && len(p.Approvals) == 0,
				fmt.Sprint(p.State, p.Reason, len(p.Approvals), err)
		})
	}
	g.does(3, "approve", string(asked.ID), "--digest", asked.Digest.String(), "--sk", "--key", g.ring.public[you], "--config", g.at(1, you))
	must(t, g.shops[1].Deploy("checkout", "v41", "pipeline"))
	g.edits(2)

	// Under the stricter set a repair in the east waits for two. The older set comes back under a new version, and the plan is
	// decided by it when it is made anew.
	ask = g.broken(0)
	two := g.proposed(ask, 2)
	back := filepath.Join(g.in.Dir, "back")
	g.does(0, "policy", "fetch", "1", back, "--config", g.at(1, you))
	g.sign(back, 3)
	if s := g.publish(back, nil); s.Change.Restores != 1 || !s.Change.Next.Policy.Equal(was) {
		t.Errorf("restores %d", s.Change.Restores)
	}
	for i, c := range g.people {
		await(t, "version 3 at server "+fmt.Sprint(i), func() (bool, string) {
			st, err := c.Status(t.Context())
			return err == nil && st.PolicyVersion == 3 && st.PolicyProblem != "", fmt.Sprint(st.PolicyVersion, st.PolicyProblem, err)
		})
		await(t, "the plan that waits for two to end", func() (bool, string) {
			p, err := c.Plan(t.Context(), two.ID)
			return err == nil && p.State == writ.PlanStale && p.Reason == writ.ReasonPolicyStale && p.Decision.Policy.Equal(was), fmt.Sprint(p.State, p.Reason, err)
		})
	}
	p, before := g.proposed(ask, 1), g.shops[0].Changes()
	if p.ID == two.ID || !p.Decision.Policy.Equal(was) {
		t.Errorf("%s was decided by %s", p.ID, p.Decision.Policy)
	}
	g.does(0, "approve", string(p.ID), "--digest", p.Digest.String(), "--sk", "--key", g.ring.public[you], "--config", g.at(1, you))
	g.ended(0, p.ID, before)
	if of := g.inForceAlways(was, strict, was); of[was] == 0 || of[strict] == 0 {
		t.Errorf("decisions by set: %v", of)
	}
	g.whole()
	g.altered()
}

// altered demands that a changed entry of a set in force is found offline.
func (g *governed) altered() {
	t := g.t
	t.Helper()
	raw := anyone(g.fleet, "the export", func(ctx context.Context, i int) ([]byte, error) { return g.people[i].Export(ctx, "") })
	tr, err := verify.ParseTrust(read(t, g.in.Verify))
	must(t, err)
	b, err := ledger.ParseBundle(raw)
	must(t, err)
	changed := 0
	for i, e := range b.Entries {
		opened, err := ledger.Open(e.Leaf)
		must(t, err)
		if opened.Record.Kind != writ.EntryPolicy {
			continue
		}
		was := e.Leaf
		b.Entries[i].Leaf = bytes.Clone(was)
		b.Entries[i].Leaf[len(was)/3] ^= 1
		out, err := b.Bytes()
		must(t, err)
		report, err := verify.Bundle(bytes.NewReader(out), tr)
		if err == nil && report.Altered.Verdict != verify.Violated {
			t.Errorf("entry %d of a policy set was changed, and nothing is found", i)
		}
		b.Entries[i].Leaf, changed = was, changed+1
	}
	if changed != 3 {
		t.Errorf("%d sets came into force", changed)
	}
	if _, err := os.Stat(filepath.Join(g.in.Dir, "next", policy.FileSignature)); err != nil {
		t.Error(err)
	}
}
