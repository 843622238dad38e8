package kubernetes

import (
	"context"
	"maps"
	"strconv"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// A rollout is how far a workload is, in the same terms for every kind.
type rollout struct {
	want, ready, updated, available int64
	revision                        int64
	observed, complete, paused      bool
}

// rolloutOf reads status as kubectl's rollout status does.
func rolloutOf(k kind, o object) rollout {
	r := rollout{
		want: o.num(1, "spec", "replicas"), ready: o.num(0, "status", "readyReplicas"), updated: o.num(0, "status", "updatedReplicas"),
		available: o.num(0, "status", "availableReplicas"), paused: o.truth("spec", "paused"),
		observed: o.num(0, "status", "observedGeneration") >= o.num(1, "metadata", "generation"),
	}
	all := o.num(0, "status", "replicas")
	switch k.name {
	case "daemonset":
		r.want, r.ready = o.num(0, "status", "desiredNumberScheduled"), o.num(0, "status", "numberReady")
		r.updated, r.available = o.num(0, "status", "updatedNumberScheduled"), o.num(0, "status", "numberAvailable")
		all = r.want
	case "deployment":
		r.revision, _ = strconv.ParseInt(o.annotation(revisionAnnotation), 10, 64)
	case "statefulset":
		if o.str("status", "currentRevision") == o.str("status", "updateRevision") {
			r.updated = o.num(0, "status", "currentReplicas") // updatedReplicas counts only while an update is under way
		}
	}
	r.complete = r.observed && r.updated >= r.want && r.available >= r.want && all <= r.want
	return r
}

func (r rollout) facts() writ.Observation {
	share := int64(1000)
	if r.want > 0 {
		share = min(1000, r.ready*1000/r.want)
	}
	return writ.Observation{
		"replicas": writ.Int(r.want), "ready_replicas": writ.Int(r.ready), "ready_permille": writ.Int(share),
		"updated_replicas": writ.Int(r.updated), "unavailable": writ.Int(max(0, r.want-r.available)), "complete": writ.Bool(r.complete),
		"revision": writ.Int(r.revision), "generation_observed": writ.Bool(r.observed), "paused": writ.Bool(r.paused),
	}
}

func workloadStatus(ctx context.Context, c *Connector, p place, _ connector.Query) (reading, error) {
	o, _, err := c.read.get(ctx, p)
	if err != nil {
		return reading{}, err
	}
	r := rolloutOf(p.kind, o)
	line := map[string]any{"object": p.String(), "status": map[string]any(o.sub("status")), "images": images(o)}
	return reading{source: "GET " + p.path(), lines: []any{line}, facts: r.facts()}, nil
}

// images lists the containers of a workload with what they run.
func images(o object) []any {
	out := []any{}
	for _, c := range objects(o.list("spec", "template", "spec", "containers")) {
		out = append(out, map[string]any{"container": c.str("name"), "image": c.str("image")})
	}
	return out
}

func workloadHistory(ctx context.Context, c *Connector, p place, _ connector.Query) (reading, error) {
	o, _, err := c.read.get(ctx, p)
	if err != nil {
		return reading{}, err
	}
	all, cut, err := c.revisions(ctx, p, o)
	if err != nil {
		return reading{}, err
	}
	_, pods, more, err := c.podsOf(ctx, p, o, all)
	if err != nil {
		return reading{}, err
	}
	out := reading{source: "ReplicaSets and pods of " + p.String(), cut: cut}
	var previous int64
	for _, r := range all {
		used := sameTemplate(r, o)
		if previous == 0 && !used {
			previous = r.number
		}
		out.lines = append(out.lines, map[string]any{
			"revision": number(r.number), "replica_set": r.set.name(), "made_at": r.set.str("metadata", "creationTimestamp"), "in_use": used,
			"replicas": number(r.replicas), "ready": number(r.set.num(0, "status", "readyReplicas")), "images": images(r.set),
			"change_cause": r.set.annotation("kubernetes.io/change-cause"),
		})
	}
	if cut { // with revisions that were not looked at, nothing is known of which came before which
		return out, nil
	}
	out.facts = writ.Observation{"revisions": writ.Int(int64(len(all))), "current": writ.Int(inUse(o, all)), "previous": writ.Int(previous)}
	if !more { // with pods that were not looked at, nothing is known of what was before
		maps.Copy(out.facts, before(o, all, pods))
	}
	return out, nil
}

func getObject(ctx context.Context, c *Connector, p place, _ connector.Query) (reading, error) {
	o, _, err := c.read.get(ctx, p)
	if err != nil {
		return reading{}, err
	}
	return reading{
		source: "GET " + p.path(), lines: []any{map[string]any(presentable(o))},
		facts: writ.Observation{"generation": writ.Int(o.num(0, "metadata", "generation")), "deleting": writ.Bool(o.has("metadata", "deletionTimestamp"))},
	}, nil
}

func nodeStatus(ctx context.Context, c *Connector, p place, _ connector.Query) (reading, error) {
	o, _, err := c.read.get(ctx, p)
	if err != nil {
		return reading{}, err
	}
	var conditions []any
	for _, e := range objects(o.list("status", "conditions")) {
		conditions = append(conditions, map[string]any(e))
	}
	line := map[string]any{
		"node": p.name, "unschedulable": o.truth("spec", "unschedulable"), "taints": o.list("spec", "taints"), "conditions": conditions,
		"capacity": map[string]any(o.sub("status", "capacity")), "allocatable": map[string]any(o.sub("status", "allocatable")),
	}
	pressure := condition(o, "MemoryPressure") || condition(o, "DiskPressure") || condition(o, "PIDPressure")
	return reading{
		source: "GET " + p.path(), lines: []any{line},
		facts: writ.Observation{"ready": writ.Bool(isReady(o)), "schedulable": writ.Bool(!o.truth("spec", "unschedulable")), "pressure": writ.Bool(pressure)},
	}, nil
}
