// Package trust is the runner's one signed file: whom it believes and how far it goes. Its owners, never the control
// plane, sign it; its version only grows. It pins the issuer's grant keys, the ledger, the authors of entries, the
// approvers and the playbooks, and sets the ceiling that no grant can exceed. docs/spec/trust.md describes the
// format. The package is pure.
package trust

import (
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// PayloadType is the DSSE payload type of a trust file.
const PayloadType = "application/vnd.writ.trust.v1+json"

// Trust is the contents of a trust file. The zero Trust allows nothing.
type Trust struct {
	V           int                `json:"v"`
	Version     int64              `json:"version"` // from 1; a runner refuses a smaller one than it has seen
	Runner      writ.RunnerID      `json:"runner"`  // the only runner that this file is for
	Expires     time.Time          `json:"expires"`
	Issuer      string             `json:"issuer"`     // iss of grants
	GrantKeys   []GrantKey         `json:"grant_keys"` // of the issuer
	Presented   string             `json:"presented"`  // htu of the holder's proof: where runs are started
	Control     []Author           `json:"control"`    // who signs entries and feeds of the control plane
	Log         Log                `json:"log"`
	Approvers   approval.Roster    `json:"approvers,omitempty"`
	Services    []Service          `json:"services,omitempty"`
	AgentOwners []AgentOwner       `json:"agent_owners,omitempty"`
	Playbooks   []writ.PlaybookRef `json:"playbooks"`
	Ceiling     Ceiling            `json:"ceiling"`
}

// A GrantKey is a P-256 public key that signs grants.
type GrantKey struct {
	Kid string `json:"kid"`
	PEM string `json:"pem"` // SubjectPublicKeyInfo
}

// An Author is a principal with the Ed25519 key that signs its entries.
type Author struct {
	Principal writ.Principal `json:"principal"`
	KeyID     string         `json:"key_id"`
	Public    []byte         `json:"public"` // 32 bytes
}

// Log is the ledger that entries must be proved in.
type Log struct {
	Origin string `json:"origin"`
	VKey   string `json:"vkey"`           // a note verifier key of that origin, <name>+<hash>+<base64>
	Next   string `json:"next,omitempty"` // another, while the key is being replaced: what either has signed is believed
}

// A Service says which group of the roster fills each slot for one service: {"owner": "payments"}. A service that is
// not listed has no approvers.
type Service struct {
	Name  string            `json:"name"`
	Slots map[string]string `json:"slots"`
}

// An AgentOwner names the human owner of an agent, who cannot approve for it.
type AgentOwner struct {
	Iss   string      `json:"iss"`
	Sub   string      `json:"sub"`
	Owner writ.Person `json:"owner"`
}

// Ceiling is what no grant can exceed.
type Ceiling struct {
	MaxTier       writ.Tier            `json:"max_tier"`
	HandleMaxTier writ.Tier            `json:"handle_max_tier"` // without verified approvals, when the agent holds no key
	Targets       []writ.Location      `json:"targets"`         // each object must lie within one
	Operations    []writ.OperationName `json:"operations"`
	MaxObjects    int                  `json:"max_objects"`
	MaxPermille   int                  `json:"max_permille"`
	RunsPerHour   int                  `json:"runs_per_hour"`
	Hours         []Hours              `json:"hours,omitempty"` // when runs may begin; none means always
	Quorum        map[writ.Tier]Quorum `json:"quorum"`          // for each tier from T1 to max_tier

	Emergency *Emergency `json:"emergency,omitempty"` // break-glass; absent: there is none here
}

// A Quorum is what a tier asks of people, whatever the policy says.
type Quorum struct {
	Approvals int             `json:"approvals"` // distinct people
	Proof     writ.ProofLevel `json:"proof,omitempty"`
}
