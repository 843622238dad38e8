package writ

import "time"

// DelegationID names one turn that was handed over: "dlg_" and a ULID.
type DelegationID string

// ParseDelegationID is the only way in from text.
func ParseDelegationID(s string) (DelegationID, error) { return parseID[DelegationID](s, "dlg") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *DelegationID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "dlg") }

// Kinds of entries about who is on call.
const (
	EntryOnCall     EntryKind = "oncall"            // who holds the turns of a group is others than before, or is not known any more
	EntryDelegation EntryKind = "oncall.delegation" // a person handed their turn to another, or it was given back
)

// OnCallState says how it is known who holds the turns of a group. Closed.
type OnCallState string

const (
	OnCallRoster   OnCallState = "roster"   // no source is configured: every member of the group may answer
	OnCallKnown    OnCallState = "known"    // the source says so, and what it said is fresh
	OnCallFallback OnCallState = "fallback" // the source failed, is stale or names nobody: the members of the fallback group who are of this group, too
	OnCallNobody   OnCallState = "nobody"   // likewise, and there is no fallback: nobody may answer
)

// Bad reports whether somebody should look: the source does not say who is on call.
func (s OnCallState) Bad() bool { return s == OnCallFallback || s == OnCallNobody }

// A Turn is a time in which a person is on call.
type Turn struct {
	Person Person     `json:"person"`
	Until  *time.Time `json:"until,omitempty"`       // absent: the source names no end, or a fallback holds it
	For    *Person    `json:"in_place_of,omitempty"` // who handed it over

	Delegation DelegationID `json:"delegation,omitempty"` // by which they did
}

// A RotaTurn is a turn as a source names it; the zero Until means that it names no end.
type RotaTurn struct {
	Person      Person
	From, Until time.Time
}

// An OnCallGroup is one group of the roster and who holds its turns now.
type OnCallGroup struct {
	Group    string      `json:"group"`
	Source   string      `json:"source"` // file, ical or pagerduty; roster when none is configured
	State    OnCallState `json:"state"`
	AsOf     *time.Time  `json:"as_of,omitempty"`   // when the source last answered
	Problem  string      `json:"problem,omitempty"` // why it is not believed, without a word of its own
	Fallback string      `json:"fallback,omitempty"`
	Turns    []Turn      `json:"turns,omitempty"`
	Members  []Person    `json:"members,omitempty"` // of the roster: who could have a turn
}

// A Delegation is a turn that its holder handed to another member of the same group. It ends by itself, and is worth
// nothing once its giver is not on call any more: it moves a turn and makes none.
type Delegation struct {
	ID    DelegationID `json:"id"`
	Group string       `json:"group"`
	From  Person       `json:"from"`
	To    Person       `json:"to"`
	At    time.Time    `json:"at"`
	Until time.Time    `json:"until"`
	Ended *time.Time   `json:"ended,omitempty"` // given back before its time
	By    *Principal   `json:"ended_by,omitempty"`
}

// A DelegationAsk asks for one.
type DelegationAsk struct {
	Group string    `json:"group"`
	To    Person    `json:"to"`
	Until time.Time `json:"until"`
}

// Bounds of a delegation: shorter than a minute it would be over before anybody has read it, and beyond three days the
// schedule itself is to be changed.
const (
	MinDelegation = time.Minute
	MaxDelegation = 72 * time.Hour
)

// Codes of handing turns over.
const (
	ReasonNotOnCall         Reason = "not_on_call"        // the caller holds no turn of the group that is their own
	ReasonDelegation        Reason = "delegation"         // it would go to somebody who may not have it, in a chain, or for too long
	ReasonUnknownDelegation Reason = "unknown_delegation" // or one that is over
)

type (
	// An OnCallBody says who holds the turns of a group from now on, delegations left out.
	OnCallBody struct {
		Group  string      `json:"group"`
		Source string      `json:"source"`
		State  OnCallState `json:"state"`
		People []Person    `json:"people,omitempty"` // sorted
		AsOf   *time.Time  `json:"as_of,omitempty"`
	}
	// A DelegationBody says that a turn was handed over, or given back.
	DelegationBody struct {
		Delegation DelegationID `json:"delegation"`
		Group      string       `json:"group"`
		From       Person       `json:"from"`
		To         Person       `json:"to"`
		Until      time.Time    `json:"until"`
		On         bool         `json:"on"` // false: given back
		By         Principal    `json:"by"`
	}
)
