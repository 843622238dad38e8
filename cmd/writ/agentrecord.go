package main

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// printAgentRecord writes one agent's record for people: what it asked for, why it was refused, what became of the rest.
func (a *app) printAgentRecord(g writ.AgentRecord) {
	p := func(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }
	p("%s  %s, team %s, alone %s, balance %d\n", g.Name, g.State, g.Team, alone(g), g.Balance)
	p("  proposed  %d plans, %d denied by policy, %d rejected by people\n", g.Proposals, g.Denied, g.Rejected)
	p("  outcomes  %s\n", tally(g.Tally))
	for _, d := range g.TopDenials(writ.MaxDenialCodes) {
		p("  refused   %4d  %s\n", d.Count, writ.Printable(string(d.Reason), 60))
	}
	for _, b := range g.Budgets {
		p("  in use    %d of %d %s\n", b.Used, b.Limit, writ.Printable(b.What, 100))
	}
	if g.LastSeen != nil {
		p("  last seen %s %s\n", g.LastSeen.UTC().Format("2006-01-02"), clock(*g.LastSeen))
	} else {
		p("  last seen never\n")
	}
}

// alone says whether an agent makes a change without people.
func alone(g writ.AgentRecord) string {
	if g.Lost {
		return "no: writ agent restore"
	}
	return "T1"
}
