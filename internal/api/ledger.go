package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/writ-dev/writ"
)

type entriesIn struct {
	From  int64 `query:"from" minimum:"0" doc:"index of the first entry"`
	Limit int   `query:"limit" minimum:"1" maximum:"200"`
}

// Entries are a stretch of the log with the newest signed checkpoint, which may be larger.
type Entries struct {
	Items      []writ.Entry `json:"items" nullable:"false"`
	Checkpoint []byte       `json:"checkpoint" doc:"a signed note; see docs/spec/ledger.md"`
}

type entriesOut struct{ Body Entries }

type exportIn struct {
	Incident string `query:"incident" doc:"only the entries of this incident, with their proofs; absent for all"`
}

type exportOut struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (d *door) registerLedger() {
	register(d, call{id: "list-entries", method: http.MethodGet, path: "/v1/ledger/entries", kinds: auditors, summary: "Ledger entries as they stand in the log"},
		func(ctx context.Context, by writ.Principal, in *entriesIn) (*entriesOut, error) {
			items, checkpoint, err := d.Ledger.Entries(ctx, by, in.From, orDefault(in.Limit))
			if items == nil {
				items = []writ.Entry{}
			}
			if checkpoint == nil {
				checkpoint = []byte{}
			}
			return &entriesOut{Entries{items, checkpoint}}, err
		})
	bundle := map[string]*huma.Response{"200": {Description: "The bundle", Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	register(d, call{id: "export-ledger", method: http.MethodGet, path: "/v1/ledger/export", kinds: auditors, responses: bundle,
		summary: "A bundle that writ ledger verify checks on a machine without network"},
		func(ctx context.Context, by writ.Principal, in *exportIn) (*exportOut, error) {
			var incident writ.IncidentID
			if err := optional(&incident, in.Incident, writ.ParseIncidentID); err != nil {
				return nil, err
			}
			b, err := d.Ledger.Export(ctx, by, incident)
			if err == nil { // a simulation of policy begins so
				d.Log.InfoContext(ctx, "the ledger was exported", "by", writ.Printable(by.String(), 200), "incident", incident, "bytes", len(b))
			}
			return &exportOut{"application/octet-stream", "attachment", b}, err
		})
}
