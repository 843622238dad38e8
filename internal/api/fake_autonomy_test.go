package api_test

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

func (f *fake) bookRecord() writ.PlaybookRecord {
	return writ.PlaybookRecord{Playbook: "restart-workload", Service: "payments", Owner: "payments", Own: writ.T1, Stands: writ.T2, Tally: writ.Tally{Runs: 3, Verified: 2, Undone: 1}, Digest: writ.DigestOf([]byte("record"))}
}

func (f *fake) agentRecord() writ.AgentRecord {
	return writ.AgentRecord{Name: "repair", Agent: writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.example", Sub: "repair"}, Team: "payments", State: writ.AgentActive, Balance: 1}
}

func (f *fake) review() writ.Review {
	return writ.Review{Run: runID, Plan: planID, Incident: incident, Service: "payments", Team: "payments", State: writ.ReviewOwed, RunState: writ.RunSucceeded, Asker: human, Due: at}
}

func (f *fake) PlaybookRecords(_ context.Context, _ writ.Principal, playbook, service string) ([]writ.PlaybookRecord, error) {
	return []writ.PlaybookRecord{f.bookRecord()}, f.called(fmt.Sprintf("playbook records %s %s", playbook, service))
}

func (f *fake) AgentRecords(_ context.Context, _ writ.Principal, name string) ([]writ.AgentRecord, error) {
	return []writ.AgentRecord{f.agentRecord()}, f.called(fmt.Sprintf("agent records %s", name))
}

func (f *fake) BeginAutonomy(_ context.Context, _ writ.Principal, _ writ.AutonomyWish) (writ.AnswerAsk, error) {
	return writ.AnswerAsk{Statement: []byte("{}")}, f.called("begin autonomy")
}

func (f *fake) DecideAutonomy(_ context.Context, _ writ.Principal, ask writ.AutonomyAsk) (writ.AutonomyOutcome, error) {
	r := f.bookRecord()
	return writ.AutonomyOutcome{Playbook: &r}, f.called(fmt.Sprintf("autonomy %s %s %s", ask.Statement, ask.Signature, ask.Reason))
}

func (f *fake) Reviews(_ context.Context, _ writ.Principal, state writ.ReviewState, _ int, _ string) ([]writ.Review, string, error) {
	return []writ.Review{f.review()}, "", f.called(fmt.Sprintf("reviews %s", state))
}

func (f *fake) ReviewRun(_ context.Context, _ writ.Principal, run writ.RunID, verdict writ.ReviewVerdict, note string) (writ.Review, error) {
	return f.review(), f.called(fmt.Sprintf("review run %s %s %s", run, verdict, note))
}

func (f *fake) Unused(_ context.Context, _ writ.Principal, window time.Duration) (writ.Unused, error) {
	return writ.Unused{From: at, To: at, Complete: true, Grants: []writ.UnusedGrant{}, Playbooks: []writ.UnusedPlaybook{}, Roles: []writ.UnusedRole{}}, f.called(fmt.Sprintf("unused %s", window))
}
