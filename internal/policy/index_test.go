package policy_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// Pitfall 15: the index leaves out only what cannot match. Also with nested groups, sets of actions, teams, and rules
// that name nothing.
func TestIndexedAndLinearEvaluationAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	actions := []string{
		`action`, `action in Action::"mutate"`, `action in Action::"kubernetes"`, `action == Action::"kubernetes/workload.restart"`,
		`action in [Action::"httpapi", Action::"playbook/cordon-node"]`, `action in [Action::"mutate", Action::"kubernetes"]`, `action in Action::"observe"`,
		`action == Action::"playbook/rollback-deployment"`,
	}
	resources := []string{
		`resource is Service`, `resource == Service::"s1"`, `resource == Service::"checkout"`, `resource is Service in Team::"t1"`,
		`resource is Service in Team::"payments"`, `resource`, `resource in Team::"t2"`, `resource in Service::"s2"`,
	}
	verdicts := map[writ.Verdict]int{}
	for range 40 {
		files := map[string]string{}
		for _, folder := range []string{"grants", "limits", "requirements"} {
			var w strings.Builder
			for i := range 6 {
				a, res := actions[r.IntN(len(actions))], resources[r.IntN(len(resources))]
				effect, notes := "forbid", ""
				switch folder {
				case "grants":
					effect, a, res = "permit", actions[1+r.IntN(len(actions)-1)], resources[r.IntN(5)]
				case "requirements":
					notes = approve
				}
				condition := fmt.Sprintf("context.tier == %d", r.IntN(5))
				switch folder {
				case "grants":
					condition = fmt.Sprintf("context.tier != %d", r.IntN(5))
				case "requirements":
					condition += " && context.approvalsOwner < 1"
				case "limits":
					condition += " && context.proof > 2"
				}
				fmt.Fprintf(&w, "@id(\"%s/r%d\") %s %s %s (principal, %s, %s) when { %s };\n", folder, i, head, notes, effect, a, res, condition)
			}
			files[folder+"/x.cedar"] = w.String()
		}
		b, err := policy.LoadSources(only(t, files), vocabulary())
		if err != nil {
			t.Fatalf("%v\n%v", err, files)
		}
		for _, q := range randomRequests(r, 500) {
			indexed, linear := b.Decide(q), policy.DecideLinear(b, q)
			if !reflect.DeepEqual(linear, indexed) {
				t.Fatal(cmp.Diff(linear, indexed, cmpDigest))
			}
			verdicts[indexed.Verdict]++
		}
	}
	if verdicts[writ.Allow] < 1000 || verdicts[writ.Requires] < 500 || verdicts[writ.Deny] < 1000 {
		t.Errorf("too few of a kind: %v", verdicts)
	}
}
