package verify

import (
	"cmp"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ledger"
)

// This file follows break-glass: a signed ask before the plan, somebody else's approval from tier 2 on, an entry that says
// it was used, and a review or the time by which it is owed. What ran while the control plane was down rests on the
// signatures in its own entry, of different people on the auditor's own roster.

// A glass is one break-glass.
type glass struct {
	ask      *seen[writ.BreakGlassBody]
	used     *seen[writ.BreakGlassUseBody]
	offline  *seen[writ.OfflineBody]
	reviewed bool
	passed   bool
}

func (s *chain) glass(id writ.BreakGlassID) *glass {
	g := s.glasses[id]
	if g == nil {
		g = &glass{}
		s.glasses[id] = g
	}
	return g
}

func (s *chain) breakGlass(index int64, e ledger.Entry) {
	switch b := e.Body.(type) {
	case *writ.BreakGlassBody:
		s.broken(index, e, *b)
	case *writ.BreakGlassUseBody:
		s.usedGlass(index, e, *b)
	case *writ.BreakGlassReviewBody:
		s.reviewedGlass(index, *b)
	case *writ.BreakGlassDrillBody:
		s.drilled(index, *b)
	case *writ.OfflineBody:
		s.offline(index, e, *b)
	}
}

// broken checks the signed ask against the auditor's roster, and that the team owed no review.
func (s *chain) broken(index int64, e ledger.Entry, b writ.BreakGlassBody) {
	s.commits[b.Justification] = true
	g := s.glass(b.ID)
	if g.ask != nil {
		s.wrong(index, "twice", "break-glass %s is asked for twice", b.ID)
		return
	}
	g.ask = &seen[writ.BreakGlassBody]{index: index, entry: e, body: b}
	v, err := approval.VerifyAsk(writ.Signed{Statement: b.Statement, Signature: b.Signature, Passkey: b.Passkey}, s.c.keys.roster, writ.ProofC, e.Record.Time)
	if err != nil {
		s.wrong(index, "breakglass", "the ask in entry %d does not verify: %v", index, err)
		return
	}
	st := v.Statement
	if before, twice := s.statement[st.Nonce]; twice {
		s.wrong(index, "breakglass", "the ask in entry %d was used in entry %d already", index, before)
	}
	s.statement[st.Nonce] = index
	if b.Passkey != nil {
		s.asserted(index, v.Passkey, v.Counter)
	}
	switch {
	case v.Person != b.Asker || v.Key != b.Key || st.Service != b.Service || st.Playbook != b.Playbook || st.Drill != b.Drill || !b.Drill && st.Incident != e.Record.Task:
		s.wrong(index, "breakglass", "entry %d says something else than the signed ask in it", index)
	case b.Proof.Strength() > v.Proof.Strength():
		s.wrong(index, "breakglass", "entry %d claims the proof %s; the signature shows %s", index, b.Proof, v.Proof)
	}
	for id, o := range s.glasses {
		if o.used != nil && o.used.body.Team == b.Team && !o.reviewed && !e.Record.Time.Before(o.used.body.ReviewDue) {
			s.wrong(index, "review_overdue", "break-glass %s is asked for while the review of %s is overdue", b.ID, id)
		}
	}
}

// asksFor checks that a proposal that is break-glass follows its ask.
func (s *chain) asksFor(index int64, b writ.ProposalBody) {
	if b.BreakGlass == "" {
		return
	}
	g := s.glasses[b.BreakGlass]
	switch {
	case g == nil || g.ask == nil:
		s.absent(index, "no_breakglass", "plan %s is proposed as break-glass %s, which no earlier entry asks for", b.Plan, b.BreakGlass)
	case g.ask.body.Plan != b.Plan || g.ask.body.Playbook != b.Playbook || b.By.Kind != writ.KindHuman:
		s.wrong(index, "breakglass", "plan %s is another one than break-glass %s was asked for, or by no person", b.Plan, b.BreakGlass)
	}
}

func (s *chain) usedGlass(index int64, e ledger.Entry, b writ.BreakGlassUseBody) {
	g := s.glass(b.ID)
	if g.used != nil {
		s.wrong(index, "breakglass", "break-glass %s is used twice", b.ID)
		return
	}
	g.used = &seen[writ.BreakGlassUseBody]{index: index, entry: e, body: b}
	run := s.runs[b.Run]
	switch {
	case b.ReviewDue.Sub(e.Record.Time) > writ.ReviewLife+maxSkew:
		s.wrong(index, "breakglass", "the review of break-glass %s is due later than %s after its use", b.ID, writ.ReviewLife)
	case g.ask == nil && g.offline == nil:
		s.absent(index, "no_breakglass", "break-glass %s is used, and no earlier entry asks for it", b.ID)
		return
	}
	if run == nil || run.plan == nil {
		s.absent(index, "no_grant", "break-glass %s is used in the run %s, which no earlier grant allows", b.ID, writ.Printable(string(b.Run), 40))
		return
	}
	asked := s.proposals[b.Plan]
	switch {
	case run.body.Plan != b.Plan || !run.body.PlanDigest.Equal(b.PlanDigest) || run.offline != b.Offline:
		s.wrong(index, "breakglass", "break-glass %s is used for another plan than run %s carries out", b.ID, b.Run)
	case !b.Offline && (asked == nil || asked.body.BreakGlass != b.ID):
		s.wrong(index, "breakglass", "the plan of run %s was not proposed as break-glass %s", b.Run, b.ID)
	case max(run.plan.body.Tier, run.tier) >= writ.T2 && len(run.names) == 0:
		s.wrong(index, "breakglass", "break-glass %s is used at %s, and nobody approved it", b.ID, max(run.plan.body.Tier, run.tier))
	}
}

func (s *chain) reviewedGlass(index int64, b writ.BreakGlassReviewBody) {
	s.commits[b.Note] = true
	g := s.glass(b.ID)
	by := writ.Person{Iss: b.By.Iss, Sub: b.By.Sub}
	switch {
	case g.used == nil:
		s.absent(index, "no_breakglass", "entry %d reviews break-glass %s, of which no earlier entry tells a use", index, b.ID)
	case g.reviewed:
		s.wrong(index, "breakglass", "break-glass %s is reviewed twice", b.ID)
	case b.By.Kind != writ.KindHuman || b.Verdict != writ.ReviewJustified && b.Verdict != writ.ReviewNotJustified:
		s.wrong(index, "breakglass", "entry %d reviews break-glass %s in the name of %s, who is no person, or says nothing", index, b.ID, b.By)
	case g.ask != nil && s.sameHuman(by, g.ask.body.Asker):
		s.wrong(index, "breakglass", "%s reviewed in entry %d what they asked for themselves", by.Sub, index)
	case g.offline != nil && slices.ContainsFunc(s.signers[b.ID], func(p writ.Person) bool { return s.sameHuman(by, p) }):
		s.wrong(index, "breakglass", "%s reviewed in entry %d what they signed themselves", by.Sub, index)
	}
	g.reviewed = true
}

func (s *chain) drilled(index int64, b writ.BreakGlassDrillBody) {
	g := s.glass(b.ID)
	run := s.runs[b.Run]
	switch {
	case g.used == nil:
		s.absent(index, "no_breakglass", "entry %d tells of a drill, of which no earlier entry tells a use", index)
	case !g.used.body.Drill || g.used.body.Run != b.Run || g.passed || run == nil || run.run == nil || run.run.body.State != writ.RunSucceeded || b.Refusal == "":
		s.wrong(index, "breakglass", "entry %d tells of a drill that did not pass: no run of its own that succeeded, or no refusal", index)
	}
	g.passed = true
}

// leastOffline is how many people a run needs that no control plane decided, whatever its entry says.
const leastOffline = 2

// offline checks the entry of a run that was made while cut off, which stands for plan, approvals and grant.
func (s *chain) offline(index int64, e ledger.Entry, b writ.OfflineBody) {
	g := s.glass(b.ID)
	switch {
	case g.offline != nil || g.ask != nil || s.plans[b.Plan] != nil || s.runs[b.Run] != nil || s.grants[b.Grant] != nil:
		s.wrong(index, "twice", "the offline run %s stands twice", b.Run)
		return
	case !e.Record.Actor.Same(b.Runner.Principal()):
		s.wrong(index, "actor", "the offline run %s names the runner %s and is signed by %s", b.Run, b.Runner, e.Record.Actor)
		return
	}
	g.offline = &seen[writ.OfflineBody]{index: index, entry: e, body: b}
	p := &plan{seen: seen[writ.PlanBody]{index: index, entry: e, body: writ.PlanBody{
		Plan: b.Plan, PlanDigest: b.PlanDigest, Requester: b.Runner.Principal(), Runner: b.Runner, Playbook: b.Playbook, Tier: b.Tier, Objects: b.Objects, Blast: b.Blast,
	}}, approvals: map[writ.Digest]*vote{}, rejected: none}
	run := &grant{seen: seen[writ.GrantBody]{index: index, entry: e, body: writ.GrantBody{Grant: b.Grant, Run: b.Run, Plan: b.Plan, PlanDigest: b.PlanDigest, Runner: b.Runner}},
		plan: p, intents: map[string]*seen[writ.StepBody]{}, undos: map[string]*seen[writ.StepBody]{}, offline: true}
	p.grant = run
	s.plans[b.Plan], s.order = p, append(s.order, p)
	s.grants[b.Grant], s.runs[b.Run], s.granted = run, run, append(s.granted, run)
	st, err := writ.ParseOfflineStatement(b.Statement)
	switch {
	case err != nil || st.Runner != b.Runner || st.Plan != b.Plan || !st.PlanDigest.Equal(b.PlanDigest):
		s.wrong(index, "breakglass", "the statement in entry %d is about another plan or runner", index)
		return
	case !e.Record.Time.Before(st.Expires):
		s.wrong(index, "breakglass", "the offline run %s began after its statement had expired", b.Run)
	}
	if before, twice := s.statement[st.Nonce]; twice {
		s.wrong(index, "breakglass", "the nonce in entry %d was used in entry %d already", index, before)
	}
	s.statement[st.Nonce] = index
	signers, err := approval.CountOffline(b.Statement, b.Signatures, s.c.keys.roster, s.groups(b.Service, e.Record.Task))
	if err != nil {
		s.wrong(index, "breakglass", "the signatures in entry %d do not verify: %v", index, err)
		return
	}
	if need := max(leastOffline, b.Quorum); len(signers) < need {
		s.wrong(index, "quorum", "the offline run %s was signed by %d people; %d were needed", b.Run, len(signers), need)
	}
	for _, who := range signers {
		s.signers[b.ID] = append(s.signers[b.ID], who.Person)
		run.names = append(run.names, who.Person.Sub+" offline (proof "+string(who.Proof)+")")
	}
}

// groups are those that answer for a service.
func (s *chain) groups(service string, task writ.IncidentID) []string {
	var out []string
	for _, g := range s.c.keys.slots[service] {
		out = append(out, g)
	}
	if in, ok := s.incidents[task]; ok && len(out) == 0 {
		out = []string{in.Owner, in.Owner + "-oncall"}
	}
	return out
}

// debts lists the reviews that are owed where the log ends, and finds grants of break-glass that no entry calls a use.
func (s *chain) debts() {
	for _, g := range s.granted {
		asked := s.proposals[g.body.Plan]
		if asked == nil || asked.body.BreakGlass == "" || g.offline {
			continue
		}
		if b := s.glasses[asked.body.BreakGlass]; b == nil || b.used == nil {
			s.absent(g.index, "no_breakglass", "run %s was granted as break-glass %s, and no entry says that it was used", g.body.Run, asked.body.BreakGlass)
		}
	}
	for id, g := range s.glasses {
		switch {
		case g.offline != nil && g.used == nil:
			s.absent(g.offline.index, "no_breakglass", "the offline run %s is in the log, and no entry says by when its review is owed", g.offline.body.Run)
		case g.used == nil || g.reviewed:
			continue
		default:
			due := g.used.body.ReviewDue
			code := "review_due"
			if !s.end.Before(due) {
				code = "review_overdue"
			}
			s.c.r.Owed = append(s.c.r.Owed, Finding{Index: g.used.index, Code: code, Text: printf("break-glass %s of %s is not reviewed; that is due at %s", id, g.used.body.Team, due.UTC().Format(time.RFC3339))})
		}
	}
	slices.SortFunc(s.c.r.Owed, func(a, b Finding) int { return cmp.Compare(a.Index, b.Index) })
}
