package httpapi

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Revert resolves the inverse call of a step, with the values of its pre-image, as a call of its own. If anything on the
// object has changed since the step, also a field that the inverse would not write, it is left alone.
func (x *Connector) Revert(ctx context.Context, r connector.Reversal) (connector.Prepared, error) {
	var none connector.Prepared
	of := r.Of.Step
	if err := r.Of.Check(); err != nil {
		return none, err
	}
	o, err := x.again(r.Of)
	if err != nil {
		return none, err
	}
	location, err := x.locate(o.object, of.With, r.Scope)
	if err != nil {
		return none, err
	}
	if o.inverse == nil || of.Inverse.Kind != writ.InverseCall {
		return none, writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("%s has no call that puts %s back", of.Operation, location))
	}
	pre, err := parseImage(r.Of.Preimage)
	if err != nil {
		return none, err
	}
	conflict := func(format string, args ...any) error {
		return writ.Refuse(writ.ReasonUndoConflict, fmt.Sprintf(format, args...))
	}
	now, err := x.get(ctx, o, of.With)
	switch {
	case writ.ReasonOf(err) == writ.ReasonNoObject:
		return none, conflict("%s is gone", location)
	case err != nil:
		return none, err
	case now.uid != pre.UID:
		return none, conflict("%s is another object of the same name now", location)
	}
	fields, err := o.fieldsOf(now)
	if err != nil {
		return none, conflict("%v", err)
	}
	if len(differences(pre.Fields, fields)) == 0 {
		return none, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is as it was before", location))
	}
	var moved []string
	if len(r.After) == 0 { // nobody saw what the call left: only what it was to write can be compared
		left := o.wanted(of.With, pre.Fields)
		moved = describe(differences(left, fields), left, fields)
	} else {
		was, err := parseImage(r.After)
		if err != nil {
			return none, conflict("what the call left is not known")
		}
		moved = o.moved(was, now, fields)
	}
	if len(moved) > 0 {
		return none, conflict("%s was changed since%s: %s", location, by(o, now), strings.Join(moved, "; "))
	}
	with, err := o.inverse.with(of.With, pre.Fields)
	if err != nil {
		return none, err
	}
	p, err := x.prepared(connector.Draft{Key: r.Key, Operation: of.Operation, With: with}, o.reversed(), location, now)
	p.Step.Reverts, p.Step.Tier = of.Key, max(p.Step.Tier, of.Tier)
	if p.Step.Inverse.Kind == writ.InverseNone {
		p.Step.Tier = max(p.Step.Tier, writ.T2) // what cannot be undone again is a person's to decide
	}
	return p, err
}

// reversed is the operation whose call is the inverse of o's. It has an inverse itself when o writes all that the
// inverse does: then o's own call with the present values puts them back.
func (o *operation) reversed() *operation {
	r := *o
	v := o.inverse
	r.write, r.scope, r.title, r.fields = v.write, v.scope, v.title, v.from
	r.inverse = &inverse{write: o.write, scope: o.scope, title: o.title, from: o.fields}
	written := map[string]bool{}
	for _, name := range sortedKeys(o.fields) {
		written[o.fields[name].text] = true
	}
	for _, name := range sortedKeys(v.from) {
		if !written[v.from[name].text] {
			r.inverse = nil
		}
	}
	return &r
}
