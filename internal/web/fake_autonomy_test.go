package web_test

import (
	"context"

	"github.com/writ-dev/writ"
)

func (f *fake) PlaybookRecords(context.Context, writ.Principal, string, string) ([]writ.PlaybookRecord, error) {
	r := writ.PlaybookRecord{
		Playbook: "rollback-deployment", Service: "payments-api", Owner: "payments", Own: writ.T1, Stands: writ.T2,
		Tally: writ.Tally{Runs: 12, Verified: 11, Undone: 1}, Asked: 4, Streak: 10, WaitSeconds: 400, Waits: 4, Alone: 7,
		Proposed: &writ.AutonomyMove{From: writ.T2, To: writ.T1, At: at, Needs: 2},
	}
	r.Digest, _ = r.Evidence()
	if f.another {
		r.Streak++
	}
	return []writ.PlaybookRecord{r}, f.Err
}

func (f *fake) AgentRecords(context.Context, writ.Principal, string) ([]writ.AgentRecord, error) {
	var out []writ.AgentRecord
	for _, a := range f.agents {
		r := writ.AgentRecord{Name: a.Name, Agent: a.Principal(), Team: a.Team, State: a.State, Tally: writ.Tally{Runs: 3, Verified: 1, Undone: 2}, Balance: -2, Lost: !f.hasT1,
			AgentActivity: writ.AgentActivity{Proposals: 9, Denials: map[writ.Reason]int{writ.ReasonParameterBound: 4, writ.ReasonCooldown: 1}, LastSeen: &at, Budgets: []writ.BudgetUse{{What: "open plans for payments-api", Used: 1, Limit: 10}}}}
		r.Digest, _ = r.Evidence()
		out = append(out, r)
	}
	return out, f.Err
}
