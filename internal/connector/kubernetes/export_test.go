package kubernetes

import (
	"context"
	"encoding/json"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// PrepareEdit prepares any change of an object, so that the undo can be tried on more than the catalogue offers. An
// edit that returns nil deletes the object.
func (c *Connector) PrepareEdit(ctx context.Context, l writ.Location, edit func(map[string]any) map[string]any) (connector.Prepared, error) {
	at, _ := placeAt(l)
	before, raw, err := c.read.get(ctx, at)
	if err != nil {
		return connector.Prepared{}, err
	}
	op := connector.Operation{Name: "kubernetes/object.edit", Tier: writ.T2, Inverse: writ.InverseReplace}
	return c.prepare(connector.Draft{Key: "k"}, op, at, before, raw, change{after: edit(before.clone()), title: "Edit", undo: "Put it back"})
}

// PathOf is the API path of a location.
func PathOf(l writ.Location) string { at, _ := placeAt(l); return at.path() }

// BlastOf computes the blast radius of replacing a workload's pods.
func BlastOf(kindName string, o []byte) (writ.Blast, error) {
	k, _ := kindNamed(kindName)
	parsed, err := parseObject(o)
	if err != nil {
		return writ.Blast{}, err
	}
	return paceOf(k, parsed).blast(), nil
}

// FactsOf computes the facts of a workload's status.
func FactsOf(kindName string, o []byte) (writ.Observation, error) {
	k, _ := kindNamed(kindName)
	parsed, err := parseObject(o)
	if err != nil {
		return nil, err
	}
	return rolloutOf(k, parsed).facts(), nil
}

// DiffOf compares two objects.
func DiffOf(kindName string, before, after []byte) ([]writ.Change, error) {
	k, _ := kindNamed(kindName)
	a, err := parseObject(before)
	if err != nil {
		return nil, err
	}
	b, err := parseObject(after)
	if err != nil {
		return nil, err
	}
	return diff(k, a, b)
}

// Reencode parses an object and renders it.
func Reencode(b []byte) ([]byte, error) {
	o, err := parseObject(b)
	if err != nil {
		return nil, err
	}
	return o.bytes()
}

// PlaceOf reads a location and writes it again.
func PlaceOf(l writ.Location) (writ.Location, bool) {
	at, ok := placeAt(l)
	if !ok {
		return "", false
	}
	return at.location(l.Target()), true
}

// Covers reports whether managed fields hold a path.
func Covers(fields []byte, path string) bool {
	var o map[string]any
	if json.Unmarshal(fields, &o) != nil {
		return false
	}
	return covers(o, path)
}

// AuthCache is how long a deleted identity may still be taken.
const AuthCache time.Duration = authCache

// PatchAndApply makes the patch from one object to another and applies it to the first.
func PatchAndApply(before, after []byte) ([]byte, error) {
	a, err := parseObject(before)
	if err != nil {
		return nil, err
	}
	b, err := parseObject(after)
	if err != nil {
		return nil, err
	}
	body, err := patch(a, b)
	if err != nil {
		return nil, err
	}
	got, err := patched(a, body)
	if err != nil {
		return nil, err
	}
	return got.bytes()
}

// Selects reports whether a disruption budget selects pods with these labels.
func Selects(budget, labels []byte) bool {
	b, err := parseObject(budget)
	l, also := parseObject(labels)
	return err == nil && also == nil && selects(b, l)
}

// Allowance is how many ready pods a disruption budget lets go.
func Allowance(budget []byte, ready, want, now int64) int64 {
	b, err := parseObject(budget)
	if err != nil {
		return -1
	}
	return allowance(b, ready, want, now)
}

// Before computes what was wrong with a deployment before the revision in use.
func Before(deployment []byte, sets, pods [][]byte) (writ.Observation, error) {
	o, err := parseObject(deployment)
	if err != nil {
		return nil, err
	}
	var all []revision
	for i, b := range sets {
		set, err := parseObject(b)
		if err != nil {
			return nil, err
		}
		all = append(all, revision{number: int64(len(sets) - i), set: set, template: set.sub("spec", "template")})
	}
	var mine []object
	for _, b := range pods {
		p, err := parseObject(b)
		if err != nil {
			return nil, err
		}
		mine = append(mine, p)
	}
	return before(o, all, mine), nil
}
