package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
)

// An inverse is the call that restores fields of the state before.
type inverse struct {
	write endpoint
	scope template
	title template
	from  map[string]pointer // body parameter -> where the state before has it
}

func (o *operation) addInverse(d document, c OperationConfig) error {
	if c.Inverse.Kind == writ.InverseNone {
		return nil
	}
	if c.Inverse.Kind != writ.InverseCall {
		return fmt.Errorf("%w: kind must be call or none", writ.ErrInvalid)
	}
	id := cmp.Or(c.Inverse.OperationID, o.write.id)
	w, err := d.endpoint(id, renamed(c.Parameters))
	if err != nil {
		return err
	}
	v := &inverse{write: w}
	path := o.write.names(inPath)
	if !slices.Contains(writing, w.method) || !slices.Equal(slices.Sorted(slices.Values(w.names(inPath))), slices.Sorted(slices.Values(path))) {
		return fmt.Errorf("%w: operationId %s must write to the same object", writ.ErrInvalid, w.id)
	}
	if v.scope, err = parseScope(cmp.Or(c.Inverse.Scope, c.Scope), path); err != nil {
		return err
	}
	if id != o.write.id && (c.Inverse.Scope == "" || len(c.Inverse.From) == 0) {
		return fmt.Errorf("%w: another operation needs its own scope and from", writ.ErrInvalid)
	}
	from := c.Inverse.From
	if len(from) == 0 {
		from = c.Fields
	}
	if v.from, err = pointers(from, w.names(inBody)); err != nil {
		return err
	}
	if len(v.from) == 0 || w.body == nil {
		return fmt.Errorf("%w: it must restore at least one field", writ.ErrInvalid)
	}
	restored := map[string]bool{}
	for _, name := range sortedKeys(v.from) {
		restored[v.from[name].text] = true
	}
	for _, p := range o.fields {
		if !restored[p.text] {
			return fmt.Errorf("%w: nothing restores %s", writ.ErrInvalid, p.text)
		}
	}
	for _, p := range w.params {
		if _, ok := v.from[p.spec.Name]; p.in == inQuery && !p.spec.Optional || p.in == inBody && !p.spec.Optional && !ok {
			return fmt.Errorf("%w: from does not give the parameter %q of %s", writ.ErrInvalid, p.spec.Name, w.id)
		}
	}
	v.title, err = parseTemplate(c.Inverse.Title, append(path, slices.Collect(maps.Keys(v.from))...))
	if c.Inverse.Title == "" {
		err = cmp.Or(err, fmt.Errorf("%w: title is missing", writ.ErrInvalid))
	}
	o.inverse = v
	return err
}

// with gives the inverse's parameters: the object's path parameters and the fields as they were before. A state that
// the inverse could not restore within its own bounds has no inverse.
func (v *inverse) with(with, before writ.Parameters) (writ.Parameters, error) {
	out := only(with, v.write.names(inPath))
	for name, p := range v.from {
		out[name] = before[p.text]
	}
	if err := v.write.checkParameters(out); err != nil {
		return nil, writ.Refuse(writ.ReasonNoInverse, "the present state could not be restored: "+cmp.Or(err.Error(), "out of bounds"))
	}
	return out, nil
}
