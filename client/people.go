package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/writ-dev/writ"
)

// AddNote writes a note on an incident, under the caller's name.
func (c *Client) AddNote(ctx context.Context, id writ.IncidentID, text string) (writ.Note, error) {
	var n writ.Note
	return n, c.do(ctx, call{method: http.MethodPost, path: "/v1/incidents/" + string(id) + "/notes", creates: true, body: struct {
		Text string `json:"text"`
	}{text}}, &n)
}

// AskEvidence asks whoever proposed a plan to read more before the caller answers it. The plan's time runs on.
func (c *Client) AskEvidence(ctx context.Context, id writ.PlanID, text string) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/plans/" + string(id) + "/evidence-asks", creates: true, body: struct {
		Text string `json:"text"`
	}{text}}, &p)
}

// PlaybookVersions are the versions of a playbook that the server has had, newest first.
func (c *Client) PlaybookVersions(ctx context.Context, name string) iter.Seq2[writ.PlaybookVersion, error] {
	return pages[writ.PlaybookVersion](ctx, c, "/v1/playbooks/"+url.PathEscape(name)+"/versions", nil)
}

// RetirePlaybook takes a playbook of the caller's team out of use, up to its present version.
func (c *Client) RetirePlaybook(ctx context.Context, name, reason string) (writ.PlaybookSummary, error) {
	var p writ.PlaybookSummary
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/playbooks/" + url.PathEscape(name) + "/retire", body: struct {
		Reason string `json:"reason"`
	}{reason}}, &p)
}

// SearchLedger goes through the entries that match, newest first, and through all of the ledger if it is read to its end.
func (c *Client) SearchLedger(ctx context.Context, f writ.EntryFilter) iter.Seq2[writ.Event, error] {
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	return pages[writ.Event](ctx, c, "/v1/ledger/search", values("kind", string(f.Kind), "incident", string(f.Incident), "actor", f.Actor,
		"since", stamp(f.Since), "until", stamp(f.Until)))
}
