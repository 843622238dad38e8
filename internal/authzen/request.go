package authzen

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// This file is the Access Request and Approval Profile, a draft, as far as Writ has what it speaks of: a denial that approvals
// would lift can be followed by a request, which becomes a plan like any other. The task is the plan; its id is no secret
// that gives anything, since only its requester and people may look at it.

// PathRequests is where access is requested.
const PathRequests = Prefix + "requests"

// denialLife is how long a request may refer to a denial: a person who reads it decides within minutes.
const denialLife = 15 * time.Minute

// A Proposer takes requests and tells what became of them. Propose gives the same plan for the same ask while it is open.
type Proposer interface {
	Propose(ctx context.Context, by writ.Principal, ask writ.Ask) (writ.PlanStatus, error)
	Plan(ctx context.Context, by writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error)
}

// Codes of the profile's errors.
const (
	errorPrefix      = "urn:openid:authzen:access-request:error:"
	notRequestable   = errorPrefix + "not_requestable"
	invalidBinding   = errorPrefix + "invalid_denial_binding"
	unknownTask      = errorPrefix + "unknown_task"
	duplicateRequest = errorPrefix + "duplicate_request"
	expiredDenial    = errorPrefix + "expired_denial"
)

// A requestError is an answer of the profile.
type requestError struct {
	status int
	code   string
	detail string
}

func (e *requestError) Error() string { return e.detail }

// bind makes a token that says that this door denied this question until then. It holds nothing secret and grants nothing.
func (d door) bind(by writ.Principal, q writ.AccessQuestion, until time.Time) (string, error) {
	b, err := canon.Marshal(map[string]any{
		"by": by, "subject": q.Subject, "action": q.Action, "service": q.Service, "incident": q.Incident, "until": until.Unix(),
	})
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, d.BindingKey)
	mac.Write(b)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// bound checks that a request follows a denial of exactly what it asks for.
func (d door) bound(by writ.Principal, q writ.AccessQuestion, denial object, now time.Time) error {
	bad := &requestError{http.StatusBadRequest, invalidBinding, "denial must hold binding_token and expires_at of the access_request of a denial of this subject, action, resource and incident"}
	token, err := denial.text("denial", "binding_token", true)
	if err != nil {
		return bad
	}
	text, err := denial.text("denial", "expires_at", true)
	if err != nil {
		return bad
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return bad
	}
	want, err := d.bind(by, q, until)
	if err != nil || !hmac.Equal([]byte(want), []byte(token)) {
		return bad
	}
	if !now.Before(until) {
		return &requestError{http.StatusGone, expiredDenial, "the denial is too old; evaluate again"}
	}
	return nil
}

// request takes a request. What a caller says of urgency or of itself beyond the names is ignored.
func (d door) request(ctx context.Context, by writ.Principal, r *http.Request, in object) (any, error) {
	ctx, q, err := d.question(ctx, in, nil, "")
	if err != nil {
		return nil, err
	}
	if !q.Subject.Same(by) {
		return nil, writ.Refuse(writ.ReasonNotYours, "the subject of a request is its caller")
	}
	denial, err := in.object("denial")
	if err != nil {
		return nil, err
	}
	playbook, ok := strings.CutPrefix(q.Action, "playbook/")
	if !ok || q.Incident == "" {
		return nil, &requestError{http.StatusBadRequest, notRequestable, "a request is for a playbook, in an incident that the context names"}
	}
	got, err := d.Evaluator.Evaluate(ctx, by, q)
	if err != nil {
		return nil, err
	}
	if err := d.bound(by, q, denial, got.At); err != nil {
		return nil, err
	}
	if got.Verdict == writ.Deny {
		return nil, &requestError{http.StatusBadRequest, notRequestable, "no approval would lift this denial: " + string(got.Reason)}
	}
	ask := writ.Ask{Incident: q.Incident, Playbook: playbook}
	if err := details(&ask, in); err != nil {
		return nil, err
	}
	s, err := d.Proposer.Propose(ctx, by, ask)
	if err != nil {
		return nil, err
	}
	return created{d.task(s)}, nil
}

// created is answered with 201.
type created struct{ task any }

// details reads what a plan needs beyond the names.
func details(ask *writ.Ask, in object) error {
	about, err := in.object("context")
	if err != nil {
		return err
	}
	if raw, ok := about["parameters"]; ok {
		if err := json.Unmarshal(raw, &ask.Parameters); err != nil {
			return form("context.parameters must be an object of the playbook's parameters")
		}
	}
	var ids []string
	if raw, ok := about["evidence"]; ok {
		if err := json.Unmarshal(raw, &ids); err != nil {
			return form("context.evidence must be a list of ids of evidence")
		}
	}
	for _, s := range ids {
		id, err := writ.ParseEvidenceID(s)
		if err != nil {
			return form("context.evidence must be a list of ids of evidence")
		}
		ask.Evidence = append(ask.Evidence, id)
	}
	ask.Because, err = about.text("context", "because", false)
	return err
}

// statuses are how the states of a plan are told. What is not here is no approval.
var statuses = map[writ.PlanState]string{
	writ.PlanPlanning: "pending", writ.PlanWaiting: "pending", writ.PlanGranted: "approved", writ.PlanDone: "approved",
	writ.PlanDenied: "denied", writ.PlanRejected: "denied", writ.PlanRefused: "failed", writ.PlanStale: "failed",
	writ.PlanExpired: "expired", writ.PlanWithdrawn: "cancelled", writ.PlanObserved: "denied",
}

// task shows a plan as a task.
func (d door) task(s writ.PlanStatus) any {
	status, ok := statuses[s.State]
	if !ok {
		status = "failed"
	}
	task := map[string]any{
		"id": s.ID, "status": status, "status_endpoint": d.ExternalURL + PathRequests + "/" + string(s.ID), "expires_at": s.ExpiresAt,
		"links": map[string]string{"plan": d.ExternalURL + "/v1/plans/" + string(s.ID)},
	}
	if s.Reason != "" {
		task["reason"] = s.Reason
	}
	out := map[string]any{"task": task}
	if status == "approved" {
		out["result"] = map[string]any{"mode": "reevaluate", "approval": map[string]any{"id": s.ID, "approved_until": s.ExpiresAt}}
	}
	return out
}

// requested tells what became of a request.
func (d door) requested(ctx context.Context, by writ.Principal, r *http.Request, _ object) (any, error) {
	missing := &requestError{http.StatusNotFound, unknownTask, "there is no such task, or none that this caller may know of"}
	id, err := writ.ParsePlanID(r.PathValue("id"))
	if err != nil {
		return nil, missing
	}
	s, err := d.Proposer.Plan(ctx, by, id, 0)
	if errors.Is(err, writ.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	return d.task(s), nil
}

// once runs a request once per Idempotency-Key, and gives its answer again.
func (d door) once(handle handler) handler {
	return func(ctx context.Context, by writ.Principal, r *http.Request, in object) (any, error) {
		key := r.Header.Get("Idempotency-Key")
		if len(key) < 16 || len(key) > 128 || writ.Printable(key, 128) != key {
			return nil, form("Idempotency-Key must be 16 to 128 visible characters, new for each request")
		}
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		kept, replay, err := d.Idempotency.Begin(ctx, by, key, writ.DigestOf(append([]byte(PathRequests+"\n"), b...)))
		if writ.ReasonOf(err) == writ.ReasonIdempotency {
			return nil, &requestError{http.StatusConflict, duplicateRequest, "this Idempotency-Key was used with another body"}
		}
		if err != nil {
			return nil, err
		}
		if replay {
			return created{json.RawMessage(kept)}, nil
		}
		out, err := handle(ctx, by, r, in)
		status, answer := http.StatusBadRequest, []byte(nil)
		if c, ok := out.(created); ok && err == nil {
			status = http.StatusCreated
			if answer, err = json.Marshal(c.task); err != nil {
				return nil, fmt.Errorf("a task has no form: %w", err)
			}
		}
		if ferr := d.Idempotency.Finish(context.WithoutCancel(ctx), by, key, status, answer); err == nil {
			err = ferr
		}
		return out, err
	}
}

// An Idempotency remembers answers per caller and key, as internal/api's does.
type Idempotency interface {
	Begin(ctx context.Context, by writ.Principal, key string, call writ.Digest) (answer []byte, replay bool, err error)
	Finish(ctx context.Context, by writ.Principal, key string, status int, answer []byte) error
}
