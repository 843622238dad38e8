package server

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/pin"
)

// admitTime bounds the look at the store that decides whether a connection is let in.
const admitTime = 5 * time.Second

// A gate finds out who calls at the runners' door: by a key in the configuration, an enrolled key, or an X.509-SVID.
type gate struct {
	control *control.Control
	svids   *authn.RunnerPeers // nil: no SVID counts
}

// admit lets a connection in: a runner's, or a stranger's while an invitation is open, for whom there is only the
// enrolment then.
func (g gate) admit(s tls.ConnectionState) bool {
	ctx, cancel := context.WithTimeout(context.Background(), admitTime)
	defer cancel()
	c := g.caller(s)
	if _, err := g.runner(ctx, c); err == nil {
		return true
	}
	return c.Key != nil && g.control.Inviting(ctx) || c.SVID != "" && g.knows(c.SVID)
}

func (g gate) knows(id writ.RunnerID) bool { _, ok := g.control.Runners[id]; return ok }

// caller is what a connection proves.
func (g gate) caller(s tls.ConnectionState) control.Caller {
	if g.svids != nil {
		if id, ok := g.svids.Runner(s); ok {
			return control.Caller{SVID: id}
		}
	}
	key, _ := pin.PeerKey(s)
	return control.Caller{Key: key}
}

// runner is who a caller works for. It is asked for every request: a connection outlives a removal.
func (g gate) runner(ctx context.Context, c control.Caller) (writ.RunnerID, error) {
	if c.SVID == "" {
		return g.control.RunnerOf(ctx, c.Key)
	}
	active, err := g.control.Active(ctx, c.SVID)
	if err == nil && !active {
		err = writ.ErrUnknownUser
	}
	return c.SVID, err
}

// listenRunners binds the runners' door: mutual TLS, the server by its pinned key.
func (s *Server) listenRunners(c config.Server, identity ed25519.PrivateKey, auth *authn.Authenticator) error {
	g := gate{control: s.Control}
	if c.SPIFFE != nil && c.SPIFFE.Runners {
		var err error
		if g.svids, err = auth.RunnerPeers(); err != nil {
			return err
		}
	}
	secure, err := pin.DoorTLS(identity, g.admit)
	if err != nil {
		return err
	}
	of := func(r *http.Request) control.Caller {
		if r.TLS == nil {
			return control.Caller{}
		}
		return g.caller(*r.TLS)
	}
	identify := func(r *http.Request) (writ.RunnerID, error) { return g.runner(r.Context(), of(r)) }
	enrol := api.EnrolHandler(of, s.Control.Enrol, s.Control.RetireKey)
	mux := http.NewServeMux()
	mux.Handle(assignment.PathEnrol, enrol)
	mux.Handle(assignment.PathRetire, enrol)
	mux.Handle("/", api.RunnerHandler(s.Control, identify))
	if s.access != nil {
		tokens, err := s.tokens(c, auth)
		if err != nil {
			return err
		}
		mux.Handle(oauth.PathIntrospect, tokens.RunnerHandler(func(r *http.Request) (writ.RunnerID, bool) {
			id, err := identify(r)
			return id, err == nil
		}))
	}
	return s.add("the runners' door", c.RunnerListen, mux, secure, 0)
}
