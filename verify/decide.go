package verify

import (
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ledger"
)

// This file follows a plan from the proposal to the grant. The same plan digest runs through all of it (invariant
// I03), and every approval is checked against the auditor's own roster (invariant I02).

func (s *chain) proposal(index int64, e ledger.Entry, b writ.ProposalBody) {
	if s.proposals[b.Plan] != nil {
		s.wrong(index, "twice", "plan %s is proposed twice", b.Plan)
		return
	}
	s.handed(index, e, b)
	s.asksFor(index, b)
	s.proposals[b.Plan] = &seen[writ.ProposalBody]{index: index, entry: e, body: b}
}

func (s *chain) plan(index int64, e ledger.Entry, b writ.PlanBody) {
	if s.plans[b.Plan] != nil {
		s.wrong(index, "twice", "plan %s is made twice", b.Plan)
		return
	}
	p := &plan{seen: seen[writ.PlanBody]{index: index, entry: e, body: b}, approvals: map[writ.Digest]*vote{}, recalled: map[writ.Digest]int64{}, rejected: none}
	s.plans[b.Plan], s.order = p, append(s.order, p)
	if !e.Record.Actor.Same(b.Runner.Principal()) {
		s.wrong(index, "actor", "plan %s names the runner %s and is signed by %s", b.Plan, b.Runner, e.Record.Actor)
	}
	asked := s.proposals[b.Plan]
	switch {
	case asked == nil:
		s.absent(index, "no_proposal", "plan %s answers no earlier proposal", b.Plan)
	case !asked.body.Proposal.Equal(b.ProposalDigest) || asked.body.Playbook != b.Playbook || !asked.body.By.Same(b.Requester):
		s.wrong(index, "digest", "plan %s is for another proposal, playbook or requester than was asked", b.Plan)
	case asked.body.Holder != "" && asked.body.Holder != b.Holder:
		s.wrong(index, "holder", "plan %s is to be held by another key than its agent proposed", b.Plan)
	}
}

// known returns the plan that an entry names, if it stands earlier and with this digest.
func (s *chain) known(index int64, what string, id writ.PlanID, digest writ.Digest) *plan {
	p := s.plans[id]
	if p == nil {
		s.absent(index, "no_plan", "the %s is about the plan %s, which stands nowhere before it", what, id)
		return nil
	}
	if !p.body.PlanDigest.Equal(digest) {
		s.wrong(index, "digest", "the %s is about another version of plan %s: %s, not %s", what, id, digest, p.body.PlanDigest)
		return nil
	}
	return p
}

func (s *chain) decision(index int64, e ledger.Entry, b writ.DecisionBody) {
	d := &seen[writ.DecisionBody]{index: index, entry: e, body: b}
	if s.decisions[b.Decision] != nil {
		s.wrong(index, "twice", "decision %s is taken twice", b.Decision)
		return
	}
	s.decisions[b.Decision] = d
	p := s.known(index, "decision", b.Plan, b.PlanDigest)
	if b.Phase == writ.PhaseStep {
		s.steps[b.Step] = d
	} else if p != nil {
		p.decided = append(p.decided, d)
	}
}

// A vote is one approval that verified.
type vote struct {
	approval.Verified
	index int64
}

func (s *chain) approval(index int64, e ledger.Entry, b writ.ApprovalBody) {
	p := s.known(index, "approval", b.Plan, b.PlanDigest)
	proof := writ.Approval{Statement: b.Statement, Signature: b.Signature, Passkey: b.Passkey}
	v, err := approval.Verify(proof, s.c.keys.roster, e.Record.Time)
	if err != nil {
		s.wrong(index, "approval", "the approval of plan %s in entry %d does not verify: %v", b.Plan, index, err)
		return
	}
	st := v.Statement
	if before, twice := s.statement[st.Nonce]; twice {
		s.wrong(index, "approval_replayed", "the statement in entry %d was used in entry %d already", index, before)
		return
	}
	s.statement[st.Nonce] = index
	switch {
	case st.Plan != b.Plan || !st.PlanDigest.Equal(b.PlanDigest) || st.Answer != b.Answer || st.Slot != b.Slot || v.Person != b.Approver || v.Key != b.Key:
		s.wrong(index, "approval", "entry %d says something else than the signed statement in it", index)
		return
	case b.Proof.Strength() > v.Proof.Strength():
		s.wrong(index, "approval", "entry %d claims the proof %s; the signature shows %s", index, b.Proof, v.Proof)
		return
	case st.Incident != e.Record.Task:
		s.wrong(index, "approval", "the statement in entry %d is for another incident", index)
		return
	case v.Passkey != nil && !s.asserted(index, v.Passkey, v.Counter):
		return
	}
	if p != nil {
		s.judge(index, p, v, proof)
	}
}

// judge checks that this person may answer for this plan, and counts the answer.
func (s *chain) judge(index int64, p *plan, v approval.Verified, proof writ.Approval) {
	st := v.Statement
	switch {
	case !st.PolicyDigest.Equal(p.body.Policy) || !st.EvidenceDigest.Equal(p.body.EvidenceDigest) || st.Runner != p.body.Runner:
		s.wrong(index, "approval", "the statement in entry %d is for another policy, evidence or runner", index)
		return
	case v.Since.After(p.entry.Record.Time):
		s.wrong(index, "approver", "the key in entry %d was enrolled at %s, after plan %s was made", index, v.Since.UTC().Format(time.RFC3339), p.body.Plan)
		return
	case s.isRequester(v, p.body.Requester):
		s.wrong(index, "self_approval", "%s answered in entry %d what they asked for themselves", v.Person.Sub, index)
		return
	case !s.fills(v, p):
		s.wrong(index, "approver", "%s is in no group that may answer as %q for plan %s", v.Person.Sub, writ.Printable(st.Slot, 40), p.body.Plan)
		return
	}
	if st.Answer != writ.Approve {
		p.rejected = index
		return
	}
	if d, err := proof.Digest(); err == nil {
		p.approvals[d] = &vote{v, index}
	}
}

func (s *chain) isRequester(v approval.Verified, by writ.Principal) bool {
	who := writ.Person{Iss: by.Iss, Sub: by.Sub}
	if who == v.Person || who == v.Statement.Approver {
		return true
	}
	for _, m := range s.c.keys.roster {
		if m.Person() == v.Person && slices.Contains(m.Accounts, who) {
			return true
		}
	}
	return false
}

// fills reports whether the person's groups fill the slot they answered for.
func (s *chain) fills(v approval.Verified, p *plan) bool {
	in, ok := s.incidents[p.entry.Record.Task]
	if !ok {
		s.absent(p.index, "no_incident", "plan %s belongs to no earlier incident", p.body.Plan)
		return !s.c.r.Complete
	}
	slots := s.c.keys.slots[in.Service]
	if slots == nil {
		slots = map[string]string{"owner": in.Owner, "oncall": in.Owner + "-oncall"}
	}
	group := slots[v.Statement.Slot]
	return group != "" && slices.Contains(v.Groups, group)
}

func (s *chain) grant(index int64, e ledger.Entry, b writ.GrantBody) {
	g := &grant{seen: seen[writ.GrantBody]{index: index, entry: e, body: b}, intents: map[string]*seen[writ.StepBody]{}, undos: map[string]*seen[writ.StepBody]{}}
	switch {
	case s.grants[b.Grant] != nil:
		s.wrong(index, "grant_twice", "grant %s is issued twice", b.Grant)
		return
	case s.runs[b.Run] != nil:
		s.wrong(index, "run_granted_twice", "run %s has two grants", b.Run)
		return
	}
	s.grants[b.Grant], s.runs[b.Run], s.granted = g, g, append(s.granted, g)
	p := s.known(index, "grant", b.Plan, b.PlanDigest)
	if p == nil {
		return
	}
	g.plan = p
	if p.grant != nil {
		s.wrong(index, "plan_granted_twice", "plan %s is granted twice", b.Plan)
	}
	p.grant = g
	switch {
	case p.ended:
		s.wrong(index, "grant_late", "plan %s is granted after it had ended", b.Plan)
	case p.rejected >= 0:
		s.wrong(index, "rejected", "plan %s is granted although entry %d rejects it", b.Plan, p.rejected)
	case b.Runner != p.body.Runner || b.Holder != p.body.Holder || !b.Policy.Equal(p.body.Policy):
		s.wrong(index, "grant", "grant %s is for another runner, holder or policy than plan %s", b.Grant, b.Plan)
	case !e.Record.Time.Before(p.body.NotAfter):
		s.wrong(index, "grant_late", "plan %s is granted after its window", b.Plan)
	case b.Expires.Sub(e.Record.Time) > writ.MaxGrantLife:
		s.wrong(index, "grant", "grant %s lives longer than %s", b.Grant, writ.MaxGrantLife)
	}
	s.permitted(index, g, p)
	s.quorum(index, g, p)
	s.tier(index, g, p)
	s.handedTier(index, g)
}

// permitted checks the decision that a grant rests on: a plain allow, taken for the grant, under its policy.
func (s *chain) permitted(index int64, g *grant, p *plan) {
	d := s.decisions[g.body.Decision]
	switch {
	case d == nil:
		s.absent(index, "no_decision", "grant %s rests on no earlier decision", g.body.Grant)
	case d.body.Plan != p.body.Plan || !d.body.PlanDigest.Equal(p.body.PlanDigest) || d.body.Phase != writ.PhaseGrant:
		s.wrong(index, "decision", "grant %s rests on a decision about something else", g.body.Grant)
	case d.body.Verdict != writ.Allow:
		s.wrong(index, "decision", "grant %s rests on the decision %q", g.body.Grant, writ.Printable(string(d.body.Verdict), 20))
	case d.body.Observed:
		s.wrong(index, "decision", "grant %s rests on a decision that was observed only", g.body.Grant)
	case !d.body.Policy.Equal(g.body.Policy):
		s.wrong(index, "decision", "grant %s rests on a decision under another policy", g.body.Grant)
	case !d.body.Duties.Equal(g.body.Duties):
		s.wrong(index, "duties", "grant %s carries other duties than its decision demands", g.body.Grant)
	}
}

// quorum checks that a grant counts approvals that verified, and as many as were asked for.
func (s *chain) quorum(index int64, g *grant, p *plan) {
	people := map[string]map[writ.Person]bool{}
	weakest := 0
	for _, d := range g.body.Approvals {
		v := p.approvals[d]
		if at, back := p.recalled[d]; back {
			s.wrong(index, "recalled", "grant %s counts the approval %s, which entry %d takes back", g.body.Grant, d, at)
			continue
		}
		if v == nil {
			s.absent(index, "approval", "grant %s counts the approval %s, which no earlier entry holds in a form that verifies", g.body.Grant, d)
			continue
		}
		st := v.Statement
		if !g.entry.Record.Time.Before(st.Expires) {
			s.wrong(index, "approval_expired", "grant %s counts the approval in entry %d, which had expired", g.body.Grant, v.index)
			continue
		}
		if people[st.Slot] == nil {
			people[st.Slot] = map[writ.Person]bool{}
		}
		people[st.Slot][v.Person] = true
		g.names = append(g.names, v.Person.Sub+" as "+st.Slot+" (proof "+string(v.Proof)+")")
		if n := v.Proof.Strength(); weakest == 0 || n < weakest {
			weakest = n
		}
	}
	once := map[writ.Person]bool{}
	for _, in := range people {
		for who := range in {
			if once[who] {
				s.wrong(index, "approver", "grant %s counts %s twice", g.body.Grant, who.Sub)
			}
			once[who] = true
		}
	}
	for _, d := range s.asking(g, p) {
		need := d.body.Requirements
		for slot, n := range need.Approvals {
			if len(people[slot]) < n {
				s.wrong(index, "quorum", "grant %s counts %d approvals as %q; entry %d asks for %d", g.body.Grant, len(people[slot]), writ.Printable(slot, 40), d.index, n)
			}
		}
		if len(need.Approvals) > 0 && weakest < need.Proof.Strength() {
			s.wrong(index, "proof", "grant %s counts an approval below the proof %s that entry %d asks for", g.body.Grant, need.Proof, d.index)
		}
	}
}

// asking returns the decisions whose requirements a grant must meet: its own, and the newest that asked for people.
func (s *chain) asking(g *grant, p *plan) (out []*seen[writ.DecisionBody]) {
	if d := s.decisions[g.body.Decision]; d != nil {
		out = append(out, d)
	}
	for _, d := range slices.Backward(p.decided) {
		if d.body.Verdict == writ.Requires {
			return append(out, d)
		}
	}
	return out
}

// lines tells each plan's story.
func (s *chain) lines() []Plan {
	var out []Plan
	for _, p := range s.order {
		l := Plan{Plan: p.body.Plan, Digest: p.body.PlanDigest, Playbook: p.body.Playbook, Tier: p.body.Tier, Requester: p.body.Requester}
		if n := len(p.decided); n > 0 {
			d := p.decided[n-1].body
			l.Tier = writ.InForce(l.Tier, d.DecidedTier())
			l.Decision = strings.TrimSpace(string(d.Verdict) + " " + strings.Join(d.Policies, ", "))
		}
		if g := p.grant; g != nil {
			if g.offline {
				l.Decision = "break-glass while the control plane was down"
			}
			l.Tier = max(l.Tier, g.tier)
			l.Approvers, l.Run, l.Mode = g.names, g.body.Run, s.mode(p)
			for _, k := range g.keys {
				l.Steps = append(l.Steps, g.line(k))
			}
			if g.run != nil {
				l.State = g.run.body.State
			}
			if c := g.receipt; c != nil {
				l.Receipt = &Receipt{c.index, c.body.Outcome, string(c.body.Agrees)}
			}
		}
		out = append(out, l)
	}
	return out
}

// mode says who held the grant's key: the agent, if its proposal named one. The grant's key is then that one, since plan
// and grant name the same.
func (s *chain) mode(p *plan) writ.HolderMode {
	if asked := s.proposals[p.body.Plan]; asked != nil && asked.body.Holder != "" {
		return writ.ModeKey
	}
	return writ.ModeHandle
}

func (g *grant) line(key string) Step {
	i := g.intents[key]
	out := Step{Step: key, Operation: i.body.Operation, Object: i.body.Object.Location, Call: printf("%s %s", i.body.Call.Method, i.body.Call.Path), Effect: i.after}
	if u := g.undos[key]; u != nil {
		out.Undo = u.after
		if u.after == "" {
			out.Undo = "begun"
		}
	}
	if b, ok := g.settled[key]; ok {
		out.Settled, out.SettledBy = b.As.String(), b.By
	}
	return out
}
