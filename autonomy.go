package writ

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// Autonomy is how much a playbook does on a service, and an agent altogether, before people are asked. It is earned run by
// run and lost at once: a playbook never stands below its own tier, and an agent's record can only take T1 away. See
// docs/autonomy.md.

// A Tally counts how the runs of a record ended. A run that its runner refused, or that nobody took up, is none; neither is
// a drill, nor a run that puts another back.
type Tally struct {
	Runs      int `json:"runs"`
	Verified  int `json:"verified"`  // they held
	Undone    int `json:"undone"`    // the checks, or a step, failed, and what was done was put back
	Uncertain int `json:"uncertain"` // nobody knew what they did
	Stopped   int `json:"stopped"`   // a person, a freeze or a runner's end stopped them, and what was done was put back
	Failed    int `json:"failed"`    // nothing was applied
	Harm      int `json:"harm"`      // verified ones that people put back, or found not justified
}

// A PlaybookRecord is what became of one playbook on one service.
type PlaybookRecord struct {
	Playbook string `json:"playbook"`
	Service  string `json:"service"`
	Owner    string `json:"owner"`  // the team that answers for the service: its people decide
	Own      Tier   `json:"own"`    // the playbook's own tier, with its operations'
	Stands   Tier   `json:"stands"` // where it stands on this service
	Tally
	Rejected    int           `json:"rejected"`        // plans that people said no to
	Asked       int           `json:"asked"`           // approvals that its runs were granted on
	Alone       int           `json:"alone"`           // verified runs for which nobody was asked
	WaitSeconds int           `json:"wait_seconds"`    // that runs waited for people, altogether
	Waits       int           `json:"waits"`           // runs that did
	Streak      int           `json:"streak"`          // verified runs since the last failure or move
	Noes        int           `json:"noes"`            // rejections since then
	Since       *time.Time    `json:"since,omitempty"` // of that; absent when there was none
	Proposed    *AutonomyMove `json:"proposed,omitempty"`
	Digest      Digest        `json:"digest,omitzero"` // of the record without this member: what a decision on it names
}

// SavedSeconds estimates the time that the playbook has saved: for each verified run that nobody was asked for, what people
// took on average to answer on this service; 0 as long as none was asked there.
func (r PlaybookRecord) SavedSeconds() int {
	if r.Waits == 0 {
		return 0
	}
	return r.Alone * (r.WaitSeconds / r.Waits)
}

// Bytes are the record as a person sees it, in canonical form. Answers do not change what is answered, and are not in them.
func (r PlaybookRecord) Bytes() ([]byte, error) {
	r.Digest = Digest{}
	if r.Proposed != nil {
		m := *r.Proposed
		m.Answers, r.Proposed = nil, &m
	}
	return canon.Marshal(r)
}

// Evidence is the digest of the record's bytes, which a decision on it names.
func (r PlaybookRecord) Evidence() (Digest, error) {
	b, err := r.Bytes()
	return DigestOf(b), err
}

// An AutonomyMove is one step of a playbook on a service, by one tier. From above To is more autonomy.
type AutonomyMove struct {
	From    Tier           `json:"from"`
	To      Tier           `json:"to"`
	At      time.Time      `json:"at"`
	Needs   int            `json:"needs"`             // different people of the owning team
	Answers []AutonomyVote `json:"answers,omitempty"` // that were given
}

// Up reports whether the move asks people less often.
func (m AutonomyMove) Up() bool { return m.To < m.From }

// An AutonomyVote is one person's signed word for a move.
type AutonomyVote struct {
	By Person    `json:"by"`
	At time.Time `json:"at"`
}

// An AgentRecord is what became of what one agent asked for.
type AgentRecord struct {
	Name  string     `json:"name"`
	Agent Principal  `json:"agent"`
	Team  string     `json:"team"`
	State AgentState `json:"state"`
	Tally
	Denied   int        `json:"denied"`          // plans that policy said no to
	Rejected int        `json:"rejected"`        // plans that people said no to
	Balance  int        `json:"balance"`         // since it was last restored: see docs/autonomy.md
	Lost     bool       `json:"lost"`            // it makes no change alone
	Since    *time.Time `json:"since,omitempty"` // when it lost T1, or was restored
	AgentActivity
	Digest Digest `json:"digest,omitzero"`
}

// Bytes are as for a PlaybookRecord. Whether the agent is suspended, and its activity, do not stand in them: they go on while
// somebody decides.
func (r AgentRecord) Bytes() ([]byte, error) {
	r.Digest, r.State, r.AgentActivity = Digest{}, "", AgentActivity{}
	return canon.Marshal(r)
}

// Evidence is as for a PlaybookRecord.
func (r AgentRecord) Evidence() (Digest, error) {
	b, err := r.Bytes()
	return DigestOf(b), err
}

// AutonomyType is the type of the statement that people sign.
const AutonomyType = "https://writ.dev/autonomy/v1"

// MaxAutonomyLife bounds a statement: it is signed to be sent.
const MaxAutonomyLife = 15 * time.Minute

// An AutonomyStatement is a person's decision on one record: that a playbook moves by one tier on a service, or that an
// agent gets T1 back. It is canonical JSON; the proof covers its bytes: an SSH signature in the namespace autonomy@writ.dev, or a
// passkey's assertion whose challenge is its hash for this purpose.
type AutonomyStatement struct {
	Type      string     `json:"_type"`
	Playbook  string     `json:"playbook,omitempty"` // with service
	Service   string     `json:"service,omitempty"`
	Agent     *Principal `json:"agent,omitempty"` // instead of both
	From      Tier       `json:"from"`
	To        Tier       `json:"to"`
	Record    Digest     `json:"record"` // of the record that the person saw
	Person    Person     `json:"person"`
	Nonce     string     `json:"nonce"` // 128 random bits; a statement counts once
	NotBefore time.Time  `json:"nbf"`
	Expires   time.Time  `json:"exp"`
}

// ParseAutonomyStatement parses canonical bytes and checks the form.
func ParseAutonomyStatement(b []byte) (AutonomyStatement, error) {
	var s AutonomyStatement
	if err := canon.Parse(b, &s); err != nil {
		return AutonomyStatement{}, fmt.Errorf("autonomy statement: %w", err)
	}
	bad := func(what string) (AutonomyStatement, error) {
		return AutonomyStatement{}, fmt.Errorf("%w: autonomy statement: %s", ErrInvalid, what)
	}
	switch {
	case s.Type != AutonomyType:
		return bad("_type must be " + AutonomyType)
	case (s.Agent == nil) != (IsName(s.Playbook) && IsName(s.Service)) || s.Agent != nil && s.Playbook+s.Service != "":
		return bad("it names playbook and service, or an agent")
	case s.Agent != nil && (s.Agent.Kind != KindAgent || !s.Agent.Valid() || s.From != T2 || s.To != T1):
		return bad("an agent is restored from T2 to T1")
	case !s.From.Valid() || !s.To.Valid() || s.To < T1 || s.From-s.To != 1 && s.To-s.From != 1:
		return bad("from and to are T1 to T4, one tier apart")
	case s.Record.IsZero() || !s.Person.Principal().Valid() || len(s.Nonce) < 22:
		return bad("record, person and nonce must be present")
	case !s.NotBefore.Before(s.Expires) || s.Expires.Sub(s.NotBefore) > MaxAutonomyLife:
		return bad("it must live longer than nothing and at most a quarter of an hour")
	}
	return s, nil
}

// Bytes returns the canonical form.
func (s AutonomyStatement) Bytes() ([]byte, error) { return canon.Marshal(s) }

// An AutonomyAsk is a decision as it comes in, with one proof.
type AutonomyAsk struct {
	Statement []byte     `json:"statement"`
	Signature string     `json:"signature,omitempty"` // armored
	Passkey   *Assertion `json:"passkey,omitempty"`   // instead of a signature
	Reason    string     `json:"reason"`              // stays off the ledger
}

// Signed is the statement with its proof.
func (a AutonomyAsk) Signed() Signed {
	return Signed{Statement: a.Statement, Signature: a.Signature, Passkey: a.Passkey}
}

// An AutonomyWish is what a person wants to decide with a passkey, on the record that they were shown: of a playbook on a
// service, or of an agent.
type AutonomyWish struct {
	Playbook string `json:"playbook,omitempty"`
	Service  string `json:"service,omitempty"`
	Agent    string `json:"agent,omitempty"` // its name, instead of both
	To       Tier   `json:"to"`
	Record   Digest `json:"record"`
}

// AutonomyChange is what an entry tells of; closed.
type AutonomyChange string

const (
	AutonomyDropped  AutonomyChange = "dropped"  // a playbook failed, and people are asked one tier earlier
	AutonomyProposed AutonomyChange = "proposed" // Writ proposes a move
	AutonomyMoved    AutonomyChange = "moved"    // enough people have decided one
	AutonomyLost     AutonomyChange = "lost"     // an agent's record turned negative
	AutonomyRestored AutonomyChange = "restored" // a person gave T1 back to an agent
)

// Entries about autonomy.
const (
	EntryAutonomy       EntryKind = "autonomy"        // where a playbook or an agent stands has changed, or is proposed to
	EntryAutonomyAnswer EntryKind = "autonomy.answer" // a person has decided, by a signature
)

// AutonomyBody tells of a change. Its refs name the run's end that caused it, or the answers that it rests on.
type AutonomyBody struct {
	Change   AutonomyChange `json:"change"`
	Playbook string         `json:"playbook,omitempty"`
	Service  string         `json:"service,omitempty"`
	Agent    *Principal     `json:"agent,omitempty"`
	From     Tier           `json:"from"`
	To       Tier           `json:"to"`
	Run      RunID          `json:"run,omitempty"` // that caused it
	Tally    Tally          `json:"tally"`         // what the record counted then
	Streak   int            `json:"streak"`
	Balance  int            `json:"balance,omitempty"` // of an agent
	Needs    int            `json:"needs,omitempty"`   // people that the move needed
}

// AutonomyAnswerBody is one person's signed decision.
type AutonomyAnswerBody struct {
	Playbook  string     `json:"playbook,omitempty"`
	Service   string     `json:"service,omitempty"`
	Agent     *Principal `json:"agent,omitempty"`
	From      Tier       `json:"from"`
	To        Tier       `json:"to"`
	Team      string     `json:"team"` // as of which the person decides
	By        Person     `json:"by"`
	Proof     ProofLevel `json:"proof"`
	Key       string     `json:"key"`
	Statement []byte     `json:"statement"`
	Signature string     `json:"signature,omitempty"`
	Passkey   *Assertion `json:"passkey,omitempty"`
	Reason    Commitment `json:"reason"` // to the person's words
}

// Reasons of refused decisions on autonomy.
const (
	ReasonAutonomyForm  Reason = "autonomy_form"  // the signed decision is not of the closed form
	ReasonAutonomyMoved Reason = "autonomy_moved" // the record is not the one that was signed for
	ReasonNotEarned     Reason = "not_earned"     // Writ does not propose the move: the record does not carry it
	ReasonNothingLost   Reason = "nothing_lost"   // the agent has T1
)

// An AutonomyOutcome is how the record stands after a decision on it.
type AutonomyOutcome struct {
	Playbook *PlaybookRecord `json:"playbook,omitempty"`
	Agent    *AgentRecord    `json:"agent,omitempty"`
}
