package kubernetes

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// An owner is the controller that an object names as its own.
type owner struct {
	place place
	uid   string
}

// controllerOf returns the controller of o, if it is of a kind that this connector knows, in its own API group.
func controllerOf(o object) (owner, bool) {
	for _, r := range objects(o.list("metadata", "ownerReferences")) {
		if !r.truth("controller") {
			continue
		}
		i := slices.IndexFunc(kinds, func(k kind) bool { return k.kind == r.str("kind") && k.apiVersion() == r.str("apiVersion") })
		if i < 0 || kinds[i].cluster || !isName(r.str("name")) {
			return owner{}, false
		}
		return owner{place{kinds[i], o.str("metadata", "namespace"), r.str("name")}, r.str("uid")}, true
	}
	return owner{}, false
}

// controller reads the controller of o and checks that it is the very one that o names.
func (c *Connector) controller(ctx context.Context, o object) (place, object, error) {
	ref, ok := controllerOf(o)
	if !ok {
		return place{}, nil, writ.Refuse(writ.ReasonNoInverse, "no controller that is known here owns it")
	}
	found, _, err := c.read.get(ctx, ref.place)
	if err != nil {
		return place{}, nil, err
	}
	if found.uid() != ref.uid {
		return place{}, nil, writ.Refuse(writ.ReasonNoInverse, "its controller has been replaced")
	}
	return ref.place, found, nil
}

// belongs reports whether an object, or a controller above it, lies in the scope. Pods and replica sets have generated
// names, so a service's catalogue names the workload. Only readers follow controllers; a plan writes only what the
// scope itself contains.
func (c *Connector) belongs(ctx context.Context, p place, scope []writ.Location) (bool, error) {
	const above = 3 // pod, replica set, deployment
	for range above {
		if slices.ContainsFunc(scope, p.location(c.target).Within) {
			return true, nil
		}
		if p.kind.name != "pod" && p.kind.name != "replicaset" {
			return false, nil
		}
		// Outside of the namespaces of the scope nothing is read at all: not even whether it exists can be learned.
		if !slices.ContainsFunc(scope, func(l writ.Location) bool {
			s := l.Segments()
			return l.Target() == c.target && len(s) > 0 && s[0] == p.namespace
		}) {
			return false, nil
		}
		o, _, err := c.read.get(ctx, p)
		if err != nil {
			return false, err
		}
		up, _, err := c.controller(ctx, o)
		if code := writ.ReasonOf(err); code == writ.ReasonNoInverse || code == writ.ReasonNoObject {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		p = up
	}
	return false, nil
}

// selector renders a workload's label selector as a query. It is empty if the workload has none, which selects nothing
// in particular: callers compare controllers besides.
func selector(o object) string {
	var terms []string
	labels := o.sub("spec", "selector", "matchLabels")
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		terms = append(terms, k+"="+labels.str(k))
	}
	for _, e := range objects(o.list("spec", "selector", "matchExpressions")) {
		var values []string
		for _, v := range e.list("values") {
			s, _ := v.(string)
			values = append(values, s)
		}
		switch key := e.str("key"); e.str("operator") {
		case "In":
			terms = append(terms, key+" in ("+strings.Join(values, ",")+")")
		case "NotIn":
			terms = append(terms, key+" notin ("+strings.Join(values, ",")+")")
		case "Exists":
			terms = append(terms, key)
		case "DoesNotExist":
			terms = append(terms, "!"+key)
		}
	}
	return strings.Join(terms, ",")
}
