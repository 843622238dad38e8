package kubernetes

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

// recreators are the controllers that make a deleted pod again, and where they count what they want and have.
var recreators = map[string]struct{ want, have []string }{
	"replicaset":  {[]string{"spec", "replicas"}, []string{"status", "replicas"}},
	"statefulset": {[]string{"spec", "replicas"}, []string{"status", "replicas"}},
	"daemonset":   {[]string{"status", "desiredNumberScheduled"}, []string{"status", "currentNumberScheduled"}},
}

// deletePod deletes a pod whose controller makes it again.
func deletePod(ctx context.Context, c *Connector, p place, o object, _ writ.Parameters) (change, error) {
	ref, above, err := c.controller(ctx, o)
	if err != nil {
		if code := writ.ReasonOf(err); code == writ.ReasonNoInverse || code == writ.ReasonNoObject {
			err = writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("nothing makes %s again: it has no controller that does", p))
		}
		return change{}, err
	}
	counts, ok := recreators[ref.kind.name]
	if !ok || above.has("metadata", "deletionTimestamp") {
		return change{}, writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("%s does not make %s again", ref, p))
	}
	if want, have := above.num(0, counts.want...), above.num(0, counts.have...); want < 1 || have > want {
		return change{}, writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("%s has %d pods and wants %d: it would not make this one again", ref, have, want))
	}
	top, whole, err := c.topmost(ctx, ref, above)
	if err != nil {
		return change{}, err
	}
	// One unit at a time, however many the strategy would take: a deletion waits for nobody.
	at := paceOf(top.kind, whole)
	u := writ.Units{Wanted: int(at.want), Ready: int(at.ready), Floor: int(max(0, at.want-max(1, at.atOnce))), By: writ.FloorDefault}
	blast := writ.Blast{Replicas: 1}
	if isReady(o) {
		u.Down, u.Ready = 1, max(1, u.Ready)
		blast.Permille = permille(1, int64(u.Ready))
	}
	if u, err = c.budgeted(ctx, top, o.sub("metadata", "labels"), u, at.want); err != nil {
		return change{}, err
	}
	return change{title: "Delete", blast: blast, owner: top.location(c.target), units: []writ.Units{u}, undo: fmt.Sprintf("%s makes the pod again by itself", ref)}, nil
}

// isReady reports a pod's or node's Ready condition.
func isReady(o object) bool { return condition(o, "Ready") }

// condition reports whether a condition of o is "True".
func condition(o object, name string) bool {
	return conditionOf(o, name).str("status") == "True"
}

// conditionOf is the condition of that name; nil if there is none.
func conditionOf(o object, name string) object {
	for _, c := range objects(o.list("status", "conditions")) {
		if c.str("type") == name {
			return c
		}
	}
	return nil
}
