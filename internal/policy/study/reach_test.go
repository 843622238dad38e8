package study_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

func TestAgentsWithOneAnswerFromThePeopleStandTogether(t *testing.T) {
	ada, bob := writ.Person{Iss: "https://login.example", Sub: "ada"}, writ.Person{Iss: "https://login.example", Sub: "bob"}
	agent := func(name string, owner writ.Person, suspended bool) study.Agent {
		return study.Agent{Name: name, Principal: writ.Principal{Kind: writ.KindAgent, Iss: "https://issuer.example", Sub: name}, Team: "platform", Roles: []string{"repair"}, Suspended: suspended, Owner: owner}
	}
	all := []study.Agent{agent("one", ada, false), agent("two", ada, false), agent("three", bob, false), agent("four", ada, true)}
	ask := study.Ask{
		Service:   study.Service{Name: "checkout", Owner: "payments", Environment: "prod"},
		Playbooks: []study.Playbook{{Name: "rollback-deployment", Plane: "kubernetes", Tier: writ.T2, Operations: []string{"kubernetes/workload.rollback"}, Undo: true}},
		Agents:    func(study.Playbook) []study.Agent { return all },
		People: func(slot string, without writ.Person) (out []writ.Person) {
			for _, p := range []writ.Person{ada, bob} {
				if p != without {
					out = append(out, p)
				}
			}
			return out
		},
	}
	ways := study.Ways(defaults(t), ask, 1_800_000_000)
	if len(ways) != 3 {
		t.Fatalf("%+v", ways)
	}
	if w := ways[0]; w.Verdict != writ.Requires || len(w.Agents) != 2 || len(w.Approvers) != 1 || w.Approvers[0].Needed != 1 || len(w.Approvers[0].People) != 1 || w.Approvers[0].People[0] != bob {
		t.Errorf("who answers for an agent is among those who could agree: %+v", w)
	}
	if w := ways[1]; w.Agents[0] != "three" || w.Approvers[0].People[0] != ada {
		t.Errorf("%+v", w)
	}
	if w := ways[2]; w.Verdict != writ.Deny || w.Agents[0] != "four" || len(w.Approvers) != 0 || w.Reason != writ.ReasonLimit {
		t.Errorf("%+v", w)
	}
}
