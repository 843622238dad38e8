package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type playbooksIn struct {
	Service string `query:"service" maxLength:"253" doc:"only those for this service"`
}

type playbooksOut struct{ Body Page[writ.PlaybookSummary] }

type playbookIn struct {
	Name string `path:"name" maxLength:"253"`
}

type playbookOut struct{ Body writ.PlaybookText }

func (d *door) registerPlaybooks() {
	register(d, call{id: "list-playbooks", method: http.MethodGet, path: "/v1/playbooks", kinds: askers,
		summary: "Playbooks that the caller may ask for"},
		func(ctx context.Context, by writ.Principal, in *playbooksIn) (*playbooksOut, error) {
			if in.Service != "" && !writ.IsName(in.Service) {
				return nil, notName("service")
			}
			items, err := d.Playbooks.Playbooks(ctx, by, in.Service)
			return &playbooksOut{pageOf(items, "")}, err
		})
	register(d, call{id: "get-playbook", method: http.MethodGet, path: "/v1/playbooks/{name}", kinds: askers,
		summary: "One playbook in words: parameters, bounds, guards, undo"},
		func(ctx context.Context, by writ.Principal, in *playbookIn) (*playbookOut, error) {
			if !writ.IsName(in.Name) {
				return nil, notName("name")
			}
			p, err := d.Playbooks.Playbook(ctx, by, in.Name)
			return &playbookOut{p}, err
		})
}

func notName(field string) error {
	return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid,
		Detail: field + " is a plain name of lower-case letters, digits, hyphens and dots"}
}
