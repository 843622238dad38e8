package assignment

import (
	"time"

	"github.com/writ-dev/writ"
)

// PathEnrol takes a runner's key: Enrol -> Enrolled. PathRetire takes one back that the caller does not use: Retire -> {}.
const (
	PathEnrol  = "/v1/runner/enrol"
	PathRetire = "/v1/runner/retire"
)

// Enrol asks to have a key registered for a runner. What gives the right to is a code, or who calls: a workload whose
// X.509-SVID is the runner's, or a key of the runner's that is registered already.
type Enrol struct {
	Runner writ.RunnerID `json:"runner"`
	Code   string        `json:"code,omitempty"` // the secret of the code
	Public []byte        `json:"public"`         // Ed25519, 32 bytes
	At     time.Time     `json:"at"`
	Proof  []byte        `json:"proof"` // by that key, see internal/enrol
}

// Enrolled is what a new runner is told about its control plane. It is no authority: a runner believes what its owners
// put into its trust file.
type Enrolled struct {
	Runner    writ.RunnerID   `json:"runner"`
	Control   string          `json:"control"` // fingerprint of the control plane's key
	Issuer    string          `json:"issuer"`
	GrantKeys []GrantKey      `json:"grant_keys"`
	Presented string          `json:"presented"`
	Author    Author          `json:"author"`
	Origin    string          `json:"origin"`
	VKey      string          `json:"vkey"`
	Targets   []writ.Location `json:"targets,omitempty"`
}

// A GrantKey is a key that signs grants.
type GrantKey struct {
	Kid string `json:"kid"`
	PEM string `json:"pem"`
}

// An Author signs the control plane's entries and feeds.
type Author struct {
	Principal writ.Principal `json:"principal"`
	KeyID     string         `json:"key_id"`
	Public    []byte         `json:"public"`
}

// Retire takes back a key of the calling runner.
type Retire struct {
	Key string `json:"key"` // fingerprint
}
