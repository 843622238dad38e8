package policy_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
)

var update = flag.Bool("update", false, "rewrite testdata")

// A review of a policy change reads as a diff of this table: every tier, environment, asker and severity once, for a
// stateful service where nothing else is unusual.
func TestTheMatrixOfTheDefaultPolicies(t *testing.T) {
	b := defaultBundle(t)
	var w strings.Builder
	for tier := range 5 {
		for _, env := range []string{"dev", "staging", "prod"} {
			for _, who := range []string{"nobody", "diagnose", "repair", "both", "owner", "oncall", "stranger"} {
				for severity := range 5 {
					q := at(tier)
					f := &q.Facts
					f.Env, f.Stateful = env, true
					f.Severity = nil
					if severity > 0 {
						f.Severity = &severity
					}
					switch who {
					case "nobody":
						f.Roles = nil
					case "diagnose", "repair":
						f.Roles = []string{who}
					case "both":
						f.Roles = []string{"diagnose", "repair"}
					default:
						f.Principal, f.Roles, f.Oncall = writ.Principal{Kind: writ.KindHuman, Iss: "https://login.example", Sub: "grace"}, nil, who == "oncall"
						f.Team = map[bool]string{true: "payments", false: "search"}[who == "owner"]
					}
					if tier == 0 {
						q.Playbook, q.Operations = "", []string{"evidence.read"}
					}
					d := b.Decide(q)
					fmt.Fprintf(&w, "T%d %-7s %-8s sev%d  %s %s", tier, env, who, severity, d.Verdict, d.Reason)
					for _, g := range slices.Sorted(maps.Keys(d.Requirements.Approvals)) {
						fmt.Fprintf(&w, " %s=%d", g, d.Requirements.Approvals[g])
					}
					fmt.Fprintf(&w, " %s %s\n", d.Requirements.Proof, strings.Join(d.Policies, " "))
				}
			}
		}
	}
	const golden = "testdata/matrix.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(w.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(w.String(), "\n")); d != "" {
		t.Errorf("run with -update and review the difference:\n%s", d)
	}
}
