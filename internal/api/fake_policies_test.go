package api_test

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

const changeID = writ.PolicyChangeID("pch_" + ulid)

func (f *fake) change() writ.PolicyChangeStatus {
	name := writ.PolicyName{Version: 1, Manifest: writ.DigestOf(nil), Policy: writ.DigestOf(nil)}
	return writ.PolicyChangeStatus{ID: changeID, State: writ.PolicyWaiting, Digest: writ.DigestOf(nil), Bytes: []byte("{}"), Change: writ.PolicyChange{ID: changeID, Base: name, Next: name}}
}

func (f *fake) ProposePolicy(_ context.Context, _ writ.Principal, files writ.PolicyFiles, because string) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called(fmt.Sprintf("propose policy %d %s %s", len(files.Files), files.Signature, because))
}

func (f *fake) PolicyChange(_ context.Context, _ writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called("policy change " + string(id))
}

func (f *fake) PolicyChanges(_ context.Context, _ writ.Principal, state writ.PolicyChangeState, _ int, _ string) ([]writ.PolicyChangeStatus, string, error) {
	return []writ.PolicyChangeStatus{f.change()}, "", f.called("policy changes " + string(state))
}

func (f *fake) WithdrawPolicy(_ context.Context, _ writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called("withdraw policy " + string(id))
}

func (f *fake) PolicySet(_ context.Context, _ writ.Principal, name string) (writ.PolicySet, error) {
	return writ.PolicySet{PolicyName: f.change().Change.Next}, f.called(fmt.Sprintf("policy set %s", name))
}

func (f *fake) BeginPolicyAnswer(_ context.Context, _ writ.Principal, id writ.PolicyChangeID, _ writ.Digest, answer writ.Answer) (writ.AnswerAsk, error) {
	return writ.AnswerAsk{}, f.called(fmt.Sprintf("begin policy answer %s %s", id, answer))
}

func (f *fake) AnswerPolicy(_ context.Context, _ writ.Principal, id writ.PolicyChangeID, a writ.Approval) (writ.PolicyChangeStatus, error) {
	return f.change(), f.called(fmt.Sprintf("answer policy %s %s %s", id, a.Statement, a.Signature))
}

func (f *fake) SimulatePolicy(_ context.Context, _ writ.Principal, files writ.PolicyFiles) (study.Simulation, error) {
	return study.Simulation{}, f.called(fmt.Sprintf("simulate policy %d", len(files.Files)))
}

func (f *fake) ExplainPlan(_ context.Context, _ writ.Principal, id writ.PlanID) (study.Explanation, error) {
	return study.Explanation{Outcome: "allow", Decision: writ.Decision{Policy: writ.DigestOf(nil), Facts: []byte("{}")}}, f.called(fmt.Sprintf("explain plan %s", id))
}
