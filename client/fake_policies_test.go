package client_test

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

const changeID = writ.PolicyChangeID("pch_" + ulid)

func (f *fake) change() writ.PolicyChangeStatus {
	name := writ.PolicyName{Version: 1, Manifest: writ.DigestOf(nil), Policy: writ.DigestOf(nil)}
	return writ.PolicyChangeStatus{ID: changeID, State: writ.PolicyWaiting, Digest: writ.DigestOf(nil), Bytes: []byte("{}"), Change: writ.PolicyChange{ID: changeID, Base: name, Next: name}}
}

func (f *fake) ProposePolicy(_ context.Context, _ writ.Principal, files writ.PolicyFiles, because string) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called("propose policy %d %s %s", len(files.Files), files.Signature, because)
}

func (f *fake) PolicyChange(_ context.Context, _ writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called("policy change %s", id)
}

func (f *fake) PolicyChanges(_ context.Context, _ writ.Principal, state writ.PolicyChangeState, _ int, _ string) ([]writ.PolicyChangeStatus, string, error) {
	return []writ.PolicyChangeStatus{f.change()}, "", f.called("policy changes %s", state)
}

func (f *fake) WithdrawPolicy(_ context.Context, _ writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called("withdraw policy %s", id)
}

func (f *fake) PolicySet(_ context.Context, _ writ.Principal, name string) (writ.PolicySet, error) {
	return writ.PolicySet{PolicyName: f.change().Change.Next}, f.called("policy set %s", name)
}

func (f *fake) BeginPolicyAnswer(_ context.Context, _ writ.Principal, id writ.PolicyChangeID, _ writ.Digest, answer writ.Answer) (writ.AnswerAsk, error) {
	return writ.AnswerAsk{}, f.called("begin policy answer %s %s", id, answer)
}

func (f *fake) AnswerPolicy(_ context.Context, _ writ.Principal, id writ.PolicyChangeID, a writ.Approval) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called("answer policy %s %s %s", id, a.Statement, a.Signature)
}

func (f *fake) SimulatePolicy(_ context.Context, _ writ.Principal, files writ.PolicyFiles) (study.Simulation, error) {
	return study.Simulation{}, f.called("simulate policy %d", len(files.Files))
}

func (f *fake) ExplainPlan(_ context.Context, _ writ.Principal, id writ.PlanID) (study.Explanation, error) {
	return study.Explanation{Outcome: "allow", Decision: writ.Decision{Policy: writ.DigestOf(nil), Facts: []byte("{}")}}, f.called("explain plan %s", id)
}
