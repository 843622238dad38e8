package cedarx

import (
	"fmt"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
)

// Lint reports what the validator lets pass and what is never meant: names that the schema does not have, ids that an
// enumerated type does not declare, and conditions that do not depend on the request. The sentences are sorted by
// place in the source.
func (s *Schema) Lint(p *Policy) (found []string, err error) {
	defer guard(&err)
	l := &linter{s: s, p: p}
	l.scope()
	for _, c := range p.ast.Conditions {
		if !readsRequest(c.Body) {
			l.say("a condition does not depend on the request: it is always true or always false")
			continue
		}
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool { l.node(n); return true })
	}
	return l.found, nil
}

type linter struct {
	s     *Schema
	p     *Policy
	found []string
}

func (l *linter) say(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(l.found, line) {
		l.found = append(l.found, line)
	}
}

func (l *linter) scope() {
	for _, uid := range l.p.head() {
		l.value(uid)
	}
}

func (l *linter) node(n ast.IsNode) {
	switch n := n.(type) {
	case ast.NodeValue:
		l.value(n.Value)
	case ast.NodeTypeHas:
		l.member(n.Arg, n.Value)
	case ast.NodeTypeAccess:
		l.member(n.Arg, n.Value)
	case ast.NodeTypeAnd:
		l.operands(n.Left, n.Right)
	case ast.NodeTypeOr:
		l.operands(n.Left, n.Right)
	case ast.NodeTypeNot:
		l.operands(n.Arg)
	case ast.NodeTypeIfThenElse:
		l.operands(n.If, n.Then, n.Else)
	case ast.NodeTypeEquals:
		l.same(n.BinaryNode)
	case ast.NodeTypeNotEquals:
		l.same(n.BinaryNode)
	case ast.NodeTypeLessThan:
		l.same(n.BinaryNode)
	case ast.NodeTypeLessThanOrEqual:
		l.same(n.BinaryNode)
	case ast.NodeTypeGreaterThan:
		l.same(n.BinaryNode)
	case ast.NodeTypeGreaterThanOrEqual:
		l.same(n.BinaryNode)
	case ast.NodeTypeIn:
		l.same(n.BinaryNode)
	}
}

// operands refuses a part of a condition that never changes.
func (l *linter) operands(parts ...ast.IsNode) {
	for _, n := range parts {
		if !readsRequest(n) {
			l.say("a part of a condition does not depend on the request: it is always true or always false")
		}
	}
}

func (l *linter) same(n ast.BinaryNode) {
	if ast.Equal(ast.NewNode(n.Left), ast.NewNode(n.Right)) {
		l.say("a comparison has the same text on both sides")
	}
}

// value refuses ids that an enumerated type does not declare, and actions that do not exist.
func (l *linter) value(v types.Value) {
	if uid, ok := v.(UID); ok && uid.Type == ActionType {
		if _, known := l.s.resolved.Actions[uid]; !known {
			l.say("%s is not declared", uid)
		}
		return
	}
	if err := l.s.checkIDs(v); err != nil {
		l.say("%s", err)
	}
}

// member refuses a name that no record or entity which can stand there has.
func (l *linter) member(arg ast.IsNode, name types.String) {
	shapes, known := l.shapes(arg)
	if !known {
		l.say("it cannot be said what %q is a member of; name the fact directly", name)
		return
	}
	for _, s := range shapes {
		if _, ok := s[name]; ok {
			return
		}
	}
	l.say("there is no fact or attribute %q there", name)
}

// shapes returns the record types that a node can have.
func (l *linter) shapes(n ast.IsNode) ([]resolved.RecordType, bool) {
	switch n := n.(type) {
	case ast.NodeTypeVariable:
		return l.variable(string(n.Name)), true
	case ast.NodeValue:
		uid, ok := n.Value.(UID)
		return []resolved.RecordType{l.s.resolved.Entities[uid.Type].Shape}, ok
	case ast.NodeTypeAccess:
		outer, known := l.shapes(n.Arg)
		var out []resolved.RecordType
		for _, s := range outer {
			switch t := s[n.Value].Type.(type) {
			case resolved.RecordType:
				out = append(out, t)
			case resolved.EntityType:
				out = append(out, l.s.resolved.Entities[types.EntityType(t)].Shape)
			}
		}
		return out, known
	}
	return nil, false
}

func (l *linter) variable(name string) []resolved.RecordType {
	var out []resolved.RecordType
	for _, a := range l.s.resolved.Actions {
		if a.AppliesTo == nil {
			continue
		}
		kinds := a.AppliesTo.Principals
		switch name {
		case "context":
			return append(out, a.AppliesTo.Context) // the loader gives every action the same
		case "resource":
			kinds = a.AppliesTo.Resources
		case "action":
			kinds = nil
		case "principal":
			if t, ok := l.principalType(); ok {
				kinds = []types.EntityType{t}
			}
		}
		for _, k := range kinds {
			out = append(out, l.s.resolved.Entities[k].Shape)
		}
	}
	return out
}

// principalType returns the type that the head demands of the principal, if it does.
func (l *linter) principalType() (types.EntityType, bool) {
	switch n := l.p.ast.Principal.(type) {
	case ast.ScopeTypeEq:
		return n.Entity.Type, true
	case ast.ScopeTypeIs:
		return n.Type, true
	case ast.ScopeTypeIsIn:
		return n.Type, true
	}
	return "", false
}

// readsRequest reports whether a node uses principal, action, resource or context.
func readsRequest(n ast.IsNode) bool {
	found := false
	ast.Inspect(ast.NewNode(n), func(n ast.IsNode) bool {
		_, is := n.(ast.NodeTypeVariable)
		found = found || is
		return !found
	})
	return found
}
