package server

import (
	"net/http"
	"time"

	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/web"
)

// pages puts the people's pages at the main listener alone, agents' listeners have none: those at the external URL among
// the others of h, and, where it is configured, the approving origin before all of h.
func (s *Server) pages(c config.Server, auth *authn.Authenticator, dev bool, h *http.ServeMux) (http.Handler, error) {
	at, err := s.approving(c, auth)
	if err != nil {
		return nil, err
	}
	ctl, login := s.Control, ""
	if c.Login != nil {
		login = authn.PathLogin
	}
	w := web.Config{
		Auth: admitted{auth, ctl}, Browser: auth, Plans: ctl, Runs: ctl, Incidents: ctl, Readings: ctl, Freezes: ctl, Agents: ctl, Playbooks: ctl, Ledger: ctl, Glasses: ctl,
		Overview: ctl, Denials: ctl, Turns: ctl, Lab: ctl, Policies: ctl, Autonomy: ctl, Upstreams: ctl, Dev: dev && len(c.DevKeys) > 0, LoginPath: login, Verifier: s.Control.Verifier, ExternalURL: c.ExternalURL, Approving: at, Log: s.log,
		Now: time.Now, // as people's own clocks go
	}
	pages, err := web.Handler(w)
	if err != nil {
		return nil, err
	}
	for _, pattern := range web.Paths {
		h.Handle(pattern, pages)
	}
	if at == nil {
		return h, nil
	}
	own, err := web.ApprovingHandler(w)
	if err != nil {
		return nil, err
	}
	return byHost(at.Host(), own, h), nil
}
