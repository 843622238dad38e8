package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/eventstream"
)

type eventsIn struct {
	Accept   string `header:"Accept" doc:"text/event-stream for a stream, anything else for one page"`
	LastID   string `header:"Last-Event-ID" maxLength:"20" doc:"resume after this index"`
	From     int64  `query:"from" minimum:"0" doc:"index of the first event"`
	Limit    int    `query:"limit" minimum:"1" maximum:"200" doc:"of a page"`
	Incident string `query:"incident"`
}

type eventsOut struct{ Body func(huma.Context) }

func (d *door) registerEvents() {
	schema := d.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Page[writ.Event]](), true, "Events")
	responses := map[string]*huma.Response{"200": {
		Description: "One page; or a stream in which id is the ledger index, event its kind and data an Event",
		Content: map[string]*huma.MediaType{
			"application/json":  {Schema: schema},
			"text/event-stream": {Schema: &huma.Schema{Type: "string"}},
		},
	}}
	register(d, call{id: "list-events", method: http.MethodGet, path: "/v1/events", kinds: askers, streams: true, responses: responses,
		summary: "Ledger entries as sentences, oldest first, as a page or a stream"},
		func(ctx context.Context, by writ.Principal, in *eventsIn) (*eventsOut, error) {
			q := query{by: by, from: in.From}
			if err := optional(&q.incident, in.Incident, writ.ParseIncidentID); err != nil {
				return nil, err
			}
			if in.LastID != "" {
				last, err := strconv.ParseInt(in.LastID, 10, 64)
				if err != nil || last < 0 {
					return nil, &writ.Refusal{Code: writ.ReasonForm, Detail: "Last-Event-ID is a ledger index", Kind: writ.ErrInvalid}
				}
				q.from = last + 1
			}
			events, err := d.Ledger.Events(ctx, by, q.from, orDefault(in.Limit), q.incident)
			if err != nil {
				return nil, err
			}
			if strings.Contains(in.Accept, eventstream.ContentType) {
				return &eventsOut{func(c huma.Context) { d.stream(c, q, events) }}, nil
			}
			page, err := json.Marshal(pageOf(events, next(q.from, events)))
			if err != nil {
				return nil, err
			}
			return &eventsOut{func(c huma.Context) {
				_, w := humago.Unwrap(c)
				w.Header().Set("Content-Type", "application/json")
				w.Write(page)
			}}, nil
		})
}

// next is the from of the page after this one, always: the log grows.
func next(from int64, events []writ.Event) string {
	if len(events) > 0 {
		from = events[len(events)-1].Index + 1
	}
	return strconv.FormatInt(from, 10)
}
