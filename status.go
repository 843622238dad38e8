package writ

import (
	"fmt"
	"time"
)

// This file holds what the doors show: read models put together by the control plane. They are not digested, signed
// or stored.

// A PlanStatus is a plan as a caller may see it, from the proposal to its end.
type PlanStatus struct {
	ID            PlanID           `json:"id"`
	Incident      IncidentID       `json:"incident"`
	State         PlanState        `json:"state"`
	Reason        Reason           `json:"reason,omitempty"`
	Detail        string           `json:"detail,omitempty"`   // one sentence on the reason
	Hint          string           `json:"hint,omitempty"`     // the nearest thing that would be allowed; in the state ready, the next step
	RetryAt       *time.Time       `json:"retry_at,omitempty"` // when the same ask may be allowed; absent when time alone changes nothing
	Title         string           `json:"title,omitempty"`
	Service       string           `json:"service"`
	Environment   string           `json:"environment"`
	Playbook      PlaybookRef      `json:"playbook"`
	Parameters    Parameters       `json:"parameters,omitempty"`
	Requester     Principal        `json:"requester"`
	Digest        Digest           `json:"digest,omitzero"`
	Bytes         []byte           `json:"bytes,omitempty"` // canonical plan bytes, which Digest covers; people only
	Plan          *Plan            `json:"plan,omitempty"`
	Decision      *Decision        `json:"decision,omitempty"` // the newest on the whole plan
	Needs         Requirements     `json:"needs,omitzero"`
	Change        *ChangeWindow    `json:"change_window,omitempty"` // that the newest decision relied on; absent when no calendar covers the service
	Approvals     []ApprovalStatus `json:"approvals,omitempty"`
	Claim         string           `json:"claim,omitempty"` // the agent's words, not verified
	Evidence      []Evidence       `json:"evidence,omitempty"`
	EvidenceAsked []EvidenceAsk    `json:"evidence_asked,omitempty"` // what people want to see before they answer
	EvidenceSince []Evidence       `json:"evidence_since,omitempty"` // read for the incident since that was first asked, newest first; for an agent its own
	ReadAgain     *ReadAgain       `json:"read_again,omitempty"`     // what the plan rests on, read for its grant; absent when it has no conditions
	Run           RunID            `json:"run,omitempty"`
	Emergency     *Emergency       `json:"emergency,omitempty"` // it is break-glass
	OnCall        *OnCallGroup     `json:"on_call,omitempty"`   // who is on call for its service; people only, while it waits, where a source is configured
	Fatigue       *Fatigue         `json:"fatigue,omitempty"`   // of the caller; people only, one plan at a time
	DryRun        bool             `json:"dry_run,omitempty"`   // it never runs: it ends as withdrawn, with the reason dry_run and what would have happened
	CreatedAt     time.Time        `json:"created_at"`
	ExpiresAt     time.Time        `json:"expires_at"` // an unanswered plan is denied then
}

// A ReadAgain is the newest reading of a plan's claims and guards. A grant needs one of the last minute in which all hold.
type ReadAgain struct {
	At     time.Time `json:"at"`
	True   int       `json:"true"`
	Of     int       `json:"of"`
	Failed string    `json:"failed,omitempty"` // the first that did not hold
	Asked  bool      `json:"asked,omitempty"`  // its runner has been asked for a newer one
}

// String says it on one line.
func (r ReadAgain) String() string {
	s := fmt.Sprintf("%d of %d true", r.True, r.Of)
	if r.Failed != "" {
		s += "; " + Printable(r.Failed, 60) + " is not"
	}
	if r.Asked {
		s += "; being read again"
	}
	return s
}

// An ApprovalStatus is one answer that a person gave.
type ApprovalStatus struct {
	Approver Person     `json:"approver"`
	Answer   Answer     `json:"answer"`
	Slot     string     `json:"slot"`
	Proof    ProofLevel `json:"proof"`
	Key      string     `json:"key"`
	Reason   string     `json:"reason,omitempty"`
	At       time.Time  `json:"at"`
	Recalled *time.Time `json:"recalled_at,omitempty"`       // its author took it back: it does not count
	Shift    int        `json:"answered_in_shift,omitempty"` // how many answers its author had given in the shift before it
}

// A RunStatus is a run with its story so far.
type RunStatus struct {
	Run
	Title   string      `json:"title"`
	Reverts RunID       `json:"reverts,omitempty"` // the run that it put back
	Open    []StepDoubt `json:"open,omitempty"`    // what a person must look at and settle; people only
	Events  []Event     `json:"events,omitempty"`
}

// A StepDoubt is a step of an uncertain run of which a person must say whether what it was to change stands.
type StepDoubt struct {
	Number int      `json:"number"` // from 1
	Step   string   `json:"step"`   // key
	Title  string   `json:"title"`
	Object Object   `json:"object"` // as it was before the call
	Method string   `json:"method"`
	Path   string   `json:"path"` // of the call
	Diff   []Change `json:"diff,omitempty"`
	Effect Effect   `json:"effect"`         // of the call, as far as the runner knows
	Undo   string   `json:"undo,omitempty"` // what became of its undo: none, unknown, refused, or the code of its refusal
	Look   string   `json:"look"`           // what to look at, and which answer means what
}

// An Undo is how far the runs of an incident have been put back, newest first. Each undo is a plan of its own.
type Undo struct {
	Incident IncidentID  `json:"incident"`
	State    UndoState   `json:"state"`
	By       Principal   `json:"by"`
	At       time.Time   `json:"at"`
	Because  string      `json:"because,omitempty"`
	Reason   Reason      `json:"reason,omitempty"` // why it stopped
	Detail   string      `json:"detail,omitempty"`
	Hint     string      `json:"hint,omitempty"`
	Runs     []UndoneRun `json:"runs"` // in the order in which they are put back
}

// UndoState is closed.
type UndoState string

const (
	UndoOpen    UndoState = "open"    // going on, or waiting for approvals
	UndoStopped UndoState = "stopped" // something was in the way; asking again goes on from there
	UndoDone    UndoState = "done"    // everything stands as before
)

// An UndoneRun is one run to be put back.
type UndoneRun struct {
	Run    RunID     `json:"run"`
	Title  string    `json:"title"`
	Plan   PlanID    `json:"plan,omitempty"` // that puts it back; none before its turn
	State  PlanState `json:"plan_state,omitempty"`
	By     RunID     `json:"undone_by,omitempty"` // the run of that plan
	Done   bool      `json:"done"`                // verified: what was before stands again
	Reason Reason    `json:"reason,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// An UndoAsk asks for the undo of an incident's runs.
type UndoAsk struct {
	Run     RunID  `json:"run,omitempty"`     // the oldest to be put back; empty means all
	Because string `json:"because,omitempty"` // stays off the ledger
}

// An Event is one ledger entry as a sentence.
type Event struct {
	Index   int64     `json:"index"` // in the ledger
	Time    time.Time `json:"time"`
	Kind    EntryKind `json:"kind"`
	Actor   Principal `json:"actor"`
	Plan    PlanID    `json:"plan,omitempty"`
	Run     RunID     `json:"run,omitempty"`
	Summary string    `json:"summary"` // made from typed fields, never from an agent's text
	OK      bool      `json:"ok"`      // false for denials, failures, refusals and open ends
}

// An IncidentStatus is an incident with all that happened in it.
type IncidentStatus struct {
	Incident
	Evidence []Evidence   `json:"evidence,omitempty"`
	Plans    []PlanStatus `json:"plans,omitempty"` // newest first, without bytes
	Timeline []Event      `json:"timeline,omitempty"`
	Notes    []Note       `json:"notes,omitempty"` // by people, oldest first; the newest hundred
	Undo     *Undo        `json:"undo,omitempty"`
}

// A PlaybookSummary is one playbook that the caller may ask for.
type PlaybookSummary struct {
	PlaybookRef
	Title string `json:"title"`
	Owner string `json:"owner"`
	Plane string `json:"plane"`
	Tier  Tier   `json:"tier"`

	Emergency bool        `json:"emergency,omitempty"` // for break-glass alone
	Retired   *Retirement `json:"retired,omitempty"`   // nobody can ask for it; people only
}

// A PlaybookText is a playbook in words for agents, at most 2,000 characters, and its source for people.
type PlaybookText struct {
	PlaybookSummary
	Text   string `json:"text"`
	Source string `json:"source,omitempty"`
}

// An Ask is a proposal as it comes in.
type Ask struct {
	Incident   IncidentID   `json:"incident"`
	Playbook   string       `json:"playbook"`
	Parameters Parameters   `json:"parameters,omitempty"`
	Evidence   []EvidenceID `json:"evidence,omitempty"`
	HandOff    HandOffID    `json:"hand_off,omitempty"` // under which it is asked
	Holder     string       `json:"holder,omitempty"`   // RFC 7638 thumbprint of the agent's own P-256 key: its plan's grant is issued to that key alone
	Because    string       `json:"because,omitempty"`  // the claim
	DryRun     bool         `json:"dry_run,omitempty"`  // plan and decide, and stop there
}

// An AlertGroup is one webhook call of an alert source.
type AlertGroup struct {
	GroupKey string
	Status   string // firing or resolved
	Common   map[string]string
	Alerts   []Alert
	Intake   *Intake // nil for a source that calls with a token of its own
}

// Status is the whole control plane at a glance.
type Status struct {
	Version     string `json:"version"`
	Incidents   int    `json:"incidents_open"`
	Waiting     int    `json:"plans_waiting"`
	Running     int    `json:"runs_active"`
	LeasesAlive int    `json:"leases_alive"` // minted and not yet proven dead
	LedgerSize  int64  `json:"ledger_size"`
	Signed      int64  `json:"ledger_signed"` // size of the newest signed checkpoint
	Policy      Digest `json:"policy"`

	PolicyVersion int64            `json:"policy_version,omitempty"` // of a signed set
	PolicyProblem string           `json:"policy_problem,omitempty"` // why the newest set was not put in force; the one before it is
	PolicyChanges []PolicyChangeID `json:"policy_changes,omitempty"` // that wait for people
	Observed      []string         `json:"observed,omitempty"`       // playbooks that the set in force only observes

	Freezes    []Freeze          `json:"freezes,omitempty"`
	Services   []ServiceLoad     `json:"services,omitempty"` // those with anything in use; people only
	Runners    []RunnerStatus    `json:"runners,omitempty"`
	Replicas   []ReplicaStatus   `json:"replicas,omitempty"`       // of the control plane, where they share a database
	Channels   []ChannelStatus   `json:"channels,omitempty"`       // of notices; people only
	Upstreams  []UpstreamGlance  `json:"upstreams,omitempty"`      // tools of other MCP servers; people only
	Unsettled  []RunID           `json:"runs_unsettled,omitempty"` // newest first, at most 100: a person must look and say what they did; people only
	BreakGlass *BreakGlassGlance `json:"break_glass,omitempty"`    // people only
	OnCall     []OnCallGroup     `json:"on_call,omitempty"`        // groups whose source does not say who is on call
	Reviews    *ReviewGlance     `json:"reviews,omitempty"`        // that grants demanded, and nobody has made; people only
}

// A ServiceLoad is what of a service is in use, and what has to wait: why an ask is refused right now.
type ServiceLoad struct {
	Service  string     `json:"service"`
	Runs     int        `json:"runs"`                // in flight that reserve some of it
	Permille int        `json:"permille"`            // of its ready capacity, reserved by them together
	Units    int        `json:"units"`               // likewise, in running units
	Open     int        `json:"plans_open"`          // being worked out, or waiting for people
	Locks    []Lock     `json:"locks,omitempty"`     // objects that a run is writing
	Cooling  []Cooldown `json:"cooldowns,omitempty"` // what was run lately
}

// A Lock says that one run, and no other, may write an object.
type Lock struct {
	Object   Location  `json:"object"`
	Run      RunID     `json:"run"`
	Plan     PlanID    `json:"plan"`
	Playbook string    `json:"playbook"`
	Since    time.Time `json:"since"`
}

// A Cooldown is a playbook that may not run on an object before Until.
type Cooldown struct {
	Object   Location  `json:"object"`
	Playbook string    `json:"playbook"`
	Attempts int       `json:"attempts"` // of this playbook on the object, within the window
	Reason   Reason    `json:"reason"`   // cooldown or attempts
	Until    time.Time `json:"until"`
}

// A RunnerStatus says when a runner last asked for work.
type RunnerStatus struct {
	ID       RunnerID      `json:"id"`
	Targets  []Location    `json:"targets"`
	LastSeen *time.Time    `json:"last_seen,omitempty"`
	Clock    *ClockReading `json:"clock,omitempty"`    // against the control plane's, at the newest heartbeat of the cell's holder
	Instance string        `json:"instance,omitempty"` // of the journal whose process holds the cell
	Epoch    int64         `json:"epoch,omitempty"`    // grows with each process that holds it
	Standby  *time.Time    `json:"standby,omitempty"`  // when another process of the cell last stood by
	Alive    int           `json:"leases_alive,omitempty"`
	Silent   bool          `json:"silent,omitempty"` // leases of its runs are alive, and nothing is heard of it
	Debts    []LeaseDebt   `json:"debts,omitempty"`  // while there is one, no new grant is issued for it
}

// A LeaseDebt is a credential that could not be proven dead in time.
type LeaseDebt struct {
	Lease     LeaseID   `json:"lease"`
	Run       RunID     `json:"run"`
	Target    Location  `json:"target"`
	Name      string    `json:"name"`
	Since     time.Time `json:"since"` // when its end began
	PowerGone bool      `json:"power_gone"`
}
