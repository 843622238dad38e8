package cedarx

import (
	"maps"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// Uses is what a statement is about: a search for requests that it decides differently begins there. Members are
// written as in the source: context.tier, principal.roles, resource.env.
type Uses struct {
	Members []string           // read, or asked whether they are there; sorted
	Numbers map[string][]int64 // member -> the numbers that stand beside it in a comparison
	Pairs   [][2]string        // members that are compared with each other
	IDs     []UID              // entities named in the head and in conditions, but for actions
	Action  bool               // a condition asks which action it is
	Whole   bool               // a condition uses the context otherwise than by its members
}

// Touches calls fn for each use of a direct member of one of the request's variables in a condition, such as context and
// tier. It reports whether a condition asks which action it is, and whether one uses the context otherwise than by its
// members.
func (p *Policy) Touches(fn func(variable, member string)) (action, whole bool) {
	contexts, byMember := 0, 0
	use := func(arg ast.IsNode, name types.String) {
		if v, ok := arg.(ast.NodeTypeVariable); ok {
			fn(string(v.Name), string(name))
			if v.Name == "context" {
				byMember++
			}
		}
	}
	for _, c := range p.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeVariable:
				action = action || n.Name == "action"
				if n.Name == "context" {
					contexts++
				}
			case ast.NodeTypeHas:
				use(n.Arg, n.Value)
			case ast.NodeTypeAccess:
				use(n.Arg, n.Value)
			}
			return true
		})
	}
	return action, contexts != byMember
}

// Uses reads the statement. It does not change it.
func (p *Policy) Uses() Uses {
	u := Uses{Numbers: map[string][]int64{}}
	seen := map[string]bool{}
	u.Action, u.Whole = p.Touches(func(variable, member string) { seen[variable+"."+member] = true })
	for _, c := range p.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if v, ok := n.(ast.NodeValue); ok {
				u.named(v.Value)
			}
			if left, right, ok := compared(n); ok {
				u.compare(left, right)
			}
			return true
		})
	}
	for _, uid := range p.head() { // but for actions
		u.named(uid)
	}
	u.Members = slices.Sorted(maps.Keys(seen))
	return u
}

// head are the entities that the head names, actions among them.
func (p *Policy) head() (all []UID) {
	for _, node := range []any{p.ast.Principal, p.ast.Action, p.ast.Resource} {
		switch n := node.(type) {
		case ast.ScopeTypeEq:
			all = append(all, n.Entity)
		case ast.ScopeTypeIn:
			all = append(all, n.Entity)
		case ast.ScopeTypeIsIn:
			all = append(all, n.Entity)
		case ast.ScopeTypeInSet:
			all = append(all, n.Entities...)
		}
	}
	return all
}

// member names a direct member of one of the request's variables.
func member(arg ast.IsNode, name types.String) (string, bool) {
	v, ok := arg.(ast.NodeTypeVariable)
	return string(v.Name) + "." + string(name), ok
}

func compared(n ast.IsNode) (left, right ast.IsNode, ok bool) {
	switch n := n.(type) {
	case ast.NodeTypeEquals:
		return n.Left, n.Right, true
	case ast.NodeTypeNotEquals:
		return n.Left, n.Right, true
	case ast.NodeTypeLessThan:
		return n.Left, n.Right, true
	case ast.NodeTypeLessThanOrEqual:
		return n.Left, n.Right, true
	case ast.NodeTypeGreaterThan:
		return n.Left, n.Right, true
	case ast.NodeTypeGreaterThanOrEqual:
		return n.Left, n.Right, true
	}
	return nil, nil, false
}

// compare notes the numbers beside each member, on whichever side, and which members meet.
func (u *Uses) compare(left, right ast.IsNode) {
	l, ln := operands(left)
	r, rn := operands(right)
	for _, m := range slices.Concat(l, r) {
		for _, n := range slices.Concat(ln, rn) {
			if !slices.Contains(u.Numbers[m], n) {
				u.Numbers[m] = append(u.Numbers[m], n)
			}
		}
	}
	for _, a := range l {
		for _, b := range r {
			if pair := [2]string{a, b}; a != b && !slices.Contains(u.Pairs, pair) {
				u.Pairs = append(u.Pairs, pair)
			}
		}
	}
}

// operands are the members and the numbers in one side of a comparison.
func operands(side ast.IsNode) (members []string, numbers []int64) {
	ast.Inspect(ast.NewNode(side), func(n ast.IsNode) bool {
		switch n := n.(type) {
		case ast.NodeTypeAccess:
			if m, ok := member(n.Arg, n.Value); ok {
				members = append(members, m)
			}
		case ast.NodeValue:
			if v, ok := n.Value.(types.Long); ok {
				numbers = append(numbers, int64(v))
			}
		}
		return true
	})
	return members, numbers
}

func (u *Uses) named(v types.Value) {
	switch v := v.(type) {
	case UID:
		if v.Type != ActionType && !slices.Contains(u.IDs, v) {
			u.IDs = append(u.IDs, v)
		}
	case Set:
		for m := range v.All() {
			u.named(m)
		}
	}
}

// Satisfied returns the ids of all statements that hold for the request, whatever the others say, sorted if the
// policies are. It is for explanations: Authorize names only those that decide.
func Satisfied(policies []*Policy, entities Entities, q Request) ([]string, error) {
	var permits, forbids []*Policy
	for _, p := range policies {
		if p.Forbid {
			forbids = append(forbids, p)
		} else {
			permits = append(permits, p)
		}
	}
	a, err := Authorize(permits, entities, q)
	if err != nil {
		return nil, err
	}
	b, err := Authorize(forbids, entities, q)
	out := slices.Concat(a.Reasons, b.Reasons)
	slices.SortFunc(out, strings.Compare)
	return out, err
}
