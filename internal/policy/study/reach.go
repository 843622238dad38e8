package study

import (
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// A ReachQuestion narrows a Reach; an empty member means any.
type ReachQuestion struct{ Service, Playbook, Agent string }

// Names are all that a question can be about, each sorted.
type Names struct{ Services, Playbooks, Agents []string }

// A Reach is who could touch which service, and how.
type Reach struct {
	Names
	Ways  []Way // by service, then by playbook
	Asked int   // decisions
	Left  int   // services that were not looked at: too much was asked for at once
}

// A Way is how agents reach a service through one playbook, on a good day: agents for which the answer is the same stand
// together.
type Way struct {
	Service   string
	Playbook  string
	Tier      writ.Tier // with the catalogue's, which may be above the playbook's own
	Agents    []string  // sorted
	Verdict   writ.Verdict
	Reason    writ.Reason
	Needs     string // in words; empty for nothing
	Because   []string
	Policies  []string
	Approvers []Approvers // by slot, for what needs people
}

// Approvers are the people who could fill one slot.
type Approvers struct {
	Slot   string
	Needed int
	People []writ.Person // who answer for none of the agents; fewer than Needed means that nobody gets it
}

// Ask is one question of Ways: a service with what can be asked for there, by whom, and who could agree.
type Ask struct {
	Service   Service
	Playbooks []Playbook
	Agents    func(Playbook) []Agent                               // who may ask for it at all
	People    func(slot string, without writ.Person) []writ.Person // who could fill a slot, without one human
}

// Ways answers for one service, by playbook, the most permissive answer first. It asks len(Playbooks) * len(Agents)
// decisions, and is advice like WhoCan.
func Ways(b *policy.Bundle, ask Ask, now int64) []Way {
	var out []Way
	for _, p := range ask.Playbooks {
		var of []Way
		agents := ask.Agents(p)
		for i, c := range WhoCan(b, []Service{ask.Service}, []Playbook{p}, agents, now) {
			w := Way{Service: c.Service, Playbook: c.Playbook, Tier: p.Tier, Agents: []string{c.Agent}, Verdict: c.Verdict, Reason: c.Reason, Needs: c.Needs, Because: c.Because, Policies: c.Policies}
			if c.Verdict == writ.Requires {
				w.Approvers = ask.approvers(b.Answer(c.Request), agents[i].Owner)
			}
			if j := slices.IndexFunc(of, func(o Way) bool { return o.same(w) }); j >= 0 {
				of[j].Agents = append(of[j].Agents, c.Agent)
				continue
			}
			of = append(of, w)
		}
		slices.SortStableFunc(of, func(a, b Way) int { return a.Verdict.Rank() - b.Verdict.Rank() })
		out = append(out, of...)
	}
	for i := range out {
		slices.Sort(out[i].Agents)
	}
	return out
}

// approvers are those of each slot that a decision asks for, without the person who answers for the agent.
func (a Ask) approvers(d writ.Decision, owner writ.Person) []Approvers {
	var out []Approvers
	for slot, n := range d.Requirements.Approvals {
		out = append(out, Approvers{slot, n, a.People(slot, owner)})
	}
	slices.SortFunc(out, func(a, b Approvers) int { return strings.Compare(a.Slot, b.Slot) })
	return out
}

// same reports whether two agents get the same answer from the same people.
func (w Way) same(o Way) bool {
	return w.Verdict == o.Verdict && w.Reason == o.Reason && w.Needs == o.Needs && slices.Equal(w.Policies, o.Policies) &&
		slices.EqualFunc(w.Approvers, o.Approvers, func(a, b Approvers) bool { return a.Slot == b.Slot && slices.Equal(a.People, b.People) })
}

// GoodDay is the request of WhoCan for one agent, playbook and service.
func GoodDay(s Service, p Playbook, a Agent, now int64) policy.Request { return goodDay(s, p, a, now) }
