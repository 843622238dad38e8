package assignment

import (
	"time"

	"github.com/writ-dev/writ"
)

// A cell is what runners with one identity serve: at most one process of them, its holder, works at a time. Others
// stand by. Each change of the holder, and each restart of it, raises the cell's epoch; whoever comes with another
// instance or a smaller epoch is refused with the code fenced.

// BeatEvery is the time between two heartbeats of a holder, or two questions of a standby. SilentAfter is how long the
// control plane hears nothing from the holder before a standby may take over: five heartbeats, so that neither a lost
// one nor a short pause of the process moves a cell. HoldsFor is how long a holder goes by what it was last told: it is
// well below SilentAfter, so that a process that was paused asks before it acts.
const (
	BeatEvery   = 4 * time.Second
	SilentAfter = 20 * time.Second
	HoldsFor    = 10 * time.Second
)

// A Claim says who is calling: a journal, and the epoch under which its process holds the cell.
type Claim struct {
	Instance string `json:"instance,omitempty"` // 128 random bits of the journal
	Epoch    int64  `json:"epoch,omitempty"`    // 0 while it asks for the cell
}

// A Join asks for the cell, with epoch 0, or is the holder's heartbeat.
type Join struct {
	Claim  Claim     `json:"claim"`
	Held   int64     `json:"held,omitempty"`   // the last epoch that the journal knows it held
	Fenced bool      `json:"fenced,omitempty"` // this process lost the cell: it stands by, also behind its own instance
	Debts  []Debt    `json:"debts,omitempty"`  // of the holder; all that there are
	Clock  time.Time `json:"clock,omitzero"`   // the caller's, when it sent this: for people to see, and for no decision
}

// A Debt is a lease that could not be proven dead in time.
type Debt struct {
	Lease     writ.LeaseID  `json:"lease"`
	Run       writ.RunID    `json:"run"`
	Target    writ.Location `json:"target"`
	Name      string        `json:"name"`
	Since     time.Time     `json:"since"` // when its end began
	PowerGone bool          `json:"power_gone"`
}

// MaxDebts bounds what one heartbeat lists; a cell with one debt is closed already.
const MaxDebts = 100

// Joined answers a Join.
type Joined struct {
	Epoch    int64     `json:"epoch,omitempty"`    // the caller holds the cell under it; 0: it stands by
	Kept     bool      `json:"kept,omitempty"`     // nobody else held it since the caller's journal did
	Holder   string    `json:"holder,omitempty"`   // the instance that holds it instead
	Seen     time.Time `json:"seen,omitzero"`      // when that one was last heard of
	Restored bool      `json:"restored,omitempty"` // the journal is an old copy: it must take a new instance
	Takeover []Taken   `json:"takeover,omitempty"` // what other instances of the cell have left open
}

// Taken is a run that another instance of the cell left with something open: the holder ends it for good. Leaves are
// those of the ledger, and the control plane is believed: an error here can end a run as uncertain, and no more.
type Taken struct {
	Run        writ.RunID      `json:"run"`
	Assignment string          `json:"assignment,omitempty"`
	Incident   writ.IncidentID `json:"incident"`
	Grant      writ.GrantID    `json:"grant"`
	GrantLeaf  writ.Digest     `json:"grant_leaf"`
	Plan       writ.PlanID     `json:"plan"`
	PlanDigest writ.Digest     `json:"plan_digest"`
	Ended      bool            `json:"ended,omitempty"` // only its leases are left
	Applied    int             `json:"applied,omitempty"`
	Undone     int             `json:"undone,omitempty"`
	Open       []OpenStep      `json:"open,omitempty"` // begun, outcome not recorded
	Unknown    int             `json:"unknown,omitempty"`
	Leases     []OpenLease     `json:"leases,omitempty"` // announced, not proven dead
}

// An OpenStep is an intent without an outcome.
type OpenStep struct {
	Step string      `json:"step"`
	Leaf writ.Digest `json:"leaf"` // of the intent
	Undo bool        `json:"undo,omitempty"`
}

// An OpenLease is a lease that is not recorded as dead.
type OpenLease struct {
	Lease   writ.LeaseID  `json:"lease"`
	Leaf    writ.Digest   `json:"leaf"` // of its announcement
	Target  writ.Location `json:"target"`
	Name    string        `json:"name"`
	Tier    writ.Tier     `json:"tier"`
	Expires time.Time     `json:"expires"`
}
