package verify

import "github.com/writ-dev/writ"

// settled follows a person's word on what a step of an uncertain run did: it comes after the run's end, about a step that
// was begun, from a human, and once.
func (s *chain) settled(index int64, b writ.SettleBody) {
	s.commits[b.Reason] = true
	g := s.runs[b.Run]
	lost := g != nil && g.plan != nil && g.plan.lost // then the control plane has ended it, and its runner may have said more later
	switch {
	case g == nil:
		s.absent(index, "no_grant", "entry %d settles the run %s, which no earlier grant allows", index, writ.Printable(string(b.Run), 40))
		return
	case b.By.Kind != writ.KindHuman:
		s.wrong(index, "settle", "entry %d settles run %s in the name of %s, who is no person", index, b.Run, b.By)
	case g.run == nil && !lost:
		s.absent(index, "settle", "entry %d settles run %s, whose end no earlier entry tells", index, b.Run)
	case !lost && g.run.body.State != writ.RunUncertain || b.Plan != g.body.Plan || b.As != writ.Applied && b.As != writ.NotApplied:
		s.wrong(index, "settle", "entry %d settles run %s, which did not end uncertain or is of another plan", index, b.Run)
	case g.intents[b.Step] == nil:
		s.absent(index, "no_intent", "entry %d settles the step %s, which was never begun", index, writ.Printable(b.Step, 60))
	}
	if _, twice := g.settled[b.Step]; twice {
		s.wrong(index, "settle", "step %s is settled twice", writ.Printable(b.Step, 60))
		return
	}
	if g.settled == nil {
		g.settled = map[string]writ.SettleBody{}
	}
	g.settled[b.Step] = b
}
