package apitest

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
)

// Events are those of Happen from an index on.
func (c *Control) Events(_ context.Context, _ writ.Principal, from int64, limit int, in writ.IncidentID) ([]writ.Event, error) {
	if err := c.Called("events %d %d %s", from, limit, in); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []writ.Event
	for _, e := range c.happened {
		if e.Index >= from && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, nil
}

func (c *Control) Entries(_ context.Context, _ writ.Principal, from int64, limit int) ([]writ.Entry, []byte, error) {
	return []writ.Entry{{Index: from, Leaf: []byte("leaf")}}, []byte("note"), c.Called("entries %d %d", from, limit)
}

// SearchLedger finds two pages of one entry; the second one is at "7".
func (c *Control) SearchLedger(_ context.Context, _ writ.Principal, q writ.EntryFilter) ([]writ.Event, string, error) {
	next := map[string]string{"": "7"}[q.Cursor]
	return []writ.Event{{Index: 1, Time: At, Kind: writ.EntryGenesis, Summary: "ledger begins", OK: true}}, next,
		c.Called("search %s %s %s %s", q.Kind, q.Incident, q.Actor, q.Since.Format(time.RFC3339))
}

func (c *Control) Export(_ context.Context, _ writ.Principal, in writ.IncidentID) ([]byte, error) {
	return []byte("bundle\x00"), c.Called("export %s", in)
}

func (c *Control) Status(context.Context, writ.Principal) (writ.Status, error) {
	return Status(), c.Called("status")
}
