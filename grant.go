package writ

import "time"

// MaxGrantLife bounds a grant: ten minutes cover a rollout; a longer repair is several plans.
const MaxGrantLife = 10 * time.Minute

// GrantClaims are the claims of a grant on the wire, a profile of RFC 9068 with RFC 9396 authorization details.
// The schema is closed. docs/spec/grant.md describes it.
type GrantClaims struct {
	Issuer               string          `json:"iss"`
	Audience             RunnerID        `json:"aud"`       // exactly one runner
	Subject              string          `json:"sub"`       // incident:<group key digest or id at the source>
	Client               string          `json:"client_id"` // iss and sub of the requester, joined by a space
	ID                   GrantID         `json:"jti"`
	IssuedAt             int64           `json:"iat"` // seconds since the epoch, as RFC 7519 wants
	NotBefore            int64           `json:"nbf"`
	Expires              int64           `json:"exp"`
	Incident             IncidentID      `json:"txn"`
	Confirm              Confirmation    `json:"cnf"`
	AuthorizationDetails []Authorization `json:"authorization_details"` // exactly one
	Writ                 GrantDetails    `json:"writ"`
}

// Confirmation binds the grant to its holder's key (RFC 7800, RFC 9449).
type Confirmation struct {
	Thumbprint string `json:"jkt"` // RFC 7638, base64url
}

// AuthorizationType is the only authorization_details type that Writ knows.
const AuthorizationType = "urn:writ:remediation:v1"

// An Authorization names what the grant is good for: this plan and nothing else.
type Authorization struct {
	Type       string          `json:"type"`
	Actions    []OperationName `json:"actions"`
	Locations  []Location      `json:"locations"`
	Playbook   PlaybookRef     `json:"playbook"`
	Plan       PlanID          `json:"plan"`
	PlanDigest Digest          `json:"plan_digest"`
	Limits     GrantLimits     `json:"limits"`
}

// GrantLimits cap the run.
type GrantLimits struct {
	MaxObjects  int `json:"max_objects"`
	MaxRuns     int `json:"max_runs"` // always 1
	MaxPermille int `json:"max_permille"`
}

// GrantDetails carry what the runner compares with its own copy of the plan, part by part.
type GrantDetails struct {
	V              int        `json:"v"`
	Tier           Tier       `json:"tier"`
	Mode           HolderMode `json:"mode"`
	Decision       DecisionID `json:"decision"`
	Policy         Digest     `json:"policy"`
	EvidenceDigest Digest     `json:"evidence_digest"`
	Duties         Duties     `json:"duties,omitzero"`     // a runner that does not know one refuses the grant
	Approvals      []Digest   `json:"approvals,omitempty"` // of the approvals that were counted, sorted
}

// HolderMode says who holds the grant's key.
type HolderMode string

const (
	ModeHandle HolderMode = "handle" // the control plane's dispatch key presents the grant; the agent holds only a plan id
	ModeKey    HolderMode = "key"    // the agent holds the grant, and presents it with a key of its own
)
