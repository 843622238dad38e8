package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

const (
	minToken  = 10 * time.Minute // the least life that a Kubernetes API server gives a token
	maxToken  = time.Hour        // no run takes longer; the token is only the last bound anyway
	cleanTime = 20 * time.Second // for removing what a failed mint made

	powerTime  = 10 * time.Second      // for the API server to honour a binding; usually some milliseconds
	powerPause = 20 * time.Millisecond // between two looks
)

// Lease implements connector.Connector. In this order: identity, role, token, keep, and only then the binding. Until
// the binding exists the credential can do nothing.
func (c *Connector) Lease(ctx context.Context, r connector.LeaseRequest, keep func(handle []byte) error) (connector.Lease, error) {
	l, err := c.newLease(r)
	if err != nil {
		return nil, err
	}
	if err := l.mint(ctx, r.TTL, keep); err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		if left := l.Revoke(clean); left != nil {
			return nil, fmt.Errorf("lease %s: %w (and what was made is still there)", l.name, err)
		}
		return nil, fmt.Errorf("lease %s: %w", l.name, err)
	}
	return l, nil
}

func (l *lease) mint(ctx context.Context, ttl time.Duration, keep func(handle []byte) error) error {
	if l.home == l.c.leases {
		if err := l.ensureHome(ctx); err != nil {
			return err
		}
	}
	accounts := "/api/v1/namespaces/" + l.home + "/serviceaccounts"
	err := l.create(ctx, accounts, object{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": l.meta(l.home), "automountServiceAccountToken": false,
	})
	if err != nil {
		return err
	}
	for _, m := range l.realms {
		var rules []any
		for _, r := range l.rights {
			if r.realm() == m {
				rules = append(rules, r.rule())
			}
		}
		role := object{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": m.roleKind(), "metadata": l.meta(string(m)), "rules": rules}
		if err := l.create(ctx, m.roles(), role); err != nil {
			return err
		}
	}
	token, err := l.request(ctx, accounts+"/"+l.name+"/token", ttl)
	if err != nil {
		return err
	}
	if err := l.hold(token); err != nil {
		return err
	}
	kept, err := json.Marshal(handle{V: 1, Token: token})
	if err != nil {
		return err
	}
	// Commit point: from here on the runner can revoke and probe this credential, whatever crashes.
	if err := keep(kept); err != nil {
		return fmt.Errorf("keeping the handle: %w", err)
	}
	for _, m := range l.realms {
		binding := object{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": m.roleKind() + "Binding", "metadata": l.meta(string(m)),
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": m.roleKind(), "name": l.name},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": l.name, "namespace": l.home}},
		}
		if err := l.create(ctx, m.bindings(), binding); err != nil {
			return err
		}
	}
	return l.awaitPower(ctx)
}

// awaitPower waits until the API server honours what was just written: it decides from a copy of roles and bindings
// that runs a little behind, and until it has caught up it would refuse the run's own calls.
func (l *lease) awaitPower(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, powerTime)
	defer cancel()
	for _, r := range l.rights {
		if r.place.name == "" {
			continue
		}
		for {
			a, err := l.client.do(ctx, request{method: http.MethodGet, path: r.place.path()})
			if err != nil {
				return err
			}
			if a.status != http.StatusForbidden && a.status != http.StatusUnauthorized {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the credential has no power: %w", a.refusal())
			case <-time.After(powerPause):
			}
		}
	}
	return nil
}

// create makes one object with the runner's own credential. An object of that name which is there already is not
// taken over: names are never used twice.
func (l *lease) create(ctx context.Context, path string, o object) error {
	b, err := o.bytes()
	if err != nil {
		return err
	}
	a, err := l.c.mint.do(ctx, request{method: http.MethodPost, path: path, query: "fieldManager=" + fieldManager, contentType: jsonType, body: b})
	if err != nil {
		return fmt.Errorf("making the %s: %w", o.str("kind"), err)
	}
	if a.status != http.StatusCreated {
		return fmt.Errorf("making the %s: %w", o.str("kind"), a.refusal())
	}
	return nil
}

// request asks for the token.
func (l *lease) request(ctx context.Context, path string, ttl time.Duration) (string, error) {
	ttl = min(max(ttl, minToken), maxToken)
	body, err := object{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
		"spec": map[string]any{"expirationSeconds": number(int64(ttl / time.Second))},
	}.bytes()
	if err != nil {
		return "", err
	}
	a, err := l.c.mint.do(ctx, request{method: http.MethodPost, path: path, contentType: jsonType, body: body})
	if err != nil {
		return "", fmt.Errorf("requesting the token: %w", err)
	}
	if a.status != http.StatusCreated {
		return "", fmt.Errorf("requesting the token: %w", a.refusal())
	}
	o, err := parseObject(a.body)
	if err != nil {
		return "", err
	}
	token := o.str("status", "token")
	if token == "" {
		return "", writ.Refuse(writ.ReasonLeaseFailed, "the target gave no token")
	}
	return token, nil
}

// ensureHome makes the namespace for leases that have none of their own.
func (l *lease) ensureHome(ctx context.Context) error {
	a, err := l.c.mint.do(ctx, request{method: http.MethodGet, path: "/api/v1/namespaces/" + l.home})
	if err != nil {
		return err
	}
	if a.status == http.StatusOK {
		return nil
	}
	body, err := object{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": l.home}}.bytes()
	if err != nil {
		return err
	}
	a, err = l.c.mint.do(ctx, request{method: http.MethodPost, path: "/api/v1/namespaces", contentType: jsonType, body: body})
	switch {
	case err != nil:
		return err
	case a.status == http.StatusCreated, a.status == http.StatusConflict: // somebody else has just made it
		return nil
	}
	return a.refusal()
}
