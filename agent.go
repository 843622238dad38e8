package writ

import (
	"fmt"
	"slices"
	"time"
)

// An Agent is a registration: which workload identity may ask, who answers for it, and for what. Agents is the one list
// of them; an identity that is not on it may authenticate and is then refused everything.
type Agent struct {
	Name     string      `json:"name"`              // how people name it; never taken twice
	Iss      string      `json:"iss"`               // its identity is the pair
	Sub      string      `json:"sub"`               //
	Team     string      `json:"team"`              // that owns it
	Owner    Person      `json:"owner"`             // the person who answers for it, and cannot approve what it asks for
	Roles    []AgentRole `json:"roles"`             // sorted
	Classes  []string    `json:"classes,omitempty"` // of playbooks that it may ask for; none means that policy alone decides
	State    AgentState  `json:"state"`             //
	Declared bool        `json:"declared"`          // it stands in the server's configuration, where alone it is changed
	By       Principal   `json:"by,omitzero"`       // who set the state
	Reason   string      `json:"reason,omitempty"`  // why; people's words
	Since    *time.Time  `json:"since,omitempty"`   // of the state; absent for one that was declared and never touched
}

// Principal returns the identity that the registration is for.
func (a Agent) Principal() Principal { return Principal{Kind: KindAgent, Iss: a.Iss, Sub: a.Sub} }

// An AgentRole says what an agent may do at all; closed.
type AgentRole string

const (
	RoleDiagnose AgentRole = "diagnose" // read evidence
	RoleRepair   AgentRole = "repair"   // that, and propose plans
)

// AgentState is closed.
type AgentState string

const (
	AgentActive    AgentState = "active"
	AgentSuspended AgentState = "suspended" // refused everything until a person lets it go on
	AgentRemoved   AgentState = "removed"   // for good; its name and its past stay
)

var agentMoves = map[AgentState][]AgentState{
	AgentActive:    {AgentSuspended, AgentRemoved},
	AgentSuspended: {AgentActive, AgentRemoved},
	AgentRemoved:   nil,
}

// Move checks that an agent may go from s to next.
func (s AgentState) Move(next AgentState) error { return move(agentMoves, s, next) }

// maxClasses bounds the playbook classes of one agent: the shipped playbooks have nine.
const maxClasses = 64

// Check refuses a registration that is not whole, naming the field.
func (a Agent) Check() error {
	bad := func(field, want string) error {
		return &Refusal{Code: ReasonForm, Kind: ErrInvalid, Detail: fmt.Sprintf("%s of agent %q %s", field, Printable(a.Name, 60), want)}
	}
	switch {
	case !IsName(a.Name):
		return bad("name", "must be a plain name: lower-case letters, digits, dots and hyphens")
	case !a.Principal().Valid():
		return bad("iss and sub", "must both be given, of at most 1024 bytes together")
	case !IsName(a.Team):
		return bad("team", "must be a plain name")
	case !a.Owner.Principal().Valid():
		return bad("owner", "must be a person: issuer and subject")
	case len(a.Roles) == 0:
		return bad("roles", "must name at least one of diagnose and repair")
	case len(a.Classes) > maxClasses:
		return bad("classes", fmt.Sprintf("are more than %d", maxClasses))
	}
	for _, r := range a.Roles {
		if r != RoleDiagnose && r != RoleRepair {
			return bad("roles", fmt.Sprintf("names %q; roles are diagnose and repair", Printable(string(r), 40)))
		}
	}
	for _, c := range a.Classes {
		if !IsName(c) {
			return bad("classes", fmt.Sprintf("names %q; a class is a plain name such as rollback", Printable(c, 60)))
		}
	}
	return nil
}

// May reports whether the agent may ask for playbooks of a class.
func (a Agent) May(class string) bool {
	return len(a.Classes) == 0 || slices.Contains(a.Classes, class)
}
