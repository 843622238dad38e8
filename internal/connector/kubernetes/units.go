package kubernetes

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/writ-dev/writ"
)

// rollout is the radius of replacing a workload's pods: at its own pace, and within what its owners declared.
func (c *Connector) rollout(ctx context.Context, p place, o object) (change, error) {
	at := paceOf(p.kind, o)
	u := writ.Units{Wanted: int(at.want), Ready: int(at.ready), Down: int(at.down), Floor: int(max(0, at.floor())), By: writ.FloorStrategy}
	u, err := c.budgeted(ctx, p, o.sub("spec", "template", "metadata", "labels"), u, at.want)
	if err != nil {
		return change{}, err
	}
	return change{blast: at.blast(), units: []writ.Units{u}}, nil
}

// budgeted raises the floor of a workload's units to what the PodDisruptionBudgets that select its pods demand, when
// the workload wants so many of them, and refuses what would pass it. A rollout, a scaling and a deletion evict nobody,
// so the API server itself does not hold them to a budget.
func (c *Connector) budgeted(ctx context.Context, p place, labels object, u writ.Units, want int64) (writ.Units, error) {
	u.Workload = p.location(c.target)
	k, _ := kindNamed("poddisruptionbudget")
	list, _, err := c.read.read(ctx, place{kind: k, namespace: p.namespace}.collection(), url.Values{"limit": {strconv.Itoa(maxListed)}}.Encode())
	switch {
	case err != nil:
		return u, err
	case list.str("metadata", "continue") != "":
		return u, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("%s has more than %d disruption budgets", p.namespace, maxListed))
	}
	holder := ""
	for _, b := range objects(list.list("items")) {
		if !selects(b, labels) {
			continue
		}
		slack := allowance(b, int64(u.Ready), want, int64(u.Wanted))
		if floor := u.Ready - int(slack); floor > u.Floor || holder == "" && floor == u.Floor {
			u.Floor, u.By, holder = floor, writ.FloorBudget, b.name()
		}
	}
	if u.Down == 0 || u.Ready-u.Down >= u.Floor {
		return u, nil
	}
	r := &writ.Refusal{
		Code:   writ.ReasonBudget,
		Detail: fmt.Sprintf("%s has %d of %d pods ready, and %d must be left; this would take %d away", p, u.Ready, u.Wanted, u.Floor, u.Down),
		Hint:   "read what keeps the other pods from being ready, and repair that first",
	}
	if holder != "" {
		r.Detail += fmt.Sprintf(" (PodDisruptionBudget %s)", holder)
		r.Hint = "wait until more pods are ready, or ask the owners of the budget"
	}
	return u, r
}

// allowance is how many ready pods a disruption budget lets go when the workload wants so many. now is what it wants
// at present: the controller of budgets counts for that, and only once it has seen the budget as it is. A budget may
// span several workloads; then its controller's count is all there is.
func allowance(b object, ready, want, now int64) int64 {
	slack := ready
	if n, ok := absolute(b.at("spec", "minAvailable"), want, true); ok {
		slack = ready - n
	} else if n, ok := absolute(b.at("spec", "maxUnavailable"), want, true); ok {
		slack = ready - (want - n)
	}
	generation := b.num(0, "metadata", "generation")
	if seen := b.num(0, "status", "observedGeneration"); seen == 0 || seen < generation {
		return slack
	}
	switch expected := b.num(0, "status", "expectedPods"); {
	case expected != now:
		return b.num(0, "status", "disruptionsAllowed")
	case want == now:
		return min(slack, b.num(0, "status", "disruptionsAllowed"))
	}
	return slack
}

// selects reports whether a disruption budget selects pods with these labels. One without a selector selects none; an
// empty selector selects all. An operator that is not known selects: more is held back then, not less.
func selects(b, labels object) bool {
	if !b.has("spec", "selector") {
		return false
	}
	want := b.sub("spec", "selector", "matchLabels")
	for k := range want {
		if !labels.has(k) || labels.str(k) != want.str(k) {
			return false
		}
	}
	for _, e := range objects(b.list("spec", "selector", "matchExpressions")) {
		key := e.str("key")
		in := slices.ContainsFunc(e.list("values"), func(v any) bool { s, ok := v.(string); return ok && labels.has(key) && s == labels.str(key) })
		switch e.str("operator") {
		case "In":
			if !in {
				return false
			}
		case "NotIn":
			if in {
				return false
			}
		case "Exists":
			if !labels.has(key) {
				return false
			}
		case "DoesNotExist":
			if labels.has(key) {
				return false
			}
		}
	}
	return true
}

// topmost follows controllers from an object that was read to the workload that people know: the deployment of a
// replica set. A controller of another kind ends the way.
func (c *Connector) topmost(ctx context.Context, p place, o object) (place, object, error) {
	if p.kind.name != "replicaset" {
		return p, o, nil
	}
	up, above, err := c.controller(ctx, o)
	switch code := writ.ReasonOf(err); {
	case code == writ.ReasonNoInverse || code == writ.ReasonNoObject:
		return p, o, nil
	case err != nil:
		return p, o, err
	}
	return up, above, nil
}

// unitsOn counts the workloads that have pods on a node. Keeping new pods away, or letting them come, takes none away:
// the count says whose pods they are.
func (c *Connector) unitsOn(ctx context.Context, node place) ([]writ.Units, error) {
	pods, _ := kindNamed("pod")
	q := url.Values{"fieldSelector": {"spec.nodeName=" + node.name}, "limit": {strconv.Itoa(maxListed)}}
	list, _, err := c.read.read(ctx, "/api/"+pods.version+"/"+pods.plural, q.Encode())
	if err != nil {
		return nil, err
	}
	if list.str("metadata", "continue") != "" {
		return nil, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("%s has more than %d pods", node, maxListed))
	}
	seen := map[string]bool{} // controllers, by uid
	var out []writ.Units
	for _, pod := range objects(list.list("items")) {
		ref, ok := controllerOf(pod)
		if !ok || seen[ref.uid] { // the node's own pods, and those of jobs: nobody's service
			continue
		}
		seen[ref.uid] = true
		p, above, err := c.controller(ctx, pod)
		if err == nil {
			p, above, err = c.topmost(ctx, p, above)
		}
		switch code := writ.ReasonOf(err); {
		case code == writ.ReasonNoInverse || code == writ.ReasonNoObject:
			continue // it went away meanwhile
		case err != nil:
			return nil, err
		}
		at := paceOf(p.kind, above)
		u := writ.Units{Workload: p.location(c.target), Wanted: int(at.want), Ready: int(at.ready), By: writ.FloorDefault}
		if slices.ContainsFunc(out, func(o writ.Units) bool { return o.Workload == u.Workload }) {
			continue // another replica set of the same deployment
		}
		if out = append(out, u); len(out) > writ.MaxUnits {
			return nil, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("%s has pods of more than %d workloads", node, writ.MaxUnits))
		}
	}
	return out, nil
}
