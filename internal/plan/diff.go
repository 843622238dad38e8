package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
)

// Differences lists in what two plans differ that people look at first: who asked, the parameters, tier, playbook, radius
// and undo. Ids, digests and times are not among them, since they always differ. Values are printable. Both were made.
// The tier is the one in force.
func Differences(was, is writ.PlanStatus) (out []writ.Change) {
	add, then, now := adder(&out), was.Plan, is.Plan
	add("asked by", then.Requester.String(), now.Requester.String())
	for _, k := range keys(then.Parameters, now.Parameters) {
		add(k, value(then.Parameters, k), value(now.Parameters, k))
	}
	add("tier", was.Tier().String(), is.Tier().String())
	add("playbook version", number(then.Playbook.Version), number(now.Playbook.Version))
	add("objects", number(then.Blast.Objects), number(now.Blast.Objects))
	add("replicas", number(then.Blast.Replicas), number(now.Blast.Replicas))
	add("down at once, in ‰", number(then.Blast.Permille), number(now.Blast.Permille))
	add("steps", number(len(then.Steps)), number(len(now.Steps)))
	add("undo", string(then.Undo), string(now.Undo))
	return out
}

// StepDifferences lists in what the steps of two plans differ, one after the other: the object, what is done to it, and each
// field of the change. A field that both leave as it was stands in neither.
func StepDifferences(then, now writ.Plan) (out []writ.Change) {
	add := adder(&out)
	for i := range max(len(then.Steps), len(now.Steps)) {
		a, b := stepAt(then, i), stepAt(now, i)
		name := fmt.Sprintf("step %d", i+1)
		add(name, a.Title, b.Title)
		add(name+", the object", string(a.Object.Location), string(b.Object.Location))
		before, after := fields(a), fields(b)
		for _, path := range keys(before, after) {
			add(name+", "+path+" from", before[path].Before, after[path].Before)
			add(name+", "+path+" to", before[path].After, after[path].After)
		}
	}
	return out
}

func adder(out *[]writ.Change) func(what, before, after string) {
	return func(what, before, after string) {
		if before != after {
			*out = append(*out, writ.Change{Path: short(what), Before: long(before), After: long(after)})
		}
	}
}

func stepAt(p writ.Plan, i int) writ.Step {
	if i < len(p.Steps) {
		return p.Steps[i]
	}
	return writ.Step{}
}

func fields(s writ.Step) map[string]writ.Change {
	out := map[string]writ.Change{}
	for _, c := range s.Diff {
		out[c.Path] = c
	}
	return out
}

// keys are those of both maps, sorted.
func keys[M ~map[string]V, V any](a, b M) []string {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func value(p writ.Parameters, k string) string {
	if v, ok := p[k]; ok {
		return v.String()
	}
	return ""
}
