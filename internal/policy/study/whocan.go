package study

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// A Service of the catalogue, an Agent that is registered, and a Playbook that is published: what WhoCan puts together.
type (
	Service struct {
		Name, Owner, Environment string
		Stateful                 bool
	}
	Agent struct {
		Name      string
		Principal writ.Principal
		Team      string
		Roles     []string // sorted
		Suspended bool
		Owner     writ.Person
	}
	Playbook struct {
		Name       string
		Plane      string
		Tier       writ.Tier
		Operations []string
		Undo       bool // every step has an inverse
	}
)

// A Can is what one agent gets for one playbook on one service on a good day.
type Can struct {
	Service  string         `json:"service"`
	Playbook string         `json:"playbook"`
	Agent    string         `json:"agent"`
	Verdict  writ.Verdict   `json:"verdict"`
	Needs    string         `json:"needs,omitempty"`
	Because  []string       `json:"because,omitempty"` // of what is not plainly allowed
	Policies []string       `json:"policies,omitempty"`
	Reason   writ.Reason    `json:"reason"`
	Request  policy.Request `json:"-"`
}

// WhoCan asks for every agent, playbook and service, in this order of columns, on a good day: the incident is open and of
// severity 3, the evidence fresh and read by somebody else, one object and a tenth of the capacity concerned, nothing
// else going on, and no change freeze. It is advice: on another day the answer is another.
func WhoCan(b *policy.Bundle, services []Service, playbooks []Playbook, agents []Agent, now int64) []Can {
	var out []Can
	for _, s := range services {
		for _, p := range playbooks {
			for _, a := range agents {
				q := goodDay(s, p, a, now)
				d := b.Answer(q)
				c := Can{
					Service: s.Name, Playbook: p.Name, Agent: a.Name, Verdict: d.Verdict, Needs: Needs(d.Requirements),
					Policies: d.Policies, Reason: d.Reason, Request: q,
				}
				if d.Verdict != writ.Allow {
					c.Because = d.Because
				}
				out = append(out, c)
			}
		}
	}
	return out
}

// Of a good day: the severity of an ordinary incident, a tenth of the capacity, and evidence of half a minute ago.
const (
	goodSeverity = 3
	goodPermille = 100
	goodAge      = 30
)

func goodDay(s Service, p Playbook, a Agent, now int64) policy.Request {
	q := policy.Request{Playbook: p.Name, Operations: p.Operations}
	q.Facts = policy.Facts{
		Principal: a.Principal, Registered: true, Team: a.Team, Roles: a.Roles, Suspended: a.Suspended, Owner: a.Owner,
		Incident: "inc_00000000000000000000000000", IncidentOpen: true, Severity: new(goodSeverity),
		Service: s.Name, OwningTeam: s.Owner, Env: s.Environment, Stateful: s.Stateful,
		Tier: int(p.Tier), Planes: []string{p.Plane}, Undo: p.Undo, Certified: true, Targets: new(1), Permille: new(goodPermille),
		Concurrent: new(0), PreviousRuns: new(0), Failures: new(0), Unsettled: new(0), Hops: new(0), SameFixRepeated: new(0),
		PlanesAfter: new(1), NewPlane: true, EvidenceCount: 1, EvidenceFresh: true, EvidenceAgeSeconds: new(goodAge), Now: now,
	}
	return q
}
