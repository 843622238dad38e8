package api

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// What people do beside answering: they write notes, ask for evidence, compare and retire playbooks, and search the ledger.

type noteIn struct {
	ID   string `path:"id"`
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"4000" doc:"stays off the ledger"`
	} `nameHint:"NoteRequest"`
}

type noteOut struct{ Body writ.Note }

type evidenceAskIn struct {
	ID   string `path:"id"`
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"400" doc:"what you want to see; whoever proposed the plan is told it"`
	} `nameHint:"EvidenceAskRequest"`
}

type versionsIn struct {
	Name string `path:"name" maxLength:"253"`
}

type versionsOut struct {
	Body Page[writ.PlaybookVersion]
}

type retireIn struct {
	Name string `path:"name" maxLength:"253"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"4096" doc:"stays off the ledger"`
	} `nameHint:"RetireRequest"`
}

type retireOut struct{ Body writ.PlaybookSummary }

type searchIn struct {
	Kind     string    `query:"kind" maxLength:"40" doc:"of entries, such as approval"`
	Incident string    `query:"incident" maxLength:"40"`
	Actor    string    `query:"actor" maxLength:"300" doc:"subject of whoever signed the entry or of whom it names; its last part will do"`
	Since    time.Time `query:"since"`
	Until    time.Time `query:"until"`
	Limit    int       `query:"limit" minimum:"1" maximum:"200"`
	Cursor   string    `query:"cursor" maxLength:"20"`
}

type searchOut struct{ Body Page[writ.Event] }

func (d *door) registerPeople() {
	register(d, call{id: "add-note", method: http.MethodPost, path: "/v1/incidents/{id}/notes", kinds: people, creates: true, body: strict,
		status: http.StatusCreated, summary: "Write a note on an incident, under your name"},
		func(ctx context.Context, by writ.Principal, in *noteIn) (*noteOut, error) {
			id, err := writ.ParseIncidentID(in.ID)
			if err != nil {
				return nil, err
			}
			n, err := d.Incidents.AddNote(ctx, by, id, in.Body.Text)
			return &noteOut{n}, err
		})
	register(d, call{id: "ask-evidence", method: http.MethodPost, path: "/v1/plans/{id}/evidence-asks", kinds: people, creates: true, body: strict,
		status: http.StatusCreated, summary: "Ask whoever proposed a plan to read more before you answer it; its time runs on"},
		func(ctx context.Context, by writ.Principal, in *evidenceAskIn) (*planOut, error) {
			id, err := writ.ParsePlanID(in.ID)
			if err != nil {
				return nil, err
			}
			p, err := d.Recalls.AskEvidence(ctx, by, id, in.Body.Text)
			return &planOut{ETag: etag(p.Digest), Body: p}, err
		})
	register(d, call{id: "list-playbook-versions", method: http.MethodGet, path: "/v1/playbooks/{name}/versions", kinds: people,
		summary: "The versions of a playbook that this control plane has had, newest first, with their sources"},
		func(ctx context.Context, by writ.Principal, in *versionsIn) (*versionsOut, error) {
			if !writ.IsName(in.Name) {
				return nil, notName("name")
			}
			items, err := d.Playbooks.PlaybookVersions(ctx, by, in.Name)
			return &versionsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "retire-playbook", method: http.MethodPost, path: "/v1/playbooks/{name}/retire", kinds: people, body: strict,
		summary: "Retire a playbook of your team up to its present version: nobody can ask for it, and its open plans are taken back"},
		func(ctx context.Context, by writ.Principal, in *retireIn) (*retireOut, error) {
			if !writ.IsName(in.Name) {
				return nil, notName("name")
			}
			p, err := d.Playbooks.RetirePlaybook(ctx, by, in.Name, in.Body.Reason)
			return &retireOut{p}, err
		})
	register(d, call{id: "search-ledger", method: http.MethodGet, path: "/v1/ledger/search", kinds: people,
		summary: "Ledger entries that match, newest first, as sentences; a page may be short and yet have a next one"},
		func(ctx context.Context, by writ.Principal, in *searchIn) (*searchOut, error) {
			f := writ.EntryFilter{Kind: writ.EntryKind(in.Kind), Actor: in.Actor, Since: in.Since, Until: in.Until, Limit: in.Limit, Cursor: in.Cursor}
			if err := optional(&f.Incident, in.Incident, writ.ParseIncidentID); err != nil {
				return nil, err
			}
			items, next, err := d.Ledger.SearchLedger(ctx, by, f)
			return &searchOut{pageOf(items, next)}, err
		})
}
