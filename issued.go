package writ

import "time"

// An IssuedGrant is a grant on its way to the agent that holds it. Token is a secret as long as the holder's key is not:
// it goes into one answer and nowhere else.
type IssuedGrant struct {
	Token   string
	Grant   GrantID
	Plan    PlanID
	Run     RunID
	Expires time.Time
}
