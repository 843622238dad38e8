package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
)

// A shelfView is what agents can do.
type shelfView struct{ Items []writ.PlaybookSummary }

func (d *door) playbooks(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	all, err := d.Playbooks.Playbooks(ctx, by, "")
	return view{title: "Playbooks", data: shelfView{all}}, err
}

// A playbookView is one playbook in words and as its source.
type playbookView struct {
	writ.PlaybookSummary
	Text, Source raw
	Records      []writ.PlaybookRecord
	DecideAt     string // where a passkey decides on this playbook, before the service; empty where none can
}

func (d *door) playbook(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	name := r.PathValue("name")
	if !writ.IsName(name) {
		return view{}, writ.ErrNotFound
	}
	p, err := d.Playbooks.Playbook(ctx, by, name)
	if writ.ReasonOf(err) == writ.ReasonUnknownPlaybook {
		return view{}, writ.ErrNotFound
	}
	if err != nil {
		return view{}, err
	}
	records, err := d.Autonomy.PlaybookRecords(ctx, by, name, "")
	return view{title: "Playbook " + short(p.Name), data: playbookView{p.PlaybookSummary, lines([]byte(p.Text)), lines([]byte(strings.TrimSpace(p.Source))), records, d.decideAt("/playbook/" + p.Name + "/")}}, err
}
