package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type statusOut struct{ Body writ.Status }

func (d *door) registerStatus() {
	register(d, call{id: "get-status", method: http.MethodGet, path: "/v1/status", kinds: anyone, summary: "The control plane at a glance"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*statusOut, error) {
			s, err := d.Overview.Status(ctx, by)
			return &statusOut{s}, err
		})
}
