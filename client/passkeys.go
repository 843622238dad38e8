package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/writ-dev/writ"
)

// Passkeys are all enrolments, past ones too. Whoever enrols or answers with one does it in a browser.
func (c *Client) Passkeys(ctx context.Context) iter.Seq2[writ.Passkey, error] {
	return pages[writ.Passkey](ctx, c, "/v1/passkeys", nil)
}

// BeginPasskey begins to enrol a passkey of the caller's.
func (c *Client) BeginPasskey(ctx context.Context) (writ.EnrolAsk, error) {
	var a writ.EnrolAsk
	return a, c.do(ctx, call{method: http.MethodPost, path: "/v1/passkeys/begin"}, &a)
}

// AddPasskey enrols what the browser made.
func (c *Client) AddPasskey(ctx context.Context, r writ.Registration) (writ.Passkey, error) {
	var p writ.Passkey
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/passkeys", creates: true, body: r}, &p)
}

// ConfirmPasskey lets another person's passkey answer plans made from now on. fingerprint is what they told the caller.
func (c *Client) ConfirmPasskey(ctx context.Context, id writ.PasskeyID, fingerprint string) (writ.Passkey, error) {
	var p writ.Passkey
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/passkeys/" + string(id) + "/confirm", body: struct {
		Fingerprint string `json:"fingerprint"`
	}{fingerprint}}, &p)
}

// RemovePasskey removes a passkey for good.
func (c *Client) RemovePasskey(ctx context.Context, id writ.PasskeyID) (writ.Passkey, error) {
	var p writ.Passkey
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/passkeys/" + string(id) + "/remove"}, &p)
}

// BeginApproval makes the statement that the caller's passkey is to sign.
func (c *Client) BeginApproval(ctx context.Context, id writ.PlanID, w writ.AnswerWish) (writ.AnswerAsk, error) {
	var a writ.AnswerAsk
	return a, c.do(ctx, call{method: http.MethodPost, path: "/v1/plans/" + string(id) + "/approvals/begin", body: struct {
		PlanDigest writ.Digest `json:"plan_digest"`
		Decision   writ.Answer `json:"decision"`
		Slot       string      `json:"slot"`
		Typed      string      `json:"typed,omitempty"`
	}{w.PlanDigest, w.Answer, w.Slot, w.Typed}}, &a)
}

// ApproveByPasskey sends an answer that a passkey signed, over the statement that BeginApproval gave.
func (c *Client) ApproveByPasskey(ctx context.Context, id writ.PlanID, digest writ.Digest, statement []byte, proof writ.Assertion, reason string) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	return p, c.do(ctx, call{
		method: http.MethodPost, path: "/v1/plans/" + string(id) + "/approvals", creates: true,
		header: http.Header{"If-Match": {`"` + digest.String() + `"`}},
		body: struct {
			PlanDigest writ.Digest    `json:"plan_digest"`
			Statement  []byte         `json:"statement"`
			Passkey    writ.Assertion `json:"passkey"`
			Reason     string         `json:"reason,omitempty"`
		}{digest, statement, proof, reason},
	}, &p)
}
