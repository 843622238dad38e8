package verify

import (
	"slices"

	"github.com/writ-dev/writ"
)

// recall takes an approval back: from here on no grant counts it, and a run that was granted on it begins no step.
func (s *chain) recall(index int64, b writ.RecallBody) {
	p := s.known(index, "recall", b.Plan, b.PlanDigest)
	if p == nil {
		return
	}
	v := p.approvals[b.Digest]
	switch {
	case v == nil:
		s.absent(index, "recall", "entry %d takes back an approval of plan %s that no earlier entry holds in a form that verifies", index, b.Plan)
	case v.Person != b.Approver:
		s.wrong(index, "recall", "entry %d takes back the approval of %s in the name of %s", index, writ.Printable(v.Person.Sub, 80), writ.Printable(b.Approver.Sub, 80))
		return
	}
	p.recalled[b.Digest] = index
	if g := p.grant; g != nil && slices.Contains(g.body.Approvals, b.Digest) {
		if len(g.intents) > 0 {
			s.wrong(index, "recall_late", "entry %d takes back an approval after run %s had begun", index, g.body.Run)
		}
		g.recall = index
	}
}
