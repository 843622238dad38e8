package kubernetes

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-dev/writ/internal/connector"
)

// authCache is how long an API server goes on taking a token that it took before: it keeps each success for 10 s,
// after the ServiceAccount is gone too. A cluster may have several API servers, and a refusal proves only the one
// that gave it. So an identity counts as gone only when it is refused and this time has passed since it was deleted.
const authCache = 10 * time.Second

// Probe implements connector.Lease. Each question goes over a connection of its own. Power is gone when reading an
// object that the lease was good for is refused; identity is gone when the token itself is.
//
// If no token was ever kept, there is nothing to ask with. The credential has then never had power, since the token is
// kept before the binding is made, and it is dead when bindings, roles and identity are verified to be absent; the
// statuses stay 0.
func (l *lease) Probe(ctx context.Context) (connector.Probe, error) {
	if l.client == nil {
		return l.probeAbsent(ctx)
	}
	var out connector.Probe
	a, err := l.client.do(ctx, request{method: http.MethodGet, path: l.object().path()})
	if err != nil {
		return out, err
	}
	out.PowerStatus = a.status
	out.PowerGone = a.status == http.StatusForbidden || a.status == http.StatusUnauthorized
	if a, err = l.client.do(ctx, request{method: http.MethodGet, path: "/api"}); err != nil {
		return out, err
	}
	out.IdentityStatus = a.status
	out.IdentityGone = a.status == http.StatusUnauthorized && l.c.outlasted(l.name)
	return out, nil
}

// object is one that the lease was made for.
func (l *lease) object() place {
	for _, r := range l.rights {
		if r.place.name != "" {
			return r.place
		}
	}
	return l.rights[0].place
}

// outlasted reports whether authCache has passed since the identity was deleted by this process, or first seen refused
// by it. Once it has, the lease is forgotten.
func (c *Connector) outlasted(name string) bool {
	c.goneMu.Lock()
	defer c.goneMu.Unlock()
	since, ok := c.gone[name]
	if !ok {
		c.gone[name] = c.now()
		return false
	}
	if c.now().Sub(since) < authCache {
		return false
	}
	delete(c.gone, name)
	return true
}

// ended notes when everything of a lease was deleted, the first time.
func (c *Connector) ended(name string) {
	c.goneMu.Lock()
	defer c.goneMu.Unlock()
	if _, ok := c.gone[name]; !ok {
		c.gone[name] = c.now()
	}
}

// probeAbsent verifies with the runner's own credential that nothing of the lease exists.
func (l *lease) probeAbsent(ctx context.Context) (connector.Probe, error) {
	for _, list := range l.made() {
		if ok, err := l.absent(ctx, list); err != nil || !ok {
			return connector.Probe{}, err
		}
	}
	return connector.Probe{PowerGone: true, IdentityGone: true}, nil
}
