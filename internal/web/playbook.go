package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
)

// A shelfView is what agents can do.
type shelfView struct{ Items []shelfItem }

func (d *door) playbooks(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	all, err := d.Playbooks.Playbooks(ctx, by, "")
	if err != nil {
		return view{}, err
	}
	records, err := d.Autonomy.PlaybookRecords(ctx, by, "", "")
	var out []shelfItem
	for _, p := range all {
		item := shelfItem{PlaybookSummary: p}
		for _, r := range records {
			if r.Playbook == p.Name && r.Runs > 0 {
				item.Tally, item.On = item.Tally.Plus(r.Tally), item.On+1
			}
		}
		out = append(out, item)
	}
	return view{title: "Playbooks", data: shelfView{out}}, err
}

// A playbookView is one playbook in words and as its source.
type playbookView struct {
	writ.PlaybookSummary
	Text, Source raw
	Records      []bookView
	Versions     []versionView
	Try          *tryView
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
	if err != nil {
		return view{}, err
	}
	var books []bookView
	for _, r := range records {
		books = append(books, bookView{r})
	}
	had, err := d.Playbooks.PlaybookVersions(ctx, by, name)
	if err != nil {
		return view{}, err
	}
	try, err := d.try(ctx, by, p)
	return view{title: "Playbook " + short(p.Name), data: playbookView{p.PlaybookSummary, lines([]byte(p.Text)), lines([]byte(strings.TrimSpace(p.Source))), books, versions(had), try, d.decideAt("/playbook/" + p.Name + "/")}}, err
}

// A bookView is the record of a playbook on one service.
type bookView struct{ writ.PlaybookRecord }

// Success says how many of a hundred runs held.
func (b bookView) Success() string { return success(b.Tally) }
