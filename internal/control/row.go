package control

import (
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// The rows below are the control plane's own state, kept as JSON documents beside the columns that are looked up by.
type (
	planRow struct {
		ID            writ.PlanID
		Proposal      writ.Proposal
		ProposalBytes []byte
		ProposalLeaf  writ.Digest `json:",omitzero"`
		Service       string
		Environment   string
		Owner         string
		Target        writ.Location
		Runner        writ.RunnerID
		MaxTier       writ.Tier // that its runner said it carries out, with the plan
		Window        writ.Window
		Title         string
		Bytes         []byte
		Digest        writ.Digest `json:",omitzero"`
		Leaf          writ.Digest `json:",omitzero"` // of the runner's plan entry
		Reason        writ.Reason
		Detail, Hint  string
		RetryAt       *time.Time `json:",omitempty"`
		Decision      *writ.Decision
		DecisionLeaf  writ.Digest       `json:",omitzero"`
		Run           writ.RunID        `json:",omitempty"`
		Change        writ.ChangeWindow `json:",omitzero"`  // what the calendars said at the newest decision
		FirstAsked    *time.Time        `json:",omitempty"` // when it first waited for people
		Waited        int               `json:",omitempty"` // seconds from then to its grant
		veto          *vetoAnswer
		Reread        rereadDoc  `json:",omitzero"`  // when what the plan rests on was read last, and what it showed
		Asked         []askedRow `json:",omitempty"` // what people want to see before they answer
		Tainted       bool       // nothing vouches for a parameter, and text of others was read
		CreatedAt     time.Time
		ExpiresAt     time.Time
		AskedAt       time.Time `json:",omitzero"` // when it was put before people, the last time
	}
	evidenceRow struct {
		Evidence evidenceDoc
		Leaf     writ.Digest `json:",omitzero"`
		Refused  *assignment.Refused
	}
	// An evidenceDoc is evidence that may not have been read yet: without a commitment.
	evidenceDoc struct {
		writ.Evidence
		Commitment writ.Commitment `json:"commitment,omitzero"`
	}
	approvalRow struct {
		Approval writ.Approval
		Person   writ.Person
		Answer   writ.Answer
		Slot     string
		Reason   writ.Commitment `json:",omitzero"`
		Leaf     writ.Digest
		Recalled *time.Time `json:",omitempty"` // its author took it back
		Shift    int        `json:",omitempty"` // answers of the person in the shift before it
		Beyond   bool       `json:",omitempty"` // that was too many: it counts beside somebody's for whom it was not
	}
	grantRow struct {
		ID        writ.GrantID
		Plan      writ.PlanID
		Run       writ.RunID `json:",omitempty"`
		Token     string
		Approvals []writ.Approval // that it names
		Leaf      []byte
		Index     int64
		Expires   time.Time

		Held       bool              `json:",omitempty"` // by the agent, which presents it
		Presented  bool              `json:",omitempty"` // at least once: a runner may have it in hand
		Proof      string            `json:",omitempty"` // that came with the newest presentation, while it may be good
		Assignment writ.AssignmentID `json:",omitempty"` // of that presentation
	}
	runRow struct {
		Run   writ.Run
		Title string
		Begun []string // keys of the steps whose intents were taken

		Duties    writ.Duties `json:",omitzero"` // of its grant
		GrantLeaf writ.Digest `json:",omitzero"`

		Reasons []writ.Commitment `json:",omitempty"` // of Run.Settled, one each
		Settled bool              `json:",omitempty"` // nothing of it is in doubt any more
		Doubted *time.Time        `json:",omitempty"` // since when its runner may be lost
		Held    bool              `json:",omitempty"` // its runner was lost: what it reserved and locked waits for its settlement

		Harm    bool `json:",omitempty"` // it was verified, and people put it back or found it not justified
		Offline bool `json:",omitempty"` // its runner made it while it was cut off

		// Instance is the journal of the process that began it; empty when none had joined.
		Instance string `json:",omitempty"`
		ahead    string // step that was allowed together with the lease before it, in this delivery
	}
	leaseRow struct {
		Lease    writ.Lease
		Runner   writ.RunnerID
		Leaf     writ.Digest `json:",omitzero"` // of its announcement
		Instance string      `json:",omitempty"`
	}
	assignmentRow struct {
		ID      writ.AssignmentID
		Kind    assignment.Kind
		Expires time.Time
		Observe *assignment.Observe
		Plan    *assignment.Planning
		Run     writ.RunID         `json:",omitempty"`
		Reread  *assignment.Reread `json:",omitempty"`
	}
)

// whole returns the evidence once it has been read.
func (d evidenceDoc) whole() writ.Evidence {
	e := d.Evidence
	e.Commitment = d.Commitment
	return e
}

// States of rows that have no state of their own in the root package.
const (
	stateOpen    = "open"
	stateDone    = "done"
	stateAsked   = "asked"
	stateRead    = "read"
	stateRefused = "refused"
	stateOn      = "on"
	stateOff     = "off"
	stateCounted = "counted"
	stateAlive   = "alive"
	stateDead    = "dead"
)

// append seals a record of the control plane's own and appends it in tx.
func (c *Control) append(tx *store.Tx, kind writ.EntryKind, task writ.IncidentID, body any, refs ...writ.Ref) (entry, error) {
	rec, err := c.record(kind, c.Now(), task, body, refs...)
	if err != nil {
		return entry{}, err
	}
	leaf, err := ledger.Seal(rec, c.Author)
	if err != nil {
		return entry{}, err
	}
	return appendLeaf(tx, leaf, task)
}

// An entry is one appended ledger entry.
type entry struct {
	index int64
	hash  writ.Digest
	leaf  []byte
}

// appendLeaf appends a sealed entry and lists it under its incident, for timelines.
func appendLeaf(tx *store.Tx, leaf []byte, task writ.IncidentID) (entry, error) {
	i, h, err := tx.Append(leaf)
	if err == nil && task != "" {
		err = tx.Insert(store.Timeline, TimelineRow(i, task))
	}
	return entry{i, h, leaf}, err
}

// TimelineRow lists entry i under an incident. Its id grows with i, so that new rows stand together on few pages of the
// database, which an id without order would touch all over.
func TimelineRow(i int64, task writ.IncidentID) store.Row {
	return store.Row{ID: fmt.Sprintf("%016d", i), Incident: string(task), Doc: fmt.Appendf(nil, `{"index":%d}`, i)}
}

// ref names an earlier entry; entries that do not exist are left out.
func ref(rel string, leaf writ.Digest) []writ.Ref {
	if leaf.IsZero() {
		return nil
	}
	return []writ.Ref{{Rel: rel, Leaf: leaf}}
}

func newID[T ~string](c *Control, prefix string) (T, error) {
	id, err := ident.New(prefix, c.Now(), c.Rand)
	return T(id), err
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// notFound turns a missing row into a sentence about the caller's subject.
func notFound(err error, what, id string) error {
	if errors.Is(err, writ.ErrNotFound) {
		return &writ.Refusal{Code: writ.ReasonNotFound, Detail: fmt.Sprintf("there is no %s %s", what, writ.Printable(id, 40)), Kind: writ.ErrNotFound}
	}
	return err
}

// find reads matching rows and their documents.
func find[T any](tx *store.Tx, table store.Table, f store.Filter) ([]T, []store.Row, error) {
	rows, err := tx.Find(table, f)
	if err != nil {
		return nil, nil, err
	}
	docs := make([]T, len(rows))
	for i, r := range rows {
		if docs[i], err = store.Decode[T](r); err != nil {
			return nil, nil, err
		}
	}
	return docs, rows, nil
}
