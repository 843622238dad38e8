package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/writ-dev/writ"
)

// ProposePolicy proposes to put a signed policy set in force. Two other people approve it.
func (c *Client) ProposePolicy(ctx context.Context, files writ.PolicyFiles, because string) (writ.PolicyChangeStatus, error) {
	var s writ.PolicyChangeStatus
	return s, c.do(ctx, call{method: http.MethodPost, path: "/v1/policy/changes", creates: true, body: struct {
		writ.PolicyFiles
		Because string `json:"because,omitempty"`
	}{files, because}}, &s)
}

// PolicyChange returns one change of the policy set.
func (c *Client) PolicyChange(ctx context.Context, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	var s writ.PolicyChangeStatus
	return s, c.do(ctx, call{method: http.MethodGet, path: "/v1/policy/changes/" + string(id)}, &s)
}

// PolicyChanges are newest first; an empty state means all.
func (c *Client) PolicyChanges(ctx context.Context, state writ.PolicyChangeState) iter.Seq2[writ.PolicyChangeStatus, error] {
	return pages[writ.PolicyChangeStatus](ctx, c, "/v1/policy/changes", values("state", string(state)))
}

// WithdrawPolicy takes a change back.
func (c *Client) WithdrawPolicy(ctx context.Context, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	var s writ.PolicyChangeStatus
	return s, c.do(ctx, call{method: http.MethodPost, path: "/v1/policy/changes/" + string(id) + "/withdraw"}, &s)
}

// AnswerPolicy sends a signed answer to a change: with an SSH signature in the namespace policy@writ.dev, or a passkey's
// assertion.
func (c *Client) AnswerPolicy(ctx context.Context, id writ.PolicyChangeID, a writ.Approval) (writ.PolicyChangeStatus, error) {
	var s writ.PolicyChangeStatus
	return s, c.do(ctx, call{method: http.MethodPost, path: "/v1/policy/changes/" + string(id) + "/answers", creates: true, body: struct {
		Statement []byte          `json:"statement"`
		Signature string          `json:"signature,omitempty"`
		Passkey   *writ.Assertion `json:"passkey,omitempty"`
	}{a.Statement, a.Signature, a.Passkey}}, &s)
}

// BeginPolicyAnswer returns the statement that the caller's passkey is to sign, for the change that was shown.
func (c *Client) BeginPolicyAnswer(ctx context.Context, id writ.PolicyChangeID, shown writ.Digest, answer writ.Answer) (writ.AnswerAsk, error) {
	var ask writ.AnswerAsk
	return ask, c.do(ctx, call{method: http.MethodPost, path: "/v1/policy/changes/" + string(id) + "/answers/begin", body: struct {
		Digest writ.Digest `json:"change_digest"`
		Answer writ.Answer `json:"decision"`
	}{shown, answer}}, &ask)
}

// PolicySet returns a set with its files, by a version that was in force, by the id of a change that proposes it, or for
// "current" the one in force.
func (c *Client) PolicySet(ctx context.Context, name string) (writ.PolicySet, error) {
	var s writ.PolicySet
	return s, c.do(ctx, call{method: http.MethodGet, path: "/v1/policy/sets/" + url.PathEscape(name)}, &s)
}

// SimulatePolicy has the server decide recorded decisions again under a set, and unmarshals the outcome into to. The server
// records that it was done.
func (c *Client) SimulatePolicy(ctx context.Context, files map[string][]byte, to any) error {
	return c.do(ctx, call{method: http.MethodPost, path: "/v1/policy/simulations", body: struct {
		Files map[string][]byte `json:"files"`
	}{files}}, to)
}

// ExplainPlan says why a plan's newest decision would be made by the set in force, and the smallest changes that lead
// elsewhere; it unmarshals that into to. The server records nothing.
func (c *Client) ExplainPlan(ctx context.Context, id writ.PlanID, to any) error {
	return c.do(ctx, call{method: http.MethodGet, path: "/v1/plans/" + url.PathEscape(string(id)) + "/explanation"}, to)
}
