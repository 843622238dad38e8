package runner

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
)

// reread reads once more what one of this runner's own plans rests on, for the decision about its grant. It reads under
// the connector's read-only credential and changes nothing; the run itself reads all of it again before it mints a lease.
func (r *Runner) reread(ctx context.Context, in assignment.Reread) (*assignment.ReadAgain, error) {
	kept, err := r.Journal.Plan(ctx, in.Plan)
	if isNot(err, writ.ErrNotFound) {
		return nil, err
	}
	if err != nil || !kept.Digest.Equal(in.Digest) {
		return nil, writ.Refuse(writ.ReasonPlanUnknown, "this runner did not make this plan")
	}
	p, _, err := writ.ParsePlan(kept.Bytes)
	if err != nil {
		return nil, err
	}
	conn, err := r.connector(p.Target)
	if err != nil {
		return nil, err
	}
	out := &assignment.ReadAgain{At: writ.Instant(r.Now()), Claims: []assignment.Claimed{}}
	for _, c := range p.Observe {
		out.Claims = append(out.Claims, claimed(c, r.observed(ctx, conn, []writ.Condition{c}, kept.Scope)))
	}
	for _, g := range p.Guards {
		out.Claims = append(out.Claims, claimed(g, r.guard(ctx, conn, g, kept.Scope)))
	}
	return out, nil
}

// claimed is one condition with what became of it.
func claimed(c writ.Condition, err error) assignment.Claimed {
	if err == nil {
		return assignment.Claimed{Name: c.Name, Holds: true}
	}
	return assignment.Claimed{Name: c.Name, Code: reasonOr(err, writ.ReasonEvidenceMissing), Detail: detail(err)}
}

// observed reads what a playbook wants observed. A reading that cannot be had, and one that shows something else, refuse
// with codes of their own and name the claim.
func (r *Runner) observed(ctx context.Context, conn connector.Connector, claims []writ.Condition, scope []writ.Location) error {
	for _, c := range claims {
		got, err := r.read(ctx, conn, c, scope)
		if err != nil {
			return writ.Refuse(writ.ReasonEvidenceMissing, fmt.Sprintf("claim %s could not be read: %s", writ.Printable(c.Name, 60), detail(err)))
		}
		if !c.Holds(got.Facts) {
			return writ.Refuse(writ.ReasonEvidenceContradicted, c.Contradicted(got.Facts))
		}
	}
	return nil
}

// readerOf is the connector that a condition is read with: the plan's own, or for a reader of another plane, such as
// metrics, the one target of that plane that the service has here.
func (r *Runner) readerOf(own connector.Connector, reader writ.OperationName, scope []writ.Location) (connector.Connector, error) {
	if reader.Plane() == own.Target().Plane() {
		return own, nil
	}
	var found connector.Connector
	for _, at := range scope {
		conn := r.conns[at.Target()]
		if conn == nil || at.Plane() != reader.Plane() || conn == found {
			continue
		}
		if found != nil {
			return nil, writ.Refuse(writ.ReasonUnknownReader, fmt.Sprintf("the service has several targets of plane %s here; %s needs exactly one", reader.Plane(), reader))
		}
		found = conn
	}
	if found == nil {
		return nil, writ.Refuse(writ.ReasonUnknownReader, fmt.Sprintf("the service has no target of plane %s here, which %s needs", reader.Plane(), reader))
	}
	return found, nil
}
