package web

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/writ-dev/writ"
)

// Policies are changes of the policy set, and sets with their files.
type Policies interface {
	PolicyChange(ctx context.Context, by writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error)
	PolicyChanges(ctx context.Context, by writ.Principal, state writ.PolicyChangeState, limit int, cursor string) (all []writ.PolicyChangeStatus, next string, err error)
	WithdrawPolicy(ctx context.Context, by writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error)
}

// PolicyAnswers answer a change: BeginPolicyAnswer makes the statement that a passkey is to sign, and AnswerPolicy takes it
// signed. A person's session alone answers nothing.
type PolicyAnswers interface {
	BeginPolicyAnswer(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, shown writ.Digest, answer writ.Answer) (writ.AnswerAsk, error)
	AnswerPolicy(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, a writ.Approval) (writ.PolicyChangeStatus, error)
}

// A rulesView is by which rules is decided, and what is to change.
type rulesView struct {
	Status writ.Status
	Items  []writ.PolicyChangeStatus
	Next   string
}

func (d *door) rules(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	s, err := d.Overview.Status(ctx, by)
	if err != nil {
		return view{}, err
	}
	items, next, err := d.Policies.PolicyChanges(ctx, by, "", writ.DefaultPage, r.URL.Query().Get("cursor"))
	if next != "" {
		next = "/policy/changes?cursor=" + next
	}
	return view{title: "Policy", data: rulesView{s, items, next}}, err
}

// A changeView is one change, as its bytes have it.
type changeView struct {
	writ.PolicyChangeStatus
	Waiting  bool
	Have     int    // approvals so far
	AnswerAt string // where a passkey answers it; empty where none can
	Text     string // the bytes, in base64
}

// changeView shows what the bytes say, which must have the digest.
func (d *door) changeView(ctx context.Context, by writ.Principal, r *http.Request) (changeView, error) {
	id, err := writ.ParsePolicyChangeID(r.PathValue("id"))
	if err != nil {
		return changeView{}, writ.ErrNotFound
	}
	s, err := d.Policies.PolicyChange(ctx, by, id)
	if err != nil {
		return changeView{}, err
	}
	change, digest, err := writ.ParsePolicyChange(s.Bytes)
	if err != nil {
		return changeView{}, err
	}
	if !digest.Equal(s.Digest) || change.ID != id {
		return changeView{}, writ.Refuse(writ.ReasonApprovalMismatch, "the change's bytes are not those of its digest")
	}
	s.Change = change
	v := changeView{PolicyChangeStatus: s, Waiting: s.State == writ.PolicyWaiting && d.Now().Before(change.NotAfter), Text: base64.StdEncoding.EncodeToString(s.Bytes)}
	for _, a := range s.Answers {
		if a.Answer == writ.Approve {
			v.Have++
		}
	}
	if d.Approving != nil && v.Waiting {
		v.AnswerAt = d.Approving.Origin + "/approve/policy/" + string(id)
	}
	return v, nil
}

func (d *door) policyChange(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	v, err := d.changeView(ctx, by, r)
	return view{title: "Policy change", data: v}, err
}

func (d *door) withdrawPolicy(ctx context.Context, by writ.Principal, r *http.Request, _ form) (string, error) {
	id, err := writ.ParsePolicyChangeID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	_, err = d.Policies.WithdrawPolicy(ctx, by, id)
	return "/policy/" + string(id), err
}

// beginPolicyAnswer makes the statement for the passkey, over the digest that the script computed.
func (d *door) beginPolicyAnswer(ctx context.Context, by writ.Principal, r *http.Request, body []byte) (any, error) {
	id, err := writ.ParsePolicyChangeID(r.PathValue("id"))
	if err != nil {
		return nil, writ.ErrNotFound
	}
	var in struct {
		PlanDigest writ.Digest `json:"plan_digest"`
		Decision   writ.Answer `json:"decision"`
		Slot       string      `json:"slot"`
		Typed      string      `json:"typed"`
	}
	if err := parseCall(body, &in); err != nil {
		return nil, err
	}
	return d.Approving.Changes.BeginPolicyAnswer(ctx, by, id, in.PlanDigest, in.Decision)
}

// answerPolicy takes what the passkey signed.
func (d *door) answerPolicy(ctx context.Context, by writ.Principal, r *http.Request, body []byte) (any, error) {
	id, err := writ.ParsePolicyChangeID(r.PathValue("id"))
	if err != nil {
		return nil, writ.ErrNotFound
	}
	var in struct {
		Statement []byte         `json:"statement"`
		Passkey   writ.Assertion `json:"passkey"`
		Reason    string         `json:"reason"`
	}
	if err := parseCall(body, &in); err != nil {
		return nil, err
	}
	s, err := d.Approving.Changes.AnswerPolicy(ctx, by, id, writ.Approval{Statement: in.Statement, Passkey: &in.Passkey})
	return map[string]writ.PolicyChangeState{"state": s.State}, err
}
