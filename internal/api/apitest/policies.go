package apitest

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

func (c *Control) ProposePolicy(_ context.Context, _ writ.Principal, files writ.PolicyFiles, because string) (writ.PolicyChangeStatus, error) {
	return Change(), c.Called("propose policy %d %s %s", len(files.Files), files.Signature, because)
}

func (c *Control) PolicyChange(_ context.Context, _ writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	return Change(), c.Called("policy change %s", id)
}

func (c *Control) PolicyChanges(_ context.Context, _ writ.Principal, state writ.PolicyChangeState, _ int, _ string) ([]writ.PolicyChangeStatus, string, error) {
	return []writ.PolicyChangeStatus{Change()}, "", c.Called("policy changes %s", state)
}

func (c *Control) WithdrawPolicy(_ context.Context, _ writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	return Change(), c.Called("withdraw policy %s", id)
}

func (c *Control) PolicySet(_ context.Context, _ writ.Principal, name string) (writ.PolicySet, error) {
	return writ.PolicySet{PolicyName: Change().Change.Next}, c.Called("policy set %s", name)
}

func (c *Control) BeginPolicyAnswer(_ context.Context, _ writ.Principal, id writ.PolicyChangeID, _ writ.Digest, answer writ.Answer) (writ.AnswerAsk, error) {
	return ToSign(), c.Called("begin policy answer %s %s", id, answer)
}

func (c *Control) AnswerPolicy(_ context.Context, _ writ.Principal, id writ.PolicyChangeID, a writ.Approval) (writ.PolicyChangeStatus, error) {
	return Change(), c.Called("answer policy %s %s %s", id, a.Statement, proof(a.Signature, a.Passkey))
}

func (c *Control) SimulatePolicy(_ context.Context, _ writ.Principal, files writ.PolicyFiles) (study.Simulation, error) {
	return study.Simulation{}, c.Called("simulate policy %d", len(files.Files))
}

func (c *Control) ExplainPlan(_ context.Context, _ writ.Principal, id writ.PlanID) (study.Explanation, error) {
	return study.Explanation{Outcome: "allow", Decision: writ.Decision{Policy: writ.DigestOf(nil), Facts: []byte("{}")}}, c.Called("explain plan %s", id)
}

func (c *Control) PlaybookRecords(_ context.Context, _ writ.Principal, playbook, service string) ([]writ.PlaybookRecord, error) {
	return []writ.PlaybookRecord{PlaybookRecord()}, c.Called("playbook records %s %s", playbook, service)
}

func (c *Control) AgentRecords(_ context.Context, _ writ.Principal, name string) ([]writ.AgentRecord, error) {
	return []writ.AgentRecord{AgentRecord()}, c.Called("agent records %s", name)
}

func (c *Control) BeginAutonomy(_ context.Context, _ writ.Principal, w writ.AutonomyWish) (writ.AnswerAsk, error) {
	return ToSign(), c.Called("begin autonomy %s%s %s", w.Playbook, w.Agent, w.To)
}

func (c *Control) DecideAutonomy(_ context.Context, _ writ.Principal, ask writ.AutonomyAsk) (writ.AutonomyOutcome, error) {
	r := PlaybookRecord()
	return writ.AutonomyOutcome{Playbook: &r}, c.Called("decide autonomy %s %s %s", ask.Statement, proof(ask.Signature, ask.Passkey), ask.Reason)
}

func (c *Control) Reviews(_ context.Context, _ writ.Principal, state writ.ReviewState, _ int, _ string) ([]writ.Review, string, error) {
	return []writ.Review{Review()}, "", c.Called("reviews %s", state)
}

func (c *Control) ReviewRun(_ context.Context, _ writ.Principal, run writ.RunID, verdict writ.ReviewVerdict, note string) (writ.Review, error) {
	return Review(), c.Called("review run %s %s %s", run, verdict, note)
}

func (c *Control) Unused(_ context.Context, _ writ.Principal, window time.Duration) (writ.Unused, error) {
	return writ.Unused{From: At, To: At, Complete: true, Grants: []writ.UnusedGrant{}, Playbooks: []writ.UnusedPlaybook{}, Roles: []writ.UnusedRole{}}, c.Called("unused %s", window)
}
