package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/event"
)

type alertIn struct {
	RawBody []byte `contentType:"application/json"`
}

type alertOut struct{ Body writ.Incident }

func (d *door) registerAlerts() {
	request := &huma.RequestBody{Required: true, Description: "Alertmanager webhook, version 4. Members that are not read are ignored: Alertmanager adds some with its releases.",
		Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: "object", AdditionalProperties: true}}}}
	register(d, call{id: "alert", method: http.MethodPost, path: "/v1/alerts/alertmanager", kinds: sources, body: tolerated, request: request,
		summary: "Alertmanager's webhook; deduplicated by group key"},
		func(ctx context.Context, by writ.Principal, in *alertIn) (*alertOut, error) {
			g, err := event.ParseAlertmanager(in.RawBody)
			if err != nil {
				return nil, err
			}
			i, err := d.Alerts.Alert(ctx, by, g)
			return &alertOut{i}, err
		})
}
