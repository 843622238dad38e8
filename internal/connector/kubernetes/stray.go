package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// strays are the lists of the whole cluster in which something of a lease can stand, in the order in which it is
// deleted: power first, identity last.
var strays = []string{
	"/apis/rbac.authorization.k8s.io/v1/rolebindings",
	"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	"/apis/rbac.authorization.k8s.io/v1/roles",
	"/apis/rbac.authorization.k8s.io/v1/clusterroles",
	"/api/v1/serviceaccounts",
}

// A stray is a lease of which this process knows nothing but the name. It holds no token: it can only end it.
type stray struct {
	c    *Connector
	name string
}

var _ connector.Reclaimer = (*Connector)(nil)

// Reclaim implements connector.Reclaimer.
func (c *Connector) Reclaim(name string) (connector.Lease, error) {
	if !isLabel(name) {
		return nil, fmt.Errorf("%w: a lease's name is a DNS label", writ.ErrInvalid)
	}
	return &stray{c, name}, nil
}

// Orphans implements connector.Reclaimer: everything that bears the cell's label, in every namespace. A runner without
// a cell marks nothing and finds nothing.
func (c *Connector) Orphans(ctx context.Context) ([]connector.Orphan, error) {
	if c.cell == "" {
		return nil, nil
	}
	var out []connector.Orphan
	for _, list := range strays {
		found, err := c.marked(ctx, list, labelCell+"="+c.cell)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			name := o.str("metadata", "labels", labelLease)
			if name == "" || slices.ContainsFunc(out, func(x connector.Orphan) bool { return x.Name == name }) {
				continue
			}
			made, _ := time.Parse(time.RFC3339, o.str("metadata", "creationTimestamp")) // for the order alone
			out = append(out, connector.Orphan{Name: name, Run: o.str("metadata", "labels", labelRun), Made: made})
		}
	}
	slices.SortStableFunc(out, func(a, b connector.Orphan) int { return a.Made.Compare(b.Made) })
	return out, nil
}

// marked lists what a selector finds.
func (c *Connector) marked(ctx context.Context, list, selector string) ([]object, error) {
	found, _, err := c.mint.read(ctx, list, url.Values{"labelSelector": {selector}}.Encode())
	if err != nil {
		return nil, err
	}
	return objects(found.list("items")), nil
}

// find returns the paths of what stands in a list under the stray's name. What bears another cell's label is not
// this runner's, whatever its name; what bears none was made before cells were marked.
func (s *stray) find(ctx context.Context, list string) ([]string, error) {
	found, err := s.c.marked(ctx, list, labelLease+"="+s.name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range found {
		if cell := o.str("metadata", "labels", labelCell); cell != "" && cell != s.c.cell {
			continue
		}
		path := list + "/" + url.PathEscape(o.name())
		if ns := o.str("metadata", "namespace"); ns != "" {
			at := strings.LastIndexByte(list, '/')
			path = list[:at] + "/namespaces/" + url.PathEscape(ns) + path[at:]
		}
		out = append(out, path)
	}
	return out, nil
}

// Revoke implements connector.Lease.
func (s *stray) Revoke(ctx context.Context) error {
	var errs []error
	for _, list := range strays {
		paths, err := s.find(ctx, list)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, p := range paths {
			at := strings.LastIndexByte(p, '/')
			if err := s.c.remove(ctx, p[:at], p[at+1:]); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("revoke %s: %w", s.name, err)
	}
	s.c.ended(s.name)
	return nil
}

// Probe implements connector.Lease. There is no token to ask with. Its power comes from bindings alone, and it is gone
// when none is left; its identity is gone when the account is, and the API server's memory of its tokens is over.
func (s *stray) Probe(ctx context.Context) (connector.Probe, error) {
	var out connector.Probe
	for n, list := range strays {
		paths, err := s.find(ctx, list)
		if err != nil || len(paths) > 0 {
			return out, err
		}
		out.PowerGone = out.PowerGone || n == 1 // the lists of bindings are the first two
	}
	out.IdentityGone = s.c.outlasted(s.name)
	return out, nil
}

// Rights implements connector.Lease.
func (s *stray) Rights() []string { return nil }

const noToken = "there is no token of this lease; it can only be ended"

// Do implements connector.Lease.
func (s *stray) Do(context.Context, connector.Prepared) connector.Outcome {
	return connector.Outcome{Effect: writ.NotApplied, Reason: writ.ReasonForbidden, Detail: noToken}
}

// Undo implements connector.Lease.
func (s *stray) Undo(context.Context, connector.Prepared, []byte) connector.Undone {
	return connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonForbidden, Detail: noToken}
}

// Settle implements connector.Lease.
func (s *stray) Settle(context.Context, connector.Prepared) connector.Outcome {
	return connector.Outcome{Reason: writ.ReasonForbidden, Detail: noToken}
}
