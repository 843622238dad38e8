package verify

import (
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ledger"
)

// This file follows decisions on autonomy: each is signed by a person on the auditor's own roster, by an SSH key or a
// passkey, and what gives more autonomy was proposed before and rests on as many different people as it needs. It also
// follows the looks back that grants demand.

// A decided answer is one that verified.
type decidedAnswer struct {
	writ.AutonomyAnswerBody
	index   int64
	passkey writ.PasskeyID // that signed; empty for an SSH key
}

// autonomyName is what a decision or a change is about.
func autonomyName(playbook, service string, agent *writ.Principal) string {
	if agent != nil {
		return "agent " + agent.Iss + " " + agent.Sub
	}
	return "playbook " + playbook + " " + service // names have no spaces
}

func (s *chain) autonomyAnswer(index int64, e ledger.Entry, b writ.AutonomyAnswerBody) {
	s.commits[b.Reason] = true
	v, err := approval.VerifyAutonomy(writ.Signed{Statement: b.Statement, Signature: b.Signature, Passkey: b.Passkey}, s.c.keys.roster, writ.ProofD, e.Record.Time)
	if err != nil {
		s.wrong(index, "autonomy", "the decision in entry %d does not verify: %v", index, err)
		return
	}
	st := v.Statement
	if before, twice := s.statement[st.Nonce]; twice {
		s.wrong(index, "autonomy", "the decision in entry %d was used in entry %d already", index, before)
		return
	}
	s.statement[st.Nonce] = index
	switch {
	case v.Person != b.By || v.Key != b.Key || st.Playbook != b.Playbook || st.Service != b.Service || !sameAgent(st.Agent, b.Agent) || st.From != b.From || st.To != b.To:
		s.wrong(index, "autonomy", "entry %d says something else than the signed decision in it", index)
	case b.Proof.Strength() > v.Proof.Strength():
		s.wrong(index, "autonomy", "entry %d claims the proof %s; the signature shows %s", index, b.Proof, v.Proof)
	case !slices.Contains(v.Groups, b.Team):
		s.wrong(index, "autonomy", "%s decided in entry %d for the team %s, which they are not of", v.Person.Sub, index, writ.Printable(b.Team, 60))
	case b.To < b.From && !s.proposed(index, b, v):
	case v.Passkey != nil && !s.asserted(index, v.Passkey, v.Counter):
	default:
		a := decidedAnswer{AutonomyAnswerBody: b, index: index}
		if v.Passkey != nil {
			a.passkey = writ.PasskeyIDOf(v.Passkey)
		}
		s.answers[e.Hash] = a
	}
}

// proposed reports whether a decision for more autonomy is about what had come up, by a key that is older than that.
func (s *chain) proposed(index int64, b writ.AutonomyAnswerBody, v approval.Decided) bool {
	came, up := s.cameUp[autonomyName(b.Playbook, b.Service, b.Agent)]
	if !up {
		s.absent(index, "autonomy", "entry %d decides to give autonomy that no earlier entry proposes", index)
		return !s.c.r.Complete
	}
	if err := v.About(came); err != nil {
		s.wrong(index, "autonomy", "the decision in entry %d does not count: %v", index, err)
		return false
	}
	return true
}

func sameAgent(a, b *writ.Principal) bool { return a == b || a != nil && b != nil && a.Same(*b) }

// autonomy checks that a change which gives more autonomy rests on decisions of enough different people.
func (s *chain) autonomy(index int64, e ledger.Entry, b writ.AutonomyBody) {
	name := autonomyName(b.Playbook, b.Service, b.Agent)
	delete(s.cameUp, name)
	if b.Change == writ.AutonomyProposed && b.To < b.From || b.Change == writ.AutonomyLost {
		s.cameUp[name] = e.Record.Time
	}
	if b.Change != writ.AutonomyMoved && b.Change != writ.AutonomyRestored {
		return
	}
	if b.Change == writ.AutonomyRestored != (b.Agent != nil) {
		s.wrong(index, "autonomy", "entry %d moves what cannot be moved so", index)
		return
	}
	people := map[writ.Person]bool{}
	for _, r := range e.Record.Refs {
		a, ok := s.answers[r.Leaf]
		switch {
		case r.Rel != "answer":
		case !ok:
			s.absent(index, "autonomy", "entry %d rests on the decision %s, which no earlier entry holds in a form that verifies", index, r.Leaf)
			return
		case a.Playbook != b.Playbook || a.Service != b.Service || !sameAgent(a.Agent, b.Agent) || a.From != b.From || a.To != b.To:
			s.wrong(index, "autonomy", "entry %d rests on the decision in entry %d, which is about something else", index, a.index)
			return
		case s.removed(a.passkey):
			s.wrong(index, "passkey", "entry %d rests on the decision in entry %d, whose passkey was removed before", index, a.index)
			return
		default:
			people[a.By] = true
		}
	}
	needs := 1
	if b.Agent == nil && b.To < b.From && b.From >= writ.T2 {
		needs = 2
	}
	if len(people) < needs {
		s.wrong(index, "autonomy", "entry %d gives autonomy on the word of %d people; %d are needed", index, len(people), needs)
	}
}

// removed reports whether the log says that a passkey is not active.
func (s *chain) removed(id writ.PasskeyID) bool {
	p := s.passkeys[id]
	return p != nil && p.body.State != writ.PasskeyActive
}

// reviewDue and reviewed follow the look back at a run.
func (s *chain) reviewDue(index int64, b writ.ReviewDueBody) {
	g := s.runs[b.Run]
	switch {
	case g == nil:
		s.absent(index, "no_grant", "entry %d owes a look back at run %s, which no earlier grant allows", index, b.Run)
	case g.body.Duties.ReviewWithin == 0 || b.Plan != g.body.Plan:
		s.wrong(index, "duties", "entry %d owes a look back at run %s, which its grant does not demand", index, b.Run)
	}
	s.reviews[b.Run] = false
}

func (s *chain) reviewed(index int64, b writ.ReviewBody) {
	s.commits[b.Note] = true
	made, owed := s.reviews[b.Run]
	switch {
	case !owed:
		s.absent(index, "duties", "entry %d looks back at run %s, of which no look back is owed", index, b.Run)
	case made:
		s.wrong(index, "duties", "run %s is looked back at twice", b.Run)
	case b.By.Kind != writ.KindHuman:
		s.wrong(index, "duties", "entry %d looks back at run %s in the name of %s, who is no person", index, b.Run, b.By)
	}
	if g := s.runs[b.Run]; g != nil && g.plan != nil && g.plan.body.Requester.Same(b.By) {
		s.wrong(index, "duties", "%s looked back in entry %d at what they asked for themselves", b.By.Sub, index)
	}
	s.reviews[b.Run] = true
}
