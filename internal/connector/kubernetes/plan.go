package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// stepSeconds is the time limit of a call: the API server itself gives up after 60 s, and a healthy one answers in
// milliseconds.
const stepSeconds = 30

// A change is what an operation makes of the object that it was given.
type change struct {
	after  object // the object as it shall be; nil: it shall be deleted
	title  string // what is done, without the object's address: "Roll back", and what follows it
	detail string
	undo   string // title of the inverse
	blast  writ.Blast
	owner  writ.Location // the workload that the object is a part of; empty when it is one itself
	units  []writ.Units
}

// An operation computes its change from live state. It gets a copy of the object and may keep it.
type operation func(ctx context.Context, c *Connector, p place, before object, with writ.Parameters) (change, error)

var planned = map[writ.OperationName]operation{
	Rollback: rollback, Restart: restart, Scale: scale, SetResources: setResources, DeletePod: deletePod, Cordon: cordon, Uncordon: uncordon,
}

// Plan implements connector.Connector.
func (c *Connector) Plan(ctx context.Context, d connector.Draft) (connector.Prepared, error) {
	var none connector.Prepared
	op, ok := c.Catalogue().Operation(d.Operation)
	if !ok {
		return none, writ.Refuse(writ.ReasonForm, fmt.Sprintf("there is no operation %q", writ.Printable(string(d.Operation), 80)))
	}
	if err := connector.CheckParameters(op.Parameters, d.With); err != nil {
		return none, err
	}
	p, err := placeOf(op.Name, d.With)
	if err != nil {
		return none, err
	}
	if at := p.location(c.target); !slices.ContainsFunc(d.Scope, at.Within) {
		return none, outOfScope(at)
	}
	before, raw, err := c.read.get(ctx, p)
	if err != nil {
		return none, err
	}
	switch {
	case before.uid() == "" || before.version() == "":
		return none, writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("the target does not tell the identity of %s", p))
	case before.has("metadata", "deletionTimestamp"):
		return none, writ.Refuse(writ.ReasonNoObject, fmt.Sprintf("%s is being deleted", p))
	}
	ch, err := planned[op.Name](ctx, c, p, before.clone(), d.With)
	if err != nil {
		return none, err
	}
	return c.prepare(d, op, p, before, raw, ch)
}

// placeOf is the object that an operation writes.
func placeOf(op writ.OperationName, with writ.Parameters) (place, error) {
	name := "deployment"
	switch op {
	case DeletePod:
		name = "pod"
	case Cordon, Uncordon, NodeStatus:
		name = "node"
	default:
		name, _ = with["kind"].Str()
	}
	return placeFrom(name, with)
}

// placeFrom is the object of one kind that the parameters namespace and name give.
func placeFrom(kindName string, with writ.Parameters) (place, error) {
	k, ok := kindNamed(kindName)
	if !ok {
		return place{}, writ.Refuse(writ.ReasonParameterBound, "there is no such kind of object")
	}
	p := place{kind: k}
	p.name, _ = with["name"].Str()
	p.namespace, _ = with["namespace"].Str()
	switch {
	case !isName(p.name):
		return p, writ.Refuse(writ.ReasonParameterBound, "name must be the plain name of a Kubernetes object")
	case k.cluster && p.namespace != "":
		return p, writ.Refuse(writ.ReasonUnknownParameter, fmt.Sprintf("a %s has no namespace", k.name))
	case !k.cluster && p.namespace == "":
		return p, writ.Refuse(writ.ReasonMissingParameter, `parameter "namespace" is missing`)
	case !k.cluster && !isLabel(p.namespace):
		return p, writ.Refuse(writ.ReasonParameterBound, "namespace must be the plain name of a namespace")
	}
	return p, nil
}

func outOfScope(l writ.Location) error {
	return writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("%s does not belong to the service", l))
}

// prepare turns a change into the exact call.
func (c *Connector) prepare(d connector.Draft, op connector.Operation, p place, before object, raw []byte, ch change) (connector.Prepared, error) {
	var none connector.Prepared
	step := writ.Step{
		Key: d.Key, Operation: op.Name, With: d.With, Tier: op.Tier, TimeoutSeconds: stepSeconds, Blast: ch.blast,
		Owner: ch.owner, Units: ch.units,
		Title:   fmt.Sprintf("%s %s on %s%s", ch.title, place{p.kind, p.namespace, p.name}.titled(), c.name(), ch.detail),
		Object:  writ.Object{Location: p.location(c.target), UID: before.uid(), Version: stamp(p.kind, before)},
		Inverse: writ.Inverse{Kind: op.Inverse, Title: ch.undo},
	}
	step.Blast.Objects, step.Blast.Cluster = 1, p.kind.cluster
	body, err := deletion(before)
	step.Call = writ.Call{Method: http.MethodDelete, Path: p.path(), ContentType: jsonType}
	if ch.after != nil {
		step.Call = writ.Call{Method: http.MethodPatch, Path: p.path(), Query: "fieldManager=" + fieldManager, ContentType: patchType}
		body, err = patch(before, ch.after)
	}
	if err != nil {
		return none, err
	}
	if step.Diff, err = diff(p.kind, before, ch.after); err != nil {
		return none, err
	}
	if len(step.Diff) == 0 {
		return none, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is already as asked", p))
	}
	salt, err := c.salt()
	if err != nil {
		return none, err
	}
	return connector.Seal(step, salt, body, raw), nil
}

const jsonType = "application/json"

// deletion is the body that deletes o and no object that was made anew under its name. Its resourceVersion is not in it:
// the pod that is to go is as a rule one whose status never rests.
func deletion(o object) ([]byte, error) {
	return object{
		"apiVersion": "v1", "kind": "DeleteOptions",
		"preconditions": map[string]any{"uid": o.uid()},
	}.bytes()
}

// name is the target's own name.
func (c *Connector) name() string { return string(c.target)[len(Plane+"://"):] }

// titled names the object in a sentence: "checkout in shop", "node n1", "pod checkout-1 in shop".
func (p place) titled() string {
	if slices.Contains(workloads, p.kind.name) {
		return p.name + " in " + p.namespace
	}
	return p.String()
}
