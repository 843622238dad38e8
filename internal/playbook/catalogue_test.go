package playbook_test

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// catalogue is a small plane with one operation of each kind that lint tells apart.
func catalogue() []connector.Catalogue {
	name := connector.Parameter{Name: "name", Type: connector.TypeName, Title: "name"}
	return []connector.Catalogue{{
		Plane: "kubernetes",
		Operations: []connector.Operation{
			{
				Name: "kubernetes/workload.scale", Title: "Scale", Tier: writ.T1, Inverse: writ.InverseReplace, Rights: []string{"update"},
				Parameters: []connector.Parameter{
					name,
					{Name: "kind", Type: connector.TypeEnum, Title: "kind", Values: []string{"deployment", "statefulset"}},
					{Name: "replicas", Type: connector.TypeInteger, Title: "replicas", Min: 1, Max: 50},
					{Name: "cpu", Type: connector.TypeQuantity, Title: "cpu", Optional: true},
				},
			},
			{
				Name: "kubernetes/workload.purge", Title: "Purge", Tier: writ.T3, Inverse: writ.InverseNone, Rights: []string{"delete"},
				Parameters: []connector.Parameter{name},
			},
		},
		Readers: []connector.Reader{{
			Name: "kubernetes/workload.status", Title: "Status", Parameters: []connector.Parameter{name},
			Facts: []connector.Fact{
				{Name: "ready", Type: connector.TypeInteger, Title: "ready"},
				{Name: "complete", Type: connector.TypeBool, Title: "complete"},
				{Name: "phase", Type: connector.TypeEnum, Title: "phase"},
			},
		}},
	}}
}

const good = `v: 1
name: scale-out
version: 3
owner: platform
title: "Scale {name} to {replicas}"
class: capacity
tier: T1
plane: kubernetes
parameters:
  - {name: name, type: name, title: name of the workload}
  - {name: kind, type: enum, title: kind, values: [deployment], default: deployment}
  - {name: replicas, type: integer, title: replicas afterwards, min: 3, max: 20}
  - {name: cpu, type: quantity, title: CPU, optional: true}
evidence: [kubernetes/workload.status]
guards:
  - name: some
    reader: kubernetes/workload.status
    with: {name: $name}
    fact: ready
    op: at_most
    value: $replicas
steps:
  - operation: kubernetes/workload.scale
    with: {name: $name, kind: $kind, replicas: $replicas, cpu: $cpu}
verify:
  - name: all
    reader: kubernetes/workload.status
    with: {name: $name}
    fact: complete
    op: equals
    value: true
    within_seconds: 300
undo: inverse
limits: {max_objects: 1, max_permille: 500}
`
