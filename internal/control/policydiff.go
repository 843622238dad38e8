package control

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
	"github.com/writ-dev/writ/internal/store"
)

// changedFiles lists the files that differ, by path.
func changedFiles(was, is map[string][]byte) []writ.PolicyFile {
	out := []writ.PolicyFile{}
	for _, path := range slices.Compact(slices.Sorted(both(maps.Keys(was), maps.Keys(is)))) {
		a, old := was[path]
		b, new := is[path]
		f := writ.PolicyFile{Path: path, Edit: writ.PolicyChanged}
		if old {
			f.Was = writ.DigestOf(a)
		} else {
			f.Edit = writ.PolicyAdded
		}
		if new {
			f.Is = writ.DigestOf(b)
		} else {
			f.Edit = writ.PolicyRemoved
		}
		if !old || !new || !bytes.Equal(a, b) {
			out = append(out, f)
		}
	}
	return out
}

// both yields the values of two sequences.
func both(a, b func(func(string) bool)) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, seq := range []func(func(string) bool){a, b} {
			for s := range seq {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// changedRules lists the rules that differ, and the playbooks that are observed only in one of the sets.
func changedRules(before, after *policy.Bundle) []writ.PolicyRule {
	was, is := texts(before), texts(after)
	out := []writ.PolicyRule{}
	for _, id := range slices.Compact(slices.Sorted(both(maps.Keys(was), maps.Keys(is)))) {
		a, old := was[id]
		b, new := is[id]
		switch {
		case !old:
			out = append(out, writ.PolicyRule{ID: id, Edit: writ.PolicyAdded})
		case !new:
			out = append(out, writ.PolicyRule{ID: id, Edit: writ.PolicyRemoved})
		case a != b:
			out = append(out, writ.PolicyRule{ID: id, Edit: writ.PolicyChanged})
		}
	}
	return out
}

// texts are the rules of a set as far as they decide, and what is only observed, by id.
func texts(b *policy.Bundle) map[string]string {
	out := map[string]string{}
	for _, r := range b.Rules() {
		out[r.ID] = fmt.Sprintf("%s\n%s", r.Reason, r.Text)
	}
	for _, name := range b.Observed() {
		out["observe/"+name] = name
	}
	return out
}

// searched looks for requests that two sets decide differently.
func searched(before, after *policy.Bundle) (writ.PolicySearch, error) {
	d, err := study.Diff(before, after, changeSearch)
	if err != nil {
		return writ.PolicySearch{}, err
	}
	out := writ.PolicySearch{Tried: d.Tried}
	for _, x := range d.Found {
		if len(out.Found) == writ.MaxPolicyRows {
			out.Left++
			continue
		}
		out.Found = append(out.Found, writ.PolicyDiffered{Kind: string(x.Kind), Wider: x.Kind.Wider(), Count: x.Count, Rules: x.Rules, Before: x.Before, After: x.After})
	}
	return out, nil
}

// summed is a simulation as a change and the ledger have it.
func summed(s study.Simulation, entries int64) writ.PolicySimulation {
	out := writ.PolicySimulation{Decisions: s.Records, Skipped: s.Skipped, Wider: s.Wider(), Entries: entries, Counts: map[string]int{}, Left: s.RowsLeft}
	for k, n := range s.Counts {
		out.Counts[string(k)] = n
	}
	for _, r := range s.Rows {
		if len(out.Rows) == writ.MaxPolicyRows {
			out.Left++
			continue
		}
		out.Rows = append(out.Rows, writ.PolicyReplays{Kind: string(r.Kind), Decision: r.Decision, Playbook: r.Playbook, Service: r.Service, Before: r.Before, After: r.After})
	}
	return out
}

// restores returns the newest version that was in force with the same files, or 0.
func restores(tx *store.Tx, files writ.PolicyFiles) (int64, error) {
	row, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
	if err != nil {
		return 0, err
	}
	for v := row.Version - 1; v > max(0, row.Version-1-maxLookedBack); v-- {
		old, _, err := find[writ.PolicyFiles](tx, store.PolicyFiles, store.Filter{Key: versionKey(v)})
		if err != nil {
			return 0, err
		}
		if len(old) > 0 && maps.EqualFunc(old[0].Files, files.Files, bytes.Equal) {
			return v, nil
		}
	}
	return 0, nil
}

// maxLookedBack is how many versions are looked at for the files that a change puts back.
const maxLookedBack = 50
