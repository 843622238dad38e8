package writ

import (
	"fmt"
	"strings"
)

// Kind says what a principal is. Kinds never convert: only a human approves, only a runner takes work, only an agent
// or a human proposes.
type Kind string

const (
	KindAgent   Kind = "agent"
	KindHuman   Kind = "human"
	KindRunner  Kind = "runner"
	KindService Kind = "service" // Writ itself, or an alert source
)

// A Principal is who speaks. Its identity is always the pair (Iss, Sub): the same Sub from two issuers is two
// principals. The zero Principal is refused everywhere.
type Principal struct {
	Kind Kind   `json:"kind"`
	Iss  string `json:"iss"`
	Sub  string `json:"sub"`
}

// Same reports whether p and q are one identity. The kind takes part, and an incomplete principal is the same as none.
func (p Principal) Same(q Principal) bool { return p.Valid() && p == q }

// Valid reports whether kind, issuer and subject are all present.
func (p Principal) Valid() bool {
	switch p.Kind {
	case KindAgent, KindHuman, KindRunner, KindService:
		return p.Iss != "" && p.Sub != "" && len(p.Iss)+len(p.Sub) <= maxIdentity
	}
	return false
}

// maxIdentity bounds issuer and subject together: 1 KiB, twice the longest SPIFFE id and issuer URL seen in practice.
const maxIdentity = 1024

// String renders the pair for people: "agent:repair (https://issuer)".
func (p Principal) String() string {
	if !p.Valid() {
		return "nobody"
	}
	return fmt.Sprintf("%s:%s (%s)", p.Kind, p.Sub, p.Iss)
}

// A RunnerID is the SPIFFE ID of one runner, spiffe://<trust domain>/runner/<name>. It is the audience of grants.
type RunnerID string

// ParseRunnerID is the only way in from text.
func ParseRunnerID(s string) (RunnerID, error) {
	rest, ok := strings.CutPrefix(s, "spiffe://")
	domain, name, found := strings.Cut(rest, "/runner/")
	if !ok || !found || !isHost(domain) || !isLabel(name) {
		return "", fmt.Errorf("%w: a runner id is spiffe://<trust domain>/runner/<name>, in lower case", ErrInvalid)
	}
	return RunnerID(s), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *RunnerID) UnmarshalText(b []byte) error {
	v, err := ParseRunnerID(string(b))
	if err == nil {
		*r = v
	}
	return err
}

// Principal returns the runner's identity.
func (r RunnerID) Principal() Principal {
	domain, name, _ := strings.Cut(strings.TrimPrefix(string(r), "spiffe://"), "/runner/")
	return Principal{Kind: KindRunner, Iss: "spiffe://" + domain, Sub: "spiffe://" + domain + "/runner/" + name}
}

func isHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if !isLabel(part) {
			return false
		}
	}
	return true
}
