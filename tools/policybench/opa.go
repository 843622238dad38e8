package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/rego"
)

// input is what OPA and CEL see: the facts that the rules read, and as many that they do not.
func input() map[string]any {
	return map[string]any{
		"principal": map[string]any{"kind": "Agent", "roles": []any{"repair"}, "suspended": false},
		"resource":  map[string]any{"name": "service-7", "env": "prod", "owner": "payments", "stateful": false},
		"context": map[string]any{
			"tier": 1, "tierProof": 2, "evidenceFresh": true, "evidenceCount": 2, "concurrent": 0, "approvalsOwner": 0, "approvalsOncall": 0, "proof": 0,
			"now": 1_800_000_000, "undo": true, "certified": true, "targets": 1, "permille": 250, "incidentOpen": true, "severity": 2, "tainted": false,
		},
	}
}

type opa struct {
	query rego.PreparedEvalQuery
	in    map[string]any
}

func (o opa) decide() bool {
	r, err := o.query.Eval(context.Background(), rego.EvalInput(o.in))
	return err == nil && r.Allowed()
}

func loadOPA(ctx context.Context, n int) (engine, error) {
	var w strings.Builder
	w.WriteString("package writ\n\ndefault allow := false\n\nallow if {\n\tcount(grants) > 0\n\tcount(denials) == 0\n}\n")
	for i := range 5 {
		fmt.Fprintf(&w, "grants contains \"g%[1]d\" if {\n\tinput.context.tier >= 1\n\tinput.context.tier <= %[1]d\n\t\"repair\" in input.principal.roles\n\tinput.context.evidenceFresh\n}\n", i)
		fmt.Fprintf(&w, "denials contains \"l%[1]d\" if input.context.concurrent > %[1]d\n", i)
		fmt.Fprintf(&w, "denials contains \"l%[1]d\" if {\n\tinput.context.tier > 3\n\tinput.resource.env == \"prod\"\n}\n", i)
		fmt.Fprintf(&w, "denials contains \"q%[1]d\" if {\n\tinput.context.tier == %[2]d\n\tinput.context.approvalsOwner < 1\n}\n", i, i+2)
		fmt.Fprintf(&w, "denials contains \"q%[1]d\" if {\n\tinput.context.tier == %[2]d\n\tinput.context.proof < input.context.tierProof\n}\n", i, i+2)
	}
	for i := range n - 15 {
		fmt.Fprintf(&w, "denials contains \"s%[1]d\" if {\n\tinput.resource.name == \"service-%[1]d\"\n\tinput.context.tier > 2\n\tinput.context.now > 5\n}\n", i)
	}
	q, err := rego.New(rego.Query("data.writ.allow"), rego.Module("writ.rego", w.String()), rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
	return opa{q, input()}, err
}
