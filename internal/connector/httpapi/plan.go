package httpapi

import (
	"context"
	"fmt"
	"io"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
)

// Plan resolves a draft from the object's state as it is now. It sends GETs only.
func (x *Connector) Plan(ctx context.Context, d connector.Draft) (connector.Prepared, error) {
	o, ok := x.operations[d.Operation]
	if !ok {
		return connector.Prepared{}, &writ.Refusal{
			Code: writ.ReasonForm, Detail: fmt.Sprintf("%s has no operation %q", x.target, writ.Printable(string(d.Operation), 80)), Kind: writ.ErrInvalid,
		}
	}
	if err := o.write.checkParameters(d.With); err != nil {
		return connector.Prepared{}, err
	}
	location, err := x.locate(o.object, d.With, d.Scope)
	if err != nil {
		return connector.Prepared{}, err
	}
	now, err := x.get(ctx, o, d.With)
	if err != nil {
		return connector.Prepared{}, err
	}
	return x.prepared(d, o, location, now)
}

// prepared resolves one call on an object as it was just read.
func (x *Connector) prepared(d connector.Draft, o *operation, location writ.Location, now state) (connector.Prepared, error) {
	step := writ.Step{
		Key: d.Key, Operation: o.name, With: d.With, Tier: o.tier, Title: o.title.expand(d.With, same), TimeoutSeconds: o.timeout,
		Object:  writ.Object{Location: location, UID: now.uid, Version: now.etag},
		Inverse: writ.Inverse{Kind: writ.InverseNone, Title: "there is no undo"},
		Blast:   writ.Blast{Objects: 1, Replicas: o.blast.replicas.of(now.json), Permille: o.blast.permille.of(now.json)},
		Units:   o.blast.units(location, now.json),
	}
	before, err := o.fieldsOf(now)
	if err != nil {
		return connector.Prepared{}, err
	}
	after := o.wanted(d.With, before)
	for _, p := range differences(before, after) {
		step.Diff = append(step.Diff, writ.Change{Path: p, Before: show(before[p]), After: show(after[p])})
	}
	if len(o.fields) > 0 && len(step.Diff) == 0 {
		return connector.Prepared{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is already as asked", location))
	}
	var body, preimage []byte
	if step.Call, body, err = x.call(o.write, d.With); err != nil {
		return connector.Prepared{}, err
	}
	if o.inverse != nil {
		back, err := o.inverse.with(d.With, before)
		if err != nil {
			return connector.Prepared{}, err
		}
		step.Inverse = writ.Inverse{Kind: writ.InverseCall, Title: o.inverse.title.expand(back, same)}
		if preimage, err = (image{UID: now.uid, Version: now.etag, Fields: before}).bytes(); err != nil {
			return connector.Prepared{}, err
		}
	}
	var salt [writ.SaltSize]byte
	if _, err := io.ReadFull(x.rand, salt[:]); err != nil {
		return connector.Prepared{}, fmt.Errorf("%w: randomness: %v", writ.ErrUnavailable, err)
	}
	return connector.Seal(step, salt, body, preimage), nil
}

// maxShown bounds a value in a diff.
const maxShown = 200

func show(v writ.Value) string { return writ.Printable(redacted(plain(v)), maxShown) }

// checkParameters checks with against the bounds of the catalogue and the schemas of the document.
func (e endpoint) checkParameters(with writ.Parameters) error {
	specs := make([]connector.Parameter, 0, len(e.params))
	for _, p := range e.params {
		specs = append(specs, p.spec)
	}
	if err := connector.CheckParameters(specs, with); err != nil {
		return err
	}
	for _, p := range e.params {
		if v, ok := with[p.spec.Name]; ok {
			if err := p.accept(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// locate makes the object's location and demands that it lies within the scope.
func (x *Connector) locate(object template, with writ.Parameters, scope []writ.Location) (writ.Location, error) {
	l, err := writ.ParseLocation(string(x.target) + "/" + object.expand(with, same))
	if err != nil {
		return "", writ.Refuse(writ.ReasonParameterBound, "the parameters do not name an object")
	}
	for _, s := range scope {
		if l.Within(s) {
			return l, nil
		}
	}
	return "", writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("%s does not belong to the incident's service", l))
}

// call renders the exact request of an endpoint: path, query and canonical body.
func (x *Connector) call(e endpoint, with writ.Parameters) (writ.Call, []byte, error) {
	path, query := e.call(with)
	c := writ.Call{Method: e.method, Path: x.base.EscapedPath() + path, Query: query}
	if e.body == nil {
		return c, nil, nil
	}
	members := map[string]writ.Value{}
	for _, p := range e.params {
		if v, ok := with[p.spec.Name]; ok && p.in == inBody {
			members[p.document] = v
		}
	}
	b, err := canon.Marshal(members)
	if err != nil {
		return c, nil, err
	}
	v, err := decode(b)
	if err != nil {
		return c, nil, err
	}
	if e.body.VisitJSON(numbers(v)) != nil {
		return c, nil, writ.Refuse(writ.ReasonParameterBound, "the parameters together do not fit the document's schema of the body")
	}
	c.ContentType = jsonType
	return c, b, nil
}
