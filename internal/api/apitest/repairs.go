package apitest

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

func (c *Control) Playbooks(_ context.Context, _ writ.Principal, service string) ([]writ.PlaybookSummary, error) {
	return []writ.PlaybookSummary{Summary()}, c.Called("playbooks %s", service)
}

func (c *Control) Playbook(_ context.Context, _ writ.Principal, name string) (writ.PlaybookText, error) {
	return writ.PlaybookText{PlaybookSummary: Summary(), Text: "words"}, c.Called("playbook %s", name)
}

// PlaybookVersions are two: the one in use, and the first one.
func (c *Control) PlaybookVersions(_ context.Context, _ writ.Principal, name string) ([]writ.PlaybookVersion, error) {
	return []writ.PlaybookVersion{
		{PlaybookRef: Playbook(), Since: At, Source: "v: 1\nname: rollback-deployment\n"},
		{PlaybookRef: writ.PlaybookRef{Name: name, Version: 1, Digest: Digest}, Since: At, Source: "v: 1\nname: rollback\n"},
	}, c.Called("versions %s", name)
}

func (c *Control) RetirePlaybook(_ context.Context, _ writ.Principal, name, reason string) (writ.PlaybookSummary, error) {
	return writ.PlaybookSummary{PlaybookRef: Playbook()}, c.Called("retire %s %s", name, reason)
}

func (c *Control) Propose(_ context.Context, _ writ.Principal, a writ.Ask) (writ.PlanStatus, error) {
	c.mu.Lock()
	c.asked = a
	c.mu.Unlock()
	dry := ""
	if a.DryRun {
		dry = " dry"
	}
	return Plan(writ.PlanPlanning), c.Called("propose %s %s %s %v %s%s", a.Incident, a.Playbook, text(a.Parameters), a.Evidence, a.Because, dry)
}

// Plan answers with the next of PlanStates.
func (c *Control) Plan(_ context.Context, _ writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error) {
	if err := c.Called("plan %s %v", id, wait); err != nil {
		return writ.PlanStatus{}, err
	}
	return Plan(next(c, &c.PlanStates, writ.PlanWaiting)), nil
}

// Plans are three pages of two: the second one is at "second", the third at "third".
func (c *Control) Plans(_ context.Context, _ writ.Principal, q writ.PlanFilter) ([]writ.PlanStatus, string, error) {
	next := map[string]string{"": "second", "second": "third"}[q.Cursor]
	return []writ.PlanStatus{Plan(writ.PlanWaiting), Plan(writ.PlanDone)}, next, c.Called("plans %s %s %d %s", q.State, q.Incident, q.Limit, q.Cursor)
}

func (c *Control) Withdraw(_ context.Context, _ writ.Principal, id writ.PlanID, because string) (writ.PlanStatus, error) {
	return Plan(writ.PlanWithdrawn), c.Called("withdraw %s %s", id, because)
}

func (c *Control) AskEvidence(_ context.Context, _ writ.Principal, id writ.PlanID, text string) (writ.PlanStatus, error) {
	return Plan(writ.PlanWaiting), c.Called("ask evidence %s %s", id, text)
}

func (c *Control) Answer(_ context.Context, _ writ.Principal, id writ.PlanID, statement []byte, signature, reason string) (writ.PlanStatus, error) {
	return Plan(writ.PlanGranted), c.Called("answer %s %s %s %s", id, statement, signature, reason)
}

func (c *Control) BeginAnswer(_ context.Context, _ writ.Principal, id writ.PlanID, w writ.AnswerWish) (writ.AnswerAsk, error) {
	return ToSign(), c.Called("begin answer %s %s %s %s", id, w.Answer, w.Slot, w.Typed)
}

func (c *Control) AnswerByPasskey(_ context.Context, _ writ.Principal, id writ.PlanID, statement []byte, p writ.Assertion, reason string) (writ.PlanStatus, error) {
	return Plan(writ.PlanGranted), c.Called("answer %s %s %s %s", id, statement, proof("", &p), reason)
}

func (c *Control) Recall(_ context.Context, _ writ.Principal, id writ.PlanID) (writ.PlanStatus, error) {
	return Plan(writ.PlanWaiting), c.Called("recall %s", id)
}

// Run answers with the next of RunStates.
func (c *Control) Run(_ context.Context, _ writ.Principal, id writ.RunID, wait time.Duration) (writ.RunStatus, error) {
	if err := c.Called("run %s %v", id, wait); err != nil {
		return writ.RunStatus{}, err
	}
	return Run(next(c, &c.RunStates, writ.RunRunning)), nil
}

func (c *Control) Runs(_ context.Context, _ writ.Principal, q writ.RunFilter) ([]writ.RunStatus, string, error) {
	return []writ.RunStatus{Run(writ.RunRunning)}, "", c.Called("runs %s %s %s %d", q.State, q.Incident, q.Plan, q.Limit)
}

func (c *Control) Present(_ context.Context, _ writ.Principal, grant, proof string) (writ.RunStatus, error) {
	return Run(writ.RunGranted), c.Called("present %s %s", grant, proof)
}

func (c *Control) Stop(_ context.Context, _ writ.Principal, id writ.RunID, because string) (writ.RunStatus, error) {
	return Run(writ.RunRunning), c.Called("stop %s %s", id, because)
}

func (c *Control) Settle(_ context.Context, _ writ.Principal, id writ.RunID, step int, as writ.Effect, reason string) (writ.RunStatus, error) {
	return Run(writ.RunUncertain), c.Called("settle %s %d %s %s", id, step, as, reason)
}

// proof is by what a statement is signed.
func proof(signature string, p *writ.Assertion) string {
	if p == nil {
		return signature
	}
	return fmt.Sprintf("by passkey %s %s %s %s", p.Credential, p.AuthenticatorData, p.ClientData, p.Signature)
}
