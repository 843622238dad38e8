package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/store"
)

// A Teller tells one recipient of a channel; see notify.Channel, which it is.
type Teller interface {
	Kind() string
	Send(ctx context.Context, to string, m notice.Message) notice.Result
}

// Notices say who is told of what, and how. A nil *Notices tells nobody.
type Notices struct {
	Routes   notice.Routes
	Channels map[string]Teller
	Contacts map[writ.Person]map[string]string // a person's address on a channel
	URL      string                            // of the control plane, without a trailing slash: links begin with it

	// Noticed is optional: it hears how each attempt ended.
	Noticed func(channel string, outcome writ.NoticeOutcome)
}

// check refuses notices that would be told to nobody.
func (n *Notices) check() error {
	if n == nil {
		return nil
	}
	if n.URL == "" {
		return fmt.Errorf("%w: notices need the URL that their links begin with", writ.ErrInvalid)
	}
	return n.Routes.Check(slices.Sorted(maps.Keys(n.Channels)))
}

// A noticeRow is one notice on its way. State of the row is its writ.NoticeState, Key what is collapsed with it, Due when
// something is to be done with it.
type noticeRow struct {
	Facts   []notice.Fact         // the oldest, and the newest ones
	Count   int                   // of all
	Plans   []writ.PlanID         `json:",omitempty"` // whose answer it asks for
	Changes []writ.PolicyChangeID `json:",omitempty"` // of the policy set, the same
	Stops   []notice.Stop
	By      *writ.Principal `json:",omitempty"` // who asked for it, when it is a test
	From    time.Time       // when it was first to be sent
	Over    bool            `json:",omitempty"` // it waits for the recipient's hour to be over

	Stop, Round, Try int
	Since            time.Time `json:",omitzero"`  // of the first attempt at this stop
	Claim            string    `json:",omitempty"` // of the attempt under way
	Told             int       `json:",omitempty"` // how many recipients it reached
}

// fresh reports whether nothing of the notice has left yet, so that it may still change under its key.
func (n noticeRow) fresh() bool { return n.Stop+n.Round+n.Try == 0 }

// add makes a notice tell of one more fact.
func (n *noticeRow) add(facts []notice.Fact, count int, plans []writ.PlanID) {
	n.Count += count
	n.Facts = append(n.Facts, facts...)
	if over := len(n.Facts) - notice.MaxFacts; over > 0 {
		n.Facts = slices.Delete(n.Facts, 1, 1+over)
	}
	for _, f := range facts {
		if f.Change != "" && len(n.Changes) < notice.MaxPlans {
			n.Changes = append(n.Changes, f.Change)
		}
	}
	n.Plans = append(n.Plans, plans...)
	if over := len(n.Plans) - notice.MaxPlans; over > 0 {
		n.Plans = slices.Delete(n.Plans, 0, over)
	}
}

// tell queues a fact for people, in the transaction that makes it true: what is recorded is told, and what is not is not.
// Facts of one incident and class are collapsed: the first is told at once, and those of the next notice.CollapseFor
// together (invariant I19).
func (c *Control) tell(tx *store.Tx, f notice.Fact) error {
	if c.Notices == nil {
		return nil
	}
	route, told := c.Notices.Routes.For(f)
	if !told {
		return nil
	}
	f.At, f.Sentence = c.now(), notice.Clean(f.Sentence, 300)
	roster, err := c.roster(tx)
	if err != nil {
		return err
	}
	n := noticeRow{Stops: c.Notices.Routes[route].Stops(f, c.contacts(roster)), From: c.now()}
	var plans []writ.PlanID
	if f.Class() == writ.NoticeAsk && f.Plan != "" {
		plans = append(plans, f.Plan)
	}
	key := fmt.Sprintf("%d %s %s", route, f.Class(), f.Thread())
	last, rows, err := find[noticeRow](tx, store.Notices, store.Filter{Key: key, Newest: true, Limit: 1})
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		if writ.NoticeState(rows[0].State) == writ.NoticeQueued && last[0].fresh() {
			last[0].add([]notice.Fact{f}, 1, plans)
			return store.Save(tx, store.Notices, rows[0], rows[0].State, last[0])
		}
		if next := last[0].From.Add(notice.CollapseFor); next.After(n.From) {
			n.From = next
		}
	}
	n.add([]notice.Fact{f}, 1, plans)
	id, err := newID[writ.NoticeID](c, "ntc")
	if err != nil {
		return err
	}
	return store.Create(tx, store.Notices, store.Row{ID: string(id), Incident: string(f.Incident), State: string(writ.NoticeQueued), Key: key, Due: millis(n.From)}, n)
}

// contacts returns the members of a group whom a channel can reach: of a group with an on-call source those who hold its
// turn now, and all of the group when none of them can be reached, so that silence there skips nobody's step.
func (c *Control) contacts(now approval.Roster) func(group, channel string) []writ.Person {
	reach := func(all approval.Roster, group, channel string) []writ.Person {
		var out []writ.Person
		for _, m := range members(all, group) {
			if c.Notices.Contacts[m.Person()][channel] != "" {
				out = append(out, m.Person())
			}
		}
		return out
	}
	return func(group, channel string) []writ.Person {
		if out := reach(now, group, channel); len(out) > 0 {
			return out
		}
		return reach(c.Roster, group, channel)
	}
}

// about fills in what a fact on a plan or its run has in common with others.
func (c *Control) about(tx *store.Tx, p planRow, f notice.Fact) (notice.Fact, error) {
	f.Incident, f.Service, f.Environment, f.Team = p.Proposal.Incident, p.Service, p.Environment, p.Owner
	in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(f.Incident))
	f.Severity = in.Severity
	if errors.Is(err, writ.ErrNotFound) {
		err = nil
	}
	return f, err
}

// tellPlan tells of a plan that waits for people, or that nobody answered.
func (c *Control) tellPlan(tx *store.Tx, p planRow, e writ.NoticeEvent) error {
	if c.Notices == nil {
		return nil
	}
	title := notice.Name(p.Title)
	f := notice.Fact{Event: e, Plan: p.ID, Sentence: title + ": nobody answered in time, which means no."}
	if e == writ.NoticePlanWaiting {
		tier := ""
		if plan, _, err := writ.ParsePlan(p.Bytes); err == nil {
			tier = fmt.Sprintf(" (%s)", p.tier(plan))
		}
		f.Until, f.Sentence = p.ExpiresAt, fmt.Sprintf("%s%s, asked for by %s, waits for %s.", title, tier, name(p.Proposal.By), whoMay(p))
	}
	f, err := c.about(tx, p, f)
	if err != nil {
		return err
	}
	return c.tell(tx, f)
}

// whoMay says who may approve a plan, by groups: who is in them is not the channel's business.
func whoMay(p planRow) string {
	var out []string
	if p.Decision != nil {
		slots := Slots(p.Owner)
		for _, g := range slices.Sorted(maps.Keys(p.Decision.Requirements.Approvals)) {
			group := slots[g]
			if group == "" {
				group = g
			}
			out = append(out, fmt.Sprintf("%d of %s", p.Decision.Requirements.Approvals[g], notice.Name(group)))
		}
	}
	if len(out) == 0 {
		return "approval"
	}
	return strings.Join(out, " and ")
}

// runEvents say which ends of a run are told. A success needs nobody, and a refusal by the runner changed nothing.
var runEvents = map[writ.RunState]writ.NoticeEvent{
	writ.RunUndone: writ.NoticeRunUndone, writ.RunFailed: writ.NoticeRunFailed, writ.RunUncertain: writ.NoticeRunUncertain,
}

// runSays is what is said of each.
var runSays = map[writ.NoticeEvent]string{
	writ.NoticeRunUndone: "it did not help and was put back", writ.NoticeRunFailed: "it failed", writ.NoticeRunUncertain: "nobody knows what it did; somebody must look and settle it",
	writ.NoticeRunnerLost: "its runner is lost; somebody must look and settle it",
}

// tellRun tells how a run ended.
func (c *Control) tellRun(tx *store.Tx, run runRow, e writ.NoticeEvent) error {
	if c.Notices == nil || e == "" {
		return nil
	}
	p, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
	if err != nil {
		return err
	}
	because := ""
	if run.Run.Reason != "" {
		because = fmt.Sprintf(" (%s)", run.Run.Reason)
	}
	says := runSays[e]
	if e == writ.NoticeRunnerLost && run.Settled {
		says = "its runner was lost before anything was changed"
	}
	f, err := c.about(tx, p, notice.Fact{Event: e, Plan: p.ID, Run: run.Run.ID, Sentence: fmt.Sprintf("%s: %s%s.", notice.Name(run.Title), says, because)})
	if err != nil {
		return err
	}
	return c.tell(tx, f)
}

// tellDebt tells that a lease cannot be proven dead, or was at last.
func (c *Control) tellDebt(tx *store.Tx, runner writ.RunnerID, d assignment.Debt, on bool) error {
	if c.Notices == nil {
		return nil
	}
	lease := notice.Name(d.Name)
	f := notice.Fact{Event: writ.NoticeLeasePaid, Subject: "runner " + string(runner), Run: d.Run, Sentence: fmt.Sprintf("Credential %s of %s on %s was proven dead at last.", lease, name(runner.Principal()), d.Target)}
	if on {
		f.Event = writ.NoticeLeaseDebt
		f.Sentence = fmt.Sprintf("Credential %s of %s on %s cannot be proven dead since %s; its runner gets no new grants until it is.", lease, name(runner.Principal()), d.Target, clock(d.Since))
	}
	run, _, err := store.Load[runRow](tx, store.Runs, string(d.Run))
	if err == nil && run.Run.Runner == runner {
		p, _, perr := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
		if perr != nil {
			return perr
		}
		f.Plan = p.ID
		f, err = c.about(tx, p, f)
	} else {
		f.Run = ""
	}
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return err
	}
	return c.tell(tx, f)
}

// tellFreeze tells that something was frozen, or is not any more.
func (c *Control) tellFreeze(tx *store.Tx, z writ.Freeze, by writ.Principal, on bool) error {
	if c.Notices == nil {
		return nil
	}
	what := "Everything"
	f := notice.Fact{Event: writ.NoticeFreezeLifted, Subject: "freeze " + string(z.ID)}
	if z.Scope != writ.FreezeAll {
		what = strings.ToUpper(string(z.Scope[:1])) + string(z.Scope[1:]) + " " + notice.Name(cmp.Or(z.Named, z.Value))
	}
	if z.Scope == writ.FreezeService {
		if s, err := c.Services.Find(z.Value); err == nil {
			f.Service, f.Environment, f.Team = s.Name, s.Environment, s.Owner
		}
	}
	f.Sentence = fmt.Sprintf("%s is not frozen any more, says %s.", what, name(by))
	if on {
		f.Event, f.Sentence = writ.NoticeFreezeSet, fmt.Sprintf("%s was frozen by %s: no new grants, and runs in flight stop.", what, name(by))
	}
	return c.tell(tx, f)
}

// tellSilent writes down that a runner is silent while credentials of its runs are alive, or is not any more, and tells the
// former once for each silence, whichever replica sees it first.
func (c *Control) tellSilent(ctx context.Context, r writ.RunnerStatus) error {
	if c.Notices == nil {
		return nil
	}
	var cell cellRow
	var row store.Row
	known := func(tx *store.Tx) (same bool, err error) {
		cell, row, err = store.Load[cellRow](tx, store.Cells, string(r.ID))
		if errors.Is(err, writ.ErrNotFound) {
			return true, nil
		}
		return cell.Silent == r.Silent, err
	}
	var same bool
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		same, err = known(tx)
		return err
	})
	if err != nil || same {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		if same, err := known(tx); err != nil || same {
			return err
		}
		cell.Silent = r.Silent
		if err := store.Save(tx, store.Cells, row, row.State, cell); err != nil || !r.Silent {
			return err
		}
		return c.tell(tx, notice.Fact{
			Event: writ.NoticeRunnerLost, Subject: "runner " + string(r.ID),
			Sentence: fmt.Sprintf("Nothing is heard of %s since %s, while %d credentials of its runs are alive.", name(r.ID.Principal()), clock(cell.Seen), r.Alive),
		})
	})
}
