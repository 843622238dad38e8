package cedarx

import (
	"encoding/binary"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// A shape is a statement without its annotations, with each number and each id of an open entity type replaced by its place
// among those before it. The validator judges types, and whether two such constants are the same, and nothing else of them:
// statements of one shape are valid or not together. Ids of actions and of enumerated types are kept, since those must be
// declared.
//
// It is written as the tree in preorder, each node by one byte that tells its kind and with it the number of its children,
// or by that number where it varies; texts have their length before them.
func (s *Schema) shape(p *Policy) (shape []byte, known bool) {
	w := shaper{schema: s, b: make([]byte, 0, 512), known: true}
	w.bit(p.Forbid)
	w.scope(p.ast.Principal)
	w.scope(p.ast.Action)
	w.scope(p.ast.Resource)
	for _, c := range p.ast.Conditions {
		w.bit(bool(c.Condition))
		ast.Inspect(ast.NewNode(c.Body), w.node)
	}
	return w.b, w.known
}

type shaper struct {
	schema *Schema
	b      []byte
	known  bool // every kind of node so far is one that is told apart here

	numbers []types.Long // in order of their first use
	ids     []UID
}

// maxPlaces bounds what is looked through for each constant. A statement with more is validated by itself.
const maxPlaces = 64

// place writes where v stands in list, to which it is added when it is new.
func place[T comparable](w *shaper, list *[]T, v T) {
	i := slices.Index(*list, v)
	if i < 0 {
		i = len(*list)
		*list = append(*list, v)
	}
	w.known = w.known && i < maxPlaces
	w.count(i)
}

func (w *shaper) kind(k byte)   { w.b = append(w.b, k) }
func (w *shaper) count(n int)   { w.b = binary.AppendUvarint(w.b, uint64(n)) }
func (w *shaper) text(s string) { w.count(len(s)); w.b = append(w.b, s...) }

func (w *shaper) bit(b bool) {
	if b {
		w.kind(1)
	} else {
		w.kind(0)
	}
}

func (w *shaper) uid(u UID) {
	w.text(string(u.Type))
	if _, open := w.schema.resolved.Entities[u.Type]; open {
		place(w, &w.ids, u)
	} else {
		w.text(string(u.ID))
	}
}

func (w *shaper) scope(n any) {
	switch n := n.(type) {
	case ast.ScopeTypeAll:
		w.kind('*')
	case ast.ScopeTypeEq:
		w.kind('=')
		w.uid(n.Entity)
	case ast.ScopeTypeIn:
		w.kind('<')
		w.uid(n.Entity)
	case ast.ScopeTypeInSet:
		w.kind('{')
		w.count(len(n.Entities))
		for _, e := range n.Entities {
			w.uid(e)
		}
	case ast.ScopeTypeIs:
		w.kind('i')
		w.text(string(n.Type))
	case ast.ScopeTypeIsIn:
		w.kind('j')
		w.text(string(n.Type))
		w.uid(n.Entity)
	default:
		w.known = false
	}
}

// node writes one node; its children follow.
func (w *shaper) node(n ast.IsNode) bool {
	if k, ok := fixed(n); ok {
		w.kind(k)
		return true
	}
	switch n := n.(type) {
	case ast.NodeValue:
		w.value(n.Value)
	case ast.NodeTypeVariable:
		w.kind('v')
		w.text(string(n.Name))
	case ast.NodeTypeHas:
		w.kind('h')
		w.text(string(n.Value))
	case ast.NodeTypeAccess:
		w.kind('.')
		w.text(string(n.Value))
	case ast.NodeTypeIs:
		w.kind('i')
		w.text(string(n.EntityType))
	case ast.NodeTypeIsIn:
		w.kind('j')
		w.text(string(n.EntityType))
	case ast.NodeTypeSet:
		w.kind('[')
		w.count(len(n.Elements))
	case ast.NodeTypeRecord:
		w.kind('{')
		w.count(len(n.Elements))
		for _, e := range n.Elements {
			w.text(string(e.Key))
		}
	default: // extension calls, patterns, tags, and what a later engine may bring
		w.known = false
	}
	return w.known
}

// value writes a constant. Texts are kept: an extension reads them.
func (w *shaper) value(v types.Value) {
	switch v := v.(type) {
	case types.Long:
		w.kind('0')
		place(w, &w.numbers, v)
	case types.Boolean:
		w.kind('b')
		w.bit(bool(v))
	case types.String:
		w.kind('"')
		w.text(string(v))
	case UID:
		w.kind('u')
		w.uid(v)
	default:
		w.known = false
	}
}

// fixed is the byte of a node whose kind says all of it.
func fixed(n ast.IsNode) (byte, bool) {
	switch n.(type) {
	case ast.NodeTypeAnd:
		return '&', true
	case ast.NodeTypeOr:
		return '|', true
	case ast.NodeTypeNot:
		return '!', true
	case ast.NodeTypeNegate:
		return '~', true
	case ast.NodeTypeIfThenElse:
		return '?', true
	case ast.NodeTypeEquals:
		return '=', true
	case ast.NodeTypeNotEquals:
		return '#', true
	case ast.NodeTypeLessThan:
		return '<', true
	case ast.NodeTypeLessThanOrEqual:
		return 'l', true
	case ast.NodeTypeGreaterThan:
		return '>', true
	case ast.NodeTypeGreaterThanOrEqual:
		return 'g', true
	case ast.NodeTypeIn:
		return 'n', true
	case ast.NodeTypeAdd:
		return '+', true
	case ast.NodeTypeSub:
		return '-', true
	case ast.NodeTypeMult:
		return 'x', true
	case ast.NodeTypeContains:
		return 'c', true
	case ast.NodeTypeContainsAll:
		return 'a', true
	case ast.NodeTypeContainsAny:
		return 'y', true
	case ast.NodeTypeIsEmpty:
		return 'e', true
	}
	return 0, false
}

// maxShapes bounds what a schema remembers; a set has a few dozen.
const maxShapes = 4096

// valid reports whether a statement of this shape was found valid.
func (s *Schema) valid(shape []byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.shapes[string(shape)]
}

func (s *Schema) remember(shape []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shapes == nil {
		s.shapes = map[string]bool{}
	}
	if len(s.shapes) < maxShapes {
		s.shapes[string(shape)] = true
	}
}
