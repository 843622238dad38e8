package oauth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

// exchange gives an agent the grant of its own plan, bound to the key whose proof came with the request.
func (e *Endpoint) exchange(ctx context.Context, r *http.Request, f form) (any, error) {
	subject, err := f.one("subject_token")
	switch {
	case err != nil:
		return nil, err
	case f["subject_token_type"] != typeAccess:
		return nil, &fault{Name: "invalid_request", Description: "subject_token_type must be " + typeAccess}
	case f["requested_token_type"] != "" && f["requested_token_type"] != typeAccess:
		return nil, &fault{Name: "invalid_request", Description: "requested_token_type can be " + typeAccess + " only"}
	case f["actor_token"] != "" || f["audience"] != "":
		return nil, &fault{Name: "invalid_request", Description: "actor_token and audience are not taken; resource names the runner"}
	}
	details, err := parseDetails(f["authorization_details"])
	if err != nil {
		return nil, &fault{Name: "invalid_authorization_details", Description: writ.Printable(err.Error(), maxDescription)}
	}
	runner, err := writ.ParseRunnerID(f["resource"])
	if err != nil {
		return nil, &fault{Name: "invalid_target", Description: "resource must be the SPIFFE ID of the plan's runner"}
	}
	h, err := e.Clients.Subject(ctx, r, subject)
	if err != nil {
		return nil, refuseClient(err, errGrant)
	}
	who, now := h.Principal, e.Now()
	if err := e.Admission.Admit(ctx, who); err != nil {
		return nil, err
	}
	if after := e.pending.wait(who, details.Plan, now); after > 0 {
		return nil, &fault{Name: "slow_down", Description: "this plan still waits for people; ask less often", Plan: details.Plan, after: after}
	}
	g, err := e.Grants.Exchange(ctx, who, h.Thumbprint, details, runner)
	if err != nil {
		if writ.ReasonOf(err) == writ.ReasonPending {
			e.pending.asked(who, details.Plan, now)
		}
		return nil, refusalFault(err, details.Plan)
	}
	claims, err := grant.Check(g.Token, grant.Want{Issuer: e.GrantIssuer, Keys: e.GrantKeys, Runner: runner, Now: now, Leeway: grant.MaxLeeway})
	if err != nil || claims.Confirm.Thumbprint != h.Thumbprint || claims.ID != g.Grant {
		return nil, errors.Join(errors.New("the grant that was issued is not as it was asked for"), err)
	}
	return issued{
		Token: g.Token, Type: tokenDPoP, Kind: typeAccess, Seconds: int64(g.Expires.Sub(now) / time.Second),
		Details: claims.AuthorizationDetails, Grant: g.Grant, Plan: g.Plan, Run: g.Run, Present: e.PresentURL,
	}, nil
}
