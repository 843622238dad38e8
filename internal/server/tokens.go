package server

import (
	"crypto/rand"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/token"
)

// newAccess loads the keys of control-plane tokens, or returns nil if none is configured.
func newAccess(c config.Server) (*token.Access, error) {
	if c.Keys.Token == "" {
		return nil, nil
	}
	key, others, err := rotate.Token{File: c.Path(c.Keys.Token)}.Load()
	if err != nil {
		return nil, fmt.Errorf("keys.token: %w", err)
	}
	return token.NewAccess(c.ExternalURL, key, others...)
}

// tokens makes the token endpoint of a listener, whose clients are found out by auth.
func (s *Server) tokens(c config.Server, auth oauth.Clients) (*oauth.Endpoint, error) {
	ctl := s.Control
	o := oauth.Config{
		Tokens: s.access, Clients: auth, Admission: ctl, Pace: ctl, Grants: ctl, Unspent: ctl, Revocations: ctl.Memory(),
		GrantIssuer: c.Issuer, GrantKeys: ctl.GrantKeySet(),
		PresentURL: PresentURL(c.ExternalURL), Certificate: c.SPIFFE != nil && c.SPIFFE.Listen != "",
		Now: fault.Clock(), Rand: rand.Reader, Log: s.log,
	}
	if c.Tokens != nil {
		for _, a := range c.Tokens.Auditors {
			o.Auditors = append(o.Auditors, writ.Principal{Kind: writ.Kind(a.Kind), Iss: a.Iss, Sub: a.Sub})
		}
	}
	return oauth.New(o)
}
