package api

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// Recalls takes the caller's own approval back, until its run has begun, and asks for more evidence before there is one; people
// only.
type Recalls interface {
	Recall(ctx context.Context, by writ.Principal, id writ.PlanID) (writ.PlanStatus, error)
	AskEvidence(ctx context.Context, by writ.Principal, id writ.PlanID, text string) (writ.PlanStatus, error)
}

// OnCall says who is on call, and lets them hand their turn over and back; people only.
type OnCall interface {
	OnCalls(ctx context.Context, by writ.Principal) ([]writ.OnCallGroup, error)
	Delegate(ctx context.Context, by writ.Principal, ask writ.DelegationAsk) (writ.Delegation, error)
	EndDelegation(ctx context.Context, by writ.Principal, id writ.DelegationID) (writ.Delegation, error)
}

type onCallsOut struct{ Body Page[writ.OnCallGroup] }

type delegateIn struct {
	Body struct {
		Group string    `json:"group" minLength:"1" maxLength:"100" doc:"of the roster, such as payments-oncall"`
		Iss   string    `json:"iss" minLength:"1" maxLength:"2048" doc:"of the person who takes the turn"`
		Sub   string    `json:"sub" minLength:"1" maxLength:"255"`
		Until time.Time `json:"until" doc:"when the turn goes back by itself, within 72 hours"`
	} `nameHint:"DelegationRequest"`
}

type delegationOut struct{ Body writ.Delegation }

type delegationIDIn struct {
	ID string `path:"id"`
}

type recallIn struct {
	ID string `path:"id"`
}

func (d *door) registerOnCall() {
	register(d, call{id: "recall-approval", method: http.MethodPost, path: "/v1/plans/{id}/recall", kinds: people,
		summary: "Take your own approval of a plan back, until its run has begun"},
		func(ctx context.Context, by writ.Principal, in *recallIn) (*planOut, error) {
			id, err := writ.ParsePlanID(in.ID)
			if err != nil {
				return nil, err
			}
			p, err := d.Recalls.Recall(ctx, by, id)
			return &planOut{ETag: etag(p.Digest), Body: p}, err
		})
	register(d, call{id: "list-on-call", method: http.MethodGet, path: "/v1/on-call", kinds: people, summary: "Who is on call for each group, and how that is known"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*onCallsOut, error) {
			items, err := d.OnCall.OnCalls(ctx, by)
			return &onCallsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "delegate-turn", method: http.MethodPost, path: "/v1/on-call/delegations", kinds: people, creates: true, body: strict,
		status: http.StatusCreated, summary: "Hand your own turn to another member of the group, until a time"},
		func(ctx context.Context, by writ.Principal, in *delegateIn) (*delegationOut, error) {
			b := in.Body
			out, err := d.OnCall.Delegate(ctx, by, writ.DelegationAsk{Group: b.Group, To: writ.Person{Iss: b.Iss, Sub: b.Sub}, Until: b.Until})
			return &delegationOut{out}, err
		})
	register(d, call{id: "return-turn", method: http.MethodPost, path: "/v1/on-call/delegations/{id}/return", kinds: people, summary: "Give a turn back before its time"},
		func(ctx context.Context, by writ.Principal, in *delegationIDIn) (*delegationOut, error) {
			id, err := writ.ParseDelegationID(in.ID)
			if err != nil {
				return nil, err
			}
			out, err := d.OnCall.EndDelegation(ctx, by, id)
			return &delegationOut{out}, err
		})
}
