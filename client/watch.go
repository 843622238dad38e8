package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/eventstream"
)

// maxEvent bounds one event of a stream, in bytes.
const maxEvent = 1 << 20

// Watch is Events that never ends: it follows the ledger as it grows until ctx ends or the caller stops reading, and
// resumes without loss or repetition when the connection breaks. The error that ends it comes last.
func (c *Client) Watch(ctx context.Context, from int64, incident writ.IncidentID) iter.Seq2[writ.Event, error] {
	return func(yield func(writ.Event, error) bool) {
		for lost := 0; ; {
			next, stopped, err := c.stream(ctx, from, incident, yield)
			if stopped {
				return
			}
			if next > from {
				from, lost = next, 0
			}
			if ctx.Err() != nil {
				yield(writ.Event{}, ctx.Err())
				return
			}
			// The server ends streams now and then; nil is that.
			if _, again := errors.AsType[*lostError](err); err != nil && (!again || lost == maxLost) {
				yield(writ.Event{}, err)
				return
			}
			if err != nil {
				lost++
			}
			select {
			case <-ctx.Done():
			case <-time.After(waitPause):
			}
		}
	}
}

// stream reads one connection. next is the index to go on from.
func (c *Client) stream(ctx context.Context, from int64, incident writ.IncidentID, yield func(writ.Event, error) bool) (next int64, stopped bool, err error) {
	resp, err := c.send(ctx, call{method: http.MethodGet, path: "/v1/events",
		query:  values("from", strconv.FormatInt(from, 10), "incident", string(incident)),
		header: http.Header{"Accept": {eventstream.ContentType}}})
	if err != nil {
		return from, false, err
	}
	defer resp.Body.Close()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), eventstream.ContentType) {
		return from, false, fmt.Errorf("%w: the answer is not an event stream", errUnexpected)
	}
	events := eventstream.NewReader(resp.Body, maxEvent)
	for {
		data, err := events.Next() // ids are in the data
		if errors.Is(err, io.EOF) {
			return from, false, nil
		}
		if err != nil {
			return from, false, &lostError{cause: fmt.Errorf("%w: %w", writ.ErrUnavailable, err)}
		}
		var e writ.Event
		if err := json.Unmarshal(data, &e); err != nil {
			return from, false, fmt.Errorf("%w: event: %w", errUnexpected, err)
		}
		if e.Index < from {
			continue
		}
		from = e.Index + 1
		if !yield(e, nil) {
			return from, true, nil
		}
	}
}
