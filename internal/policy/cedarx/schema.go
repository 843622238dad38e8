package cedarx

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// A Schema is a resolved schema with its strict validator.
type Schema struct {
	resolved *resolved.Schema
	strict   *validate.Validator
	actions  map[UID]Entity // every action and group, with all ancestors

	mu     sync.RWMutex
	shapes map[string]bool // guarded by mu; of statements that were found valid
}

// ParseSchema parses and resolves a schema. The caller has bounded its size.
func ParseSchema(file string, src []byte) (s *Schema, err error) {
	defer guard(&err)
	if err := checkDepth(src); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var raw schema.Schema
	raw.SetFilename(file)
	if err := raw.UnmarshalCedar(src); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	r, err := raw.Resolve()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s = &Schema{resolved: r, strict: validate.New(r, validate.WithStrict()), actions: map[UID]Entity{}}
	for uid := range r.Actions {
		all := map[UID]bool{}
		s.climb(uid, all)
		s.actions[uid] = NewEntity(uid, Record{}, slices.Collect(maps.Keys(all))...)
	}
	return s, nil
}

// climb collects all ancestors of an action.
func (s *Schema) climb(uid UID, into map[UID]bool) {
	a := s.resolved.Actions[uid]
	for p := range a.Entity.Parents.All() {
		if !into[p] {
			into[p] = true
			s.climb(p, into)
		}
	}
}

// Action returns an action with all its ancestors as parents. Groups, which no request can name, are not found.
func (s *Schema) Action(id string) (Entity, bool) {
	uid := ActionUID(id)
	if a, ok := s.resolved.Actions[uid]; !ok || a.AppliesTo == nil {
		return Entity{}, false
	}
	e, ok := s.actions[uid]
	return e, ok
}

// Actions returns the ids of all actions that a request can name, sorted.
func (s *Schema) Actions() []string {
	var out []string
	for uid, a := range s.resolved.Actions {
		if a.AppliesTo != nil {
			out = append(out, string(uid.ID))
		}
	}
	slices.Sort(out)
	return out
}

// Groups returns the ids of all groups of actions, sorted.
func (s *Schema) Groups() []string {
	var out []string
	for uid, a := range s.resolved.Actions {
		if a.AppliesTo == nil {
			out = append(out, string(uid.ID))
		}
	}
	slices.Sort(out)
	return out
}

// Enum returns the declared ids of an enumerated entity type, sorted; nil when there is no such type.
func (s *Schema) Enum(kind string) []string {
	e, ok := s.resolved.Enums[types.EntityType(kind)]
	if !ok {
		return nil
	}
	var out []string
	for _, v := range e.Values {
		out = append(out, string(v.ID))
	}
	slices.Sort(out)
	return out
}

// An Attribute is one declared member, with its type as the schema writes it, such as Long or Set<Role>.
type Attribute struct {
	Name     string
	Type     string
	Optional bool
}

// EntityAttributes returns the attributes of an entity type, sorted by name, and whether it is declared.
func (s *Schema) EntityAttributes(kind string) ([]Attribute, bool) {
	e, ok := s.resolved.Entities[types.EntityType(kind)]
	return attributes(e.Shape), ok
}

// Context returns the members of an action's context, sorted by name.
func (s *Schema) Context(action string) []Attribute {
	a, ok := s.resolved.Actions[ActionUID(action)]
	if !ok || a.AppliesTo == nil {
		return nil
	}
	return attributes(a.AppliesTo.Context)
}

func attributes(r resolved.RecordType) []Attribute {
	var out []Attribute
	for name, a := range r {
		out = append(out, Attribute{Name: string(name), Type: typeName(a.Type), Optional: a.Optional})
	}
	slices.SortFunc(out, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func typeName(t resolved.IsType) string {
	switch t := t.(type) {
	case resolved.LongType:
		return "Long"
	case resolved.BoolType:
		return "Bool"
	case resolved.StringType:
		return "String"
	case resolved.EntityType:
		return string(t)
	case resolved.SetType:
		return "Set<" + typeName(t.Element) + ">"
	case resolved.RecordType:
		return "Record"
	}
	return "other"
}

// CheckPolicy validates a statement strictly. Of statements that differ only in numbers and in names that nobody declares,
// one is validated: thousands of rules have a few forms.
func (s *Schema) CheckPolicy(p *Policy) (err error) {
	defer guard(&err)
	shape, known := s.shape(p)
	if known && s.valid(shape) {
		return nil
	}
	if err := s.strict.Policy("", p.ast); err != nil {
		return err
	}
	if known {
		s.remember(shape)
	}
	return nil
}

// CheckRequest validates a request's action, types and context.
func (s *Schema) CheckRequest(q Request) (err error) {
	defer guard(&err)
	return s.strict.Request(q)
}

// CheckEntity validates an entity, and that ids of enumerated types in it are declared, which the engine's validator
// leaves open.
func (s *Schema) CheckEntity(e Entity) (err error) {
	defer guard(&err)
	if err := s.strict.Entity(e); err != nil {
		return err
	}
	return s.checkIDs(e.Attributes)
}

func (s *Schema) checkIDs(v Value) error {
	switch v := v.(type) {
	case UID:
		if e, ok := s.resolved.Enums[v.Type]; ok && !slices.Contains(e.Values, v) {
			return fmt.Errorf("%s is not declared", v)
		}
	case Set:
		for m := range v.All() {
			if err := s.checkIDs(m); err != nil {
				return err
			}
		}
	case Record:
		for m := range v.Values() {
			if err := s.checkIDs(m); err != nil {
				return err
			}
		}
	}
	return nil
}
