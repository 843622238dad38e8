package client

import (
	"context"
	"iter"
	"net/http"
	"strconv"

	"github.com/writ-dev/writ"
)

// PlaybookRecords are what became of playbooks on services: of one playbook, on one service, or all.
func (c *Client) PlaybookRecords(ctx context.Context, playbook, service string) iter.Seq2[writ.PlaybookRecord, error] {
	return pages[writ.PlaybookRecord](ctx, c, "/v1/playbook-records", values("playbook", playbook, "service", service))
}

// AgentRecords are what became of what agents asked for: of one agent by name, or of all.
func (c *Client) AgentRecords(ctx context.Context, agent string) iter.Seq2[writ.AgentRecord, error] {
	return pages[writ.AgentRecord](ctx, c, "/v1/agent-records", values("agent", agent))
}

// DecideAutonomy hands in a signed decision on a record and returns how the record stands after it.
func (c *Client) DecideAutonomy(ctx context.Context, ask writ.AutonomyAsk) (writ.AutonomyOutcome, error) {
	var out writ.AutonomyOutcome
	return out, c.do(ctx, call{method: http.MethodPost, path: "/v1/autonomy", body: ask}, &out)
}

// BeginAutonomy returns the statement that the caller's passkey is to sign, for a decision on the record that was shown.
func (c *Client) BeginAutonomy(ctx context.Context, wish writ.AutonomyWish) (writ.AnswerAsk, error) {
	var ask writ.AnswerAsk
	return ask, c.do(ctx, call{method: http.MethodPost, path: "/v1/autonomy/begin", body: wish}, &ask)
}

// Reviews are newest first; an empty state means all.
func (c *Client) Reviews(ctx context.Context, state writ.ReviewState) iter.Seq2[writ.Review, error] {
	return pages[writ.Review](ctx, c, "/v1/reviews", values("state", string(state)))
}

// ReviewRun hands in the look back at one run.
func (c *Client) ReviewRun(ctx context.Context, run writ.RunID, verdict writ.ReviewVerdict, note string) (writ.Review, error) {
	var r writ.Review
	return r, c.do(ctx, call{method: http.MethodPost, path: "/v1/reviews/" + string(run), body: struct {
		Verdict writ.ReviewVerdict `json:"verdict"`
		Note    string             `json:"note"`
	}{verdict, note}}, &r)
}

// Unused reports what nobody used within so many days.
func (c *Client) Unused(ctx context.Context, days int) (writ.Unused, error) {
	var r writ.Unused
	return r, c.do(ctx, call{method: http.MethodGet, path: "/v1/reports/unused", query: values("days", strconv.Itoa(days))}, &r)
}
