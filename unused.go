package writ

import "time"

// An Unused report lists the power that nobody used: what least privilege could take away. It is counted from the ledger.
type Unused struct {
	From      time.Time        `json:"from"`
	To        time.Time        `json:"to"`
	Entries   int              `json:"entries"`         // of the ledger that were looked at
	Complete  bool             `json:"complete"`        // the whole window was looked at; otherwise more may have been used than is known
	Policy    Digest           `json:"policy,omitzero"` // the set whose grants are listed
	Grants    []UnusedGrant    `json:"grants"`
	Playbooks []UnusedPlaybook `json:"playbooks"`
	Roles     []UnusedRole     `json:"roles"`
}

// An UnusedGrant is a rule of grants/ that spoke for no plan that was allowed, or would have been once people agreed.
type UnusedGrant struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// An UnusedPlaybook was asked for by nobody.
type UnusedPlaybook struct {
	Name  string `json:"name"`
	Owner string `json:"owner"`
	Tier  Tier   `json:"tier"`
}

// An UnusedRole is a role of an agent that it made no use of: repair without having proposed anything, diagnose without
// having read anything.
type UnusedRole struct {
	Agent string    `json:"agent"`
	Team  string    `json:"team"`
	Role  AgentRole `json:"role"`
}
