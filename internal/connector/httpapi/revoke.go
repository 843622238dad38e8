package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Revoke cuts requests under way, ends the token with power and then the one it was exchanged from.
func (l *lease) Revoke(ctx context.Context) error {
	l.mu.Lock()
	l.revoked = true
	h := l.is
	l.mu.Unlock()
	l.cancel()
	l.busy.Lock() // every connection that carried the token is closed
	defer l.busy.Unlock()
	for _, token := range []string{h.Token, h.Subject} {
		if token == "" {
			continue
		}
		if err := l.x.revoke(ctx, l.client, token); err != nil {
			return err
		}
	}
	return nil
}

// probeTag is an entity tag that no target gives out, so that a probe's precondition always fails.
const probeTag = `"writ-probe-never-matches"`

// noToken stands for the token of a lease for which none was ever minted.
const noToken = "writ-no-token"

// Probe sends the lease's first call without its body and under a precondition that cannot hold: a live token is
// answered 412 or 400, a dead one 401 or 403. Then it reads the object: a live token without that scope is answered
// 403, a dead one 401. Both use new connections.
func (l *lease) Probe(ctx context.Context) (connector.Probe, error) {
	l.mu.Lock()
	h := l.is
	l.mu.Unlock()
	if wait := time.UnixMilli(h.LostUntil).Sub(l.x.now()); h.LostUntil != 0 && wait > 0 {
		return connector.Probe{}, fmt.Errorf("%w: a token may have been lost on its way here; it ends by itself in %d s at the latest", writ.ErrUnavailable, int(wait.Seconds())+1)
	}
	var p connector.Probe
	for _, token := range tokensOf(h) {
		one, err := l.probe(ctx, token)
		if err != nil {
			return connector.Probe{}, err
		}
		if p.PowerStatus == 0 || !one.PowerGone {
			p.PowerGone, p.PowerStatus = one.PowerGone, one.PowerStatus
		}
		if p.IdentityStatus == 0 || !one.IdentityGone {
			p.IdentityGone, p.IdentityStatus = one.IdentityGone, one.IdentityStatus
		}
	}
	return p, nil
}

// tokensOf lists the tokens that must be dead.
func tokensOf(h handle) []string {
	var out []string
	for _, t := range []string{h.Token, h.Subject} {
		if t != "" {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		out = append(out, noToken)
	}
	return out
}

func (l *lease) probe(ctx context.Context, token string) (connector.Probe, error) {
	c := l.calls[0]
	path, query := c.write.call(c.step.Step.With)
	power, err := l.x.send(ctx, request{method: c.write.method, path: path, query: query, token: token, match: probeTag})
	if err != nil {
		return connector.Probe{}, fmt.Errorf("%w: %v", writ.ErrUnavailable, err)
	}
	path, query = c.op.read.call(only(c.step.Step.With, c.op.read.names(inPath)))
	identity, err := l.x.send(ctx, request{method: http.MethodGet, path: path, query: query, token: token})
	if err != nil {
		return connector.Probe{}, fmt.Errorf("%w: %v", writ.ErrUnavailable, err)
	}
	return connector.Probe{
		PowerGone:      power.status == http.StatusUnauthorized || power.status == http.StatusForbidden,
		PowerStatus:    power.status,
		IdentityGone:   identity.status == http.StatusUnauthorized,
		IdentityStatus: identity.status,
	}, nil
}
