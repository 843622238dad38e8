// Package playbook reads playbooks: versioned, owned lists of typed operations with bounded parameters, guards,
// verification and undo. It parses and lints them, describes them in words, and binds parameters to them. It is pure:
// bytes and parameters in, values out; it never speaks to a target.
//
// A parameter is used as a whole value or not at all: "$name" stands for the parameter's value, typed, and there is no
// way to put it inside other text that something would interpret. Only the title, which people read, takes {name}.
package playbook

import (
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// A Playbook is one version of a repair that was thought through beforehand. Parse is the only way to make one.
type Playbook struct {
	Name       string
	Version    int
	Owner      string // team
	Title      string // template for people: {parameter} is filled in
	Class      string // what kind of repair, for rosters of agents: rollback, restart, capacity …
	Tier       writ.Tier
	Plane      string
	Emergency  bool // for break-glass, and for nothing else
	Parameters []Parameter
	Evidence   []writ.OperationName // readers whose readings a proposal must cite
	Observe    []Condition          // what cited evidence must show, and must still show right before the grant
	Guards     []Condition          // must hold before the run
	Steps      []Step
	Verify     []Condition // must come to hold after it
	Undo       writ.UndoMode
	Limits     writ.Budget
	Repeat     Repeat
}

// A Repeat bounds how often a playbook runs on one object, over all incidents and whoever asks. Zero members leave it
// to the control plane's defaults.
type Repeat struct {
	Cooldown    time.Duration // from the end of a run to the beginning of the next
	MaxAttempts int           // runs within Window, whatever became of them
	Window      time.Duration
}

// A Parameter is a connector's parameter with a default. A parameter with a default may be left out.
type Parameter struct {
	connector.Parameter
	Default writ.Value // zero: none
}

// A Step is one operation with literals and references.
type Step struct {
	Operation writ.OperationName
	With      map[string]Term
}

// A Condition is a writ.Condition with references.
type Condition struct {
	Name          string
	Reader        writ.OperationName
	With          map[string]Term
	Fact          string
	Op            writ.Comparison
	Value         Term
	WithinSeconds int
}

// A Term is a literal, or a reference to a parameter.
type Term struct {
	Literal   writ.Value // zero when it is a reference
	Parameter string
}

// String writes the term as a playbook does.
func (t Term) String() string {
	if t.Parameter != "" {
		return "$" + t.Parameter
	}
	return t.Literal.String()
}

// parameter returns the declared parameter.
func (p Playbook) parameter(name string) (Parameter, bool) {
	for _, q := range p.Parameters {
		if q.Name == name {
			return q, true
		}
	}
	return Parameter{}, false
}

// maybeAbsent reports whether the parameter can be without a value.
func (p Parameter) maybeAbsent() bool { return p.Optional && p.Default.IsZero() }

// Limits of a playbook.
const (
	MaxBytes      = 64 << 10 // a page of YAML has 3 KiB
	maxParameters = 20
	maxTitle      = 200
	maxWithin     = 3600 // seconds that a check may wait: an incident call does not wait longer

	MaxAttempts = 100            // of one playbook within its window: more is no limit
	MaxWindow   = 24 * time.Hour // what happened yesterday is another problem; it bounds how long attempts are kept
)
