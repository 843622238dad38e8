package mcp

import (
	"context"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// progressEvery is how often a client that listens hears that its call still waits: well within the 10 s after which the
// least patient clients believe a connection dead.
const progressEvery = 5 * time.Second

// A listener is a client that asked to be told of the progress of its call. The zero listener hears nothing.
type listener struct {
	session *mcp.ServerSession
	token   any
}

type listenerKey struct{}

// listening returns ctx with the listener of a call, if there is one.
func listening(ctx context.Context, r *mcp.CallToolRequest) context.Context {
	if token := r.Params.GetProgressToken(); token != nil && r.Session != nil {
		return context.WithValue(ctx, listenerKey{}, listener{r.Session, token})
	}
	return ctx
}

// follow waits as ask does, for up to wait, and tells the call's listener the state every progressEvery. ask returns early when there is
// news, and whether its answer is worth more waiting.
func follow(ctx context.Context, wait time.Duration, ask func(time.Duration) (state string, more bool, err error)) error {
	l, ok := ctx.Value(listenerKey{}).(listener)
	if !ok || wait == 0 {
		_, _, err := ask(wait)
		return err
	}
	first, more, err := ask(0)
	for waited := time.Duration(0); err == nil && more && waited < wait; {
		// A client that is gone hears nothing; the call itself ends with its context.
		_ = l.session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: l.token, Progress: waited.Seconds(), Total: wait.Seconds(), Message: first})
		step := min(progressEvery, wait-waited)
		waited += step
		var state string
		if state, more, err = ask(step); state != first {
			return err
		}
	}
	return err
}

// plan is Proposer.Plan with progress.
func (d door) plan(ctx context.Context, by writ.Principal, id writ.PlanID, wait time.Duration) (p writ.PlanStatus, err error) {
	asked := 0
	err = follow(ctx, wait, func(step time.Duration) (string, bool, error) {
		p, err = d.Proposer.Plan(ctx, by, id, step)
		news := step > 0 && len(p.EvidenceAsked) != asked
		asked = len(p.EvidenceAsked)
		return string(p.State), !news && !p.State.Final(), err
	})
	return p, err
}

// run is Runs.Run with progress.
func (d door) run(ctx context.Context, by writ.Principal, id writ.RunID, wait time.Duration) (r writ.RunStatus, err error) {
	events := 0
	err = follow(ctx, wait, func(step time.Duration) (string, bool, error) {
		r, err = d.Runs.Run(ctx, by, id, step)
		news := step > 0 && len(r.Events) != events
		events = len(r.Events)
		return string(r.State), !news && (!r.State.Final() || alive(r) > 0), err
	})
	return r, err
}
