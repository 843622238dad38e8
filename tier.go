package writ

import "fmt"

// A Tier says how much harm an action can do, and so which authority it needs and which class of lease it gets.
type Tier int

const (
	T0 Tier = iota // read-only diagnosis
	T1             // low-risk fix: an undo exists, small radius, no person asked
	T2             // wider or customer-visible, undo exists: one approver
	T3             // high impact: two approvers
	T4             // irreversible or cluster-wide: two approvers and a typed confirmation
)

// ParseTier takes "T0" to "T4".
func ParseTier(s string) (Tier, error) {
	for t := T0; t <= T4; t++ {
		if t.String() == s {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%w: a tier is one of T0, T1, T2, T3, T4", ErrInvalid)
}

// Valid reports whether t is one of the five tiers.
func (t Tier) Valid() bool { return t >= T0 && t <= T4 }

// String returns "T0" to "T4".
func (t Tier) String() string { return fmt.Sprintf("T%d", int(t)) }

// UnmarshalText takes "T0" to "T4".
func (t *Tier) UnmarshalText(b []byte) error {
	v, err := ParseTier(string(b))
	if err == nil {
		*t = v
	}
	return err
}

// MarshalText refuses anything but the five tiers.
func (t Tier) MarshalText() ([]byte, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("%w: tier %d", ErrInvalid, int(t))
	}
	return []byte(t.String()), nil
}
