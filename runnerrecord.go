package writ

import "time"

// RunnerKeyState says what a runner's key is good for; closed.
type RunnerKeyState string

// The states of a runner's key. A declared key stands in the server's configuration. Nothing leads out of removed: a runner
// that is to come back is invited again and makes a new key.
const (
	RunnerDeclared RunnerKeyState = "declared"
	RunnerInvited  RunnerKeyState = "invited" // no key yet: a code is open
	RunnerEnrolled RunnerKeyState = "enrolled"
	RunnerRemoved  RunnerKeyState = "removed"
)

// A RunnerKey is one key, or one open invitation, of a runner.
type RunnerKey struct {
	Runner  RunnerID       `json:"runner"`
	State   RunnerKeyState `json:"state"`
	Key     string         `json:"key,omitempty"` // fingerprint of its public half
	By      Principal      `json:"by,omitzero"`   // who invited it, enrolled it or removed it
	Since   *time.Time     `json:"since,omitempty"`
	Expires *time.Time     `json:"expires,omitempty"` // of an invitation
	Reason  string         `json:"reason,omitempty"`  // why it was removed
}

// A RunnerInvitation is a code that one new runner may enrol with, once.
type RunnerInvitation struct {
	Runner  RunnerID  `json:"runner"`
	Code    string    `json:"code"` // a secret; it is shown once and never kept
	Expires time.Time `json:"expires"`
}
