package client

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// Playbook returns one playbook in words.
func (c *Client) Playbook(ctx context.Context, name string) (writ.PlaybookText, error) {
	var p writ.PlaybookText
	return p, c.do(ctx, call{method: http.MethodGet, path: "/v1/playbooks/" + name}, &p)
}

// Alert hands in one call of Alertmanager's webhook, version 4, as its bytes.
func (c *Client) Alert(ctx context.Context, webhook []byte) (writ.Incident, error) {
	var i writ.Incident
	return i, c.do(ctx, call{method: http.MethodPost, path: "/v1/alerts/alertmanager", body: json.RawMessage(webhook)}, &i)
}

// Incident returns one incident with evidence, plans and timeline.
func (c *Client) Incident(ctx context.Context, id writ.IncidentID) (writ.IncidentStatus, error) {
	var i writ.IncidentStatus
	return i, c.do(ctx, call{method: http.MethodGet, path: "/v1/incidents/" + string(id)}, &i)
}

// reading is evidence as it comes, with its redacted bytes.
type reading struct {
	writ.Evidence
	Bytes []byte `json:"bytes"`
}

// Observe has a runner read one observation, and waits up to 20 s for it.
func (c *Client) Observe(ctx context.Context, incident writ.IncidentID, reader writ.OperationName, target writ.Location, with writ.Parameters) (writ.Evidence, []byte, error) {
	var r reading
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/evidence", creates: true, body: struct {
		Incident writ.IncidentID    `json:"incident"`
		Reader   writ.OperationName `json:"reader"`
		Target   writ.Location      `json:"target"`
		With     writ.Parameters    `json:"with,omitempty"`
	}{incident, reader, target, with}}, &r)
	return r.Evidence, r.Bytes, err
}

// Evidence returns one reading with its redacted bytes.
func (c *Client) Evidence(ctx context.Context, id writ.EvidenceID) (writ.Evidence, []byte, error) {
	var r reading
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/evidence/" + string(id)}, &r)
	return r.Evidence, r.Bytes, err
}

// OpenedEvidence returns one reading with the salt of its commitment, so that it can be verified offline.
func (c *Client) OpenedEvidence(ctx context.Context, id writ.EvidenceID) (writ.EvidenceContent, error) {
	var e writ.EvidenceContent
	return e, c.do(ctx, call{method: http.MethodGet, path: "/v1/evidence/" + string(id) + "/content"}, &e)
}

// Propose asks for one repair. It returns at once with a plan to follow; see WaitPlan.
func (c *Client) Propose(ctx context.Context, ask writ.Ask) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/proposals", creates: true, body: ask}, &p)
}

// Plan returns one plan as it is now.
func (c *Client) Plan(ctx context.Context, id writ.PlanID) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	return p, c.do(ctx, call{method: http.MethodGet, path: "/v1/plans/" + string(id)}, &p)
}

// WaitPlan returns the plan once it is in none of the given states; without any, once it has ended. It waits as long
// as ctx lives.
func (c *Client) WaitPlan(ctx context.Context, id writ.PlanID, while ...writ.PlanState) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	err := c.wait(ctx, "/v1/plans/"+string(id), &p, func() bool {
		if len(while) == 0 {
			return p.State.Final()
		}
		return !slices.Contains(while, p.State)
	})
	return p, err
}

// Withdraw takes one's own plan back.
func (c *Client) Withdraw(ctx context.Context, id writ.PlanID, because string) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/plans/" + string(id) + "/withdrawal", body: becauseBody{because}}, &p)
}

type becauseBody struct {
	Because string `json:"because,omitempty"`
}

// Approve hands in a person's signed answer, to approve or reject as the statement says. digest is of the plan that was
// shown; when the plan is another one by now the error matches writ.ErrStale and nothing is recorded.
func (c *Client) Approve(ctx context.Context, id writ.PlanID, digest writ.Digest, statement []byte, signature, reason string) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	return p, c.do(ctx, call{
		method: http.MethodPost, path: "/v1/plans/" + string(id) + "/approvals", creates: true,
		header: http.Header{"If-Match": {`"` + digest.String() + `"`}},
		body: struct {
			PlanDigest writ.Digest `json:"plan_digest"`
			Statement  []byte      `json:"statement"`
			Signature  string      `json:"signature"`
			Reason     string      `json:"reason,omitempty"`
		}{digest, statement, signature, reason},
	}, &p)
}

// Run returns one run with its story so far.
func (c *Client) Run(ctx context.Context, id writ.RunID) (writ.RunStatus, error) {
	var r writ.RunStatus
	return r, c.do(ctx, call{method: http.MethodGet, path: "/v1/runs/" + string(id)}, &r)
}

// WaitRun returns the run once it has ended, whatever the end. It waits as long as ctx lives.
func (c *Client) WaitRun(ctx context.Context, id writ.RunID) (writ.RunStatus, error) {
	var r writ.RunStatus
	err := c.wait(ctx, "/v1/runs/"+string(id), &r, func() bool { return r.State.Final() })
	return r, err
}

// Stop asks a run to stop at the next step boundary.
func (c *Client) Stop(ctx context.Context, id writ.RunID, because string) (writ.RunStatus, error) {
	var r writ.RunStatus
	return r, c.do(ctx, call{method: http.MethodPost, path: "/v1/runs/" + string(id) + "/stop", body: becauseBody{because}}, &r)
}

// Settle says, as a person, what step number step (from 1) of an uncertain run did: applied or not applied.
func (c *Client) Settle(ctx context.Context, id writ.RunID, step int, as writ.Effect, reason string) (writ.RunStatus, error) {
	var r writ.RunStatus
	return r, c.do(ctx, call{method: http.MethodPost, path: "/v1/runs/" + string(id) + "/settlement", body: struct {
		Step   int         `json:"step"`
		As     writ.Effect `json:"as"`
		Reason string      `json:"reason"`
	}{step, as, reason}}, &r)
}

// Undo asks for the undo of an incident's runs, newest first, and returns at once with the plans made so far; see
// WaitUndo. While one is under way it is that one.
func (c *Client) Undo(ctx context.Context, id writ.IncidentID, ask writ.UndoAsk) (writ.Undo, error) {
	var u writ.Undo
	return u, c.do(ctx, call{method: http.MethodPost, path: "/v1/incidents/" + string(id) + "/undo", body: ask}, &u)
}

// undoPause is the time between two looks at an undo: each of its steps takes seconds.
const undoPause = time.Second

// WaitUndo returns the undo of an incident once it is not open any more, and calls seen with each state of it that is new.
// It waits as long as ctx lives: a plan may wait for people.
func (c *Client) WaitUndo(ctx context.Context, id writ.IncidentID, seen func(writ.Undo)) (writ.Undo, error) {
	var last writ.Undo
	for first := true; ; first = false {
		in, err := c.Incident(ctx, id)
		switch {
		case err != nil:
			return last, err
		case in.Undo == nil:
			return last, writ.ErrNotFound
		}
		if first || !reflect.DeepEqual(*in.Undo, last) {
			last = *in.Undo
			seen(last)
		}
		if last.State != writ.UndoOpen {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(undoPause):
		}
	}
}
