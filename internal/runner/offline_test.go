package runner_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/approval/approvaltest"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/runner"
	"github.com/writ-dev/writ/internal/trust"
)

// glass gives a world an emergency playbook of two steps, an emergency section that takes two of ann, bob and dan with
// security keys, of which ann has two, and eve of another team.
type glass struct {
	*world
	keys   map[string]*approvaltest.Key
	source []byte
}

const inEmergency = "emergency"

func glassWorld(w *world) *glass {
	w.t.Helper()
	g := &glass{world: w, keys: map[string]*approvaltest.Key{}, source: []byte(strings.Replace(book(inEmergency, "T2", "inverse", "replace a", "replace b"), "plane:", "emergency: true\nplane:", 1))}
	key := func(name string) string {
		k, err := approvaltest.NewKey(rand.Reader, approvaltest.Touched|approvaltest.Verified)
		must(w.t, err)
		g.keys[name] = k
		return k.Line()
	}
	ann, bob := &w.trust.Approvers[0], &w.trust.Approvers[1]
	ann.Keys, bob.Keys = append(ann.Keys, key("ann"), key("ann again")), append(bob.Keys, key("bob"))
	w.trust.Approvers = append(w.trust.Approvers,
		approval.Member{Iss: "https://idp.test", Sub: "dan", Groups: []string{"shop"}, Keys: []string{key("dan")}},
		approval.Member{Iss: "https://idp.test", Sub: "eve", Groups: []string{"search"}, Keys: []string{key("eve")}},
	)
	key("nobody")
	w.trust.Ceiling.Emergency = &trust.Emergency{
		Playbooks: []writ.PlaybookRef{g.ref()}, AskProof: writ.ProofC, MaxObjects: 2, MaxPermille: 1000, RunsPerHour: 3,
		Quorum:  map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofD}},
		Offline: &trust.Offline{Approvals: 2, Scopes: []trust.Scope{{Service: service, Environment: "prod", Locations: scope}}},
	}
	w.sign()
	w.change = func(c *runner.Config) { c.Emergency = map[string][]byte{inEmergency: g.source} }
	return g
}

func (g *glass) ref() writ.PlaybookRef {
	pb, digest, err := playbook.Parse(g.source)
	must(g.t, err)
	return writ.PlaybookRef{Name: pb.Name, Version: pb.Version, Digest: digest}
}

// down cuts the control plane off, and waits until what was last heard of it is old; up brings it back.
func (g *glass) down() {
	g.control.mu.Lock()
	g.control.Deaf = true
	close(g.control.changed)
	g.control.changed = make(chan struct{})
	g.control.mu.Unlock()
	g.control.on(func(string) error { return writ.ErrUnavailable })
	time.Sleep(time.Minute)
}

func (g *glass) up() {
	g.control.mu.Lock()
	g.control.Deaf = false
	g.control.mu.Unlock()
	g.control.on(func(string) error { return nil })
}

func (g *glass) planOffline(r *runner.Runner) runner.OfflineRequest {
	g.t.Helper()
	q, err := r.PlanOffline(context.Background(), runner.OfflineAsk{Service: service, Playbook: inEmergency, Parameters: parameters})
	must(g.t, err)
	return q
}

// signed is a request with the signatures of these keys.
func (g *glass) signed(statement []byte, by ...string) runner.OfflineAnswer {
	g.t.Helper()
	a := runner.OfflineAnswer{Statement: statement}
	for _, name := range by {
		sig, err := approval.SignOffline(statement, g.keys[name], rand.Reader)
		must(g.t, err)
		a.Signatures = append(a.Signatures, sig)
	}
	return a
}

func (g *glass) over(r *runner.Runner, id writ.RunID) runner.OfflineRun {
	g.t.Helper()
	var out runner.OfflineRun
	g.until("the end of the offline run", func() bool {
		var err error
		out, err = r.OfflineRun(context.Background(), id)
		must(g.t, err)
		return out.Ended
	})
	return out
}

func glassBubble(t *testing.T, f func(t *testing.T, g *glass)) {
	t.Helper()
	bubble(t, func(t *testing.T, w *world) { f(t, glassWorld(w)) })
}

func TestI01OfflineBreakGlassIsJournalledAndDeliveredOnReturn(t *testing.T) {
	glassBubble(t, func(t *testing.T, g *glass) {
		r := g.start()
		g.down()
		q := g.planOffline(r)
		before, err := r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob"))
		must(t, err)
		end := g.over(r, before.Run)
		if end.State != writ.RunSucceeded || end.Applied != 2 || g.target.values() != "new new old" || !end.Waiting {
			t.Fatalf("%+v, values %s", end, g.target.values())
		}
		g.allDead()
		if n := len(g.control.entries()); n != 1 { // the genesis
			t.Fatalf("the ledger of a control plane that is down has %d entries", n)
		}
		var plans [][]byte
		g.control.Seen = func(d assignment.Delivery) {
			for _, part := range append([]assignment.Delivery{d}, d.Also...) {
				if part.Plan != nil {
					plans = append(plans, part.Plan)
				}
			}
		}
		g.up()
		g.until("the delivery", func() bool {
			now, err := r.OfflineRun(context.Background(), before.Run)
			must(t, err)
			return !now.Waiting
		})
		const want = "breakglass.offline lease step.intent step.effect=applied step.intent step.effect=applied revoke probe="
		if got := g.kinds(); !strings.HasPrefix(got, want) || !strings.Contains(got, "run=succeeded") {
			t.Errorf("entries %s", got)
		}
		body, ok := g.control.entries()[1].Body.(*writ.OfflineBody)
		if !ok || body.PlanDigest != q.Digest || len(body.Signatures) != 2 || body.Quorum != 2 || len(plans) == 0 || !writ.DigestOf(plans[0]).Equal(q.Digest) {
			t.Errorf("the first entry: %+v, with %d plans", body, len(plans))
		}
		calls, most := g.target.calls()
		if calls != 2 || most != 1 {
			t.Errorf("%d calls, one of them %d times", calls, most)
		}
	})
}

func TestPitfall36TheOfflineQuorumIsOfDifferentPeopleOverOnePlanOfThisRunner(t *testing.T) {
	glassBubble(t, func(t *testing.T, g *glass) {
		r := g.start()
		g.down()
		q := g.planOffline(r)
		s, err := writ.ParseOfflineStatement(q.Statement)
		must(t, err)
		changed := func(f func(*writ.OfflineStatement)) []byte {
			c := s
			f(&c)
			b, err := c.Bytes()
			must(t, err)
			return b
		}
		plain := g.signed(q.Statement, "ann")
		sig, err := approval.SignOffline(q.Statement, g.people["bob"], rand.Reader)
		must(t, err)
		plain.Signatures = append(plain.Signatures, sig)
		untouched, err := approvaltest.NewKey(rand.Reader, approvaltest.Touched)
		must(t, err)
		weak := g.signed(q.Statement, "ann")
		noPIN, err := approval.SignOffline(q.Statement, untouched, rand.Reader)
		must(t, err)
		weak.Signatures = append(weak.Signatures, noPIN)
		for name, c := range map[string]struct {
			answer runner.OfflineAnswer
			want   writ.Reason
		}{
			"nobody":                    {g.signed(q.Statement), writ.ReasonOfflineQuorum},
			"k-1":                       {g.signed(q.Statement, "ann"), writ.ReasonOfflineQuorum},
			"one person with two keys":  {g.signed(q.Statement, "ann", "ann again"), writ.ReasonOfflineSigner},
			"one signature twice":       {g.signed(q.Statement, "ann", "ann"), writ.ReasonOfflineSigner},
			"a stranger":                {g.signed(q.Statement, "ann", "nobody"), writ.ReasonOfflineSigner},
			"somebody of another team":  {g.signed(q.Statement, "ann", "eve"), writ.ReasonOfflineSigner},
			"a plain key":               {plain, writ.ReasonApprovalProof},
			"a key without its PIN":     {weak, writ.ReasonApprovalProof},
			"another runner's nonce":    {g.signed(changed(func(s *writ.OfflineStatement) { s.Runner = "spiffe://writ.test/runner/other" }), "ann", "bob"), writ.ReasonOfflineNonce},
			"an unknown nonce":          {g.signed(changed(func(s *writ.OfflineStatement) { s.Nonce = "0123456789012345678901" }), "ann", "bob"), writ.ReasonOfflineNonce},
			"an unknown plan":           {g.signed(changed(func(s *writ.OfflineStatement) { s.Plan = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB" }), "ann", "bob"), writ.ReasonOfflineNonce},
			"another digest":            {g.signed(changed(func(s *writ.OfflineStatement) { s.PlanDigest = writ.DigestOf(nil) }), "ann", "bob"), writ.ReasonBreakGlassMismatch},
			"a longer life":             {g.signed(changed(func(s *writ.OfflineStatement) { s.Expires = s.Expires.Add(time.Hour) }), "ann", "bob"), writ.ReasonBreakGlassMismatch},
			"signed for something else": {runner.OfflineAnswer{Statement: q.Statement, Signatures: g.signed(changed(func(s *writ.OfflineStatement) { s.Expires = s.Expires.Add(time.Second) }), "ann", "bob").Signatures}, writ.ReasonApprovalSignature},
			"no statement":              {runner.OfflineAnswer{Statement: []byte("{}"), Signatures: g.signed(q.Statement, "ann", "bob").Signatures}, writ.ReasonBreakGlassForm},
		} {
			if _, err := r.RunOffline(context.Background(), c.answer); writ.ReasonOf(err) != c.want {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		good := g.signed(q.Statement, "bob", "dan")
		run, err := r.RunOffline(context.Background(), good)
		must(t, err)
		_, err = r.RunOffline(context.Background(), good)
		if writ.ReasonOf(err) != writ.ReasonBreakGlassReplayed {
			t.Errorf("a reused nonce: %v", err)
		}
		g.over(r, run.Run)
		_, err = r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob"))
		if writ.ReasonOf(err) != writ.ReasonBreakGlassReplayed {
			t.Errorf("a nonce that was reused after its run, by others: %v", err)
		}
		if calls, most := g.target.calls(); calls != 2 || most != 1 {
			t.Errorf("%d calls, one of them %d times", calls, most)
		}
	})
}

func TestPitfall36AnOfflinePlanExpires(t *testing.T) {
	glassBubble(t, func(t *testing.T, g *glass) {
		r := g.start()
		g.down()
		q := g.planOffline(r)
		if time.Until(q.Expires) > writ.MaxOfflineLife {
			t.Errorf("it is good for %s", time.Until(q.Expires))
		}
		time.Sleep(writ.MaxOfflineLife)
		if _, err := r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob")); writ.ReasonOf(err) != writ.ReasonBreakGlassExpired {
			t.Errorf("after an hour: %v", err)
		}
	})
}

func TestOfflineBreakGlassKeepsTheRunnersOwnBounds(t *testing.T) {
	run := func(r *runner.Runner, g *glass, q runner.OfflineRequest) error {
		_, err := r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob"))
		return err
	}
	for name, c := range map[string]struct {
		change func(g *glass)
		want   writ.Reason
	}{
		"no emergency section":       {func(g *glass) { g.trust.Ceiling.Emergency = nil }, writ.ReasonOfflineMissing},
		"no offline section":         {func(g *glass) { g.trust.Ceiling.Emergency.Offline = nil }, writ.ReasonOfflineMissing},
		"a playbook no longer there": {func(g *glass) { g.trust.Ceiling.Emergency.Playbooks[0].Digest = writ.DigestOf(nil) }, writ.ReasonPlaybookUnpinned},
		"fewer objects":              {func(g *glass) { g.trust.Ceiling.Emergency.MaxObjects = 1 }, writ.ReasonOverCeiling},
		"another operation":          {func(g *glass) { g.trust.Ceiling.Operations = []writ.OperationName{"fake/thing.set"} }, writ.ReasonOverCeiling},
		"three people":               {func(g *glass) { g.trust.Ceiling.Emergency.Offline.Approvals = 3 }, writ.ReasonOfflineQuorum},
		"an expired trust file":      {func(g *glass) { g.trust.Expires = writ.Instant(time.Now()) }, writ.ReasonTrustExpired},
	} {
		t.Run(name, func(t *testing.T) {
			glassBubble(t, func(t *testing.T, g *glass) {
				r := g.start()
				g.down()
				q := g.planOffline(r)
				g.trust.Version++
				c.change(g)
				g.sign()
				if err := run(r, g, q); writ.ReasonOf(err) != c.want {
					t.Errorf("%v, want %s", err, c.want)
				}
				if calls, _ := g.target.calls(); calls != 0 || g.target.mints != 0 {
					t.Errorf("%d calls, %d leases", calls, g.target.mints)
				}
			})
		})
	}
}

// A busy hour does not bar break-glass, and break-glass does not go on for an hour.
func TestBreakGlassHasARateOfItsOwn(t *testing.T) {
	glassBubble(t, func(t *testing.T, g *glass) {
		r := g.start()
		for range g.trust.Ceiling.Emergency.RunsPerHour {
			if end := g.execute(g.grant(g.planned("one"))); end.State != writ.RunSucceeded {
				t.Fatalf("%+v", end)
			}
			g.target.reset()
		}
		g.down()
		for range g.trust.Ceiling.Emergency.RunsPerHour {
			q := g.planOffline(r)
			run, err := r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob"))
			must(t, err)
			g.over(r, run.Run)
			g.allDead()
			g.target.reset()
		}
		q := g.planOffline(r)
		if _, err := r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob")); writ.ReasonOf(err) != writ.ReasonOverCeiling {
			t.Errorf("one more: %v", err)
		}
	})
}

func TestI18OfflineBreakGlassObeysTheNewestFreezeThatIsKnown(t *testing.T) {
	glassBubble(t, func(t *testing.T, g *glass) {
		r := g.start()
		g.control.freeze(assignment.Freeze{Scope: writ.FreezeService, Value: service})
		time.Sleep(time.Second)
		g.down()
		q := g.planOffline(r)
		if _, err := r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob")); writ.ReasonOf(err) != writ.ReasonFrozen {
			t.Errorf("%v", err)
		}
	})
}

func TestI01TheWayAroundTheLedgerIsClosedWhileTheControlPlaneAnswers(t *testing.T) {
	glassBubble(t, func(t *testing.T, g *glass) {
		r := g.start()
		time.Sleep(time.Second)
		_, err := r.PlanOffline(context.Background(), runner.OfflineAsk{Service: service, Playbook: inEmergency, Parameters: parameters})
		if writ.ReasonOf(err) != writ.ReasonControlReachable {
			t.Errorf("a plan: %v", err)
		}
		g.down()
		q := g.planOffline(r)
		g.up()
		time.Sleep(time.Minute)
		if _, err := r.RunOffline(context.Background(), g.signed(q.Statement, "ann", "bob")); writ.ReasonOf(err) != writ.ReasonControlReachable {
			t.Errorf("a run: %v", err)
		}
	})
}

// An emergency playbook is nothing else's, and other playbooks are not break-glass's.
func TestEmergencyPlaybooksAreForBreakGlassAlone(t *testing.T) {
	glassBubble(t, func(t *testing.T, g *glass) {
		g.start()
		playbooks := func(name string, source []byte, emergency *writ.Emergency) writ.Reason {
			a := g.propose("one", func(p *assignment.Planning) {
				p.Playbook = source
				var prp writ.Proposal
				must(t, canon.Parse(p.Proposal, &prp))
				pb, digest, err := playbook.Parse(source)
				must(t, err)
				prp.Playbook, prp.Emergency = writ.PlaybookRef{Name: pb.Name, Version: pb.Version, Digest: digest}, emergency
				b, err := canon.Marshal(prp)
				must(t, err)
				p.Proposal, p.ProposalLeaf = b, writ.DigestOf(b)
			})
			if a.Planned != nil {
				t.Errorf("%s was planned", name)
				return ""
			}
			return a.Refused.Code
		}
		mark := &writ.Emergency{ID: "bgl_01JDB4A2Q7N5S3J8E6X0F4G1MB", Ask: writ.DigestOf(nil)}
		if got := playbooks("an emergency playbook in the ordinary way", g.source, nil); got != writ.ReasonBreakGlass {
			t.Errorf("got %s", got)
		}
		if got := playbooks("an ordinary playbook as break-glass", []byte(tierOne), mark); got != writ.ReasonBreakGlass {
			t.Errorf("got %s", got)
		}
		other := []byte(strings.Replace(string(g.source), "title: Set", "title: Change", 1))
		if got := playbooks("another content", other, mark); got != writ.ReasonPlaybookUnpinned {
			t.Errorf("got %s", got)
		}
	})
}

var tierOne = playbooks["one"]

// A kill at every point between the acceptance and the end of an offline run: the next process never makes a call again,
// and never accepts the same nonce.
func TestPitfall36AKillNeverRunsAnOfflinePlanTwice(t *testing.T) {
	for n := 1; ; n++ {
		more := false
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.stop()
			g := glassWorld(w)
			left, answer, run := g.crashOffline(t, n)
			if left == nil {
				return
			}
			more = true
			sent, _ := left.target.calls()
			after := &glass{world: left, keys: g.keys, source: g.source}
			after.down()
			r := after.start()
			defer after.stop()
			_, err := r.RunOffline(context.Background(), answer)
			if accepted := writ.ReasonOf(err) == writ.ReasonBreakGlassReplayed; !accepted {
				if err != nil || sent > 0 { // killed before the commit point: it runs once, now
					t.Errorf("point %d: the nonce again after %d calls: %v", n, sent, err)
				}
				run = left.offlineRun(t, answer)
			}
			end := after.over(r, run)
			calls, most := left.target.calls()
			if most > 1 || sent > 0 && calls > sent {
				t.Errorf("point %d: %d calls before the kill, %d after it, one of them %d times", n, sent, calls, most)
			}
			if end.State == writ.RunUncertain {
				t.Errorf("point %d: %+v", n, end)
			}
			left.allDead()
		})
		if !more {
			if n < 15 {
				t.Errorf("only %d points", n)
			}
			return
		}
		n += stride() - 1
	}
}

// offlineRun is the run of an answer's plan.
func (w *world) offlineRun(t *testing.T, a runner.OfflineAnswer) writ.RunID {
	s, err := writ.ParseOfflineStatement(a.Statement)
	must(t, err)
	kept, err := w.journal.Plan(context.Background(), s.Plan)
	must(t, err)
	p, _, err := writ.ParsePlan(kept.Bytes)
	must(t, err)
	return writ.RunID("run_" + strings.TrimPrefix(string(p.Emergency.ID), "bgl_"))
}

// crashOffline lets a runner live until the n-th look at the clock or call of its target since signatures came in, and
// returns what is left of its world then.
func (g *glass) crashOffline(t *testing.T, n int) (left *world, answer runner.OfflineAnswer, run writ.RunID) {
	var look atomic.Pointer[func(string)]
	g.now = func() time.Time {
		if f := look.Load(); f != nil {
			(*f)("clock")
		}
		return time.Now()
	}
	r := g.start()
	g.down()
	q := g.planOffline(r)
	answer = g.signed(q.Statement, "ann", "bob")
	run = g.offlineRun(t, answer)
	dir, count, over := t.TempDir(), 0, false
	var mu sync.Mutex
	gate := make(chan struct{})
	close(gate)
	hit := func(string) {
		mu.Lock()
		count++
		here, open := count == n, gate
		if here {
			gate = make(chan struct{})
			open = gate
		}
		mu.Unlock()
		if here {
			synctest.Wait()
			taken := g.snapshot(dir)
			mu.Lock()
			if !over {
				left = taken
			}
			mu.Unlock()
			close(open)
		}
		<-open
	}
	g.target.point = hit
	look.Store(&hit)
	if _, err := r.RunOffline(context.Background(), answer); err == nil {
		g.over(r, run)
	}
	look.Store(nil)
	mu.Lock()
	over = true // what is pictured from here on is the end
	open := gate
	mu.Unlock()
	<-open
	if left != nil {
		left.change = g.change
	}
	return left, answer, run
}

// The runner judges the ask of an online break-glass itself: a control plane that was stolen cannot make one up.
func TestPitfall34TheRunnerDemandsTheSignedAsk(t *testing.T) {
	for name, c := range map[string]struct {
		change func(g *glass, s *writ.BreakGlassStatement)
		bundle func(b *assignment.Bundle)
		key    string
		want   writ.Reason
	}{
		"the control case":  {nil, nil, "ann", ""},
		"no ask":            {nil, func(b *assignment.Bundle) { b.Asked = nil }, "ann", writ.ReasonBreakGlassMismatch},
		"another ask":       {nil, func(b *assignment.Bundle) { b.Asked.Signature += "\n" }, "ann", writ.ReasonBreakGlassMismatch},
		"a stranger's":      {nil, nil, "nobody", writ.ReasonApproverUnknown},
		"another person":    {func(_ *glass, s *writ.BreakGlassStatement) { s.Asker.Sub = "bob" }, nil, "bob", writ.ReasonBreakGlassMismatch},
		"another incident":  {func(g *glass, s *writ.BreakGlassStatement) { s.Incident = newID[writ.IncidentID](g.world, "inc") }, nil, "ann", writ.ReasonBreakGlassMismatch},
		"another service":   {func(_ *glass, s *writ.BreakGlassStatement) { s.Service = "search" }, nil, "ann", writ.ReasonBreakGlassMismatch},
		"another playbook":  {func(_ *glass, s *writ.BreakGlassStatement) { s.Playbook.Version++ }, nil, "ann", writ.ReasonBreakGlassMismatch},
		"another parameter": {func(_ *glass, s *writ.BreakGlassStatement) { s.Parameters = writ.DigestOf(nil) }, nil, "ann", writ.ReasonBreakGlassMismatch},
		"an ask that is over": {func(_ *glass, s *writ.BreakGlassStatement) {
			s.NotBefore, s.Expires = s.NotBefore.Add(-10*time.Minute), s.NotBefore
		}, nil, "ann", writ.ReasonBreakGlassExpired},
	} {
		t.Run(name, func(t *testing.T) {
			glassBubble(t, func(t *testing.T, g *glass) {
				g.start()
				digest, err := parameters.Digest()
				must(t, err)
				ann := writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.test", Sub: "ann"}
				var signed writ.Signed
				a := g.propose("one", func(p *assignment.Planning) {
					var prp writ.Proposal
					must(t, canon.Parse(p.Proposal, &prp))
					now := writ.Instant(time.Now())
					s := writ.BreakGlassStatement{
						Type: writ.BreakGlassType, Incident: prp.Incident, Service: service, Playbook: g.ref(), Parameters: digest, Asker: writ.Person{Iss: ann.Iss, Sub: ann.Sub},
						Nonce: "0123456789012345678901", NotBefore: now, Expires: now.Add(writ.MaxBreakGlassLife),
					}
					if c.change != nil {
						c.change(g, &s)
					}
					signed.Statement, err = s.Bytes()
					must(t, err)
					signed.Signature, err = approval.SignAsk(signed.Statement, g.keys[c.key], rand.Reader)
					must(t, err)
					ask, err := signed.Digest()
					must(t, err)
					p.Playbook = g.source
					prp.By, prp.Playbook, prp.Emergency = ann, g.ref(), &writ.Emergency{ID: newID[writ.BreakGlassID](g.world, "bgl"), Ask: ask}
					b, err := canon.Marshal(prp)
					must(t, err)
					p.Proposal, p.ProposalLeaf = b, writ.DigestOf(b)
				})
				if a.Planned == nil {
					t.Fatalf("no plan: %+v", a.Refused)
				}
				p, _, err := writ.ParsePlan(a.Planned.Plan)
				must(t, err)
				i := g.grant(p, g.approve(p, "bob"))
				i.bundle = func(b *assignment.Bundle) {
					copied := signed
					b.Asked = &copied
					if c.bundle != nil {
						c.bundle(b)
					}
				}
				end := g.execute(i)
				want := writ.RunRefused
				if c.want == "" {
					want = writ.RunSucceeded
				}
				if end.State != want || end.Reason != c.want {
					t.Errorf("%s for %s, want %s for %s", end.State, end.Reason, want, c.want)
				}
			})
		})
	}
}

// FuzzOfflineStatement: whatever parses has one form.
func FuzzOfflineStatement(f *testing.F) {
	s := writ.OfflineStatement{Type: writ.OfflineType, Runner: runnerID, Plan: "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB", Nonce: "0123456789012345678901", PlanDigest: writ.DigestOf(nil), Expires: time.Unix(1, 0).UTC()}
	b, err := s.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(fmt.Sprintf(`{"_type":%q}`, writ.OfflineType)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := writ.ParseOfflineStatement(b)
		if err != nil {
			return
		}
		again, err := s.Bytes()
		if err != nil || !slices.Equal(again, b) {
			t.Errorf("%q came back as %q, %v", b, again, err)
		}
	})
}
