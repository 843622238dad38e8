package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook"
)

// maxTried bounds the incidents that a dry run can be tried on from a playbook's page, the newest ones.
const maxTried = 20

// A tryView is the form for a dry run of a playbook.
type tryView struct {
	Incidents []writ.Incident
	Fields    []field
}

// try makes the form; nil where there is nothing to try: no open incident, a playbook for emergencies alone, or a retired one.
func (d *door) try(ctx context.Context, by writ.Principal, p writ.PlaybookText) (*tryView, error) {
	pb, _, err := playbook.Parse([]byte(p.Source))
	if err != nil || pb.Emergency || p.Retired != nil {
		return nil, nil // what cannot be read here is shown as text all the same
	}
	open, _, err := d.Incidents.Incidents(ctx, by, writ.IncidentFilter{State: writ.IncidentOpen, Limit: maxTried})
	if err != nil || len(open) == 0 {
		return nil, err
	}
	return &tryView{open, fieldsOf(pb, func(string) string { return "" })}, nil
}

// dryRun has a playbook planned and decided for an incident, and nothing more. It cites the newest reading of each kind that the
// playbook wants.
func (d *door) dryRun(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	name := r.PathValue("name")
	if !writ.IsName(name) {
		return "", writ.ErrNotFound
	}
	in, err := writ.ParseIncidentID(f.Get("incident"))
	if err != nil {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "incident must be the id of an open incident: inc_ and 26 characters"}
	}
	text, err := d.Playbooks.Playbook(ctx, by, name)
	if err != nil {
		return "", err
	}
	pb, _, err := playbook.Parse([]byte(text.Source))
	if err != nil {
		return "", err
	}
	s, err := d.Incidents.Incident(ctx, by, in)
	if err != nil {
		return "", err
	}
	p, err := d.Plans.Propose(ctx, by, writ.Ask{Incident: in, Playbook: name, Parameters: typed(pb, f.Get), Evidence: newest(s.Evidence, pb.Evidence), Because: "a dry run from the playbook's page", DryRun: true})
	return "/plans/" + string(p.ID), err
}

// newest returns the newest reading by each of the readers.
func newest(all []writ.Evidence, readers []writ.OperationName) (out []writ.EvidenceID) {
	for _, r := range readers {
		for _, e := range slices.Backward(all) {
			if e.Query.Reader == r {
				out = append(out, e.ID)
				break
			}
		}
	}
	return out
}
