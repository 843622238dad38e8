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
	d := connector.Draft{Key: r.Key, Operation: of.Operation, With: of.With, Scope: r.Scope}
	op := connector.Operation{Name: of.Operation, Tier: of.Tier, Inverse: writ.InverseReplace}
	p, err := c.prepare(d, op, at, now, raw, change{
		after: after, title: "Put", detail: " back as it was before step " + of.Key, undo: asBefore(at, now), blast: revertBlast(at.kind, now, after),
	})
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

// revertBlast is how much of a workload may be gone at once while it is put back: pods are replaced when their template
// changes, and taken away when there are to be fewer. Of other objects nobody knows what hangs on them, but nodes.
func revertBlast(k kind, now, after object) writ.Blast {
	switch {
	case k.name == "node":
		return writ.Blast{}
	case !slices.Contains(workloads, k.name):
		return writ.Blast{Permille: unmeasured}
	}
	var b writ.Blast
	for _, p := range paths(k, now, after) {
		if strings.HasPrefix(p, "spec.template") || strings.HasPrefix(p, "spec.selector") {
			b = rolloutBlast(k, now)
			break
		}
	}
	have, want := now.num(1, "spec", "replicas"), after.num(1, "spec", "replicas")
	if k.name != "daemonset" && have != want {
		ready := now.num(0, "status", "readyReplicas")
		b.Replicas = max(b.Replicas, int(max(want-have, have-want)))
		b.Permille = max(b.Permille, permille(ready-want, ready))
	}
	return b
}
