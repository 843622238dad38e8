// Package grant mints, signs and checks grants: the authority to execute exactly one plan, once, on one runner, for
// the holder of one key. docs/spec/grant.md describes the token. The package is pure; spending a grant is the
// runner's journal's business.
package grant

import (
	"crypto/ecdsa"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// Type is the typ of a grant's header (RFC 9068 section 2.1).
const Type = "at+jwt"

// MaxLeeway bounds the difference of clocks that a check may forgive.
const MaxLeeway = 5 * time.Second

// subjectPrefix stands before the incident's name in sub.
const subjectPrefix = "incident:"

// Sign returns the compact form of the claims that Mint made.
func Sign(key *ecdsa.PrivateKey, kid string, c writ.GrantClaims) (string, error) {
	if err := form(c); err != nil {
		return "", fmt.Errorf("%w: grant: %s", writ.ErrInvalid, err)
	}
	return token.Sign(key, kid, Type, c)
}

// Want is what a runner accepts. The zero Want accepts nothing.
type Want struct {
	Issuer string
	Keys   map[string]*ecdsa.PublicKey // of the issuer, pinned, by key id
	Runner writ.RunnerID               // this runner
	Now    time.Time
	Leeway time.Duration // at most MaxLeeway
}

// Actions returns the operations of a plan as a grant lists them: sorted, each once.
func Actions(p writ.Plan) []writ.OperationName {
	var out []writ.OperationName
	for _, s := range p.Steps {
		out = append(out, s.Operation)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Locations returns the objects of a plan as a grant lists them: sorted, each once.
func Locations(p writ.Plan) []writ.Location {
	var out []writ.Location
	for _, s := range p.Steps {
		out = append(out, s.Object.Location)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Client returns the client_id of a requester: issuer and subject joined by a space.
func Client(p writ.Principal) string { return p.Iss + " " + p.Sub }

// form checks everything about claims that needs no expectation. Its errors name the claim.
func form(c writ.GrantClaims) error {
	issuer, subject, _ := strings.Cut(c.Client, " ")
	switch {
	case c.Issuer == "" || c.Audience == "" || c.ID == "" || c.Incident == "":
		return fmt.Errorf("iss, aud, jti and txn must be present")
	case !strings.HasPrefix(c.Subject, subjectPrefix) || len(c.Subject) == len(subjectPrefix):
		return fmt.Errorf("sub must be %s<name>", subjectPrefix)
	case issuer == "" || subject == "":
		return fmt.Errorf("client_id must be issuer and subject")
	case c.IssuedAt <= 0 || c.NotBefore < c.IssuedAt || c.Expires <= c.NotBefore:
		return fmt.Errorf("iat, nbf and exp must be present and in order")
	case c.Expires-c.IssuedAt > int64(writ.MaxGrantLife/time.Second):
		return fmt.Errorf("it lives longer than %s", writ.MaxGrantLife)
	case !token.IsThumbprint(c.Confirm.Thumbprint):
		return fmt.Errorf("cnf.jkt must be a thumbprint")
	case len(c.AuthorizationDetails) != 1:
		return fmt.Errorf("authorization_details must hold exactly one element")
	}
	a, w := c.AuthorizationDetails[0], c.Writ
	switch {
	case a.Type != writ.AuthorizationType:
		return fmt.Errorf("the type of authorization_details must be %s", writ.AuthorizationType)
	case len(a.Actions) == 0 || len(a.Actions) > writ.MaxSteps || !ascending(a.Actions):
		return fmt.Errorf("actions must be 1 to %d, sorted, each once", writ.MaxSteps)
	case len(a.Locations) == 0 || len(a.Locations) > writ.MaxSteps || !ascending(a.Locations):
		return fmt.Errorf("locations must be 1 to %d, sorted, each once", writ.MaxSteps)
	case !writ.IsName(a.Playbook.Name) || a.Playbook.Version < 1 || a.Playbook.Digest.IsZero():
		return fmt.Errorf("playbook is incomplete")
	case a.Plan == "" || a.PlanDigest.IsZero():
		return fmt.Errorf("plan and plan_digest must be present")
	case a.Limits.MaxRuns != 1 || a.Limits.MaxObjects < 0 || a.Limits.MaxPermille < 0:
		return fmt.Errorf("limits must allow exactly one run")
	case w.V != writ.FormatVersion:
		return fmt.Errorf("writ.v must be %d", writ.FormatVersion)
	case !w.Tier.Valid() || w.Tier == writ.T0:
		return fmt.Errorf("writ.tier must be T1 to T4")
	case w.Mode != writ.ModeHandle && w.Mode != writ.ModeKey:
		return fmt.Errorf("writ.mode must be %s or %s", writ.ModeHandle, writ.ModeKey)
	case w.Decision == "" || w.Policy.IsZero() || w.EvidenceDigest.IsZero():
		return fmt.Errorf("writ.decision, writ.policy and writ.evidence_digest must be present")
	case w.Duties.Check() != nil:
		return w.Duties.Check()
	case !ascendingDigests(w.Approvals):
		return fmt.Errorf("writ.approvals must be sorted, each once")
	}
	return nil
}

func ascending[T ~string](s []T) bool {
	return slices.IsSorted(s) && len(slices.Compact(slices.Clone(s))) == len(s)
}

func ascendingDigests(ds []writ.Digest) bool {
	for i, d := range ds {
		if d.IsZero() || i > 0 && ds[i-1].String() >= d.String() {
			return false
		}
	}
	return true
}
