package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/eventstream"
)

const (
	// pollTime is how often a stream asks for new events: a person does not notice a second.
	pollTime = time.Second
	// streamLife ends a stream, so that its caller is authenticated anew; clients resume by Last-Event-ID.
	streamLife = 10 * time.Minute
	// streamBatch is how many events are asked for at once.
	streamBatch = 200
	// writeTime is how long a slow client may take for one write.
	writeTime = 30 * time.Second
)

// A query is whose events are streamed, and from where.
type query struct {
	by       writ.Principal
	from     int64
	incident writ.IncidentID
}

// stream sends events (HTML Standard section 9.2, server-sent events) until the client leaves, the ledger cannot be
// read or streamLife is over. Nothing is lost between two streams: id is the ledger index.
func (d *door) stream(c huma.Context, q query, events []writ.Event) {
	r, w := humago.Unwrap(c)
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	s := eventstream.Begin(w, writeTime)
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	quiet := time.NewTicker(eventstream.Quiet)
	defer quiet.Stop()
	if s.Send(": writ\nretry: 2000\n\n") != nil {
		return
	}
	for {
		for _, e := range events {
			if sendEvent(s, e) != nil {
				return
			}
			q.from = e.Index + 1
			quiet.Reset(eventstream.Quiet)
		}
		if len(events) < streamBatch {
			select {
			case <-ctx.Done():
				return
			case <-quiet.C:
				if s.Send(eventstream.Comment) != nil {
					return
				}
			case <-poll.C:
			}
		}
		var err error
		events, err = d.Ledger.Events(ctx, q.by, q.from, streamBatch, q.incident)
		if err != nil {
			if ctx.Err() == nil {
				d.failed(ctx, err)
			}
			return
		}
	}
}

func sendEvent(s *eventstream.Sender, e writ.Event) error {
	data, err := json.Marshal(e) // one line: JSON escapes line ends
	if err != nil {
		return err
	}
	return s.Send(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Index, e.Kind, data))
}
