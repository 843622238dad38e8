package server

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// admitted authenticates, and lets an agent in only while its registration holds: whatever token it has ends with that,
// at every door and for every call.
type admitted struct {
	identifier
	control *control.Control
}

// Principal returns who sent r. An agent that is suspended, removed or not registered gets a *writ.Refusal.
func (a admitted) Principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	p, err := a.identifier.Principal(ctx, r)
	if err == nil && p.Kind == writ.KindAgent {
		err = a.control.Admit(ctx, p)
	}
	if err != nil {
		return writ.Principal{}, err
	}
	return p, nil
}
