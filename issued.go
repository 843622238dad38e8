package writ

import "time"

// An IssuedGrant is a grant on its way to the agent that holds its key. The token is in no log, entry or error: this is
// the one answer that carries it.
type IssuedGrant struct {
	Token   string // compact JWS
	Grant   GrantID
	Plan    PlanID
	Run     RunID
	Expires time.Time
}
