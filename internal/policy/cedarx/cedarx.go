// Package cedarx is the one door to the Cedar engine: it parses policies and schemas, validates them strictly, lints
// what the validator lets pass, and evaluates requests. Nothing else in Writ imports cedar-go, so that an upgrade, or
// another engine, is a change of this package and of the tests that pin its behaviour.
//
// The package knows nothing of Writ's facts, folders or verdicts. All functions are pure, take and give values that
// are not changed afterwards, and are safe for concurrent use. A panic of the engine is an error of the call.
package cedarx

import (
	"errors"
	"fmt"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// Engine names the evaluator in decisions. A test compares it with the module that the binary links.
const Engine = "cedar-go v1.9.0"

// ErrEngine is wrapped by every error that a panic of the engine became.
var ErrEngine = errors.New("policy engine failed")

// The engine's values, under names of this package.
type (
	UID     = types.EntityUID
	Entity  = types.Entity
	Value   = types.Value
	Record  = types.Record
	Members = types.RecordMap // of a record
	Name    = types.String    // of a record's member
	Set     = types.Set
)

// ActionType is the entity type of actions.
const ActionType = "Action"

// NewUID names an entity.
func NewUID(kind, id string) UID { return types.NewEntityUID(types.EntityType(kind), types.String(id)) }

// ActionUID names an action or a group of actions.
func ActionUID(id string) UID { return NewUID(ActionType, id) }

// Long, Bool and SetOf make values.
func Long(n int64) Value { return types.Long(n) }

// Bool makes a truth value.
func Bool(b bool) Value { return types.Boolean(b) }

// Text makes a string.
func Text(s string) Value { return types.String(s) }

// SetOf makes a set of values.
func SetOf(v ...Value) Value { return types.NewSet(v...) }

// NewRecord makes a record. It copies m.
func NewRecord(m Members) Record { return types.NewRecord(m) }

// NewEntity makes an entity with all its ancestors as parents: the engine then climbs one level only.
func NewEntity(uid UID, attributes Record, ancestors ...UID) Entity {
	return Entity{UID: uid, Parents: types.NewEntityUIDSet(ancestors...), Attributes: attributes}
}

// A Request asks whether principal may do action on resource, in the light of context.
type Request = cedar.Request

// guard turns a panic of the engine into an error. It cannot catch an exhausted stack: callers bound sizes before.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", ErrEngine, r)
	}
}
