package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Revert implements connector.Connector. The call is a patch like any other: it tests that the object is as the step
// left it, and writes back the fields that differ from the pre-image, and no others.
func (c *Connector) Revert(ctx context.Context, r connector.Reversal) (connector.Prepared, error) {
	var none connector.Prepared
	of := r.Of.Step
	if err := r.Of.Check(); err != nil {
		return none, err
	}
	at, err := objectOf(c.target, of)
	if err != nil {
		return none, err
	}
	if !slices.ContainsFunc(r.Scope, of.Object.Location.Within) {
		return none, outOfScope(of.Object.Location)
	}
	if of.Inverse.Kind != writ.InverseReplace || of.Call.Method == http.MethodDelete {
		return none, writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("%s was deleted, and what is deleted cannot be put back as it was", at))
	}
	before, err := parseObject(r.Of.Preimage)
	if err != nil {
		return none, err
	}
	done, err := wanted(r.Of)
	if len(r.After) > 0 {
		done, err = parseObject(r.After)
	}
	if err != nil {
		return none, err
	}
	now, raw, err := c.read.get(ctx, at)
	conflict := func(detail string) error { return writ.Refuse(writ.ReasonUndoConflict, detail) }
	switch {
	case writ.ReasonOf(err) == writ.ReasonNoObject:
		return none, conflict(fmt.Sprintf("%s is gone", at))
	case err != nil:
		return none, err
	case now.uid() != before.uid():
		return none, conflict(fmt.Sprintf("%s was made anew by somebody", at))
	case now.has("metadata", "deletionTimestamp"):
		return none, conflict(fmt.Sprintf("%s is being deleted", at))
	case len(paths(at.kind, before, now)) == 0:
		return none, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is as it was before", at))
	}
	if changed := paths(at.kind, done, now); len(changed) > 0 {
		return none, conflict(blame(at, changed, done, now))
	}
	after := reverted(at.kind, before, now)
	ch, err := c.revertRadius(ctx, at, now, after)
	if err != nil {
		return none, err
	}
	ch.after, ch.title, ch.detail, ch.undo = after, "Put", " back as it was before step "+of.Key, asBefore(at, now)
	d := connector.Draft{Key: r.Key, Operation: of.Operation, With: of.With, Scope: r.Scope}
	op := connector.Operation{Name: of.Operation, Tier: of.Tier, Inverse: writ.InverseReplace}
	p, err := c.prepare(d, op, at, now, raw, ch)
	p.Step.Reverts = of.Key
	return p, err
}

// reverted is now with the fields that are ours as they were before. What the target keeps for itself stays as it is, so
// that a patch from now to it holds nothing else.
func reverted(k kind, before, now object) object {
	o := restored(k, before, now)
	for _, path := range [][]string{
		{"status"}, {"metadata", "managedFields"}, {"metadata", "generation"}, {"metadata", "creationTimestamp"}, {"metadata", "selfLink"},
	} {
		if now.has(path...) {
			o.set(cloned(now.at(path...)), path...)
		} else {
			o.drop(path...)
		}
	}
	return o
}

// unmeasured stands for a radius that nobody computes; plans count it as the largest.
const unmeasured = -1

// revertRadius is how much of a workload may be gone at once while it is put back, and the floor that must be left: its
// pods are replaced when their template changes, and taken away when there are to be fewer. It refuses what would pass the
// floor. Of other objects nobody knows what hangs on them, but nodes.
func (c *Connector) revertRadius(ctx context.Context, at place, now, after object) (change, error) {
	switch {
	case at.kind.name == "node":
		units, err := c.unitsOn(ctx, at)
		return change{units: units}, err
	case !slices.Contains(workloads, at.kind.name):
		return change{blast: writ.Blast{Permille: unmeasured}}, nil
	}
	rolls := slices.ContainsFunc(paths(at.kind, now, after), func(p string) bool {
		return strings.HasPrefix(p, "spec.template") || strings.HasPrefix(p, "spec.selector")
	})
	have, want := now.num(1, "spec", "replicas"), after.num(1, "spec", "replicas")
	if at.kind.name == "daemonset" {
		have, want = 0, 0
	}
	p := paceOf(at.kind, now)
	if !rolls {
		p.down = 0
	}
	b := p.blast()
	u := writ.Units{Wanted: int(p.want), Ready: int(p.ready), Down: int(p.down), Floor: int(max(0, p.floor())), By: writ.FloorStrategy}
	left := p.want
	if have != want {
		b.Replicas = int(max(want-have, have-want))
		b.Permille = max(b.Permille, permille(p.ready-want, p.ready))
		u.Down = max(u.Down, int(max(0, p.ready-want)))
		u.Floor, u.By, left = max(0, u.Ready-u.Down), writ.FloorDefault, want
	}
	if !rolls && have == want {
		b = writ.Blast{} // nothing runs otherwise
	}
	u, err := c.budgeted(ctx, at, now.sub("spec", "template", "metadata", "labels"), u, left)
	return change{blast: b, units: []writ.Units{u}}, err
}
