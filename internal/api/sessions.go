package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type sessionIn struct {
	ID string `path:"id"`
}

type sessionsIn struct {
	All bool `query:"all" doc:"Everybody's, which operators may see"`
}

type sessionOut struct{ Body writ.Session }

type sessionsOut struct{ Body Page[writ.Session] }

func (d *door) registerSessions() {
	register(d, call{id: "list-sessions", method: http.MethodGet, path: "/v1/sessions", kinds: people, summary: "The caller's own logins, or everybody's"},
		func(ctx context.Context, by writ.Principal, in *sessionsIn) (*sessionsOut, error) {
			items, err := d.Sessions.Sessions(ctx, by, in.All)
			return &sessionsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "revoke-session", method: http.MethodPost, path: "/v1/sessions/{id}/revoke", kinds: people,
		summary: "End one of the caller's own logins, or, as an operator, anybody's; the answer is what was ended"},
		func(ctx context.Context, by writ.Principal, in *sessionIn) (*sessionOut, error) {
			id, err := writ.ParseSessionID(in.ID)
			if err != nil {
				return nil, err
			}
			s, err := d.Sessions.RevokeSession(ctx, by, id)
			return &sessionOut{s}, err
		})
}
