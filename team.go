package writ

import "time"

// A Membership is what a token of a person's issuer said of their teams.
type Membership struct {
	Teams []string  `json:"teams,omitempty"` // sorted, each once
	AsOf  time.Time `json:"as_of"`           // the token's iat: an older one does not change it back
}

// MaxTeams bounds the teams of one person: as many as a roster's member may have groups.
const MaxTeams = 32
