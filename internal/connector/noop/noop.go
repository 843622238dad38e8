// Package noop is a connector that does nothing, for benchmarks only: its one operation always succeeds, its one reader
// always finds what was asked for, and its leases are dead the moment they are revoked. With it, a run costs what Writ
// costs and nothing else.
package noop

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Plane is the kind of control plane that is none.
const Plane = "noop"

// Names of what the connector declares.
const (
	Touch  writ.OperationName = "noop/thing.touch"
	Status writ.OperationName = "noop/thing.status"
)

const (
	paramName = "name"
	factTouch = "touched"
	version   = "1" // nothing ever changes
)

// A Connector serves one target that does not exist. It is safe for concurrent use.
type Connector struct {
	target writ.Location
	now    func() time.Time
	rand   io.Reader
}

var _ connector.Connector = (*Connector)(nil)

// New returns the connector of a target of this plane, noop://<name>. random makes the salts of plans.
func New(target writ.Location, now func() time.Time, random io.Reader) (*Connector, error) {
	if _, err := writ.ParseLocation(string(target)); err != nil || target.Plane() != Plane || len(target.Segments()) != 0 || now == nil || random == nil {
		return nil, fmt.Errorf("%w: noop: a target is %s://<name>; clock and randomness are needed", writ.ErrInvalid, Plane)
	}
	return &Connector{target, now, random}, nil
}

// Catalogue is what every connector of this package can do.
func Catalogue() connector.Catalogue {
	name := connector.Parameter{Name: paramName, Type: connector.TypeName, Title: "name of the thing"}
	return connector.Catalogue{
		Plane: Plane,
		Operations: []connector.Operation{{
			Name: Touch, Title: "Touch a thing that is not there", Parameters: []connector.Parameter{name}, Tier: writ.T1,
			Inverse: writ.InverseReplace, Rights: []string{"nothing"},
		}},
		Readers: []connector.Reader{{
			Name: Status, Title: "Status of a thing that is not there", Parameters: []connector.Parameter{name},
			Facts: []connector.Fact{{Name: factTouch, Type: connector.TypeBool, Title: "always true"}},
		}},
	}
}

// Target implements connector.Connector.
func (c *Connector) Target() writ.Location { return c.target }

// Catalogue implements connector.Connector.
func (c *Connector) Catalogue() connector.Catalogue { return Catalogue() }

// Observe says that the thing was touched.
func (c *Connector) Observe(_ context.Context, q connector.Query) (connector.Reading, error) {
	if q.Reader != Status {
		return connector.Reading{}, writ.Refuse(writ.ReasonUnknownReader, "the only reader is "+string(Status))
	}
	if _, err := c.locate(Catalogue().Readers[0].Parameters, q.With, q.Scope); err != nil {
		return connector.Reading{}, err
	}
	b := []byte(`{"touched":true}`)
	return connector.Reading{
		Source: "nothing", At: c.now(), Bytes: b[:min(len(b), max(q.Limit, 0))], Truncated: len(b) > q.Limit,
		Facts: writ.Observation{factTouch: writ.Bool(true)},
	}, nil
}

// Plan resolves a touch.
func (c *Connector) Plan(_ context.Context, d connector.Draft) (connector.Prepared, error) {
	if d.Operation != Touch {
		return connector.Prepared{}, writ.Refuse(writ.ReasonOutOfScope, "the only operation is "+string(Touch))
	}
	at, err := c.locate(Catalogue().Operations[0].Parameters, d.With, d.Scope)
	if err != nil {
		return connector.Prepared{}, err
	}
	var salt [writ.SaltSize]byte
	if _, err := io.ReadFull(c.rand, salt[:]); err != nil {
		return connector.Prepared{}, fmt.Errorf("%w: noop: no randomness for a salt: %w", writ.ErrUnavailable, err)
	}
	name, _ := d.With[paramName].Str()
	step := writ.Step{
		Key: d.Key, Operation: Touch, With: d.With, Tier: writ.T1, Title: "Touch " + name,
		Object: writ.Object{Location: at, UID: "thing-" + name, Version: version}, Call: writ.Call{Method: "TOUCH", Path: "/" + name},
		Diff:    []writ.Change{{Path: factTouch, Before: "true", After: "true"}},
		Inverse: writ.Inverse{Kind: writ.InverseReplace, Title: "Leave " + name + " as it is"}, Blast: writ.Blast{Objects: 1, Replicas: 1, Permille: 1},
		TimeoutSeconds: 1,
	}
	return connector.Seal(step, salt, []byte(`{"touch":true}`), []byte(`{"touched":true}`)), nil
}

// Revert finds that a touch has left nothing to put back.
func (c *Connector) Revert(_ context.Context, r connector.Reversal) (connector.Prepared, error) {
	if err := r.Of.Check(); err != nil {
		return connector.Prepared{}, err
	}
	return connector.Prepared{}, writ.Refuse(writ.ReasonNoChange, "a touch leaves nothing to put back")
}

// locate checks parameters and scope, and returns where the thing would be: at the scope's own place, by its name.
func (c *Connector) locate(declared []connector.Parameter, with writ.Parameters, scope []writ.Location) (writ.Location, error) {
	if err := connector.CheckParameters(declared, with); err != nil {
		return "", err
	}
	name, _ := with[paramName].Str()
	i := slices.IndexFunc(scope, func(l writ.Location) bool { return l.Target() == c.target })
	if i < 0 {
		return "", writ.Refuse(writ.ReasonOutOfScope, "no place of the service is on "+string(c.target))
	}
	return writ.ParseLocation(string(scope[i]) + "/" + name)
}

// Lease makes a lease that allows nothing, which is all that a touch needs.
func (c *Connector) Lease(_ context.Context, r connector.LeaseRequest, keep func([]byte) error) (connector.Lease, error) {
	if err := keep([]byte(r.Name)); err != nil {
		return nil, err
	}
	return new(lease), nil
}

// Reopen implements connector.Connector.
func (c *Connector) Reopen(connector.LeaseRequest, []byte) (connector.Lease, error) {
	return new(lease), nil
}

// A lease is alive until it is revoked.
type lease struct{ revoked atomic.Bool }

func (l *lease) Rights() []string { return []string{"nothing"} }

// Do succeeds, unless the lease was revoked.
func (l *lease) Do(_ context.Context, p connector.Prepared) connector.Outcome {
	if err := p.Check(); err != nil {
		return connector.Outcome{Effect: writ.NotApplied, Reason: writ.ReasonOf(err), Detail: "the call is not the approved one"}
	}
	if l.revoked.Load() {
		return connector.Outcome{Effect: writ.NotApplied, Reason: writ.ReasonForbidden, Detail: "the lease was revoked"}
	}
	return connector.Outcome{Effect: writ.Applied, Version: version, Sent: writ.Commit(p.Salt, connector.BlobBody, p.Body)}
}

// Undo finds the pre-image in place.
func (l *lease) Undo(context.Context, connector.Prepared, []byte) connector.Undone {
	return connector.Undone{Effect: writ.Applied, Restored: true}
}

// Settle knows that a touch does nothing.
func (l *lease) Settle(context.Context, connector.Prepared) connector.Outcome {
	return connector.Outcome{Effect: writ.NotApplied, Reason: writ.ReasonStepFailed, Detail: "a touch that was interrupted did nothing"}
}

func (l *lease) Revoke(context.Context) error { l.revoked.Store(true); return nil }

// Probe reports the lease dead once it was revoked.
func (l *lease) Probe(context.Context) (connector.Probe, error) {
	gone := l.revoked.Load()
	return connector.Probe{PowerGone: gone, IdentityGone: gone}, nil
}
