package server

import (
	"net/http"

	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/web"
)

// approving is the origin for approving of the configuration, or nil.
func (s *Server) approving(c config.Server, auth *authn.Authenticator) (*web.Approving, error) {
	if c.Approve == nil {
		return nil, nil
	}
	in, err := auth.Approving(c.Approve.Origin)
	if err != nil {
		return nil, err
	}
	return &web.Approving{Origin: c.Approve.Origin, Entrance: in, Passkeys: s.Control, Assertions: s.Control, Asks: s.Control, Changes: s.Control, Decisions: s.Control}, nil
}

// byHost sends the requests for exactly one host to its own door, and all others to the other: neither door answers in
// the other's place, whatever path is asked for.
func byHost(host string, own, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == host {
			own.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}
