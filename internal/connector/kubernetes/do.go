package kubernetes

import (
	"context"
	"fmt"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// notApplied is an outcome of which it is certain that nothing happened.
func notApplied(code writ.Reason, detail string) connector.Outcome {
	return connector.Outcome{Effect: writ.NotApplied, Reason: code, Detail: detail}
}

// refused is notApplied for an error that came before anything was sent.
func refused(err error) connector.Outcome {
	if code := writ.ReasonOf(err); code != "" {
		return notApplied(code, err.Error())
	}
	return notApplied(writ.ReasonStepFailed, err.Error())
}

// Do implements connector.Lease. It reads the object first, and the body says what must still stand in it, so that the
// API server compares once more when it writes.
func (l *lease) Do(ctx context.Context, p connector.Prepared) connector.Outcome {
	if err := p.Check(); err != nil {
		return refused(err)
	}
	at, err := objectOf(l.c.target, p.Step)
	if err != nil {
		return refused(err)
	}
	ctx, cancel := l.during(ctx)
	defer cancel()
	if l.client == nil || l.alive.Err() != nil {
		return notApplied(writ.ReasonLeaseFailed, "the lease has no credential, or it is revoked")
	}
	now, _, err := l.client.get(ctx, at)
	switch {
	case writ.ReasonOf(err) == writ.ReasonNoObject:
		return notApplied(writ.ReasonWorldMoved, fmt.Sprintf("%s is gone", at))
	case err != nil:
		return refused(err)
	}
	if why := differs(at, p.Step.Object, now); why != "" {
		return notApplied(writ.ReasonWorldMoved, fmt.Sprintf("%s %s", at, why))
	}
	call := p.Step.Call
	a, err := l.client.do(ctx, request{method: call.Method, path: call.Path, query: call.Query, contentType: call.ContentType, body: p.Body})
	out := judge(at, a, err)
	if len(a.wire) > 0 {
		out.Sent = writ.Commit(p.Salt, connector.BlobBody, a.wire)
	}
	if a.status == http.StatusUnprocessableEntity {
		// Either the object is one that the target would not have, or a test of the patch failed: looking again tells.
		if now, _, err := l.client.get(ctx, at); err == nil && differs(at, p.Step.Object, now) != "" {
			out.Reason, out.Detail = writ.ReasonWorldMoved, fmt.Sprintf("%s has changed since the plan", at)
		}
	}
	return out
}

// differs says how an object is no longer the one of the plan; empty if it is.
func differs(at place, planned writ.Object, now object) string {
	switch {
	case now.uid() != planned.UID:
		return "was made anew since the plan"
	case stamp(at.kind, now) != planned.Version:
		return "has changed since the plan"
	}
	return ""
}

// judge turns the answer to a call into its outcome. Only an answer says that something did or did not happen: when
// the wire is cut after the request went out, or the server fails on its side, the outcome is unknown.
func judge(at place, a answer, err error) connector.Outcome {
	out := connector.Outcome{Status: a.status}
	switch {
	case err != nil && !a.sent:
		out.Effect, out.Reason, out.Detail = writ.NotApplied, writ.ReasonUnreachable, "the call was not sent: "+err.Error()
	case err != nil:
		out.Reason, out.Detail = writ.ReasonUncertainOutcome, "the call was sent and its answer did not come: "+err.Error()
	case a.status >= 200 && a.status < 300:
		after, err := parseObject(a.body)
		if err != nil {
			out.Reason, out.Detail = writ.ReasonUncertainOutcome, "the call was answered, but not in a form that can be read"
			return out
		}
		out.Effect, out.After, out.Version = writ.Applied, a.body, stamp(at.kind, after)
	case a.status >= 500:
		out.Reason, out.Detail = writ.ReasonUncertainOutcome, a.says()
	case a.status == http.StatusConflict, a.status == http.StatusNotFound:
		out.Effect, out.Reason, out.Detail = writ.NotApplied, writ.ReasonWorldMoved, fmt.Sprintf("%s has changed since the plan", at)
	default:
		out.Effect, out.Reason, out.Detail = writ.NotApplied, writ.ReasonOf(a.refusal()), a.says()
	}
	return out
}
