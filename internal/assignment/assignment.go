// Package assignment is what the control plane and a runner say to each other. A runner only ever calls out: it takes
// one assignment at a time, answers it, and delivers its signed ledger entries. docs/spec/runner.md describes the
// endpoints.
package assignment

import (
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// Paths of the runners' door, below the control plane's runner URL. All are POST over mutual TLS with pinned keys.
const (
	PathJoin    = "/v1/runner/join"    // Join -> Joined
	PathNext    = "/v1/runner/next"    // Ask -> Assignment, or 204 when there is nothing within the wait
	PathAnswer  = "/v1/runner/answer"  // Answer -> {}
	PathEntries = "/v1/runner/entries" // Delivery -> Delivered
)

// Kind of work; closed.
type Kind string

const (
	KindObserve Kind = "observe"
	KindPlan    Kind = "plan"
	KindRun     Kind = "run"
	KindReread  Kind = "reread"
)

// MaxWait bounds a long poll: 20 s stays below the idle limits of common proxies.
const MaxWait = 20 * time.Second

// Ask is how a runner asks for work.
type Ask struct {
	WaitSeconds int   `json:"wait_seconds"`
	Seen        int64 `json:"seen"` // size of the newest checkpoint this runner has checked; 0 for none
	Claim       Claim `json:"claim,omitzero"`
}

// An Assignment is one piece of work. It is handed out again, unchanged in meaning, until it is answered or expires:
// the runner makes repeats harmless.
type Assignment struct {
	V       int               `json:"v"`
	ID      writ.AssignmentID `json:"id"`
	Kind    Kind              `json:"kind"`
	Expires time.Time         `json:"expires"`
	Observe *Observe          `json:"observe,omitempty"`
	Plan    *Planning         `json:"plan,omitempty"`
	Run     *Bundle           `json:"run,omitempty"`
	Reread  *Reread           `json:"reread,omitempty"`
	Feed    []byte            `json:"feed"` // newest signed feed
}

// Observe asks for one reading.
type Observe struct {
	Evidence writ.EvidenceID `json:"evidence"`
	Incident writ.IncidentID `json:"incident"`
	Query    writ.Query      `json:"query"`
	Scope    []writ.Location `json:"scope"`
	Limit    int             `json:"limit"`
}

// Planning asks the runner to resolve a proposal into a plan.
type Planning struct {
	Plan         writ.PlanID     `json:"plan"`
	Proposal     []byte          `json:"proposal"`      // canonical bytes of writ.Proposal
	ProposalLeaf writ.Digest     `json:"proposal_leaf"` // leaf hash of the proposal's entry
	Playbook     []byte          `json:"playbook"`      // source bytes
	Target       writ.Location   `json:"target"`
	Service      string          `json:"service"`
	Environment  string          `json:"environment"`
	Scope        []writ.Location `json:"scope"`
	Policy       writ.Digest     `json:"policy"`
	Window       writ.Window     `json:"window"`
	Holder       string          `json:"holder"`
	Reverts      *Reverts        `json:"reverts,omitempty"` // for a proposal to put a run back
}

// Reverts says which run a plan is to put back. The runner compares it with what its own journal knows.
type Reverts struct {
	Run   writ.RunID `json:"run"`
	Plan  []byte     `json:"plan"`  // canonical bytes of the run's plan
	Steps []int      `json:"steps"` // numbers of its steps that stand, from 1, in the order in which they are put back
}

// A Bundle is everything the runner needs to judge and execute one granted plan. It trusts no verdict in it.
type Bundle struct {
	Run       writ.RunID      `json:"run"`
	Grant     string          `json:"grant"` // compact JWS
	Proof     string          `json:"proof"` // the holder's proof of possession, made for this delivery
	Plan      []byte          `json:"plan"`  // canonical bytes
	Approvals []writ.Approval `json:"approvals,omitempty"`
	GrantLeaf []byte          `json:"grant_leaf"` // the grant's ledger entry
	Receipt   ledger.Receipt  `json:"receipt"`    // its inclusion

	Asked *writ.Signed `json:"asked,omitempty"` // the ask, of a plan that is break-glass
}

// An Answer closes an assignment of kind observe, plan or reread, or reports that a run was refused before it started; the
// ends of runs are told by their entries.
type Answer struct {
	Assignment writ.AssignmentID `json:"assignment"`
	Observed   *Observed         `json:"observed,omitempty"`
	Planned    *Planned          `json:"planned,omitempty"`
	Reread     *ReadAgain        `json:"reread,omitempty"`
	Ended      bool              `json:"ended,omitempty"` // the run's last entry has been delivered
	Refused    *Refused          `json:"refused,omitempty"`
	Claim      Claim             `json:"claim,omitzero"`
}

// Observed is a reading, with bytes redacted by the connector.
type Observed struct {
	Source    string           `json:"source"`
	At        time.Time        `json:"at"`
	Bytes     []byte           `json:"bytes"`
	Facts     writ.Observation `json:"facts,omitempty"`
	Truncated bool             `json:"truncated"`
	Redacted  int              `json:"redacted"`
	Writable  bool             `json:"writable"`
}

// Planned is a plan with the runner's signed ledger entry for it, and the highest tier that the runner's ceiling lets it
// carry out at present: nobody is asked about more. It is no authority: the runner holds each run to its ceiling itself.
type Planned struct {
	Plan    []byte    `json:"plan"`
	Entry   []byte    `json:"entry"`
	MaxTier writ.Tier `json:"max_tier"`
}

// Refused is a refusal on the wire. The detail is one sentence without secrets.
type Refused struct {
	Code   writ.Reason `json:"code"`
	Detail string      `json:"detail,omitempty"`
	Hint   string      `json:"hint,omitempty"`
}

// MaxEntries bounds one delivery with all runs in it: a run of MaxSteps has fewer than this many entries.
const MaxEntries = 200

// MaxRuns bounds the runs whose entries travel together: more than a runner has in hand.
const MaxRuns = 64

// A Delivery hands over ledger entries that the runner has sealed, in order. Entries that the control plane already
// has are answered with their receipts again. A delivery without entries asks for the feed and the stop sign. Entries of
// other runs may travel with it: all of them are taken or, on error, none, and all receipts prove one checkpoint.
// Entries without a run are of the kind orphan.
type Delivery struct {
	Run     writ.RunID `json:"run"`
	Entries [][]byte   `json:"entries,omitempty"`
	Seen    int64      `json:"seen"`
	Also    []Delivery `json:"also,omitempty"` // of other runs; Seen and Claim are those of the whole, and they have no Also
	Claim   Claim      `json:"claim,omitzero"`

	Plan []byte `json:"plan,omitempty"` // canonical bytes, when the first entry tells of a run that was made while cut off
}

// Count returns the number of entries in d, those of other runs included.
func (d Delivery) Count() int {
	n := len(d.Entries)
	for _, o := range d.Also {
		n += len(o.Entries)
	}
	return n
}

// Delivered answers a delivery. The entries are durable up to the refused one. A step.intent is decided anew before it
// is appended, and only a step.intent or a lease entry can be refused; safety entries never are. Of a process that does
// not hold its cell any more, what would move a run forward or end it is refused with the code fenced.
type Delivered struct {
	Receipts []ledger.Receipt `json:"receipts,omitempty"` // one for each accepted entry
	Refused  *Refused         `json:"refused,omitempty"`  // why the first entry without a receipt was not taken
	Feed     []byte           `json:"feed"`
	Stop     bool             `json:"stop"`            // a person asked this run to stop at the next step boundary
	Also     []Delivered      `json:"also,omitempty"`  // one for each of the delivery's Also, in order, without a feed
	Epoch    int64            `json:"epoch,omitempty"` // the cell's epoch in the transaction that took the entries
}

// FeedType is the DSSE payload type of a feed.
const FeedType = "application/vnd.writ.feed.v1+json"

// A Feed tells runners what is frozen and which grants are void. The control plane signs it with its entry key.
type Feed struct {
	V        int            `json:"v"`
	Epoch    int64          `json:"epoch"` // grows with every change; a runner refuses a smaller one than it has seen
	IssuedAt time.Time      `json:"issued_at"`
	Freezes  []Freeze       `json:"freezes,omitempty"`
	Revoked  []writ.GrantID `json:"revoked,omitempty"` // those not yet expired
}

// A Freeze is one scope that must not move forward.
type Freeze struct {
	Scope writ.FreezeScope `json:"scope"`
	Value string           `json:"value,omitempty"`
}

// Covers reports whether any freeze of the feed covers a plan.
func (f Feed) Covers(p writ.Plan) bool {
	for _, z := range f.Freezes {
		if z.Covers(p) {
			return true
		}
	}
	return false
}

// Covers reports whether the freeze covers a plan. An unknown scope covers everything.
func (z Freeze) Covers(p writ.Plan) bool {
	switch z.Scope {
	case writ.FreezeAgent:
		return z.Value == p.Requester.Iss+" "+p.Requester.Sub
	case writ.FreezeService:
		return z.Value == p.Service
	case writ.FreezePlaybook:
		return z.Value == p.Playbook.Name
	case writ.FreezeTarget:
		return z.Value == string(p.Target)
	}
	return true
}
