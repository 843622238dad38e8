package oauth

import (
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// maxDetails bounds authorization_details in bytes: a plan over twenty objects with names of usual length has 4 KiB.
const maxDetails = 16 << 10

// asked is the one element of authorization_details (RFC 9396 section 2), closed. What the client leaves out is the
// plan's; what it gives must be equal to the plan's. Every text in it is a name of a closed form, so no control or
// bidirectional character can hide in one.
type asked struct {
	Type       string               `json:"type"`
	Actions    []writ.OperationName `json:"actions,omitempty"`
	Locations  []writ.Location      `json:"locations,omitempty"`
	Playbook   *writ.PlaybookRef    `json:"playbook,omitempty"`
	Plan       writ.PlanID          `json:"plan"`
	PlanDigest writ.Digest          `json:"plan_digest"`
	Limits     *writ.GrantLimits    `json:"limits,omitempty"`
}

// parseDetails decodes authorization_details strictly: exactly one element of our type, no unknown, repeated or null
// member, no fraction, no number beyond 2^53-1.
func parseDetails(text string) (writ.Authorization, error) {
	var none writ.Authorization
	if text == "" || len(text) > maxDetails {
		return none, fmt.Errorf("authorization_details must have 1 to %d bytes", maxDetails)
	}
	var all []asked
	if err := canon.ParseLoose([]byte(text), &all); err != nil {
		return none, errors.New("authorization_details must be a list of one object with type, plan and plan_digest, and only members that the type has")
	}
	if len(all) != 1 {
		return none, errors.New("authorization_details must have exactly one element")
	}
	a := all[0]
	switch {
	case a.Type != writ.AuthorizationType:
		return none, errors.New("the type must be " + writ.AuthorizationType)
	case a.Plan == "" || a.PlanDigest.IsZero():
		return none, errors.New("plan and plan_digest must be given")
	case a.Playbook != nil && (!writ.IsName(a.Playbook.Name) || a.Playbook.Version < 1 || a.Playbook.Digest.IsZero()):
		return none, errors.New("playbook must have name, version and digest")
	case a.Limits != nil && (a.Limits.MaxRuns != 1 || a.Limits.MaxObjects < 0 || a.Limits.MaxPermille < 0):
		return none, errors.New("limits must allow exactly one run, and have no negative number")
	case len(a.Actions) > writ.MaxSteps || len(a.Locations) > writ.MaxSteps:
		return none, fmt.Errorf("actions and locations are at most %d", writ.MaxSteps)
	}
	out := writ.Authorization{Type: a.Type, Actions: a.Actions, Locations: a.Locations, Plan: a.Plan, PlanDigest: a.PlanDigest}
	if a.Playbook != nil {
		out.Playbook = *a.Playbook
	}
	if a.Limits != nil {
		out.Limits = *a.Limits
	}
	return out, nil
}
