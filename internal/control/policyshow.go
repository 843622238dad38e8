package control

import (
	"context"
	"fmt"
	"strconv"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
	"github.com/writ-dev/writ/internal/store"
)

// PolicyChange returns one change with its exact bytes and the answers so far; people only.
func (c *Control) PolicyChange(ctx context.Context, by writ.Principal, id writ.PolicyChangeID) (out writ.PolicyChangeStatus, err error) {
	if err := person(by); err != nil {
		return out, err
	}
	var r changeRow
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		var row store.Row
		if r, row, err = store.Load[changeRow](tx, store.PolicyChanges, string(id)); err != nil {
			return unknownChange(err, id)
		}
		out, err = showChange(r, row)
		return err
	})
	if err == nil {
		out.Because, err = c.text(ctx, r.Because)
	}
	return out, err
}

// PolicyChanges lists them, newest first, in one state or in all; people only. The proposers' words are left out.
func (c *Control) PolicyChanges(ctx context.Context, by writ.Principal, state writ.PolicyChangeState, limit int, cursor string) (all []writ.PolicyChangeStatus, next string, err error) {
	if err := person(by); err != nil {
		return nil, "", err
	}
	page, err := pageOf(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	page.State = string(state)
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		all = nil
		found, rows, more, err := list(tx, store.PolicyChanges, page, func(changeRow) bool { return true })
		next = more
		for i, r := range found {
			s, serr := showChange(r, rows[i])
			all, err = append(all, s), first(err, serr)
		}
		return err
	})
	return all, next, err
}

func showChange(r changeRow, row store.Row) (writ.PolicyChangeStatus, error) {
	change, digest, err := writ.ParsePolicyChange(r.Bytes)
	out := writ.PolicyChangeStatus{
		ID: r.ID, State: writ.PolicyChangeState(row.State), Reason: r.Reason, Detail: r.Detail, Digest: digest, Bytes: r.Bytes, Change: change, Ended: r.Ended,
	}
	for _, a := range r.Answers {
		out.Answers = append(out.Answers, writ.PolicyAnswer{Approver: a.Person, Answer: a.Answer, Proof: a.Approval.Proof, Key: a.Approval.Key, At: a.Approval.At})
	}
	return out, err
}

// PolicySet returns a set with its files, for people: by the version under which it was in force, by the id of the change
// that proposes it, or the one in force for "current".
func (c *Control) PolicySet(ctx context.Context, by writ.Principal, name string) (out writ.PolicySet, err error) {
	if err := first(person(by), c.governed()); err != nil {
		return out, err
	}
	if id, err := writ.ParsePolicyChangeID(name); err == nil {
		return c.proposedSet(ctx, id)
	}
	version := int64(0)
	if name != currentSet {
		if version, err = strconv.ParseInt(name, 10, 64); err != nil || version < 1 {
			return out, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "a policy set is named by its version, by the id of a change, or current", Hint: "writ policy changes"}
		}
	}
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		now, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
		if err != nil {
			return err
		}
		if version == 0 {
			version = now.Version
		}
		files, _, err := find[writ.PolicyFiles](tx, store.PolicyFiles, store.Filter{Key: versionKey(version)})
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return &writ.Refusal{Code: "not_found", Kind: writ.ErrNotFound, Detail: fmt.Sprintf("version %d was never in force here, or before its files were kept", version), Hint: "writ policy changes --state in_force"}
		}
		out = writ.PolicySet{PolicyName: writ.PolicyName{Version: version}, PolicyFiles: files[0]}
		if version == now.Version {
			out.PolicyName, out.Change, out.Since = now.name(), now.Change, now.Since
			return nil
		}
		set, err := c.PolicyGate.Load(files[0])
		if err == nil {
			out.Manifest, out.Policy = set.Manifest, set.Bundle.Digest()
		}
		return nil // an old set need not load any more to be read
	})
}

// currentSet names the set in force.
const currentSet = "current"

// proposedSet returns the files that a change proposes.
func (c *Control) proposedSet(ctx context.Context, id writ.PolicyChangeID) (out writ.PolicySet, err error) {
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		r, _, err := store.Load[changeRow](tx, store.PolicyChanges, string(id))
		if err != nil {
			return unknownChange(err, id)
		}
		change, _, err := writ.ParsePolicyChange(r.Bytes)
		if err != nil {
			return err
		}
		files, _, err := store.Load[writ.PolicyFiles](tx, store.PolicyFiles, string(id))
		out = writ.PolicySet{PolicyName: change.Next, PolicyFiles: files, Change: id}
		return err
	})
}

// SimulatePolicy decides the recorded decisions among the ledger's newest entries again under a set, which need not be
// signed. That it was done, by whom and with what outcome, is an entry of the ledger before anybody sees it.
func (c *Control) SimulatePolicy(ctx context.Context, by writ.Principal, files writ.PolicyFiles) (out study.Simulation, err error) {
	if err := person(by); err != nil {
		return out, c.deny(ctx, "policy simulate", by, "", err)
	}
	if c.TryPolicy == nil {
		return out, c.governed()
	}
	next, err := c.TryPolicy(files.Files)
	if err != nil {
		return out, c.deny(ctx, "policy simulate", by, "", &writ.Refusal{Code: writ.ReasonPolicySet, Kind: writ.ErrInvalid, Detail: writ.Printable(err.Error(), 400), Hint: "writ policy test --set <dir> -c writ.yaml"})
	}
	_, entries, records, err := c.recorded(ctx)
	if err != nil {
		return out, err
	}
	out = study.Simulate(next, records, simulateWorkers)
	sum := summed(out, entries)
	return out, c.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := c.append(tx, writ.EntrySimulation, "", writ.SimulationBody{By: by, Policy: next.Digest(), Decisions: sum.Decisions, Counts: sum.Counts, Entries: entries})
		return err
	})
}
