package control_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

// An owner of a key is an agent that holds its grants itself.
type owner struct {
	w   *world
	who writ.Principal
	key *ecdsa.PrivateKey
}

func (w *world) owner(who writ.Principal) owner {
	w.t.Helper()
	key, err := token.NewKey(rand.Reader)
	must(w.t, err)
	return owner{w, who, key}
}

func (o owner) thumbprint() string { return token.Thumbprint(&o.key.PublicKey) }

// ask is the same ask, for a grant that is bound to the owner's key.
func (o owner) ask(a writ.Ask) writ.Ask {
	a.Holder = o.thumbprint()
	return a
}

// ready is a tier 1 plan that is allowed and waits for the owner.
func (o owner) ready() writ.PlanStatus {
	o.w.t.Helper()
	s := o.w.propose(o.who, o.ask(o.w.restart(o.w.incident("shop").ID)))
	if s.State != writ.PlanReady {
		o.w.t.Fatalf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	return s
}

func details(s writ.PlanStatus) writ.Authorization {
	return writ.Authorization{Type: writ.AuthorizationType, Plan: s.ID, PlanDigest: s.Digest}
}

func (o owner) exchange(s writ.PlanStatus) (writ.IssuedGrant, error) {
	return o.w.ctl.Exchange(o.w.ctx, o.who, o.thumbprint(), details(s), runnerID)
}

// issued is the grant of a ready plan.
func (o owner) issued() writ.IssuedGrant {
	o.w.t.Helper()
	g, err := o.exchange(o.ready())
	must(o.w.t, err)
	return g
}

// proof is one by the owner's key for a grant, made now.
func (o owner) proof(g string) string { return o.prove(issuer+"/v1/runs", g) }

func (o owner) prove(url, g string) string {
	o.w.t.Helper()
	p, err := token.Prove(o.key, token.Proof{Method: "POST", URL: url, AccessTokenHash: token.AccessTokenHash(g)}, o.w.now(), rand.Reader)
	must(o.w.t, err)
	return p
}

func (o owner) present(g string) (writ.RunStatus, error) {
	return o.w.ctl.Present(o.w.ctx, o.who, g, o.proof(g))
}

// again is another replica over the same database.
func (w *world) again() *control.Control {
	w.t.Helper()
	c, err := control.New(w.config)
	must(w.t, err)
	return c
}

// idle fails if a run is handed out.
func (w *world) idle(why string) {
	w.t.Helper()
	a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	must(w.t, err)
	select {
	case b := <-w.runner.runs:
		a = &b
	case <-time.After(50 * time.Millisecond):
	}
	if a != nil {
		w.t.Errorf("%s: the runner was handed %s", why, a.Kind)
	}
}

func TestAnAgentHoldsItsGrantFromTheProposalToTheEndOfTheRun(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	s := w.propose(repair, o.ask(w.scale(w.incident("shop").ID)))
	if s.State != writ.PlanWaiting {
		t.Fatalf("the plan is %s", s.State)
	}
	_, err := o.exchange(s)
	refused(t, err, writ.ReasonPending)
	s, err = w.approve(s.ID, "ann", "owner")
	must(t, err)
	if s.State != writ.PlanReady || s.Run != "" || !strings.Contains(s.Hint, "exchange") || w.count(writ.EntryGrant) != 0 {
		t.Fatalf("once approved it is %s (%q) with run %q and %d grants", s.State, s.Hint, s.Run, w.count(writ.EntryGrant))
	}
	w.idle("before the exchange")
	g, err := o.exchange(s)
	must(t, err)
	c, err := grant.Check(g.Token, grant.Want{Issuer: issuer, Keys: w.grantKeys(), Runner: runnerID, Now: w.now()})
	must(t, err)
	if c.Writ.Mode != writ.ModeKey || c.Confirm.Thumbprint != o.thumbprint() || c.ID != g.Grant || len(c.Writ.Approvals) != 1 || !g.Expires.Equal(time.Unix(c.Expires, 0)) {
		t.Errorf("the grant: %+v", c)
	}
	if r := w.run(g.Run); r.State != writ.RunGranted || r.Detail == "" {
		t.Errorf("the run is %s: %q", r.State, r.Detail)
	}
	w.idle("before the presentation")
	r, err := o.present(g.Token)
	must(t, err)
	if r.ID != g.Run || r.State != writ.RunGranted {
		t.Errorf("presented: run %s is %s", r.ID, r.State)
	}
	h := w.runner.take()
	if h.b.Grant != g.Token || h.b.Run != g.Run {
		t.Error("the runner was handed another grant")
	}
	_, err = token.CheckProof(h.b.Proof, token.WantProof{Method: "POST", URL: issuer + "/v1/runs", Token: g.Token, Thumbprint: o.thumbprint(), Now: w.now(), Life: token.ProofLife})
	must(t, err)
	h.succeed()
	if r := w.run(g.Run); r.State != writ.RunSucceeded || r.Detail != "" || r.Reason != "" {
		t.Errorf("the run is %s: %s %q", r.State, r.Reason, r.Detail)
	}
	if p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0); err != nil || p.State != writ.PlanDone {
		t.Errorf("the plan is %s: %v", p.State, err)
	}
}

// Pitfall 11, 12: what a grant is worth without its key, and what a proof is worth elsewhere.
func TestPitfall12AHeldGrantIsWorthNothingWithoutAProofByItsKey(t *testing.T) {
	w := newWorld(t)
	o, thief := w.owner(repair), w.owner(repair)
	g := o.issued()
	withoutHash, err := token.Prove(o.key, token.Proof{Method: "POST", URL: issuer + "/v1/runs", AccessTokenHash: token.AccessTokenHash("another grant")}, w.now(), rand.Reader)
	must(t, err)
	wrongMethod, err := token.Prove(o.key, token.Proof{Method: "GET", URL: issuer + "/v1/runs", AccessTokenHash: token.AccessTokenHash(g.Token)}, w.now(), rand.Reader)
	must(t, err)
	old := o.proof(g.Token)
	w.pass(token.ProofLife)
	for name, c := range map[string]struct {
		who          writ.Principal
		grant, proof string
		want         writ.Reason
	}{
		"no proof":                    {repair, g.Token, "", writ.ReasonPresenter},
		"another key":                 {repair, g.Token, thief.proof(g.Token), writ.ReasonPresenter},
		"the host it was sent to":     {repair, g.Token, o.prove("http://127.0.0.1:8420/v1/runs", g.Token), writ.ReasonPresenter},
		"the token endpoint's URL":    {repair, g.Token, o.prove(issuer+"/token", g.Token), writ.ReasonPresenter},
		"another method":              {repair, g.Token, wrongMethod, writ.ReasonPresenter},
		"the hash of another grant":   {repair, g.Token, withoutHash, writ.ReasonPresenter},
		"a proof of a minute ago":     {repair, g.Token, old, writ.ReasonProofExpired},
		"another agent with both":     {second, g.Token, o.proof(g.Token), writ.ReasonNotYours},
		"a person with both":          {human("ann"), g.Token, o.proof(g.Token), writ.ReasonKind},
		"a suspended agent with both": {asleep, g.Token, o.proof(g.Token), writ.ReasonAgentSuspended},
		"no grant":                    {repair, "", o.proof(g.Token), writ.ReasonGrantHeader},
		"a proof as the grant":        {repair, old, o.proof(old), writ.ReasonGrantHeader},
		"a grant of another issuer":   {repair, w.forged(g, thief.key), o.proof(w.forged(g, thief.key)), writ.ReasonGrantSignature},
	} {
		_, err := w.ctl.Present(w.ctx, c.who, c.grant, c.proof)
		if got := writ.ReasonOf(err); got != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	// Another genuine signature over the same claims is another token: its digest does not stand in the ledger.
	twin := w.forged(g, w.config.GrantKey)
	_, err = o.present(twin)
	refused(t, err, writ.ReasonNotInLedger)
	w.idle("after all of that")
	_, err = o.present(g.Token)
	must(t, err)
	w.runner.take()
}

// forged signs the claims of a grant again, with another key.
func (w *world) forged(g writ.IssuedGrant, key *ecdsa.PrivateKey) string {
	w.t.Helper()
	c, err := grant.Open(g.Token, w.grantKeys())
	must(w.t, err)
	out, err := grant.Sign(key, token.KeyID(&w.config.GrantKey.PublicKey), c)
	must(w.t, err)
	return out
}

func TestPitfall12AProofThatIsReplayedAtAnotherReplicaIsRefused(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	proof := o.proof(g.Token)
	_, err := w.ctl.Present(w.ctx, repair, g.Token, proof)
	must(t, err)
	h := w.runner.take()
	for name, c := range map[string]*control.Control{"the same replica": w.ctl, "another replica": w.again()} {
		if _, err := c.Present(w.ctx, repair, g.Token, proof); writ.ReasonOf(err) != writ.ReasonPresentedTwice {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.idle("after the replays")
	h.succeed()
	w.pass(grantSweep) // what is remembered of the proof may be forgotten only when its time is over
	_, err = w.again().Present(w.ctx, repair, g.Token, proof)
	refused(t, err, writ.ReasonProofExpired)
}

// grantSweep is longer than a proof and its memory live.
const grantSweep = 3 * time.Minute

func TestI13AHeldGrantRunsOnceHoweverOftenItIsPresented(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	replicas := []*control.Control{w.ctl, w.again(), w.again()}
	var all sync.WaitGroup
	for _, c := range replicas {
		for range 4 {
			all.Go(func() {
				if _, err := c.Present(w.ctx, repair, g.Token, o.proof(g.Token)); err != nil && writ.ReasonOf(err) != writ.ReasonSpent {
					t.Errorf("present: %v", err)
				}
			})
		}
	}
	all.Wait()
	h := w.runner.take()
	h.begin()
	_, err := o.present(g.Token)
	refused(t, err, writ.ReasonSpent)
	if d := h.deliver(h.intent()); d.Refused == nil {
		t.Error("the run began twice")
	}
	if n := w.count(writ.EntryGrant); n != 1 {
		t.Errorf("%d grants", n)
	}
	if n := w.count(writ.EntryStepIntent); n != 1 {
		t.Errorf("%d intents", n)
	}
	if runs, _, err := w.ctl.Runs(w.ctx, human("ann"), writ.RunFilter{Plan: g.Plan, Limit: 10}); err != nil || len(runs) != 1 {
		t.Errorf("%d runs: %v", len(runs), err)
	}
}

func TestI13AnExchangeThatIsRepeatedGivesTheSameGrant(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	s := o.ready()
	replicas := []*control.Control{w.ctl, w.again()}
	var mu sync.Mutex
	got := map[writ.IssuedGrant]int{}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			g, err := replicas[i%2].Exchange(w.ctx, repair, o.thumbprint(), details(s), runnerID)
			if err != nil {
				t.Errorf("exchange: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[g]++
		})
	}
	all.Wait()
	if len(got) != 1 || w.count(writ.EntryGrant) != 1 || reservations(w) != 1 {
		t.Errorf("%d grants were given, %d entered, %d reservations", len(got), w.count(writ.EntryGrant), reservations(w))
	}
	for g := range got {
		_, err := o.present(g.Token)
		must(t, err)
		w.runner.take().succeed()
	}
	_, err := o.exchange(s)
	refused(t, err, writ.ReasonSpent)
}

func TestAnExchangeIsRefusedWhateverIsNotThePlansOwn(t *testing.T) {
	w := newWorld(t)
	o, thief := w.owner(repair), w.owner(repair)
	s := o.ready()
	handle := w.propose(second, w.scale(w.incident("shop").ID))
	other := writ.DigestOf([]byte("another plan"))
	before := w.count(writ.EntryGrant)
	for name, c := range map[string]struct {
		who    writ.Principal
		key    string
		change func(*writ.Authorization)
		runner writ.RunnerID
		want   writ.Reason
	}{
		"another agent":                {second, o.thumbprint(), nil, runnerID, "not_found"},
		"another agent with its key":   {second, thief.thumbprint(), nil, runnerID, "not_found"},
		"a suspended agent":            {asleep, o.thumbprint(), nil, runnerID, writ.ReasonAgentSuspended},
		"an agent that only diagnoses": {diagnose, o.thumbprint(), nil, runnerID, writ.ReasonRoleMissing},
		"a person":                     {human("ann"), o.thumbprint(), nil, runnerID, writ.ReasonKind},
		"another key":                  {repair, thief.thumbprint(), nil, runnerID, writ.ReasonHolderAltered},
		"no key":                       {repair, "", nil, runnerID, writ.ReasonHolderAltered},
		"another runner":               {repair, o.thumbprint(), nil, otherID, writ.ReasonRunnerAltered},
		"no runner":                    {repair, o.thumbprint(), nil, "", writ.ReasonRunnerAltered},
		"no plan":                      {repair, o.thumbprint(), func(a *writ.Authorization) { a.Plan = "" }, runnerID, "not_found"},
		"no digest":                    {repair, o.thumbprint(), func(a *writ.Authorization) { a.PlanDigest = writ.Digest{} }, runnerID, writ.ReasonPlanDigest},
		"another digest":               {repair, o.thumbprint(), func(a *writ.Authorization) { a.PlanDigest = other }, runnerID, writ.ReasonPlanDigest},
		"more objects":                 {repair, o.thumbprint(), func(a *writ.Authorization) { a.Limits = writ.GrantLimits{MaxObjects: 9, MaxRuns: 1, MaxPermille: 1000} }, runnerID, writ.ReasonBudgetAltered},
		"another operation": {repair, o.thumbprint(), func(a *writ.Authorization) {
			a.Actions = []writ.OperationName{"kubernetes/workload.restart", "kubernetes/pod.delete"}
		}, runnerID, writ.ReasonPlanMismatch},
		"another place":                    {repair, o.thumbprint(), func(a *writ.Authorization) { a.Locations = []writ.Location{"kubernetes://prod"} }, runnerID, writ.ReasonPlanMismatch},
		"a plan that the server holds for": {second, thief.thumbprint(), func(a *writ.Authorization) { a.Plan, a.PlanDigest = handle.ID, handle.Digest }, runnerID, writ.ReasonHolderAltered},
	} {
		d := details(s)
		if c.change != nil {
			c.change(&d)
		}
		g, err := w.ctl.Exchange(w.ctx, c.who, c.key, d, c.runner)
		if got := writ.ReasonOf(err); got != c.want || g != (writ.IssuedGrant{}) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if n := w.count(writ.EntryGrant); n != before {
		t.Errorf("%d grants were entered", n-before)
	}
	_, err := o.exchange(s)
	must(t, err)
}

func TestOnlyAnAgentsProposalNamesAHolder(t *testing.T) {
	w := newWorld(t)
	o := w.owner(human("rob"))
	ask := w.restart(w.incident("shop").ID)
	_, err := w.ctl.Propose(w.ctx, human("rob"), o.ask(ask))
	refused(t, err, writ.ReasonKind)
	ask.Holder = "not a thumbprint"
	_, err = w.ctl.Propose(w.ctx, repair, ask)
	refused(t, err, writ.ReasonForm)
}

// I03: the key is a part of what was proposed. A runner that plans for another one is not believed.
func TestI03APlanForAnotherHolderThanWasProposedIsRefused(t *testing.T) {
	w := newWorld(t)
	o, thief := w.owner(repair), w.owner(repair)
	w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
		return w.runner.plan(in, func(p *writ.Plan) { p.Holder = thief.thumbprint() })
	})
	if s := w.propose(repair, o.ask(w.restart(w.incident("shop").ID))); s.State != writ.PlanRefused || s.Reason != writ.ReasonPlanMismatch {
		t.Errorf("the plan is %s: %s", s.State, s.Reason)
	}
}

func TestTheSameAskForAnotherKeyIsAnotherAsk(t *testing.T) {
	w := newWorld(t)
	o, other := w.owner(repair), w.owner(repair)
	ask := w.restart(w.incident("shop").ID)
	s := w.propose(repair, o.ask(ask))
	if again := w.propose(repair, o.ask(ask)); again.ID != s.ID {
		t.Errorf("asked again it is %s, not %s", again.ID, s.ID)
	}
	_, err := w.ctl.Propose(w.ctx, repair, other.ask(ask)) // it is no second prompt either
	refused(t, err, writ.ReasonStorm)
}

func TestI20NoTokenOfAHeldGrantIsInLedgerLogOrStatus(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	_, err := w.ctl.Present(w.ctx, repair, g.Token, o.proof(g.Token)+"x")
	refused(t, err, writ.ReasonPresenter)
	said := err.Error()
	_, err = w.ctl.Present(w.ctx, second, g.Token, o.proof(g.Token))
	said += err.Error()
	r, err := o.present(g.Token)
	must(t, err)
	w.runner.take().succeed()
	_, err = o.present(g.Token)
	said += err.Error()
	s, err := w.ctl.Plan(w.ctx, human("ann"), g.Plan, 0)
	must(t, err)
	signature := g.Token[strings.LastIndex(g.Token, ".")+1:]
	claims := strings.Split(g.Token, ".")[1]
	shown, err := json.Marshal([]any{r, s, w.run(g.Run)})
	must(t, err)
	for name, text := range map[string]string{"the log": w.logs.String(), "an error": said, "a status": string(shown), "the ledger": string(bytes.Join(w.leaves(), nil))} {
		if strings.Contains(text, signature) || strings.Contains(text, claims) {
			t.Errorf("%s holds the grant", name)
		}
	}
}

func TestAGrantThatNobodyPresentsExpiresAndGivesBackWhatItHeld(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	if reservations(w) != 1 || locks(w) == 0 {
		t.Fatalf("%d reservations, %d locks", reservations(w), locks(w))
	}
	w.pass(g.Expires.Sub(w.now()) + 6*time.Second) // pitfall 11
	_, err := o.present(g.Token)
	refused(t, err, writ.ReasonGrantExpired)
	must(t, w.ctl.SweepOnce(w.ctx))
	r := w.run(g.Run)
	p, err := w.ctl.Plan(w.ctx, repair, g.Plan, 0)
	must(t, err)
	if r.State != writ.RunExpired || r.Reason != writ.ReasonGrantExpired || p.State != writ.PlanExpired || reservations(w) != 0 || locks(w) != 0 {
		t.Errorf("run %s (%s), plan %s, %d reservations, %d locks", r.State, r.Reason, p.State, reservations(w), locks(w))
	}
	_, err = o.present(g.Token)
	refused(t, err, writ.ReasonGrantExpired)
	_, err = o.w.ctl.Exchange(w.ctx, repair, o.thumbprint(), writ.Authorization{Type: writ.AuthorizationType, Plan: g.Plan, PlanDigest: p.Digest}, runnerID)
	refused(t, err, writ.ReasonGrantExpired)
	if s := w.propose(repair, o.ask(w.restart(w.incident("shop").ID))); s.State != writ.PlanReady { // it was no attempt
		t.Errorf("asked again it is %s: %s %s", s.State, s.Reason, s.Detail)
	}
}

func TestAnAllowedPlanThatNobodyFetchesExpires(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	s := o.ready()
	w.pass(s.ExpiresAt.Sub(w.now()))
	_, err := o.exchange(s)
	refused(t, err, writ.ReasonExpired)
	must(t, w.ctl.SweepOnce(w.ctx))
	after, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if after.State != writ.PlanExpired || after.Hint == "" || w.count(writ.EntryPlanEnd) != 1 || w.count(writ.EntryGrant) != 0 {
		t.Errorf("the plan is %s (%q)", after.State, after.Hint)
	}
	_, err = o.exchange(s)
	refused(t, err, writ.ReasonExpired)
}

func TestAPresentationThatTheRunnerCameTooLateForMayBeRepeated(t *testing.T) {
	w := quietWorld(t)
	o := w.owner(repair)
	g := w.quietIssued(o)
	_, err := o.present(g.Token)
	must(t, err)
	w.pass(token.ProofLife)
	if a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{}); err != nil || a != nil {
		t.Fatalf("a void proof was handed out: %v %v", a, err)
	}
	w.pass(20 * time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	r := w.run(g.Run)
	if r.State != writ.RunGranted || r.Reason != writ.ReasonProofExpired || !strings.Contains(r.Detail, "again") || reservations(w) != 1 {
		t.Errorf("the run is %s (%s, %q)", r.State, r.Reason, r.Detail)
	}
	denials := w.count(writ.EntryDeny)
	must(t, w.ctl.SweepOnce(w.ctx))
	if n := w.count(writ.EntryDeny); n != denials || denials != 1 {
		t.Errorf("%d denials, then %d", denials, n)
	}
	r, err = o.present(g.Token)
	must(t, err)
	if r.Reason != "" {
		t.Errorf("presented again it says %s", r.Reason)
	}
	a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	must(t, err)
	if a == nil || a.Run == nil || a.Run.Run != g.Run {
		t.Fatalf("handed out: %+v", a)
	}
}

// A runner says that the proof is of no use to it: too old by its clock, or used by a judgement that it did not end.
func TestAProofThatTheRunnerCannotUseLeavesTheGrantAsItIs(t *testing.T) {
	for _, why := range []writ.Reason{writ.ReasonProofExpired, writ.ReasonPresentedTwice} {
		w := newWorld(t)
		o := w.owner(repair)
		g := o.issued()
		_, err := o.present(g.Token)
		must(t, err)
		h := w.runner.take()
		say := assignment.Answer{Assignment: h.a.ID, Refused: &assignment.Refused{Code: why}}
		must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, say))
		if r := w.run(g.Run); r.State != writ.RunGranted || r.Reason != why {
			t.Errorf("%s: the run is %s (%s)", why, r.State, r.Reason)
		}
		_, err = o.present(g.Token)
		must(t, err)
		again := w.runner.take()
		if again.a.ID == h.a.ID || again.b.Proof == h.b.Proof {
			t.Errorf("%s: the old presentation was handed out again", why)
		}
		must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, say)) // late, of the first one
		again.succeed()
		if r := w.run(g.Run); r.State != writ.RunSucceeded {
			t.Errorf("%s: the run is %s", why, r.State)
		}
	}
}

// For a grant that the control plane presents itself those codes end the run, as all others do.
func TestAProofOfTheControlPlanesOwnThatIsRefusedEndsTheRun(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, assignment.Answer{Assignment: h.a.ID, Refused: &assignment.Refused{Code: writ.ReasonPresentedTwice}}))
	if r := w.run(h.b.Run); r.State != writ.RunRefused {
		t.Errorf("the run is %s", r.State)
	}
}

func TestI18AFreezeStopsExchangeAndPresentation(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	s := o.ready()
	f, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeService, "shop", "drill")
	must(t, err)
	_, err = o.exchange(s)
	refused(t, err, writ.ReasonFrozen)
	if w.count(writ.EntryGrant) != 0 {
		t.Error("a grant was entered under a freeze")
	}
	_, err = w.ctl.Unfreeze(w.ctx, human("ann"), f.ID, "over")
	must(t, err)
	g, err := o.exchange(s)
	must(t, err)
	_, err = w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "drill")
	must(t, err)
	_, err = o.exchange(s) // not even what it has got already
	refused(t, err, writ.ReasonFrozen)
	_, err = o.present(g.Token)
	refused(t, err, writ.ReasonFrozen)
	w.idle("under the freeze")
}

func TestSuspendingAnAgentEndsWhatItHolds(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	ready := w.propose(repair, o.ask(w.restart(w.incident("lab").ID)))
	if ready.State != writ.PlanReady {
		t.Fatalf("the other plan is %s: %s %s", ready.State, ready.Reason, ready.Detail)
	}
	_, err := w.ctl.SetAgent(w.ctx, human("rob"), "repair", writ.AgentSuspended, "odd")
	must(t, err)
	_, err = o.present(g.Token)
	refused(t, err, writ.ReasonAgentSuspended)
	_, err = o.exchange(ready)
	refused(t, err, writ.ReasonAgentSuspended)
	r := w.run(g.Run)
	p, err := w.ctl.Plan(w.ctx, human("ann"), ready.ID, 0)
	must(t, err)
	if r.State != writ.RunRefused || p.State != writ.PlanWithdrawn || reservations(w) != 0 || locks(w) != 0 {
		t.Errorf("run %s, plan %s, %d reservations", r.State, p.State, reservations(w))
	}
	_, err = w.ctl.SetAgent(w.ctx, human("rob"), "repair", writ.AgentActive, "fine")
	must(t, err)
	_, err = o.present(g.Token) // what was ended stays so
	refused(t, err, writ.ReasonRevoked)
	w.idle("after the suspension")
}

// Pitfall 16, of what an agent exchanges: its right to the plan ends with the hop that it came by, and with any hop before.
func TestPitfall16WhatWasAskedForUnderARevokedHandOffIsNeitherExchangedNorPresented(t *testing.T) {
	w := newWorld(t)
	o := w.owner(second)
	in := w.incident("shop").ID
	ask := w.restart(in)
	above := w.handed(diagnose, "repair", in)
	hop := w.handed(repair, "second", in, func(a *writ.HandOffAsk) { a.Parent = above.ID })
	s := w.propose(second, o.ask(under(hop, ask)))
	if s.State != writ.PlanReady {
		t.Fatalf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	lab := w.incident("lab").ID
	there := w.restart(lab)
	root := w.handed(diagnose, "second", lab)
	issued := w.propose(second, o.ask(under(root, there)))
	g, err := o.exchange(issued)
	must(t, err)
	for _, id := range []writ.HandOffID{above.ID, root.ID} {
		_, err := w.ctl.RevokeHandOff(w.ctx, diagnose, id)
		must(t, err)
	}
	_, err = o.exchange(s)
	refused(t, err, writ.ReasonHandOff)
	_, err = o.exchange(issued)
	if writ.ReasonOf(err) == "" {
		t.Error("a grant under a revoked hand-off is given again")
	}
	_, err = o.present(g.Token)
	refused(t, err, writ.ReasonRevoked)
	if r := w.run(g.Run); r.State != writ.RunRefused || w.count(writ.EntryGrant) != 1 || reservations(w) != 0 {
		t.Errorf("the run is %s, with %d grants", r.State, w.count(writ.EntryGrant))
	}
}

func TestI05AnExchangeCountsTheApprovalsOfItsMoment(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	s := w.propose(repair, o.ask(w.scale(w.incident("shop").ID)))
	st := w.statement(s.ID, "ann", "owner", writ.Approve)
	st.Expires = writ.Instant(w.now().Add(3 * time.Minute))
	s, err := w.answer(s.ID, st, "ann")
	must(t, err)
	if s.State != writ.PlanReady {
		t.Fatalf("the plan is %s", s.State)
	}
	w.pass(4 * time.Minute)
	_, err = o.exchange(s)
	refused(t, err, writ.ReasonPending)
	after, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if after.State != writ.PlanWaiting || w.count(writ.EntryGrant) != 0 || reservations(w) != 0 || !after.ExpiresAt.After(s.ExpiresAt.Add(-time.Minute)) {
		t.Errorf("the plan is %s", after.State)
	}
	s, err = w.approve(s.ID, "bob", "owner")
	must(t, err)
	_, err = o.exchange(s) // what the plan rests on was read four minutes ago
	refused(t, err, writ.ReasonPending)
	for w.plan(s.ID).ReadAgain.Asked {
		time.Sleep(5 * time.Millisecond)
	}
	g, err := o.exchange(s)
	must(t, err)
	if c, err := grant.Open(g.Token, w.grantKeys()); err != nil || len(c.Writ.Approvals) != 1 {
		t.Errorf("the grant names %d approvals: %v", len(c.Writ.Approvals), err)
	}
}

func TestAnExchangeIsDecidedOnTheFactsOfItsMoment(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	s := o.ready()
	// Meanwhile another run takes the object, and with it the service.
	other := w.propose(second, w.deletion(w.incident("shop").ID, "checkout"))
	if other.State != writ.PlanGranted {
		t.Fatalf("the other plan is %s: %s %s", other.State, other.Reason, other.Detail)
	}
	_, err := o.exchange(s)
	refused(t, err, writ.ReasonLimit)
	after, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if after.State != writ.PlanDenied || w.count(writ.EntryGrant) != 1 {
		t.Errorf("the plan is %s, with %d grants in all", after.State, w.count(writ.EntryGrant))
	}
}

func TestARevokedGrantIsVoidAndGivesBackWhatItHeld(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	refused(t, w.ctl.RevokeGrant(w.ctx, second, g.Grant), "not_found")
	refused(t, w.ctl.RevokeGrant(w.ctx, repair, "gnt_01JDB4ZK4E8Q6W2N7M5T9V3XCA"), "not_found")
	refused(t, w.ctl.RevokeGrant(w.ctx, writ.Principal{}, g.Grant), writ.ReasonKind)
	must(t, w.ctl.RevokeGrant(w.ctx, repair, g.Grant))
	must(t, w.ctl.RevokeGrant(w.ctx, repair, g.Grant))
	if r := w.run(g.Run); r.State != writ.RunRefused || r.Reason != writ.ReasonRevoked || reservations(w) != 0 || locks(w) != 0 {
		t.Errorf("the run is %s (%s), %d reservations", r.State, r.Reason, reservations(w))
	}
	_, err := o.present(g.Token)
	refused(t, err, writ.ReasonRevoked)
	w.idle("after the revocation")
}

func TestAGrantThatARunnerMayHaveInHandIsRevokedByTheFeed(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	_, err := o.present(g.Token)
	must(t, err)
	h := w.runner.take()
	must(t, w.ctl.RevokeGrant(w.ctx, human("ann"), g.Grant))
	if r := w.run(g.Run); r.State != writ.RunGranted || !r.Stop {
		t.Errorf("the run is %s, stop %t", r.State, r.Stop)
	}
	if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil {
		t.Error("its first step was allowed")
	}
	must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, assignment.Answer{Assignment: h.a.ID, Refused: &assignment.Refused{Code: writ.ReasonRevoked}}))
	if r := w.run(g.Run); r.State != writ.RunRefused || reservations(w) != 0 {
		t.Errorf("the run is %s", r.State)
	}
}

func TestASpentGrantIsNotRevoked(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	g := o.issued()
	_, err := o.present(g.Token)
	must(t, err)
	h := w.runner.take()
	h.begin()
	refused(t, w.ctl.RevokeGrant(w.ctx, repair, g.Grant), writ.ReasonSpent)
	if r := w.run(g.Run); r.State != writ.RunRunning || r.Stop {
		t.Errorf("the run is %s", r.State)
	}
}

// Everything that an exchange and a presentation write is in the store when they return: a control plane that dies in
// between, or right after, is followed by one that knows it all.
func TestI13AControlPlaneThatDiesBetweenExchangeAndPresentationLosesNothing(t *testing.T) {
	w := quietWorld(t)
	o := w.owner(repair)
	g := w.quietIssued(o)
	w.ctl = w.again() // the process that issued it is gone
	again, err := w.ctl.Exchange(w.ctx, repair, o.thumbprint(), details(w.settled(repair, g.Plan)), runnerID)
	must(t, err)
	if again != g {
		t.Error("the next process gives another grant")
	}
	_, err = o.present(g.Token)
	must(t, err)
	w.ctl = w.again() // so is the one that it was presented to
	a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	must(t, err)
	if a == nil || a.Run == nil || a.Run.Grant != g.Token {
		t.Fatal("the runner is handed nothing")
	}
	if b, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{}); err != nil || b != nil {
		t.Errorf("it is handed %v as well: %v", b, err)
	}
	w.pass(20 * time.Second) // the runner died with it: it is handed out once more, with the same proof
	b, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	must(t, err)
	if b == nil || b.ID != a.ID || b.Run.Proof != a.Run.Proof {
		t.Errorf("handed out again: %+v", b)
	}
}

// quietIssued is issued in a world whose runner the test plays.
func (w *world) quietIssued(o owner) writ.IssuedGrant {
	w.t.Helper()
	stop := make(chan struct{})
	var served sync.WaitGroup
	served.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
			if err != nil {
				w.t.Errorf("next: %v", err)
				return
			}
			if a == nil {
				time.Sleep(time.Millisecond)
				continue
			}
			ans := w.runner.respond(*a)
			ans.Assignment = a.ID
			if err := w.ctl.AnswerAssignment(w.ctx, runnerID, ans); err != nil {
				w.t.Errorf("answer: %v", err)
			}
		}
	})
	s := o.ready()
	close(stop)
	served.Wait()
	g, err := o.exchange(s)
	must(w.t, err)
	return g
}

func locks(w *world) int {
	w.t.Helper()
	n := 0
	must(w.t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Locks, store.Filter{})
		n = len(rows)
		return err
	}))
	return n
}
