package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
)

type answerIn struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" required:"true" maxLength:"200" doc:"the plan digest that was shown, in double quotes"`
	Body    struct {
		PlanDigest writ.Digest       `json:"plan_digest" doc:"the same digest again"`
		Statement  []byte            `json:"statement" doc:"the canonical bytes that were signed; approve or reject, as they say"`
		Signature  string            `json:"signature,omitempty" minLength:"1" maxLength:"16384" doc:"armored SSH signature; this or passkey"`
		Passkey    *AssertionRequest `json:"passkey,omitempty" doc:"over the statement that begin-approval made"`
		Reason     string            `json:"reason,omitempty" maxLength:"4096"`
	} `nameHint:"ApprovalRequest"`
}

func (d *door) registerApprovals() {
	register(d, call{id: "approve", method: http.MethodPost, path: "/v1/plans/{id}/approvals", kinds: people, creates: true,
		body: strict, summary: "Approve or reject a plan with a signed statement; 412 if it is not the plan that was shown"},
		func(ctx context.Context, by writ.Principal, in *answerIn) (*planOut, error) {
			id, err := writ.ParsePlanID(in.ID)
			if err != nil {
				return nil, err
			}
			shown, err := ifMatch(in.IfMatch)
			if err != nil {
				return nil, err
			}
			now, err := d.Proposals.Plan(ctx, by, id, 0)
			if err != nil {
				return nil, err
			}
			if now.Digest.IsZero() {
				return nil, fmt.Errorf("%w: the plan is %s and has no digest yet", writ.ErrConflict, now.State)
			}
			if !shown.Equal(now.Digest) || !in.Body.PlanDigest.Equal(now.Digest) {
				return nil, &staleError{now.Digest}
			}
			var p writ.PlanStatus
			switch b := in.Body; {
			case (b.Signature == "") == (b.Passkey == nil):
				return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "an answer has a signature or a passkey, and not both"}
			case b.Passkey != nil:
				p, err = d.Assertions.AnswerByPasskey(ctx, by, id, b.Statement, writ.Assertion(*b.Passkey), b.Reason)
			default:
				p, err = d.Approvals.Answer(ctx, by, id, b.Statement, b.Signature, b.Reason)
			}
			return &planOut{ETag: etag(p.Digest), Body: p}, err
		})
}

// ifMatch takes one strong entity tag (RFC 9110 section 13.1.1) that is a digest. A list, a weak tag or * would accept
// a plan that was not shown.
func ifMatch(s string) (writ.Digest, error) {
	inner, opened := strings.CutPrefix(s, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	digest, err := writ.ParseDigest(inner)
	if err != nil || !opened || !closed {
		return writ.Digest{}, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid,
			Detail: `If-Match is the digest of the plan that was shown, in double quotes: "sha256:…"`}
	}
	return digest, nil
}
