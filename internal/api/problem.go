package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"github.com/writ-dev/writ"
)

// A Problem is every answer that is not a success (RFC 9457). Code is stable and what programs act on; Retry says
// whether the same call can succeed: never, same (at once) or after (Retry-After seconds, or a change of state).
type Problem struct {
	Type       string          `json:"type" doc:"Stable path of this kind of problem"`
	Title      string          `json:"title"`
	Status     int             `json:"status"`
	Detail     string          `json:"detail,omitempty" doc:"One sentence for people"`
	Code       writ.Reason     `json:"code" doc:"Stable code for programs"`
	Hint       string          `json:"hint,omitempty" doc:"The nearest thing that would be allowed"`
	Decision   writ.DecisionID `json:"decision_id,omitempty"`
	Current    writ.Digest     `json:"current_digest,omitzero" doc:"With 412: the digest of the plan as it is now"`
	Retry      string          `json:"retry" enum:"never,same,after"`
	TraceID    string          `json:"trace_id"`
	retryAfter int             // seconds; 0 for none
}

// Codes of problems that carry no reason of their own.
const (
	codeDenied      writ.Reason = "denied"
	codeConflict    writ.Reason = "conflict"
	codeStale       writ.Reason = "stale"
	codeBusy        writ.Reason = "busy"
	codeInternal    writ.Reason = "internal"
	codeMethod      writ.Reason = "method"
	codeCrossOrigin writ.Reason = "cross_origin"
)

const (
	retryNever = "never"
	retrySame  = "same"
	retryAfter = "after"
)

// An outcome is how one kind of error is answered.
type outcome struct {
	kind   error
	status int
	code   writ.Reason
	retry  string
	after  int    // seconds
	say    string // instead of the error's own text; empty shows that
}

// When a caller comes again, in seconds: busySeconds when a limit is reached, as long as a short run takes to free it;
// awaySeconds when a part of Writ did not answer, as long as one takes to start.
const (
	busySeconds = 5
	awaySeconds = 2
)

// outcomes is the one table from kinds of error to statuses.
var outcomes = []outcome{
	{writ.ErrUnknownUser, http.StatusUnauthorized, writ.ReasonUnauthenticated, retryNever, 0, "a valid bearer token is needed"},
	{writ.ErrFrozen, http.StatusLocked, writ.ReasonFrozen, retryAfter, 0, ""},
	{writ.ErrDenied, http.StatusForbidden, codeDenied, retryNever, 0, "this caller may not do this"},
	{writ.ErrNotFound, http.StatusNotFound, writ.ReasonNotFound, retryNever, 0, "there is no such object, or none that this caller may know of"},
	{writ.ErrStale, http.StatusPreconditionFailed, codeStale, retryNever, 0, ""},
	{writ.ErrConflict, http.StatusConflict, codeConflict, retryNever, 0, ""},
	{writ.ErrInvalid, http.StatusUnprocessableEntity, writ.ReasonForm, retryNever, 0, ""},
	{writ.ErrBusy, http.StatusTooManyRequests, codeBusy, retryAfter, busySeconds, "a limit is reached"},
	{writ.ErrUnavailable, http.StatusServiceUnavailable, writ.ReasonUnavailable, retryAfter, awaySeconds, "a part of Writ cannot be reached; nothing was done"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, writ.ReasonUnavailable, retryAfter, awaySeconds, "this took too long"},
	{context.Canceled, http.StatusServiceUnavailable, writ.ReasonUnavailable, retryAfter, awaySeconds, "the call was given up"},
}

var unexpected = outcome{nil, http.StatusInternalServerError, codeInternal, retryNever, 0, "something went wrong inside Writ; its log has the trace id"}

// maxDetail bounds the text of a problem.
const maxDetail = 500

// problem turns an error into its answer. Only refusals and errors about the request itself show their text.
func problem(ctx context.Context, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	o := unexpected
	for _, row := range outcomes {
		if errors.Is(err, row.kind) {
			o = row
			break
		}
	}
	p := &Problem{Status: o.status, Code: o.code, Detail: o.say, Retry: o.retry, retryAfter: o.after}
	if p.Detail == "" {
		p.Detail = writ.Printable(err.Error(), maxDetail)
	}
	if r, ok := errors.AsType[*writ.Refusal](err); ok && o.kind != nil {
		p.Code, p.Detail, p.Hint = r.Code, writ.Printable(r.Detail, maxDetail), writ.Printable(r.Hint, maxDetail)
		if p.Hint == "" {
			p.Hint = r.Code.Nearest()
		}
		if r.After > 0 {
			p.Retry, p.retryAfter = retryAfter, r.AfterSeconds()
		}
	}
	if d, ok := errors.AsType[decided](err); ok {
		p.Decision = d.DecisionID()
	}
	if s, ok := errors.AsType[*staleError](err); ok {
		p.Current = s.current
	}
	return p.complete(ctx)
}

// decided is an error that knows the decision behind it.
type decided interface {
	error
	DecisionID() writ.DecisionID
}

// A staleError says that the caller named another plan digest than the current one.
type staleError struct{ current writ.Digest }

func (e *staleError) Error() string {
	return fmt.Sprintf("the plan's digest is %s; look at it again", e.current)
}

func (e *staleError) Is(target error) bool { return target == writ.ErrStale }

func (p *Problem) complete(ctx context.Context) *Problem {
	p.Type = "/problems/" + string(p.Code)
	p.Title = http.StatusText(p.Status)
	p.TraceID = traceOf(ctx)
	return p
}

// Error, GetStatus, GetHeaders and ContentType are what huma asks of an error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns what goes with the status.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="writ"`)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if !p.Current.IsZero() {
		h.Set("ETag", etag(p.Current))
	}
	return h
}

// ContentType returns the media type of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// write sends the problem outside huma.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

// refuse answers with an error and logs it if it is the door's own fault.
func (d *door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	d.failed(r.Context(), err).write(w)
}

// failed is problem, and logs what went wrong on this side of the wire.
func (d *door) failed(ctx context.Context, err error) *Problem {
	p := problem(ctx, err)
	if p.Status >= 500 && !errors.Is(err, context.Canceled) {
		d.Log.ErrorContext(ctx, "a call failed", "trace_id", p.TraceID, "status", p.Status, "error", writ.Printable(err.Error(), maxDetail))
	}
	return p
}

// maxFaults is how many faults of one body are told.
const maxFaults = 3

// withoutValues replaces huma's own problems. Theirs echo the submitted values, even a whole body with the secret that
// was pasted into it; ours name the place and the rule.
func withoutValues(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Status: m.Status, Code: writ.ReasonForm, Hint: writ.ReasonForm.Nearest(), Retry: retryNever}
	if m.Status >= 500 {
		p.Code, p.Hint, p.Detail = codeInternal, "", unexpected.say
		return p.complete(ctx.Context()), nil
	}
	var faults []string
	for _, e := range m.Errors {
		if len(faults) == maxFaults {
			faults = append(faults, "…")
			break
		}
		if e == nil {
			continue
		}
		rule := writ.Printable(e.Message, 160)
		if rule == validation.MsgExpectedMatchExactlyOneSchema { // of all schemas, a parameter's value alone has several
			rule = "must be text, a whole number, true or false"
		}
		faults = append(faults, strings.TrimPrefix(writ.Printable(e.Location, 80)+": "+rule, ": "))
	}
	if p.Detail = strings.Join(faults, "; "); p.Detail == "" {
		p.Detail = m.Detail
	}
	return p.complete(ctx.Context()), nil
}
