// Package friction says what Writ costs: how long it kept a repair waiting and how many answers it asked of people, for each
// incident and tier. Everything is counted from ledger entries, so that whoever has a bundle counts the same. The package
// is pure.
//
// Times are those of the control plane's own entries where there are two to compare; the time until a run's first step uses
// its runner's clock, and is not counted where that is behind.
package friction

import (
	"cmp"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// A Report is what was counted.
type Report struct {
	Entries   int       `json:"entries"`
	From      time.Time `json:"from,omitzero"` // of the first plan that counts
	Until     time.Time `json:"until,omitzero"`
	Incidents []Line    `json:"incidents"`
	Tiers     []Line    `json:"tiers"`
	Total     Line      `json:"total"`
}

// A Line is what the plans of one incident, one tier, or all cost.
type Line struct {
	Incident writ.IncidentID `json:"incident,omitempty"`
	Service  string          `json:"service,omitempty"`
	Tier     string          `json:"tier,omitempty"` // in force: as the newest decision on the whole plan has it

	Plans   int `json:"plans"`   // that a runner made
	Runs    int `json:"runs"`    // that began
	Prompts int `json:"prompts"` // plans that waited for people

	Approvals  int `json:"approvals"` // those taken back left out
	Rejections int `json:"rejections"`
	Recalls    int `json:"recalls"`
	Denied     int `json:"denied"`  // by policy
	Expired    int `json:"expired"` // nobody answered in time
	Notices    int `json:"notices"` // that reached somebody; of the whole incident, and so not counted by tier

	DecidingMillis int64 `json:"deciding_ms"`    // from the proposal to the first decision: planning and policy
	PeopleSeconds  int64 `json:"people_seconds"` // from the question to people to the grant, or to the plan's end
	StartingMillis int64 `json:"starting_ms"`    // from the grant to the intent of the first step
	LongestSeconds int64 `json:"longest_wait_seconds"`
}

// AddedSeconds is the time that Writ added before anything was changed.
func (l Line) AddedSeconds() int64 { return l.PeopleSeconds + (l.DecidingMillis+l.StartingMillis)/1000 }

// plan is one plan's way.
type plan struct {
	incident                                             writ.IncidentID
	tier                                                 writ.Tier // in force
	own                                                  writ.Tier
	made, prompted, granted, began                       bool
	denied, expired                                      bool
	proposed, decided, asked, answered, grantedAt, first time.Time
	approvals, rejections, recalls                       int
}

// Count counts the entries, in the ledger's order. Of plans that were proposed before since, or of other incidents than the one that
// is named, nothing is counted; the zero time and the empty incident mean all.
func Count(entries []ledger.Entry, since time.Time, only writ.IncidentID) Report {
	plans, runs := map[writ.PlanID]*plan{}, map[writ.RunID]*plan{}
	services, notices := map[writ.IncidentID]string{}, map[writ.IncidentID]int{}
	var order []*plan
	for _, e := range entries {
		at := e.Record.Time
		switch b := e.Body.(type) {
		case *writ.IncidentBody:
			services[b.Incident] = b.Service
		case *writ.ProposalBody:
			if at.Before(since) || only != "" && e.Record.Task != only || plans[b.Plan] != nil {
				continue
			}
			p := &plan{incident: e.Record.Task, proposed: at}
			plans[b.Plan], order = p, append(order, p)
		case *writ.PlanBody:
			if p := plans[b.Plan]; p != nil {
				p.made, p.own, p.tier = true, b.Tier, b.Tier
			}
		case *writ.DecisionBody:
			p := plans[b.Plan]
			if p == nil || b.Step != "" {
				continue
			}
			if p.decided.IsZero() {
				p.decided = at
			}
			if b.Verdict == writ.Requires && !p.prompted {
				p.prompted, p.asked = true, at
			}
			p.denied, p.tier = b.Verdict == writ.Deny, writ.InForce(p.own, b.DecidedTier())
		case *writ.ApprovalBody:
			if p := plans[b.Plan]; p != nil && b.Answer == writ.Approve {
				p.approvals++
			} else if p != nil {
				p.rejections, p.answered = p.rejections+1, at
			}
		case *writ.RecallBody:
			if p := plans[b.Plan]; p != nil {
				p.recalls++
				p.approvals--
			}
		case *writ.GrantBody:
			if p := plans[b.Plan]; p != nil {
				p.granted, p.grantedAt, p.denied = true, at, false
				runs[b.Run] = p
			}
		case *writ.StepBody:
			if p := runs[b.Run]; p != nil && e.Record.Kind == writ.EntryStepIntent && !p.began {
				p.began, p.first = true, at
			}
		case *writ.PlanEndBody:
			if p := plans[b.Plan]; p != nil && !p.granted {
				p.expired = b.State == writ.PlanExpired
				if p.answered.IsZero() {
					p.answered = at
				}
			}
		case *writ.NoticeBody:
			if b.Outcome == writ.OutcomeDelivered && !at.Before(since) && (only == "" || e.Record.Task == only) {
				notices[e.Record.Task]++
			}
		}
	}
	r := Report{Entries: len(entries), Incidents: []Line{}, Tiers: []Line{}}
	for _, p := range order {
		if !p.made {
			continue
		}
		if r.From.IsZero() || p.proposed.Before(r.From) {
			r.From = p.proposed
		}
		if p.proposed.After(r.Until) {
			r.Until = p.proposed
		}
		in := line(&r.Incidents, func(l Line) bool { return l.Incident == p.incident }, Line{Incident: p.incident, Service: services[p.incident], Notices: notices[p.incident]})
		in.add(p)
		line(&r.Tiers, func(l Line) bool { return l.Tier == p.tier.String() }, Line{Tier: p.tier.String()}).add(p)
		r.Total.add(p)
	}
	for _, n := range notices {
		r.Total.Notices += n
	}
	slices.SortFunc(r.Tiers, func(a, b Line) int { return cmp.Compare(a.Tier, b.Tier) })
	return r
}

// line finds one, or begins it.
func line(all *[]Line, is func(Line) bool, fresh Line) *Line {
	i := slices.IndexFunc(*all, is)
	if i < 0 {
		i = len(*all)
		*all = append(*all, fresh)
	}
	return &(*all)[i]
}

func (l *Line) add(p *plan) {
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	l.Plans++
	count(&l.Runs, p.began)
	count(&l.Prompts, p.prompted)
	count(&l.Denied, p.denied)
	count(&l.Expired, p.prompted && p.expired)
	l.Approvals, l.Rejections, l.Recalls = l.Approvals+p.approvals, l.Rejections+p.rejections, l.Recalls+p.recalls
	l.DecidingMillis += between(p.proposed, p.decided).Milliseconds()
	end := p.answered
	if p.granted {
		end = p.grantedAt
	}
	if p.prompted {
		waited := int64(between(p.asked, end) / time.Second)
		l.PeopleSeconds += waited
		l.LongestSeconds = max(l.LongestSeconds, waited)
	}
	if p.began {
		l.StartingMillis += between(p.grantedAt, p.first).Milliseconds()
	}
}

// between is the time from a to b; nothing where one of them has not happened, or a clock went back.
func between(a, b time.Time) time.Duration {
	if a.IsZero() || b.IsZero() {
		return 0
	}
	return max(0, b.Sub(a))
}
