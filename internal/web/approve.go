package web

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/writ-dev/writ"
)

// An approveView is a plan that is to be answered with a passkey. All that it shows of the plan comes from the bytes
// that its digest covers, which the page's script hashes again before it asks for a passkey; the tier in force is what
// policy made of theirs.
type approveView struct {
	planView
	Text string // the bytes, in base64
	Type bool   // tier 4: the person types the first object's name
	Look bool   // tiers 3 and 4: the buttons wait until the change was on the screen
}

func (d *door) approve(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
	if err != nil {
		return view{}, writ.ErrNotFound
	}
	p, err := d.Plans.Plan(ctx, by, id, 0)
	if err != nil {
		return view{}, err
	}
	if p.Plan != nil {
		if p, err = fromBytes(p); err != nil {
			return view{}, err
		}
	}
	v := approveView{planView: d.planView(by, p), Text: base64.StdEncoding.EncodeToString(p.Bytes)}
	v.Waiting = v.Waiting && !v.Moved
	v.Type = p.Tier() >= writ.T4
	v.Look = p.Tier() >= writ.T3
	v.Last = func() []past { return nil } // not of the plan's bytes
	return view{title: "Answer: " + title(p), data: v}, nil
}

// fromBytes returns a status whose plan is what its bytes say, or an error when the digest is not theirs.
func fromBytes(p writ.PlanStatus) (writ.PlanStatus, error) {
	plan, digest, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return p, err
	}
	if !digest.Equal(p.Digest) || plan.ID != p.ID {
		return p, writ.Refuse(writ.ReasonApprovalMismatch, "the plan's bytes are not those of its digest")
	}
	p.Plan, p.Title, p.Service, p.Environment, p.Requester, p.Incident = &plan, plan.Title, plan.Service, plan.Environment, plan.Requester, plan.Incident
	p.Playbook, p.Parameters = plan.Playbook, plan.Parameters
	return p, nil
}

// beginAnswer makes the statement for the passkey, over the digest that the script computed.
func (d *door) beginAnswer(ctx context.Context, by writ.Principal, r *http.Request, body []byte) (any, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
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
	return d.Approving.Assertions.BeginAnswer(ctx, by, id, writ.AnswerWish{PlanDigest: in.PlanDigest, Answer: in.Decision, Slot: in.Slot, Typed: in.Typed})
}

// answer takes what the passkey signed.
func (d *door) answer(ctx context.Context, by writ.Principal, r *http.Request, body []byte) (any, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
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
	p, err := d.Approving.Assertions.AnswerByPasskey(ctx, by, id, in.Statement, in.Passkey, in.Reason)
	return map[string]writ.PlanState{"state": p.State}, err
}
