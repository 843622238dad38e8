package client

import (
	"context"
	"iter"
	"net/http"
	"strconv"

	"github.com/writ-dev/writ"
)

// Events are ledger entries as sentences, oldest first, from the entry with index from to the newest. An empty incident
// means all. Watch goes on where they end.
func (c *Client) Events(ctx context.Context, from int64, incident writ.IncidentID) iter.Seq2[writ.Event, error] {
	return func(yield func(writ.Event, error) bool) {
		for {
			var p page[writ.Event]
			q := values("from", strconv.FormatInt(from, 10), "incident", string(incident), "limit", strconv.Itoa(writ.MaxPage))
			if err := c.do(ctx, call{method: http.MethodGet, path: "/v1/events", query: q}, &p); err != nil {
				yield(writ.Event{}, err)
				return
			}
			for _, e := range p.Items {
				if !yield(e, nil) {
					return
				}
				from = e.Index + 1
			}
			if len(p.Items) == 0 {
				return
			}
		}
	}
}

// Entries returns up to limit ledger entries from index from, and the newest signed checkpoint, which may be larger.
func (c *Client) Entries(ctx context.Context, from int64, limit int) ([]writ.Entry, []byte, error) {
	var reply struct {
		Items      []writ.Entry `json:"items"`
		Checkpoint []byte       `json:"checkpoint"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/v1/ledger/entries",
		query: values("from", strconv.FormatInt(from, 10), "limit", number(limit))}, &reply)
	return reply.Items, reply.Checkpoint, err
}

// Export returns a bundle for offline verification, of one incident or, when that is empty, of all.
func (c *Client) Export(ctx context.Context, incident writ.IncidentID) ([]byte, error) {
	resp, err := c.send(ctx, call{method: http.MethodGet, path: "/v1/ledger/export", query: values("incident", string(incident)),
		header: http.Header{"Accept": {"application/octet-stream"}}})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return bounded(resp.Body, maxBundle)
}
