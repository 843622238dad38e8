package kubernetes

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

// cordon keeps new pods away from a node; those that run on it stay.
func cordon(_ context.Context, _ *Connector, p place, o object, _ writ.Parameters) (change, error) {
	if o.truth("spec", "unschedulable") {
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is cordoned already", p))
	}
	o.set(true, "spec", "unschedulable")
	return change{after: o, title: "Cordon", undo: "Uncordon " + p.titled()}, nil
}

// uncordon lets new pods onto a node again.
func uncordon(_ context.Context, _ *Connector, p place, o object, _ writ.Parameters) (change, error) {
	if !o.truth("spec", "unschedulable") {
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is not cordoned", p))
	}
	o.drop("spec", "unschedulable")
	return change{after: o, title: "Uncordon", undo: "Cordon " + p.titled()}, nil
}
