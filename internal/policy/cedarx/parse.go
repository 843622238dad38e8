package cedarx

import (
	"fmt"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// MaxDepth bounds the nesting of brackets in a source. The parser recurses, and an exhausted stack ends the process.
// People write three or four levels.
const MaxDepth = 64

// A Policy is one parsed statement.
type Policy struct {
	ID          string // the @id annotation, or empty
	File        string
	Line        int
	Forbid      bool
	Annotations []Annotation // in source order

	compiled *cedar.Policy
	ast      *ast.Policy
}

// An Annotation is one @key("value").
type Annotation struct{ Key, Value string }

// Parse reads all statements of one source. The caller has bounded its size.
func Parse(file string, src []byte) (ps []*Policy, err error) {
	defer guard(&err)
	if err := checkDepth(src); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	list, err := cedar.NewPolicyListFromBytes(file, src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, c := range list {
		tree := (*ast.Policy)(c.AST())
		p := &Policy{File: file, Line: tree.Position.Line, Forbid: c.Effect() == cedar.Forbid, compiled: c, ast: tree}
		for _, a := range tree.Annotations {
			p.Annotations = append(p.Annotations, Annotation{string(a.Key), string(a.Value)})
			if a.Key == "id" {
				p.ID = string(a.Value)
			}
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// Text is the statement in the engine's own layout, for people. It is not the source: comments are gone.
func (p *Policy) Text() string { return string(p.compiled.MarshalCedar()) }

// checkDepth counts brackets outside strings and comments.
func checkDepth(src []byte) error {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '(', '[', '{':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("brackets are nested deeper than %d", MaxDepth)
			}
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		case '/':
			if i+1 < len(src) && src[i+1] == '/' {
				for i < len(src) && src[i] != '\n' {
					i++
				}
			}
		}
	}
	return nil
}

// A Scope says what a policy's head can match.
type Scope struct {
	Actions      []UID // each names an action or a group; nil means any
	Resource     UID   // matches it and what lies below it; zero means any
	ResourceType bool  // the head names the type of the resource
}

// Scope returns the statement's head.
func (p *Policy) Scope() Scope {
	var s Scope
	switch a := p.ast.Action.(type) {
	case ast.ScopeTypeEq:
		s.Actions = []UID{a.Entity}
	case ast.ScopeTypeIn:
		s.Actions = []UID{a.Entity}
	case ast.ScopeTypeInSet:
		s.Actions = append([]UID{}, a.Entities...)
	}
	switch r := p.ast.Resource.(type) {
	case ast.ScopeTypeEq:
		s.Resource, s.ResourceType = r.Entity, true
	case ast.ScopeTypeIn:
		s.Resource = r.Entity
	case ast.ScopeTypeIs:
		s.ResourceType = true
	case ast.ScopeTypeIsIn:
		s.Resource, s.ResourceType = r.Entity, true
	}
	return s
}

// Reads reports whether a condition of the statement uses the member of context with this name, beyond asking
// whether it is there.
func (p *Policy) Reads(name string) bool {
	found := false
	for _, c := range p.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if a, ok := n.(ast.NodeTypeAccess); ok && string(a.Value) == name && isVariable(a.Arg, "context") {
				found = true
			}
			return !found
		})
	}
	return found
}

func isVariable(n ast.IsNode, name string) bool {
	v, ok := n.(ast.NodeTypeVariable)
	return ok && string(v.Name) == name
}
