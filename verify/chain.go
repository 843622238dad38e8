package verify

import (
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/receipt"
)

// A chain follows the story that the entries tell, in their order: each entry may only rest on earlier ones.
type chain struct {
	c         *check
	leaves    map[writ.Digest]int64
	nonces    map[string]int64
	clocks    map[clock]writ.Record
	end       time.Time // the latest that an entry names
	incidents map[writ.IncidentID]writ.IncidentBody
	proposals map[writ.PlanID]*seen[writ.ProposalBody]
	hops      map[writ.HandOffID]*hop
	plans     map[writ.PlanID]*plan
	decisions map[writ.DecisionID]*seen[writ.DecisionBody]
	steps     map[string]*seen[writ.DecisionBody] // newest decision on each step
	grants    map[writ.GrantID]*grant
	runs      map[writ.RunID]*grant
	leases    map[writ.LeaseID]*lease
	statement map[string]int64 // nonce of an approval statement
	passkeys  map[writ.PasskeyID]*passkey
	counters  map[writ.PasskeyID]uint32 // of the last answer
	commits   map[writ.Commitment]bool
	order     []*plan
	begun     []*seen[writ.StepBody] // intents, forward and undo
	granted   []*grant
	receipts  map[string][]link // by runner and instance of its journal
	leased    []*lease
	glasses   map[writ.BreakGlassID]*glass
	signers   map[writ.BreakGlassID][]writ.Person // of offline runs
	policies  policies
	answers   map[writ.Digest]decidedAnswer // decisions on autonomy, by leaf
	cameUp    map[string]time.Time          // moves to more autonomy that are proposed, and agents that lost T1
	reviews   map[writ.RunID]bool           // owed; true once made
}

// seen is an entry with its body.
type seen[T any] struct {
	index int64
	entry ledger.Entry
	body  T
	after string // the outcome, for an intent
	undo  bool
}

type plan struct {
	seen[writ.PlanBody]
	decided   []*seen[writ.DecisionBody] // on the whole plan
	approvals map[writ.Digest]*vote
	rejected  int64                 // index of a verified rejection; -1
	recalled  map[writ.Digest]int64 // approvals that were taken back, and where
	grant     *grant
	ended     bool
	lost      bool // its run was given up, with its runner
}

type grant struct {
	seen[writ.GrantBody]
	plan    *plan
	intents map[string]*seen[writ.StepBody]
	undos   map[string]*seen[writ.StepBody]
	keys    []string // of the intents, in order
	run     *seen[writ.RunBody]
	settled map[string]writ.SettleBody
	names   []string // of the approvers that it counts
	receipt *seen[receipt.Receipt]
	recall  int64     // index of the entry that took an approval it counts back; 0 for none
	tier    writ.Tier // in force
	offline bool      // made while cut off: no decision, and the signatures of people in its own entry
}

type lease struct {
	seen[writ.LeaseBody]
	revoked, power, identity bool
	never                    bool      // it says that minting was never begun
	since                    time.Time // of the revocation, by the runner's clock
}

// deathTime is how long after its revocation a credential without power may still have its identity before the log
// speaks of a live one: targets remember identities for some ten seconds.
const deathTime = time.Minute

// dying reports whether a credential is being proven dead where the log ends.
func (l *lease) dying(end time.Time) bool {
	return l.revoked && l.power && end.Sub(l.since) < deathTime
}

// clock is one author's time in one incident: within it, time does not run backwards.
type clock struct {
	key  string
	task writ.IncidentID
}

// maxSkew is how far an author's clock may be set back between two entries: time synchronisation steps by less.
const maxSkew = 10 * time.Second

func newChain(c *check) *chain {
	return &chain{
		c: c, leaves: map[writ.Digest]int64{}, nonces: map[string]int64{}, clocks: map[clock]writ.Record{},
		incidents: map[writ.IncidentID]writ.IncidentBody{}, proposals: map[writ.PlanID]*seen[writ.ProposalBody]{},
		plans: map[writ.PlanID]*plan{}, decisions: map[writ.DecisionID]*seen[writ.DecisionBody]{},
		steps: map[string]*seen[writ.DecisionBody]{}, grants: map[writ.GrantID]*grant{}, runs: map[writ.RunID]*grant{},
		leases: map[writ.LeaseID]*lease{}, statement: map[string]int64{}, commits: map[writ.Commitment]bool{},
		hops: map[writ.HandOffID]*hop{}, receipts: map[string][]link{},
		glasses: map[writ.BreakGlassID]*glass{}, signers: map[writ.BreakGlassID][]writ.Person{}, passkeys: map[writ.PasskeyID]*passkey{}, counters: map[writ.PasskeyID]uint32{},
		policies: policies{changes: map[writ.PolicyChangeID]*policyChange{}},
		answers:  map[writ.Digest]decidedAnswer{}, cameUp: map[string]time.Time{}, reviews: map[writ.RunID]bool{},
	}
}

// wrong records a finding about authority or order.
func (s *chain) wrong(index int64, code, format string, args ...any) {
	s.c.find(authority, index, code, format, args...)
}

// absent records that an entry rests on one that is not there: a finding in a complete bundle, and beyond knowing in a
// partial one.
func (s *chain) absent(index int64, code, format string, args ...any) {
	if s.c.r.Complete {
		s.wrong(index, code, format, args...)
		return
	}
	s.c.doubt(authority, format, args...)
}

// take follows one entry.
func (s *chain) take(index int64, e ledger.Entry) {
	s.common(index, e)
	switch b := e.Body.(type) {
	case *writ.GenesisBody:
		s.genesis(index, *b)
	case *writ.IncidentBody:
		s.incidents[b.Incident] = *b
	case *writ.EvidenceBody:
		s.commits[b.Commitment] = true
	case *writ.PinBody:
		if b.Why != nil {
			s.commits[*b.Why] = true
		}
	case *writ.UpstreamReadBody:
		s.commits[b.Commitment] = true
	case *writ.HandOffBody:
		s.handOff(index, e, *b)
	case *writ.HandOffEndBody:
		s.handOffEnd(index, *b)
	case *writ.ProposalBody:
		s.proposal(index, e, *b)
	case *writ.PlanBody:
		s.plan(index, e, *b)
	case *writ.DecisionBody:
		s.decision(index, e, *b)
	case *writ.PasskeyBody:
		s.passkey(index, *b)
	case *writ.ApprovalBody:
		s.approval(index, e, *b)
	case *writ.RecallBody:
		s.recall(index, *b)
	case *writ.GrantBody:
		s.grant(index, e, *b)
	case *writ.PlanEndBody:
		if p := s.plans[b.Plan]; p != nil {
			p.ended, p.lost = true, b.Reason == writ.ReasonRunnerLost
		}
	case *writ.LeaseBody, *writ.RevokeBody, *writ.ProbeBody:
		s.credential(index, e)
	case *writ.BreakGlassBody, *writ.BreakGlassUseBody, *writ.BreakGlassReviewBody, *writ.BreakGlassDrillBody, *writ.OfflineBody:
		s.breakGlass(index, e)
	case *writ.PolicyBody, *writ.PolicyChangeBody, *writ.PolicyApprovalBody, *writ.PolicyEndBody:
		s.policy(index, e)
	case *writ.AutonomyAnswerBody:
		s.autonomyAnswer(index, e, *b)
	case *writ.AutonomyBody:
		s.autonomy(index, e, *b)
	case *writ.ReviewDueBody:
		s.reviewDue(index, *b)
	case *writ.ReviewBody:
		s.reviewed(index, *b)
	case *writ.SettleBody:
		s.settled(index, *b)
	case *writ.ReceiptBody:
		s.receipt(index, e, *b)
	case *writ.StepBody, *writ.EffectBody, *writ.UndoEffectBody, *writ.VerifyBody, *writ.RunBody:
		s.act(index, e)
	}
	s.leaves[e.Hash] = index
}

// common checks what every entry must obey.
func (s *chain) common(index int64, e ledger.Entry) {
	if before, twice := s.leaves[e.Hash]; twice {
		s.c.find(altered, index, "duplicate", "entry %d is entry %d again", index, before)
	}
	nonce := e.KeyID() + " " + e.Record.Nonce
	if before, twice := s.nonces[nonce]; twice {
		s.c.find(altered, index, "replayed", "entry %d has the nonce of entry %d", index, before)
	}
	s.nonces[nonce] = index
	for _, r := range e.Record.Refs {
		if _, ok := s.leaves[r.Leaf]; !ok {
			s.absent(index, "ref", "entry %d refers to %s as its %s, which no earlier entry is", index, r.Leaf, writ.Printable(r.Rel, 40))
		}
	}
	for _, b := range e.Record.Blobs {
		s.commits[b.Commit] = true
	}
	if e.Record.Time.After(s.end) {
		s.end = e.Record.Time
	}
	k := clock{e.KeyID(), e.Record.Task}
	before, ok := s.clocks[k]
	if ok && before.Time.Sub(e.Record.Time) > maxSkew {
		s.c.find(altered, index, "clock", "entry %d is dated %s, before the author's earlier entry of %s", index, e.Record.Time.Format(time.RFC3339), before.Time.Format(time.RFC3339))
	}
	if !ok || e.Record.Time.After(before.Time) {
		s.clocks[k] = e.Record
	}
}

func (s *chain) genesis(index int64, b writ.GenesisBody) {
	if index != 0 {
		s.c.find(altered, index, "genesis", "entry %d begins a log in the middle of one", index)
	}
	if b.Origin != s.c.keys.origin {
		s.c.find(altered, index, "wrong_log", "entry %d begins the log %q", index, writ.Printable(b.Origin, 80))
	}
}

func (s *chain) commitments() map[writ.Commitment]bool { return s.commits }

// finish looks for what was begun and never ended.
func (s *chain) finish() {
	c := s.c
	if c.r.Complete && len(c.entries) > 0 {
		if _, ok := c.entries[0].Body.(*writ.GenesisBody); !ok && !c.entries[0].Hash.IsZero() {
			c.find(altered, 0, "genesis", "the log does not begin with its genesis entry")
		}
	}
	for _, i := range s.begun {
		if i.after == "" {
			what := "step"
			if i.undo {
				what = "undo of step"
			}
			s.open(i.index, "open_intent", "the %s %s was begun and its outcome is not recorded", what, i.body.Step)
		}
	}
	for _, g := range s.granted {
		if g.run == nil && !(g.plan != nil && g.plan.ended) {
			s.open(g.index, "open_run", "run %s was granted and its end is not recorded", g.body.Run)
		}
	}
	s.linked()
	s.unminted()
	s.debts()
	for _, l := range s.leased {
		if l.revoked && l.power && l.identity {
			continue
		}
		if c.r.Complete && !l.dying(s.end) {
			s.wrong(l.index, "open_lease", "the credential %s is not recorded as revoked and probed dead", l.body.Name)
		} else {
			s.open(l.index, "open_lease", "the credential %s is not shown as revoked and probed dead", l.body.Name)
		}
	}
}

// open lists what has no end: in a living log it may still come, so nothing can be said about it yet.
func (s *chain) open(index int64, code, format string, args ...any) {
	f := Finding{Index: index, Code: code, Text: printf(format, args...)}
	s.c.r.Open = append(s.c.r.Open, f)
	s.c.doubt(missing, "%s", f.Text)
}
