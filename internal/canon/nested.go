package canon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// ParseNested is Parse for an object one of whose members has a type that the others tell: v has it as raw, a json.RawMessage, and
// name is what it is called. Once v is there, inner says what raw is parsed into, by Parse too; its error ends it. The verdict is that
// of Parse of b and then of raw, whose bytes are looked at less often here.
func ParseNested(b []byte, v any, name string, raw *json.RawMessage, inner func() (any, error)) error {
	w := works.Get().(*work)
	defer w.done()
	from, to, ok := w.member(b, name)
	if !ok || !w.around(b, from, to, v) {
		if err := Parse(b, v); err != nil {
			return err
		}
		into, err := inner()
		if err != nil {
			return err
		}
		return Parse(*raw, into)
	}
	*raw = bytes.Clone(b[from:to])
	into, err := inner()
	if err != nil {
		return err
	}
	return w.same(*raw, into)
}

// MarshalNested is Marshal of v, which has its member called name as raw. When that is in canonical form already, as the result of
// Marshal is, it is taken as it is. v is as before afterwards.
func MarshalNested(v any, name string, raw *json.RawMessage) ([]byte, error) {
	member := *raw
	if !isCanonical(member) {
		return Marshal(v)
	}
	*raw = nothing
	defer func() { *raw = member }()
	w := works.Get().(*work)
	defer w.done()
	var err error
	if w.form, err = w.marshal(w.form[:0], v); err != nil {
		return nil, err
	}
	from, to, ok := w.member(w.form, name)
	if !ok {
		return nil, fmt.Errorf("canonical JSON: a %T has no member %q", v, name)
	}
	return slices.Concat(w.form[:from], member, w.form[to:]), nil
}

// member finds where the value of a member of an object in canonical form stands.
func (w *work) member(b []byte, name string) (from, to int, ok bool) {
	defer func() { w.whole.f.b = nil }()
	if !w.whole.Split(b) {
		return 0, 0, false
	}
	for n, value := range w.whole.Root().Members() {
		if string(n) == name {
			at := w.whole.f.nodes[value.i]
			return int(at.from), int(at.to), true
		}
	}
	return 0, 0, false
}

// around parses all of b, which is in canonical form, but what stands from from to to, and reports whether it did.
func (w *work) around(b []byte, from, to int, v any) bool {
	return w.same(slices.Concat(b[:from], nothing, b[to:]), v) == nil
}

// nothing stands where a member was.
var nothing = []byte("0")
