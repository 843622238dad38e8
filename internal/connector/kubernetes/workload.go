package kubernetes

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/writ-dev/writ"
)

// restartAnnotation is the one that kubectl uses, so that people and tools recognise a restart.
const restartAnnotation = "kubectl.kubernetes.io/restartedAt"

// restart stamps the pod template, which makes the workload's controller replace every pod.
func restart(ctx context.Context, c *Connector, p place, o object, _ writ.Parameters) (change, error) {
	if o.truth("spec", "paused") {
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is paused: nothing rolls out until it is resumed", p))
	}
	ch, err := c.rollout(ctx, p, o)
	if err != nil {
		return ch, err
	}
	o.set(c.now().UTC().Format(time.RFC3339), "spec", "template", "metadata", "annotations", restartAnnotation)
	ch.after, ch.title, ch.undo = o, "Restart", asBefore(p, o)
	return ch, nil
}

// scale sets the number of replicas.
func scale(ctx context.Context, c *Connector, p place, o object, with writ.Parameters) (change, error) {
	want, _ := with["replicas"].Int64()
	have := o.num(1, "spec", "replicas")
	if want == have {
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s has %d replicas already", p, have))
	}
	ready := o.num(0, "status", "readyReplicas")
	// What is left in the end is what was asked for; what its owners declared is measured against that.
	u := writ.Units{Wanted: int(have), Ready: int(ready), Down: int(max(0, ready-want)), Floor: int(min(ready, want)), By: writ.FloorDefault}
	u, err := c.budgeted(ctx, p, o.sub("spec", "template", "metadata", "labels"), u, want)
	if err != nil {
		return change{}, err
	}
	blast := writ.Blast{Replicas: int(max(want-have, have-want)), Permille: permille(ready-want, ready)}
	o.set(number(want), "spec", "replicas")
	return change{
		after: o, title: "Scale", detail: fmt.Sprintf(" from %d to %d replicas", have, want), blast: blast, units: []writ.Units{u},
		undo: fmt.Sprintf("Scale %s back to %d replicas", p.titled(), have),
	}, nil
}

// resources are the parameters of setResources and where their values stand in a container.
var resources = []struct{ param, list, name string }{
	{"cpu_request", "requests", "cpu"}, {"cpu_limit", "limits", "cpu"}, {"memory_request", "requests", "memory"}, {"memory_limit", "limits", "memory"},
}

// setResources sets requests and limits of one container; those not named stay.
func setResources(ctx context.Context, c *Connector, p place, o object, with writ.Parameters) (change, error) {
	ch, err := c.rollout(ctx, p, o)
	if err != nil {
		return ch, err
	}
	name, _ := with["container"].Str()
	var box object
	for _, c := range objects(o.list("spec", "template", "spec", "containers")) {
		if c.name() == name || c.str("name") == name {
			box = c
		}
	}
	if box == nil {
		return change{}, writ.Refuse(writ.ReasonNoObject, fmt.Sprintf("%s has no container %q", p, name))
	}
	asked, changed := false, false
	for _, r := range resources {
		text, ok := with[r.param].Str()
		if !ok {
			continue
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return change{}, writ.Refuse(writ.ReasonParameterBound, fmt.Sprintf("%s is no quantity of Kubernetes, such as 250m or 512Mi", r.param))
		}
		asked = true
		if old, err := resource.ParseQuantity(box.str("resources", r.list, r.name)); err == nil && old.Cmp(q) == 0 {
			continue
		}
		changed = true
		box.set(q.String(), "resources", r.list, r.name)
	}
	switch {
	case !asked:
		return change{}, writ.Refuse(writ.ReasonMissingParameter, "one of cpu_request, cpu_limit, memory_request and memory_limit must be given")
	case !changed:
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("container %s of %s has these resources already", name, p))
	}
	for _, r := range []string{"cpu", "memory"} {
		request, err1 := resource.ParseQuantity(box.str("resources", "requests", r))
		limit, err2 := resource.ParseQuantity(box.str("resources", "limits", r))
		if err1 == nil && err2 == nil && request.Cmp(limit) > 0 {
			return change{}, &writ.Refusal{
				Code: writ.ReasonParameterBound, Detail: fmt.Sprintf("container %s would request more %s than it may use", name, r),
				Hint: fmt.Sprintf("the limit is %s", limit.String()),
			}
		}
	}
	ch.after, ch.title, ch.undo = o, "Set resources of container "+name+" of", asBefore(p, o)
	return ch, nil
}

// asBefore is the title of an inverse that puts the whole object back.
func asBefore(p place, o object) string {
	return fmt.Sprintf("Put %s back as it was at version %s", p.titled(), o.version())
}
