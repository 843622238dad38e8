package kubernetes

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

// cordon keeps new pods away from a node; those that run on it stay.
func cordon(ctx context.Context, c *Connector, p place, o object, _ writ.Parameters) (change, error) {
	if o.truth("spec", "unschedulable") {
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is cordoned already", p))
	}
	units, err := c.unitsOn(ctx, p)
	if err != nil {
		return change{}, err
	}
	o.set(true, "spec", "unschedulable")
	return change{after: o, title: "Cordon", units: units, undo: "Uncordon " + p.titled()}, nil
}

// uncordon lets new pods onto a node again.
func uncordon(ctx context.Context, c *Connector, p place, o object, _ writ.Parameters) (change, error) {
	if !o.truth("spec", "unschedulable") {
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is not cordoned", p))
	}
	units, err := c.unitsOn(ctx, p)
	if err != nil {
		return change{}, err
	}
	o.drop("spec", "unschedulable")
	return change{after: o, title: "Uncordon", units: units, undo: "Cordon " + p.titled()}, nil
}
