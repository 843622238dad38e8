package canon

import "iter"

// A Text is JSON in canonical form, split into its values in one pass, for readers who need many records fast. It keeps its
// memory for the next Split. The zero Text is empty; a Text is for one goroutine.
type Text struct{ f former }

// Split takes b and reports whether it is in canonical form. When it is not, Canonical says why. The Text is over b itself,
// which must not change while it is used.
func (t *Text) Split(b []byte) bool {
	t.f = former{b: b, note: true, nodes: t.f.nodes[:0]}
	return t.f.whole()
}

// Root is the whole. It is to be asked for only after a Split that was true.
func (t *Text) Root() Value { return Value{t, 0} }

// A Value is one value of a Text, good until the next Split.
type Value struct {
	text *Text
	i    int32
}

// Bytes is its text: a part of what was split.
func (v Value) Bytes() []byte {
	n := &v.text.f.nodes[v.i]
	return v.text.f.b[n.from:n.to]
}

// Members are the members of an object by their names as they stand there, escapes and all, in order; none of what is no
// object.
func (v Value) Members() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		f := &v.text.f
		if f.b[f.nodes[v.i].from] != '{' {
			return
		}
		for i := v.i + 1; i < f.nodes[v.i].next; i = f.nodes[i].next {
			n := &f.nodes[i]
			if !yield(f.b[n.name:n.from-2], Value{v.text, i}) { // between name and value stand a quote and a colon
				return
			}
		}
	}
}

// IsObject reports whether the value is an object.
func (v Value) IsObject() bool { return v.Bytes()[0] == '{' }
