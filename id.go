package writ

import (
	"fmt"
	"strings"
)

// Identifiers are a prefix that names the kind and a ULID in Crockford's base 32 (26 upper-case characters). They sort
// by the time they were made. They are names, never secrets: knowing one gives no right.

const (
	ulidLen   = 26
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// inCrockford says of each byte whether it stands in an identifier.
var inCrockford = func() (out [256]bool) {
	for i := range len(crockford) {
		out[crockford[i]] = true
	}
	return out
}()

// IncidentID names one incident: "inc_" and a ULID.
type IncidentID string

// ParseIncidentID is the only way in from text.
func ParseIncidentID(s string) (IncidentID, error) { return parseID[IncidentID](s, "inc") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *IncidentID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "inc") }

// EvidenceID names one reading: "ev_" and a ULID.
type EvidenceID string

// ParseEvidenceID is the only way in from text.
func ParseEvidenceID(s string) (EvidenceID, error) { return parseID[EvidenceID](s, "ev") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *EvidenceID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "ev") }

// ProposalID names one proposal: "prp_" and a ULID.
type ProposalID string

// ParseProposalID is the only way in from text.
func ParseProposalID(s string) (ProposalID, error) { return parseID[ProposalID](s, "prp") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ProposalID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "prp") }

// PlanID names one plan: "pln_" and a ULID.
type PlanID string

// ParsePlanID is the only way in from text.
func ParsePlanID(s string) (PlanID, error) { return parseID[PlanID](s, "pln") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *PlanID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "pln") }

// DecisionID names one decision: "dec_" and a ULID.
type DecisionID string

// ParseDecisionID is the only way in from text.
func ParseDecisionID(s string) (DecisionID, error) { return parseID[DecisionID](s, "dec") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *DecisionID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "dec") }

// ApprovalID names one approval: "apr_" and a ULID.
type ApprovalID string

// ParseApprovalID is the only way in from text.
func ParseApprovalID(s string) (ApprovalID, error) { return parseID[ApprovalID](s, "apr") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ApprovalID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "apr") }

// GrantID names one grant; it is the token's jti: "gnt_" and a ULID.
type GrantID string

// ParseGrantID is the only way in from text.
func ParseGrantID(s string) (GrantID, error) { return parseID[GrantID](s, "gnt") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *GrantID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "gnt") }

// RunID names one run: "run_" and a ULID.
type RunID string

// ParseRunID is the only way in from text.
func ParseRunID(s string) (RunID, error) { return parseID[RunID](s, "run") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *RunID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "run") }

// LeaseID names one lease: "lse_" and a ULID.
type LeaseID string

// ParseLeaseID is the only way in from text.
func ParseLeaseID(s string) (LeaseID, error) { return parseID[LeaseID](s, "lse") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *LeaseID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "lse") }

// HandOffID names one hand-off: "hnd_" and a ULID. It is a name: only its recipient can use it.
type HandOffID string

// ParseHandOffID is the only way in from text.
func ParseHandOffID(s string) (HandOffID, error) { return parseID[HandOffID](s, "hnd") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *HandOffID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "hnd") }

// FreezeID names one freeze: "frz_" and a ULID.
type FreezeID string

// ParseFreezeID is the only way in from text.
func ParseFreezeID(s string) (FreezeID, error) { return parseID[FreezeID](s, "frz") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *FreezeID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "frz") }

// BreakGlassID names one use of break-glass: "bgl_" and a ULID.
type BreakGlassID string

// ParseBreakGlassID is the only way in from text.
func ParseBreakGlassID(s string) (BreakGlassID, error) { return parseID[BreakGlassID](s, "bgl") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *BreakGlassID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "bgl") }

// AssignmentID names one piece of work for a runner: "asg_" and a ULID.
type AssignmentID string

// ParseAssignmentID is the only way in from text.
func ParseAssignmentID(s string) (AssignmentID, error) { return parseID[AssignmentID](s, "asg") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *AssignmentID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "asg") }

func parseID[T ~string](s, prefix string) (T, error) {
	ulid, ok := strings.CutPrefix(s, prefix+"_")
	if !ok || len(ulid) != ulidLen || ulid[0] > '7' {
		return "", fmt.Errorf("%w: an id of this kind is %q and 26 characters", ErrInvalid, prefix+"_")
	}
	for i := range len(ulid) {
		if !inCrockford[ulid[i]] {
			return "", fmt.Errorf("%w: an id of this kind is %q and 26 characters of %s", ErrInvalid, prefix+"_", crockford)
		}
	}
	return T(s), nil
}

func unmarshalID[T ~string](id *T, b []byte, prefix string) error {
	v, err := parseID[T](string(b), prefix)
	if err == nil {
		*id = v
	}
	return err
}
