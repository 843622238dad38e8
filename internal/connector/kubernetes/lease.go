package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Labels of everything that is made for a lease.
const (
	labelRun   = "writ.dev/run"
	labelLease = "writ.dev/lease"
	labelCell  = "writ.dev/cell" // whose it is
)

// A handle is what the runner keeps of a lease. It holds the token, so it must stay on the runner.
type handle struct {
	V     int    `json:"v"`
	Token string `json:"token"`
}

// A lease is the credential of one run. Everything made for it has its name.
type lease struct {
	c      *Connector
	name   string
	run    string // as a label
	home   string // the namespace of the ServiceAccount
	rights []right
	realms []realm
	client *client // with the lease's token; nil if none was ever kept

	alive context.Context // ends when Revoke begins
	end   context.CancelFunc
}

// newLease derives a lease from its request.
func (c *Connector) newLease(r connector.LeaseRequest) (*lease, error) {
	if !isLabel(r.Name) {
		return nil, fmt.Errorf("%w: a lease's name is a DNS label", writ.ErrInvalid)
	}
	if _, err := writ.ParseRunID(string(r.Run)); err != nil {
		return nil, err
	}
	rights, err := rightsOf(c.target, r)
	if err != nil {
		return nil, err
	}
	l := &lease{c: c, name: r.Name, run: strings.ToLower(string(r.Run)), rights: rights, realms: realms(rights), home: c.leases}
	for _, m := range l.realms {
		if m != "" {
			l.home = string(m)
			break
		}
	}
	l.alive, l.end = context.WithCancel(context.Background())
	return l, nil
}

// Reopen implements connector.Connector.
func (c *Connector) Reopen(r connector.LeaseRequest, kept []byte) (connector.Lease, error) {
	l, err := c.newLease(r)
	if err != nil || len(kept) == 0 {
		return l, err
	}
	var h handle
	if err := json.Unmarshal(kept, &h); err != nil || h.V != 1 || h.Token == "" {
		return nil, fmt.Errorf("%w: the handle of lease %s", writ.ErrInvalid, l.name)
	}
	return l, l.hold(h.Token)
}

// hold gives the lease its token.
func (l *lease) hold(token string) error {
	var err error
	l.client, err = leaseClient(l.c.rest, token)
	return err
}

// Rights implements connector.Lease.
func (l *lease) Rights() []string {
	var out []string
	for _, r := range l.rights {
		out = append(out, r.String())
	}
	return out
}

// during returns ctx, ended as well when the lease is revoked.
func (l *lease) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.alive, cancel)
	return ctx, func() { stop(); cancel() }
}

// labels of what is made for the lease.
func (l *lease) meta(namespace string) map[string]any {
	labels := map[string]any{labelRun: l.run, labelLease: l.name}
	if l.c.cell != "" {
		labels[labelCell] = l.c.cell
	}
	m := map[string]any{"name": l.name, "labels": labels}
	if namespace != "" {
		m["namespace"] = namespace
	}
	return m
}
