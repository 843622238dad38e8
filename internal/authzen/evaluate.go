package authzen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// A verdict is one decision as it goes out. Whoever reads only Decision takes what needs approvals for a no.
type verdict struct {
	Decision bool         `json:"decision"`
	Context  shownContext `json:"context,omitzero"`
}

type shownContext struct {
	Advice      string         `json:"advice,omitempty"`
	EvaluatedAt *time.Time     `json:"evaluated_at,omitempty"`
	Reason      writ.Reason    `json:"reason,omitempty"`
	Because     []string       `json:"reason_user,omitempty"`
	Policies    []string       `json:"policies,omitempty"` // people and services
	Policy      writ.Digest    `json:"policy_digest,omitzero"`
	Access      *accessRequest `json:"access_request,omitempty"`
	Obligations []obligation   `json:"obligations,omitempty"`
	Error       *itemError     `json:"error,omitempty"`
}

// An accessRequest says what would turn a denial into an allow: approvals of people. Without it the denial cannot be
// lifted by asking.
type accessRequest struct {
	Endpoint  string          `json:"endpoint,omitempty"` // where the subject itself requests it, with Binding and Expires; absent for others
	Expires   *time.Time      `json:"expires_at,omitempty"`
	Binding   string          `json:"binding_token,omitempty"`
	Approvals map[string]int  `json:"approvals,omitempty"`
	Proof     writ.ProofLevel `json:"proof,omitempty"`
}

type obligation struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Properties map[string]int `json:"properties"`
}

type itemError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// advice goes with every decision.
const advice = "This is advice and grants nothing: what is proposed is decided anew on the facts of that moment."

func (d door) evaluation(ctx context.Context, by writ.Principal, _ *http.Request, in object) (any, error) {
	return d.one(ctx, by, in, nil)
}

func (d door) one(ctx context.Context, by writ.Principal, in, defaults object) (verdict, error) {
	ctx, q, err := d.question(ctx, in, defaults, "")
	if u, ok := errors.AsType[*unknown](err); ok {
		return verdict{Context: shownContext{Advice: advice, Reason: u.code, Because: []string{u.detail}}}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	got, err := d.Evaluator.Evaluate(ctx, by, q)
	if err != nil {
		return verdict{}, err
	}
	out := d.show(by, got)
	if a := out.Context.Access; a != nil && by.Same(q.Subject) && q.Incident != "" && q.Plan == "" {
		until := got.At.Add(denialLife).Truncate(time.Second)
		if a.Binding, err = d.bind(by, q, until); err != nil {
			return verdict{}, err
		}
		a.Endpoint, a.Expires = d.ExternalURL+PathRequests, &until
	}
	return out, nil
}

// show puts a decision in the form of the API. Agents see codes and sentences; people and services see the rules, too.
func (d door) show(by writ.Principal, got writ.Decision) verdict {
	out := verdict{Decision: got.Allowed(), Context: shownContext{
		Advice: advice, EvaluatedAt: &got.At, Reason: got.Reason, Because: got.Because, Policy: got.Policy,
	}}
	if by.Kind != writ.KindAgent {
		out.Context.Policies = got.Policies
	}
	if got.Observed { // nothing can be asked for: it would be decided and not carried out
		out.Context.Reason = writ.ReasonObserved
		out.Context.Because = append([]string{"The playbook is in observe mode: what is asked for is decided and recorded, and nothing of it is run. It would be " + string(got.Verdict) + "."}, got.Because...)
		return out
	}
	if got.Verdict != writ.Requires {
		return out
	}
	need := got.Requirements
	if len(need.Approvals) > 0 || need.Proof != "" {
		out.Context.Access = &accessRequest{Approvals: need.Approvals, Proof: need.Proof}
	}
	for _, cap := range []struct {
		name string
		n    int
	}{{"max_ttl_seconds", need.MaxTTL}, {"max_permille", need.MaxPermille}, {"max_objects", need.MaxObjects}} {
		if cap.n > 0 {
			out.Context.Obligations = append(out.Context.Obligations, obligation{ID: "cap/" + cap.name, Type: "cap", Properties: map[string]int{cap.name: cap.n}})
		}
	}
	return out
}

// Semantics of section 7.1.2.1: when the rest is not evaluated any more.
const (
	executeAll          = "execute_all"
	denyOnFirstDeny     = "deny_on_first_deny"
	permitOnFirstPermit = "permit_on_first_permit"
)

func (d door) evaluations(ctx context.Context, by writ.Principal, _ *http.Request, in object) (any, error) {
	var items []json.RawMessage
	if raw, ok := in["evaluations"]; ok {
		if err := json.Unmarshal(raw, &items); err != nil || strings.TrimSpace(string(raw)) == "null" {
			return nil, form("evaluations must be an array")
		}
	}
	if len(items) == 0 { // the same as a single evaluation
		return d.one(ctx, by, in, nil)
	}
	if len(items) > maxItems {
		return nil, form(fmt.Sprintf("evaluations has %d items; at most %d are allowed", len(items), maxItems))
	}
	semantic := executeAll
	options, err := in.object("options")
	if err != nil {
		return nil, err
	}
	if s, err := options.text("options", "evaluations_semantic", false); err != nil {
		return nil, err
	} else if s != "" {
		semantic = s
	}
	if semantic != executeAll && semantic != denyOnFirstDeny && semantic != permitOnFirstPermit {
		return nil, form("options.evaluations_semantic must be " + executeAll + ", " + denyOnFirstDeny + " or " + permitOnFirstPermit)
	}
	out := struct {
		Evaluations []verdict `json:"evaluations"`
	}{}
	for _, raw := range items {
		v := d.item(ctx, by, raw, in)
		out.Evaluations = append(out.Evaluations, v)
		if semantic == denyOnFirstDeny && !v.Decision || semantic == permitOnFirstPermit && v.Decision {
			break
		}
	}
	return out, nil
}

// item evaluates one of many. What is wrong with it is its own: a deny with the error in its context.
func (d door) item(ctx context.Context, by writ.Principal, raw json.RawMessage, defaults object) verdict {
	var in object
	err := json.Unmarshal(raw, &in)
	if err != nil || in == nil {
		err = form("an evaluation must be an object")
	}
	var v verdict
	if err == nil {
		v, err = d.one(ctx, by, in, defaults)
	}
	if err != nil {
		status, say := failure(err)
		return verdict{Context: shownContext{Error: &itemError{status, say}}}
	}
	return v
}
