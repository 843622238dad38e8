package server

import (
	"net/http"
	"time"

	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/web"
)

// pages are the people's pages, at the main listener alone: agents' listeners have none.
func (s *Server) pages(c config.Server, auth *authn.Authenticator, dev bool) (http.Handler, error) {
	verifier, err := ledger.ParseVerifier(c.Signer.VKey)
	if err != nil {
		return nil, err
	}
	ctl, login := s.Control, ""
	if c.Login != nil {
		login = authn.PathLogin
	}
	return web.Handler(web.Config{
		Auth: admitted{auth, ctl}, Browser: auth, Plans: ctl, Runs: ctl, Incidents: ctl, Readings: ctl, Freezes: ctl, Agents: ctl, Playbooks: ctl, Ledger: ctl,
		Overview: ctl, Denials: ctl, Dev: dev && len(c.DevKeys) > 0, LoginPath: login, Verifier: verifier, ExternalURL: c.ExternalURL, Log: s.log,
		Now: time.Now, // as people's own clocks go
	})
}
