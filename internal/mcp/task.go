package mcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// extensionTasks is the name of the tasks extension (SEP-2663). A task here is a plan: it has the plan's id, is as durable as
// the plan, and is the caller's own or does not exist.
const extensionTasks = "io.modelcontextprotocol/tasks"

// taskPoll is how often a client should ask about a task, in milliseconds. A plan takes a runner's round trip, and people take minutes.
const taskPoll = 3000

// taskMethods are those of the extension. There is none that lists tasks or that waits for one.
var taskMethods = map[string]struct{}{"tasks/get": {}, "tasks/update": {}, "tasks/cancel": {}}

// Statuses of a task. The others of the extension do not occur: nothing here asks for input in between, and what went wrong
// with a repair is the completed task's result.
const (
	taskWorking   = "working"
	taskCompleted = "completed"
	taskCancelled = "cancelled"
)

type (
	taskParams struct {
		mcp.ParamsBase
		TaskID string `json:"taskId"`
	}
	// A taskAnswer is a task as it is created (type task) or looked at (type complete).
	taskAnswer struct {
		mcp.ResultBase
		Type    string              `json:"resultType"`
		ID      writ.PlanID         `json:"taskId"`
		Status  string              `json:"status"`
		Message string              `json:"statusMessage,omitempty"`
		Created string              `json:"createdAt"`
		Updated string              `json:"lastUpdatedAt"`
		Life    *int                `json:"ttlMs"` // always null: a plan is not forgotten
		Poll    int                 `json:"pollIntervalMs"`
		Result  *mcp.CallToolResult `json:"result,omitempty"`
	}
	// A taskDone is the empty acknowledgement of the other calls.
	taskDone struct {
		mcp.ResultBase
		Type string `json:"resultType"`
	}
)

// Keys of a request's context.
type (
	callerKey   struct{} // writ.Principal of a call about a task
	proposedKey struct{} // *writ.PlanStatus that proposePlan fills in
)

// addTasks teaches the server the extension.
func (d door) addTasks(s *mcp.Server) error {
	s.AddReceivingMiddleware(onlyMethods, d.withTasks)
	return errors.Join(
		mcp.AddReceivingCustomMethod(s, "tasks/get", d.getTask),
		mcp.AddReceivingCustomMethod(s, "tasks/update", d.updateTask),
		mcp.AddReceivingCustomMethod(s, "tasks/cancel", d.cancelTask),
	)
}

// withTasks answers a proposal with a task if that very request declares the extension: a client that does not would drop the
// id. It lets calls about tasks through with their caller, under the same condition.
func (d door) withTasks(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		_, about := taskMethods[method]
		switch {
		case about && !declares(r, extensionTasks):
			return nil, missing(extensionTasks)
		case about:
			return next(context.WithValue(ctx, callerKey{}, principal(r.GetExtra())), method, r)
		case method != "tools/call" || !declares(r, extensionTasks):
			return next(ctx, method, r)
		}
		var plan writ.PlanStatus
		out, err := next(context.WithValue(ctx, proposedKey{}, &plan), method, r)
		if err != nil || plan.ID == "" || plan.State.Final() {
			return out, err
		}
		task := d.task(plan, nil)
		task.Type, task.Result = "task", nil
		return task, nil
	}
}

// declares says whether a request itself names an extension among the client's capabilities. What an earlier request said
// does not count: the door keeps no sessions.
func declares(r mcp.Request, extension string) bool {
	p := r.GetParams()
	if p == nil {
		return false
	}
	capabilities, _ := p.GetMeta()[mcp.MetaKeyClientCapabilities].(map[string]any)
	extensions, _ := capabilities["extensions"].(map[string]any)
	_, ok := extensions[extension].(map[string]any)
	return ok
}

// missing is the error for a client that did not declare what the call needs (SEP-2575).
func missing(extension string) error {
	data, err := json.Marshal(map[string]any{"requiredCapabilities": map[string]any{"extensions": map[string]any{extension: map[string]any{}}}})
	if err != nil {
		return err
	}
	return &jsonrpc.Error{Code: mcp.CodeMissingRequiredClientCapabilities, Message: "this request must declare the extension " + extension + " in its _meta", Data: data}
}

// task renders a plan, and its run when it has one. The last moment that is known of is the run's newest event.
func (d door) task(p writ.PlanStatus, r *writ.RunStatus) *taskAnswer {
	out := &taskAnswer{Type: "complete", ID: p.ID, Status: taskWorking, Message: string(p.State), Created: moment(p.CreatedAt), Updated: moment(p.CreatedAt), Poll: taskPoll}
	if r != nil {
		out.Message = string(r.State)
		if n := len(r.Events); n > 0 {
			out.Updated = moment(r.Events[n-1].Time)
		}
		if r.State.Final() {
			out.Status, out.Result = taskCompleted, runAnswer(*r)
		}
		return out
	}
	switch {
	case p.State == writ.PlanWithdrawn:
		out.Status = taskCancelled
	case p.State.Final():
		out.Status, out.Result = taskCompleted, d.planAnswer(p)
	}
	return out
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// look reads the caller's own plan, and its run.
func (d door) look(ctx context.Context, params *taskParams) (writ.PlanStatus, *writ.RunStatus, error) {
	by, _ := ctx.Value(callerKey{}).(writ.Principal) // nobody, whom every use case refuses, without one
	if params == nil {
		params = &taskParams{}
	}
	id, err := writ.ParsePlanID(params.TaskID)
	if err != nil {
		return writ.PlanStatus{}, nil, writ.ErrNotFound
	}
	p, err := d.Proposer.Plan(ctx, by, id, 0)
	if err != nil || p.Run == "" {
		return p, nil, err
	}
	r, err := d.Runs.Run(ctx, by, p.Run, 0)
	return p, &r, err
}

func (d door) getTask(ctx context.Context, _ *mcp.ServerSession, params *taskParams) (*taskAnswer, error) {
	p, r, err := d.look(ctx, params)
	if err != nil {
		return nil, d.taskError(err)
	}
	return d.task(p, r), nil
}

// updateTask takes input for a task. No task of this door asks for any, so that it only finds out whether there is the task.
func (d door) updateTask(ctx context.Context, _ *mcp.ServerSession, params *taskParams) (*taskDone, error) {
	if _, _, err := d.look(ctx, params); err != nil {
		return nil, d.taskError(err)
	}
	return &taskDone{Type: "complete"}, nil
}

// cancelTask withdraws a plan that has no run yet, and stops a run at its next step. What has ended stays as it is.
func (d door) cancelTask(ctx context.Context, _ *mcp.ServerSession, params *taskParams) (*taskDone, error) {
	const because = "the client cancelled the task"
	by, _ := ctx.Value(callerKey{}).(writ.Principal)
	p, r, err := d.look(ctx, params)
	switch {
	case err != nil:
	case r != nil && !r.State.Final():
		_, err = d.Runs.Stop(ctx, by, r.ID, because)
	case r == nil && !p.State.Final():
		_, err = d.Proposer.Withdraw(ctx, by, p.ID, because)
	}
	if err != nil {
		return nil, d.taskError(err)
	}
	return &taskDone{Type: "complete"}, nil
}

// taskError is what a client is told when a call about a task fails. Another agent's task is as unknown as one that never was.
func (d door) taskError(err error) error {
	if errors.Is(err, writ.ErrNotFound) {
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "no task of yours has this taskId; propose_plan answers with one"}
	}
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: string(r.Code) + ": " + line(r.Detail, 500) + "; " + line(cmp.Or(r.Hint, r.Code.Nearest()), maxNext/2)}
	}
	d.Log.Error("a call about a task failed", "error", err)
	return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "unavailable: Writ could not answer; try again in a minute"}
}
