package control_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/notice"
)

// A rota is a source for these tests: it says what it is told to say.
type rota struct {
	mu    sync.Mutex
	turns []control.RotaTurn
	err   error
	asked int
}

func (r *rota) Turns(context.Context, time.Time, time.Time) ([]control.RotaTurn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return r.turns, r.err
}

func (r *rota) says(err error, turns ...control.RotaTurn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turns, r.err = turns, err
}

// turn is one of a person, for some hours from the beginning of the test.
func turn(sub string, from, until time.Duration) control.RotaTurn {
	return control.RotaTurn{Person: writ.Person{Iss: idp, Sub: sub}, From: begin.Add(from), Until: begin.Add(until)}
}

const oncallGroup = "checkout-oncall"

// onCall has a source say who of three is on call for checkout, one of whom the fallback names too.
func onCall(r *rota, fallback string) func(*control.Config) {
	return func(c *control.Config) {
		c.OnCall = []control.OnCall{{Group: oncallGroup, Kind: "ical", Rota: r, Every: time.Minute, MaxAge: 10 * time.Minute, Fallback: fallback}}
		for i, m := range c.Roster {
			switch m.Sub {
			case "bob", "carl": // carl is of no other group that answers for checkout
				c.Roster[i].Groups = append(slices.Clone(m.Groups), oncallGroup)
			case "ana":
				c.Roster[i].Groups = append(slices.Clone(m.Groups), oncallGroup, "leads")
			}
			c.Roster[i].Groups = slices.Compact(c.Roster[i].Groups)
		}
	}
}

func (w *world) asksRota() {
	w.t.Helper()
	must(w.t, w.ctl.AskOnCall(w.ctx, oncallGroup))
}

func (w *world) turnsNow() writ.OnCallGroup {
	w.t.Helper()
	all, err := w.ctl.OnCalls(w.ctx, human("ann"))
	must(w.t, err)
	return all[0]
}

func TestWhoIsOnCallByTheSourceAnswersAsOnCallAndNobodyElseOfTheGroupDoes(t *testing.T) {
	t.Parallel()
	r := &rota{}
	w := newWorld(t, onCall(r, ""))
	r.says(nil, turn("carl", -time.Hour, time.Hour), turn("bob", time.Hour, 9*time.Hour), turn("rob", -time.Hour, time.Hour))
	w.asksRota()
	s := w.waiting()
	_, err := w.approve(s.ID, "bob", "oncall") // his turn begins in an hour
	refused(t, err, writ.ReasonApproverUnknown)
	_, err = w.approve(s.ID, "rob", "oncall") // the source names him, and he is not of the group: it only narrows
	refused(t, err, writ.ReasonApproverUnknown)
	now, err := w.approve(s.ID, "carl", "oncall")
	must(t, err)
	if now.State != writ.PlanGranted {
		t.Errorf("%s %s", now.State, now.Detail)
	}
}

func TestASourceOnlyNarrowsAndMakesNobodyOfItsGroup(t *testing.T) {
	t.Parallel()
	r := &rota{}
	w := quietWorld(t, onCall(r, ""))
	r.says(nil, turn("rob", -time.Hour, time.Hour), turn("zoe", -time.Hour, time.Hour), turn("carl", -time.Hour, time.Hour))
	w.asksRota()
	if g := w.turnsNow(); len(g.Turns) != 1 || g.Turns[0].Person.Sub != "carl" {
		t.Errorf("%+v are on call; of those whom the source names only carl is of the group", g.Turns)
	}
}

func TestPitfall23ATurnThatEndedBetweenAnswerAndRunNoLongerCounts(t *testing.T) {
	t.Parallel()
	r := &rota{}
	w := newWorld(t, onCall(r, ""), twoOwners(t))
	r.says(nil, turn("carl", -time.Hour, 5*time.Minute), turn("bob", 5*time.Minute, 9*time.Hour))
	w.asksRota()
	s := w.waiting()
	_, err := w.approve(s.ID, "carl", "oncall")
	must(t, err)
	seen := func() string {
		p, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
		must(t, err)
		if p.OnCall == nil || len(p.OnCall.Turns) != 1 {
			t.Fatalf("%+v", p.OnCall)
		}
		return p.OnCall.Turns[0].Person.Sub
	}
	if seen() != "carl" {
		t.Errorf("the plan says that %s is on call", seen())
	}
	w.pass(5 * time.Minute)
	_, err = w.approve(s.ID, "carl", "oncall")
	refused(t, err, writ.ReasonApproverUnknown)
	if seen() != "bob" {
		t.Errorf("after the change %s is on call", seen())
	}
	w.asksRota()
	if got := w.count(writ.EntryOnCall); got != 2 {
		t.Errorf("%d entries say who is on call; one turn ended and one began", got)
	}
}

func TestI05ASourceThatFailsOrIsStaleOrNamesNobodyLeavesTheFallbackOrNobody(t *testing.T) {
	t.Parallel()
	known := turn("carl", -time.Hour, 24*time.Hour)
	for name, x := range map[string]struct {
		do       func(w *world, r *rota)
		fallback string
		state    writ.OnCallState
		who      string // who may answer as on call
	}{
		"nothing was ever heard":              {func(w *world, r *rota) { r.says(errors.New("no connection")); w.asksRota() }, "leads", writ.OnCallFallback, "ana"},
		"and there is no one to fall back on": {func(w *world, r *rota) { r.says(errors.New("no connection")); w.asksRota() }, "", writ.OnCallNobody, ""},
		"an answer that is too old": {func(w *world, r *rota) {
			r.says(nil, known)
			w.asksRota()
			r.says(errors.New("status 500"))
			w.pass(11 * time.Minute)
			w.asksRota()
		}, "leads", writ.OnCallFallback, "ana"},
		"a failure while the answer is fresh": {func(w *world, r *rota) {
			r.says(nil, known)
			w.asksRota()
			r.says(errors.New("status 500"))
			w.pass(9 * time.Minute)
			w.asksRota()
		}, "leads", writ.OnCallKnown, "carl"},
		"a gap in the schedule": {func(w *world, r *rota) { r.says(nil, turn("carl", time.Hour, 2*time.Hour)); w.asksRota() }, "leads", writ.OnCallFallback, "ana"},
		"a clock that went back": {func(w *world, r *rota) {
			w.pass(time.Hour)
			r.says(nil, known)
			w.asksRota()
			w.pass(-time.Hour)
		}, "leads", writ.OnCallFallback, "ana"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rota{}
			w := quietWorld(t, onCall(r, x.fallback))
			x.do(w, r)
			g := w.turnsNow()
			var who string
			for _, h := range g.Turns {
				who += h.Person.Sub
			}
			if g.State != x.state || who != x.who || g.State.Bad() == (g.Problem == "") && name != "a failure while the answer is fresh" {
				t.Errorf("%s, %q (%s)", g.State, who, g.Problem)
			}
			s, err := w.ctl.Status(w.ctx, human("ann"))
			must(t, err)
			if (len(s.OnCall) == 1) != x.state.Bad() {
				t.Errorf("the glance says %+v", s.OnCall)
			}
		})
	}
}

func TestASourceIsAskedByOneReplicaInItsTimeAndItsErrorStaysOffTheLedger(t *testing.T) {
	t.Parallel()
	r := &rota{}
	w := quietWorld(t, onCall(r, ""))
	r.says(nil, turn("carl", -time.Hour, time.Hour))
	other := w.again()
	for range 3 {
		w.asksRota()
		must(t, other.AskOnCall(w.ctx, oncallGroup))
	}
	if r.asked != 1 || w.count(writ.EntryOnCall) != 1 {
		t.Errorf("it was asked %d times, and %d entries were made", r.asked, w.count(writ.EntryOnCall))
	}
	w.pass(time.Minute)
	must(t, other.AskOnCall(w.ctx, oncallGroup))
	if r.asked != 2 || w.count(writ.EntryOnCall) != 1 {
		t.Errorf("later it was asked %d times, and %d entries were made", r.asked, w.count(writ.EntryOnCall))
	}
}

// delegate hands a turn over.
func (w *world) delegate(from, to string, d time.Duration) (writ.Delegation, error) {
	w.t.Helper()
	return w.ctl.Delegate(w.ctx, human(from), writ.DelegationAsk{Group: oncallGroup, To: writ.Person{Iss: idp, Sub: to}, Until: w.now().Add(d)})
}

func TestATurnThatWasHandedOverIsTheOthersUntilItEndsByItself(t *testing.T) {
	t.Parallel()
	r := &rota{}
	w := newWorld(t, onCall(r, ""))
	r.says(nil, turn("carl", -time.Hour, 24*time.Hour))
	w.asksRota()
	_, err := w.delegate("carl", "bob", 2*time.Minute)
	must(t, err)
	s := w.waiting()
	_, err = w.approve(s.ID, "carl", "oncall") // he has handed it over
	refused(t, err, writ.ReasonApproverUnknown)
	g := w.turnsNow()
	if len(g.Turns) != 1 || g.Turns[0].Person.Sub != "bob" || g.Turns[0].For == nil || g.Turns[0].For.Sub != "carl" {
		t.Errorf("%+v", g.Turns)
	}
	w.pass(2 * time.Minute)
	_, err = w.approve(s.ID, "bob", "oncall")
	refused(t, err, writ.ReasonApproverUnknown)
	now, err := w.approve(s.ID, "carl", "oncall")
	must(t, err)
	if now.State != writ.PlanGranted {
		t.Errorf("%s %s", now.State, now.Detail)
	}
}

func TestATurnIsGivenBackByEitherAndIsWorthNothingWithoutItsGiversTurn(t *testing.T) {
	t.Parallel()
	r := &rota{}
	w := quietWorld(t, onCall(r, ""))
	r.says(nil, turn("carl", -time.Hour, 24*time.Hour))
	w.asksRota()
	d, err := w.delegate("carl", "bob", time.Hour)
	must(t, err)
	_, err = w.ctl.EndDelegation(w.ctx, human("ann"), d.ID)
	refused(t, err, writ.ReasonNotYours)
	_, err = w.ctl.EndDelegation(w.ctx, human("bob"), d.ID)
	must(t, err)
	if g := w.turnsNow(); len(g.Turns) != 1 || g.Turns[0].Person.Sub != "carl" {
		t.Errorf("given back: %+v", g.Turns)
	}
	_, err = w.ctl.EndDelegation(w.ctx, human("carl"), d.ID)
	refused(t, err, writ.ReasonUnknownDelegation)
	_, err = w.delegate("carl", "bob", time.Hour)
	must(t, err)
	r.says(nil, turn("ana", -time.Hour, 24*time.Hour)) // the schedule was changed
	w.pass(time.Minute)
	w.asksRota()
	if g := w.turnsNow(); len(g.Turns) != 1 || g.Turns[0].Person.Sub != "ana" {
		t.Errorf("its giver is not on call any more: %+v", g.Turns)
	}
	if w.count(writ.EntryDelegation) != 3 {
		t.Errorf("%d entries", w.count(writ.EntryDelegation))
	}
}

func TestI02ATurnIsNeverHandedToAnAgentARequesterAStrangerOrOnwards(t *testing.T) {
	t.Parallel()
	r := &rota{}
	w := newWorld(t, onCall(r, ""), func(c *control.Config) {
		for i, m := range c.Roster {
			if m.Sub == "rob" { // who owns the agent that asks
				c.Roster[i].Groups = append(slices.Clone(m.Groups), oncallGroup)
			}
		}
		c.Agents = append(c.Agents, writ.Agent{Name: "robot", Iss: idp, Sub: "dora", Team: "checkout", Owner: writ.Person{Iss: idp, Sub: "rob"}, Roles: []writ.AgentRole{writ.RoleRepair}})
		dora := c.Roster[0]
		dora.Sub, dora.Groups, dora.Keys = "dora", []string{oncallGroup}, nil
		dora.Keys = []string{keyLine(t)}
		c.Roster = append(c.Roster, dora)
	})
	r.says(nil, turn("carl", -time.Hour, 24*time.Hour))
	w.asksRota()
	w.waiting()
	_, err := w.ctl.Delegate(w.ctx, repair, writ.DelegationAsk{Group: oncallGroup, To: writ.Person{Iss: idp, Sub: "bob"}, Until: w.now().Add(time.Hour)})
	refused(t, err, writ.ReasonKind)
	for name, x := range map[string]struct {
		from, to string
		d        time.Duration
		want     writ.Reason
	}{
		"by somebody who is not on call":             {"bob", "ana", time.Hour, writ.ReasonNotOnCall},
		"to somebody outside of the group":           {"carl", "ann", time.Hour, writ.ReasonDelegation},
		"to nobody of the roster":                    {"carl", "zoe", time.Hour, writ.ReasonDelegation},
		"to an agent's identity":                     {"carl", "dora", time.Hour, writ.ReasonDelegation},
		"to the owner of the agent whose plan waits": {"carl", "rob", time.Hour, writ.ReasonDelegation},
		"to oneself":   {"carl", "carl", time.Hour, writ.ReasonDelegation},
		"for too long": {"carl", "bob", writ.MaxDelegation + time.Second, writ.ReasonDelegation},
		"for no time":  {"carl", "bob", time.Second, writ.ReasonDelegation},
	} {
		_, err := w.delegate(x.from, x.to, x.d)
		if writ.ReasonOf(err) != x.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = w.delegate("carl", "bob", time.Hour)
	must(t, err)
	_, err = w.delegate("bob", "ana", time.Hour) // onwards
	refused(t, err, writ.ReasonDelegation)
	_, err = w.delegate("carl", "ana", time.Hour) // twice
	refused(t, err, writ.ReasonDelegation)
	r.says(nil, turn("carl", -time.Hour, 24*time.Hour), turn("ana", -time.Hour, 24*time.Hour))
	w.pass(time.Minute)
	w.asksRota()
	_, err = w.delegate("ana", "bob", time.Hour) // who has one that was handed to him
	refused(t, err, writ.ReasonDelegation)
	if w.count(writ.EntryDelegation) != 1 {
		t.Errorf("%d turns were handed over", w.count(writ.EntryDelegation))
	}
}

func TestAnAskGoesToWhoeverIsOnCallAndOnSilenceToTheNextAndExpiresToNo(t *testing.T) {
	t.Parallel()
	a, b := newReceiver(t), newReceiver(t)
	r := &rota{}
	w := newWorld(t, onCall(r, "leads"), func(c *control.Config) {
		telling(t, a, b)(c)
		c.Notices.Routes = notice.Routes{{Hops: []notice.Hop{{Channel: "a", Group: notice.GroupOncall, Wait: 5 * time.Minute}, {Channel: "b"}}}}
		c.Notices.Contacts = map[writ.Person]map[string]string{}
		for _, m := range c.Roster {
			c.Notices.Contacts[m.Person()] = map[string]string{"a": m.Sub + "@corp.example"}
		}
	})
	r.says(nil, turn("carl", -time.Hour, 24*time.Hour))
	w.asksRota()
	_, err := w.delegate("carl", "bob", time.Hour)
	must(t, err)
	s := w.waiting()
	w.tells()
	told := func() (out []string) {
		for _, n := range w.notices() {
			who := n.Channel
			if n.To != nil {
				who = n.To.Sub
			}
			out = append(out, who)
		}
		return out
	}
	if got := told(); !slices.Equal(got, []string{"bob"}) {
		t.Fatalf("at first %v were told, not who holds the turn", got)
	}
	w.pass(4 * time.Minute)
	w.sweeps()
	w.tells()
	if got := told(); len(got) != 1 {
		t.Fatalf("before its time it went on to %v", got)
	}
	w.pass(time.Minute)
	w.sweeps()
	w.tells()
	if got := told(); !slices.Equal(got, []string{"bob", "b"}) {
		t.Fatalf("on silence it went to %v", got)
	}
	w.pass(planLife)
	w.sweeps()
	if p, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0); err != nil || p.State != writ.PlanExpired || w.count(writ.EntryGrant) != 0 {
		t.Errorf("silence made it %s, %v", p.State, err)
	}
}

func TestWhereNobodyIsOnCallAllOfTheGroupAreToldAndNobodyMayAnswer(t *testing.T) {
	t.Parallel()
	a, b := newReceiver(t), newReceiver(t)
	r := &rota{}
	w := newWorld(t, onCall(r, ""), func(c *control.Config) {
		telling(t, a, b)(c)
		c.Notices.Routes = notice.Routes{{Hops: []notice.Hop{{Channel: "a", Group: notice.GroupOncall, Wait: time.Minute}}}}
		c.Notices.Contacts = map[writ.Person]map[string]string{}
		for _, m := range c.Roster {
			c.Notices.Contacts[m.Person()] = map[string]string{"a": m.Sub + "@corp.example"}
		}
	})
	r.says(errors.New("status 500"))
	w.asksRota()
	s := w.waiting()
	for range 3 {
		w.tells()
		w.pass(time.Minute)
		w.sweeps()
	}
	var told []string
	for _, n := range w.notices() {
		if n.To != nil {
			told = append(told, n.To.Sub)
		}
	}
	slices.Sort(told)
	if !slices.Equal(told, []string{"ana", "bob", "carl"}) {
		t.Errorf("%v were told", told)
	}
	for _, who := range told {
		if _, err := w.approve(s.ID, who, "oncall"); writ.ReasonOf(err) != writ.ReasonApproverUnknown {
			t.Errorf("%s: %v", who, err)
		}
	}
}
