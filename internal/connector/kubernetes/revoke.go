package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/writ-dev/writ"
)

// Revoke implements connector.Lease: the lease's own calls are cut off, then the bindings go, then roles and identity.
// Everything is deleted by its name, which no other lease has, and then looked for by its label, so that a mint that
// broke off half-way is found as well.
func (l *lease) Revoke(ctx context.Context) error {
	l.end()
	if l.client != nil {
		l.client.http.CloseIdleConnections()
	}
	var errs []error
	for _, list := range l.made() {
		if err := l.remove(ctx, list); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("revoke lease %s: %w", l.name, err)
	}
	l.c.ended(l.name)
	return nil
}

// made are the lists in which something of the lease can stand, in the order in which it is deleted.
func (l *lease) made() []string {
	var out []string
	for _, m := range l.realms {
		out = append(out, m.bindings())
	}
	for _, m := range l.realms {
		out = append(out, m.roles())
	}
	return append(out, "/api/v1/namespaces/"+l.home+"/serviceaccounts")
}

// remove deletes what stands under the lease's name or label in one list. That nothing does is fine.
func (l *lease) remove(ctx context.Context, list string) error {
	if err := l.delete(ctx, list, l.name); err != nil {
		return err
	}
	found, err := l.labelled(ctx, list)
	if err != nil {
		return err
	}
	for _, name := range found {
		if err := l.delete(ctx, list, name); err != nil {
			return err
		}
	}
	return nil
}

func (l *lease) delete(ctx context.Context, list, name string) error {
	return l.c.remove(ctx, list, url.PathEscape(name))
}

// remove deletes one object; that it is not there is fine.
func (c *Connector) remove(ctx context.Context, list, name string) error {
	a, err := c.mint.do(ctx, request{method: http.MethodDelete, path: list + "/" + name})
	switch {
	case err != nil:
		return err
	case a.status == http.StatusNotFound, a.status >= 200 && a.status < 300:
		return nil
	}
	return a.refusal()
}

// labelled names what carries the lease's label in one list.
func (l *lease) labelled(ctx context.Context, list string) ([]string, error) {
	q := url.Values{"labelSelector": {labelLease + "=" + l.name}}
	found, _, err := l.c.mint.read(ctx, list, q.Encode())
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range objects(found.list("items")) {
		out = append(out, o.name())
	}
	return out, nil
}

// absent reports whether nothing of the lease stands in the list, by name or label.
func (l *lease) absent(ctx context.Context, list string) (bool, error) {
	_, _, err := l.c.mint.read(ctx, list+"/"+l.name, "")
	if writ.ReasonOf(err) != writ.ReasonNoObject {
		return false, err
	}
	found, err := l.labelled(ctx, list)
	return len(found) == 0, err
}
