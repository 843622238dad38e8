package main

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/policies"
)

type cedar struct {
	set *policy.Bundle
	ask policy.Request
}

func (c cedar) decide() bool { return c.set.Decide(c.ask).Allowed() }

func loadWrit(_ context.Context, n int) (engine, error) {
	src := map[string][]byte{}
	for _, name := range []string{"schema.cedarschema", "tiers.yaml"} {
		b, err := fs.ReadFile(policies.Default(), name)
		if err != nil {
			return nil, err
		}
		src[name] = b
	}
	common := `@reason("Why.")`
	add := func(folder, notes, effect, when string) {
		var w strings.Builder
		for i := range 5 {
			fmt.Fprintf(&w, "@id(\"%s/r%d\") %s %s %s (principal is Agent, action in Action::\"mutate\", resource is Service) when { %s };\n",
				folder, i, common, notes, effect, strings.ReplaceAll(when, "#", fmt.Sprint(i)))
		}
		src[folder+"/x.cedar"] = []byte(w.String())
	}
	add("grants", "", "permit", `context.tier >= 1 && context.tier <= # && principal.roles.contains(Role::"repair") && context.evidenceFresh`)
	add("limits", "", "forbid", `context has concurrent && context.concurrent > # || context.tier > 3 && resource.env == Env::"prod"`)
	add("requirements", `@discharge("approve") @approvals("1") @approvers("owner") @proof("tier")`, "forbid",
		`context.tier == # + 2 && (context.approvalsOwner < 1 || context.proof < context.tierProof)`)
	for i := range n - 15 {
		name := fmt.Sprintf("limits/s%d.cedar", i/500)
		src[name] = fmt.Appendf(src[name], "@id(\"limits/s%d\") %s forbid (principal, action in Action::\"mutate\", resource == Service::\"service-%d\") when { context.tier > 2 && context.now > 5 };\n", i, common, i)
	}
	b, err := policy.LoadSources(src, policy.Vocabulary{
		Planes: []string{"kubernetes"}, Operations: []writ.OperationName{"kubernetes/workload.rollback"},
		Playbooks: []policy.Playbook{{Name: "rollback-deployment", Plane: "kubernetes"}},
	})
	return cedar{b, policy.Request{
		Playbook: "rollback-deployment", Operations: []string{"kubernetes/workload.rollback"},
		Facts: policy.Facts{
			Principal: writ.Principal{Kind: writ.KindAgent, Iss: "https://issuer.example", Sub: "repair-agent"}, Registered: true, Team: "platform", Roles: []string{"repair"},
			Incident: "inc_01JZZZZZZZZZZZZZZZZZZZZZZZ", IncidentOpen: true, Severity: new(2), Service: "service-7", OwningTeam: "payments", Env: "prod",
			Tier: 1, Planes: []string{"kubernetes"}, Undo: true, Certified: true, Targets: new(1), Permille: new(250), Concurrent: new(0), PreviousRuns: new(0), Failures: new(0),
			Unsettled: new(0), SameFixRepeated: new(0), PlanesAfter: new(1), NewPlane: true, EvidenceCount: 2, EvidenceFresh: true, EvidenceAgeSeconds: new(40), Now: 1_800_000_000,
		},
	}}, err
}
