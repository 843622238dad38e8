package control

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// Autonomy says how records are judged. Zero members mean the defaults.
type Autonomy struct {
	Verified int       // runs in a row after which a move up is proposed
	Begin    int       // tiers above its own at which a playbook begins on a service: 0, or 1 where it must earn even its own
	DropTo   writ.Tier // beyond which failures alone put no playbook; T4 by default. T2 keeps one person able to go on
}

// The defaults. Ten runs in a row without a failure make it unlikely that every fifth fails; three people who said no to
// the same playbook mean it.
const (
	defaultVerified = 10
	minVerified     = 3
	maxVerified     = 1000
	maxBegin        = 1
	noesForDown     = 3
)

// What weighs in an agent's balance. A repair that held counts one. One that did not help and was put back, or that nobody
// knows the outcome of, takes as much away; one that people took back takes two. The record is negative when it is two
// below nothing: one failed repair is no record, two more than held are, and so is harm done by a stranger.
const (
	worthHeld      = 1
	costUndone     = 1
	costUncertain  = 1
	costHarm       = 2
	negativeRecord = -2
)

func (a Autonomy) whole() Autonomy {
	if a.Verified == 0 {
		a.Verified = defaultVerified
	}
	if a.DropTo == 0 {
		a.DropTo = writ.T4
	}
	return a
}

func (a Autonomy) check() error {
	if a.Verified < minVerified || a.Verified > maxVerified || a.Begin < 0 || a.Begin > maxBegin {
		return fmt.Errorf("%w: control: autonomy takes verified_runs of %d to %d, and begin of 0 to %d", writ.ErrInvalid, minVerified, maxVerified, maxBegin)
	}
	return nil
}

// States of rows of store.Records.
const (
	statePlaybook = "playbook"
	stateAgent    = "agent"
)

// A bookRow is the record of a playbook on a service. Key of the row is the playbook's name.
type bookRow struct {
	Record writ.PlaybookRecord
	Level  int           // tiers above its own
	Given  []answerGiven `json:",omitempty"` // to Record.Proposed
}

// An agentRow is the record of an agent. Key of the row is its name.
type agentRow struct{ Record writ.AgentRecord }

func bookID(service, playbook string) string { return "playbook/" + service + "/" + playbook }

func agentRecordID(p writ.Principal) string { return "agent/" + agentID(p) }

// bookRecord loads the record of a playbook on a service, or begins one. fresh says that there is no row yet.
func (c *Control) bookRecord(tx *store.Tx, service, playbook string) (doc bookRow, row store.Row, fresh bool, err error) {
	id := bookID(service, playbook)
	doc, row, err = store.Load[bookRow](tx, store.Records, id)
	if errors.Is(err, writ.ErrNotFound) {
		doc = bookRow{Record: writ.PlaybookRecord{Playbook: playbook, Service: service}, Level: c.Autonomy.Begin}
		return doc, store.Row{ID: id, State: statePlaybook, Key: playbook}, true, nil
	}
	return doc, row, false, err
}

func (c *Control) agentRecord(tx *store.Tx, p writ.Principal) (doc agentRow, row store.Row, fresh bool, err error) {
	id := agentRecordID(p)
	doc, row, err = store.Load[agentRow](tx, store.Records, id)
	if !errors.Is(err, writ.ErrNotFound) {
		return doc, row, false, err
	}
	a, _, err := c.registered(tx, p)
	return agentRow{writ.AgentRecord{Agent: p, Name: a.Name}}, store.Row{ID: id, State: stateAgent, Key: a.Name}, true, err
}

func put[T any](tx *store.Tx, row store.Row, fresh bool, doc T) error {
	if fresh {
		return store.Create(tx, store.Records, row, doc)
	}
	return store.Save(tx, store.Records, row, row.State, doc)
}

// playbookStands is the fact where a plan's playbook stands on its service, when that is above its own tier.
func (c *Control) playbookStands(tx *store.Tx, f *policy.Facts, plan writ.Plan) error {
	doc, _, _, err := c.bookRecord(tx, plan.Service, plan.Playbook.Name)
	if f.AutonomyTier = 0; doc.Level > 0 {
		f.AutonomyTier = int(min(writ.Tier(f.Tier+doc.Level), writ.T4))
	}
	return err
}

// agentStands is the fact whether an agent may still make a change alone.
func (c *Control) agentStands(tx *store.Tx, f *policy.Facts, by writ.Principal) error {
	if f.AutonomyLost = false; by.Kind != writ.KindAgent {
		return nil
	}
	doc, _, _, err := c.agentRecord(tx, by)
	f.AutonomyLost = doc.Record.Lost
	return err
}

// stops are the reasons for which a run is put back without having failed.
var stops = []writ.Reason{writ.ReasonStopped, writ.ReasonFrozen, writ.ReasonFenced, writ.ReasonTakenOver, writ.ReasonUnavailable, writ.ReasonRevoked}

// tallied adds a run to a tally, and reports whether it failed.
func tallied(t *writ.Tally, run writ.Run) (failed bool) {
	t.Runs++
	switch {
	case run.State == writ.RunSucceeded:
		t.Verified++
	case run.State == writ.RunUncertain:
		t.Uncertain++
		return true
	case run.State == writ.RunUndone && slices.Contains(stops, run.Reason):
		t.Stopped++
	case run.State == writ.RunUndone:
		t.Undone++
		return true
	default:
		t.Failed++
	}
	return false
}

// reckon counts a run that has ended into the records of its playbook on the service and of the agent that asked for it,
// in the transaction that ends it. A failure takes autonomy away at once. end is the entry that tells of the end.
func (c *Control) reckon(tx *store.Tx, run writ.Run, end writ.Digest) error {
	if run.State == writ.RunRefused || run.State == writ.RunExpired {
		return nil
	}
	p, _, err := store.Load[planRow](tx, store.Plans, string(run.Plan))
	if err != nil {
		return err
	}
	switch {
	case p.Proposal.Reverts != "" && run.State == writ.RunSucceeded:
		return c.takenBack(tx, p.Proposal.Reverts, end)
	case p.Proposal.Reverts != "" || p.Proposal.Emergency != nil && p.Proposal.Emergency.Drill:
		return nil
	}
	if err := c.reckonBook(tx, run, p, end); err != nil {
		return err
	}
	return c.changeAgent(tx, p.Proposal.By, run.ID, end, func(r *writ.AgentRecord) {
		before := r.Tally
		tallied(&r.Tally, run)
		r.Balance += worthHeld*(r.Verified-before.Verified) - costUndone*(r.Undone-before.Undone) - costUncertain*(r.Uncertain-before.Uncertain)
	})
}

func (c *Control) reckonBook(tx *store.Tx, run writ.Run, p planRow, end writ.Digest) error {
	doc, row, fresh, err := c.bookRecord(tx, p.Service, p.Proposal.Playbook.Name)
	if err != nil {
		return err
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return err
	}
	r := &doc.Record
	r.Owner, r.Own = p.Owner, plan.Tier
	answered, err := c.answeredBy(tx, run, p)
	if err != nil {
		return err
	}
	r.Asked += answered
	if answered > 0 {
		r.Waits, r.WaitSeconds = r.Waits+1, r.WaitSeconds+p.Waited
	}
	failed := tallied(&r.Tally, run)
	switch {
	case failed:
		if err := c.dropBook(tx, &doc, run.ID, end); err != nil {
			return err
		}
	case run.State == writ.RunSucceeded:
		if r.Streak++; answered == 0 {
			r.Alone++
		}
		if doc.Level > 0 && r.Streak >= c.Autonomy.Verified && r.Proposed == nil {
			if err := c.offer(tx, &doc, doc.Level-1, run.ID, end); err != nil {
				return err
			}
		}
	}
	return put(tx, row, fresh, doc)
}

// answeredBy is how many approvals a run's grant was issued on.
func (c *Control) answeredBy(tx *store.Tx, run writ.Run, p planRow) (int, error) {
	g, _, err := store.Load[grantRow](tx, store.Grants, string(run.Grant))
	if errors.Is(err, writ.ErrNotFound) { // made while its runner was cut off
		return 0, nil
	}
	return len(g.Approvals), err
}

// stands is the tier at which a record's playbook stands when it is level tiers above its own.
func (b bookRow) stands(level int) writ.Tier { return min(b.Record.Own+writ.Tier(level), writ.T4) }

// dropBook moves a playbook one tier up towards people, at once: what failed is not tried again without one more look.
func (c *Control) dropBook(tx *store.Tx, doc *bookRow, run writ.RunID, end writ.Digest) error {
	next := doc.Level
	if doc.stands(next) < c.Autonomy.DropTo {
		next++
	}
	if err := c.enterBook(tx, *doc, writ.AutonomyDropped, next, run, 0, ref("cause", end)); err != nil {
		return err
	}
	c.moved(doc, next)
	return nil // the run's own notice tells of the failure
}

// moved puts a record at another level, where it begins anew.
func (c *Control) moved(doc *bookRow, level int) {
	r := &doc.Record
	doc.Level, doc.Given = level, nil
	r.Streak, r.Noes, r.Since, r.Proposed = 0, 0, new(c.now()), nil
}

// offer notes that Writ proposes a move, with the record as its evidence. People decide it.
func (c *Control) offer(tx *store.Tx, doc *bookRow, level int, run writ.RunID, end writ.Digest) error {
	m := writ.AutonomyMove{From: doc.stands(doc.Level), To: doc.stands(level), At: c.now()}
	if m.From == m.To {
		return nil
	}
	m.Needs = needed(m.From, m.To)
	doc.Record.Proposed, doc.Given = &m, nil
	if err := c.enterBook(tx, *doc, writ.AutonomyProposed, level, run, m.Needs, ref("cause", end)); err != nil {
		return err
	}
	return c.tellAutonomy(tx, writ.NoticeAutonomyProposed, doc.Record.Owner, doc.Record.Service,
		fmt.Sprintf("Playbook %s could move from %s to %s on %s, with %d verified runs in a row and %d rejections since its last change; %d people of %s decide.", doc.Record.Playbook, m.From, m.To, doc.Record.Service, doc.Record.Streak, doc.Record.Noes, m.Needs, doc.Record.Owner))
}

// needed is how many people a move takes: one who asks for more care is enough, and from tier 2 on two give some up.
func needed(from, to writ.Tier) int {
	if to < from && from >= writ.T2 {
		return 2
	}
	return 1
}

func (c *Control) enterBook(tx *store.Tx, doc bookRow, change writ.AutonomyChange, level int, run writ.RunID, needs int, refs []writ.Ref) error {
	r := doc.Record
	_, err := c.append(tx, writ.EntryAutonomy, "", writ.AutonomyBody{
		Change: change, Playbook: r.Playbook, Service: r.Service, From: doc.stands(doc.Level), To: doc.stands(level), Run: run, Tally: r.Tally, Streak: r.Streak, Needs: needs,
	}, refs...)
	return err
}

// takenBack counts a verified run that people put back, or found not justified, as harm.
func (c *Control) takenBack(tx *store.Tx, id writ.RunID, end writ.Digest) error {
	run, row, err := store.Load[runRow](tx, store.Runs, string(id))
	if err != nil || run.Run.State != writ.RunSucceeded || run.Harm {
		return err
	}
	run.Harm = true // counted once, whoever says it again
	if err := store.Save(tx, store.Runs, row, row.State, run); err != nil {
		return err
	}
	p, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
	if err != nil {
		return err
	}
	doc, row, fresh, err := c.bookRecord(tx, p.Service, p.Proposal.Playbook.Name)
	if err != nil {
		return err
	}
	doc.Record.Owner = p.Owner
	doc.Record.Harm++
	if err := c.dropBook(tx, &doc, id, end); err != nil {
		return err
	}
	if err := put(tx, row, fresh, doc); err != nil {
		return err
	}
	return c.changeAgent(tx, p.Proposal.By, id, end, func(r *writ.AgentRecord) { r.Harm++; r.Balance -= costHarm + worthHeld })
}

// changeAgent changes an agent's record. One that turns negative takes T1 away by itself, in the same transaction.
func (c *Control) changeAgent(tx *store.Tx, by writ.Principal, run writ.RunID, end writ.Digest, change func(*writ.AgentRecord)) error {
	if by.Kind != writ.KindAgent {
		return nil
	}
	doc, row, fresh, err := c.agentRecord(tx, by)
	if err != nil {
		return err
	}
	r := &doc.Record
	change(r)
	if !r.Lost && r.Balance <= negativeRecord {
		r.Lost, r.Since = true, new(c.now())
		if err := c.enterAgentRecord(tx, *r, writ.AutonomyLost, run, ref("cause", end)); err != nil {
			return err
		}
		a, _, err := c.registered(tx, by)
		if err != nil {
			return err
		}
		if err := c.tellAutonomy(tx, writ.NoticeAutonomyLost, a.Team, "",
			fmt.Sprintf("Agent %s makes no change alone any more: %d repairs held, %d were undone, %d are uncertain, %d did harm.", r.Name, r.Verified, r.Undone, r.Uncertain, r.Harm)); err != nil {
			return err
		}
	}
	return put(tx, row, fresh, doc)
}

func (c *Control) enterAgentRecord(tx *store.Tx, r writ.AgentRecord, change writ.AutonomyChange, run writ.RunID, refs []writ.Ref) error {
	b := writ.AutonomyBody{Change: change, Agent: &r.Agent, From: writ.T1, To: writ.T2, Run: run, Tally: r.Tally, Balance: r.Balance}
	if change == writ.AutonomyRestored {
		b.From, b.To, b.Needs = writ.T2, writ.T1, 1
	}
	_, err := c.append(tx, writ.EntryAutonomy, "", b, refs...)
	return err
}

// reckonDenied counts a plan that policy or a person said no to. A playbook that people keep rejecting is proposed for
// more care.
func (c *Control) reckonDenied(tx *store.Tx, p planRow, state writ.PlanState, leaf writ.Digest) error {
	if p.Proposal.Reverts != "" {
		return nil
	}
	if state == writ.PlanDenied || state == writ.PlanRefused {
		if err := c.turnedDown(tx, p.Proposal.By, p.Reason, leaf); err != nil {
			return err
		}
	}
	if state != writ.PlanDenied && state != writ.PlanRejected {
		return nil
	}
	if state == writ.PlanRejected {
		doc, row, fresh, err := c.bookRecord(tx, p.Service, p.Proposal.Playbook.Name)
		if err != nil {
			return err
		}
		r := &doc.Record
		r.Owner, r.Rejected, r.Noes = p.Owner, r.Rejected+1, r.Noes+1
		if plan, _, err := writ.ParsePlan(p.Bytes); err == nil {
			r.Own = plan.Tier
		}
		if r.Noes >= noesForDown && r.Proposed == nil && doc.stands(doc.Level) < writ.T4 {
			if err := c.offer(tx, &doc, doc.Level+1, "", leaf); err != nil {
				return err
			}
		}
		if err := put(tx, row, fresh, doc); err != nil {
			return err
		}
	}
	return c.changeAgent(tx, p.Proposal.By, "", leaf, func(r *writ.AgentRecord) {
		if state == writ.PlanRejected {
			r.Rejected++
		} else {
			r.Denied++
		}
	})
}

// waited is how long a plan waited for people, in whole seconds.
func (p planRow) waited(now time.Time) int {
	if p.FirstAsked == nil {
		return 0
	}
	return max(0, int(now.Sub(*p.FirstAsked)/time.Second))
}
