package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/writ-dev/writ"
)

// A page is one page of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// pages reads a list page by page. limit bounds one page, not the list.
func pages[T any](ctx context.Context, c *Client, path string, q url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var p page[T]
			if err := c.do(ctx, call{method: http.MethodGet, path: path, query: q}, &p); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.Next == "" || p.Next == q.Get("cursor") {
				return
			}
			q.Set("cursor", p.Next)
		}
	}
}

// values makes a query of names and values, without the empty ones.
func values(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// Plans are newest first.
func (c *Client) Plans(ctx context.Context, f writ.PlanFilter) iter.Seq2[writ.PlanStatus, error] {
	return pages[writ.PlanStatus](ctx, c, "/v1/plans",
		values("state", string(f.State), "incident", string(f.Incident), "limit", number(f.Limit), "cursor", f.Cursor))
}

// Runs are newest first.
func (c *Client) Runs(ctx context.Context, f writ.RunFilter) iter.Seq2[writ.RunStatus, error] {
	return pages[writ.RunStatus](ctx, c, "/v1/runs",
		values("state", string(f.State), "incident", string(f.Incident), "plan", string(f.Plan), "limit", number(f.Limit), "cursor", f.Cursor))
}

// Incidents are newest first.
func (c *Client) Incidents(ctx context.Context, f writ.IncidentFilter) iter.Seq2[writ.Incident, error] {
	return pages[writ.Incident](ctx, c, "/v1/incidents",
		values("state", string(f.State), "service", f.Service, "limit", number(f.Limit), "cursor", f.Cursor))
}

// Playbooks are those that the caller may ask for; an empty service means any.
func (c *Client) Playbooks(ctx context.Context, service string) iter.Seq2[writ.PlaybookSummary, error] {
	return pages[writ.PlaybookSummary](ctx, c, "/v1/playbooks", values("service", service))
}

// Readers are what Observe can be asked for an open incident, of one target of its service or, without one, of all.
func (c *Client) Readers(ctx context.Context, incident writ.IncidentID, target writ.Location) iter.Seq2[writ.ReaderText, error] {
	return pages[writ.ReaderText](ctx, c, "/v1/incidents/"+string(incident)+"/readers", values("target", string(target)))
}

// Freezes are those that hold now.
func (c *Client) Freezes(ctx context.Context) iter.Seq2[writ.Freeze, error] {
	return pages[writ.Freeze](ctx, c, "/v1/freezes", values())
}

// Sessions are the caller's own logins.
func (c *Client) Sessions(ctx context.Context) iter.Seq2[writ.Session, error] {
	return pages[writ.Session](ctx, c, "/v1/sessions", values())
}

// AllSessions are everybody's logins, which operators may see.
func (c *Client) AllSessions(ctx context.Context) iter.Seq2[writ.Session, error] {
	return pages[writ.Session](ctx, c, "/v1/sessions", values("all", "true"))
}
