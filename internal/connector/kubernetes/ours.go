package kubernetes

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Fields that the cluster's own controllers keep, on top of status and of the API server's book-keeping in metadata.
const (
	generationAnnotation = "deprecated.daemonset.template.generation" // counts up with every change of the pods
	nodeTTLAnnotation    = "node.alpha.kubernetes.io/ttl"             // follows the size of the cluster
	nodeTaints           = "node.kubernetes.io/"                      // follow conditions and spec.unschedulable
)

// kept are the annotations of controllers.
var kept = []string{revisionAnnotation, generationAnnotation, nodeTTLAnnotation}

// ours returns a copy of o with those fields alone that somebody asked for: not status, not the API server's
// book-keeping, and not the few fields that controllers derive from the rest. Undo compares and restores these.
func ours(k kind, o object) object {
	o = o.clone()
	o.drop("status")
	for _, f := range []string{"uid", "resourceVersion", "generation", "managedFields", "selfLink", "creationTimestamp"} {
		o.drop("metadata", f)
	}
	for _, a := range kept {
		o.drop("metadata", "annotations", a)
	}
	o.dropEmpty("metadata", "annotations")
	o.dropEmpty("metadata", "labels")
	o.drop("spec", "template", "metadata", "creationTimestamp")
	o.dropEmpty("spec", "template", "metadata")
	if k.name == "node" && o.has("spec", "taints") {
		o.set(slices.DeleteFunc(o.list("spec", "taints"), derivedTaint), "spec", "taints")
		o.dropEmpty("spec", "taints")
	}
	return o
}

// stamp is the version of an object that a plan rests on: it changes with every change of what somebody asked for, and
// not with status, which controllers of a troubled workload write every few seconds.
func stamp(k kind, o object) string {
	b, err := ours(k, o).bytes()
	if err != nil {
		return "" // never equal to a plan's, which has one
	}
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d-%x", o.num(0, "metadata", "generation"), sum[:stampBytes])
}

// stampBytes of a digest are enough to tell the states of one object apart, and short enough for people to compare.
const stampBytes = 12

func derivedTaint(t any) bool {
	key, _ := asMap(t)["key"].(string)
	return strings.HasPrefix(key, nodeTaints)
}

// restored returns what puts before back in the place of now: before whole, with the fields that are not ours as they
// are now, so that a restored object does not set a controller's own work back.
func restored(k kind, before, now object) object {
	o := before.clone()
	o.drop("status")
	o.drop("metadata", "managedFields")
	o.set(now.uid(), "metadata", "uid")
	o.set(now.version(), "metadata", "resourceVersion")
	for _, a := range kept {
		if v := now.annotation(a); v != "" {
			o.set(v, "metadata", "annotations", a)
		} else {
			o.drop("metadata", "annotations", a)
		}
	}
	if k.name == "node" {
		taints := slices.DeleteFunc(slices.Clone(o.list("spec", "taints")), derivedTaint)
		for _, t := range now.list("spec", "taints") {
			if derivedTaint(t) {
				taints = append(taints, t)
			}
		}
		o.set(taints, "spec", "taints")
		o.dropEmpty("spec", "taints")
	}
	return o
}

// again returns what makes a deleted object anew.
func again(before object) object {
	o := before.clone()
	o.drop("status")
	for _, f := range []string{"uid", "resourceVersion", "generation", "managedFields", "selfLink", "creationTimestamp"} {
		o.drop("metadata", f)
	}
	return o
}
