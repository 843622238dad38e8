package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// maxVersions bounds the versions of a playbook that are shown, the newest ones.
const maxVersions = 50

// Rows of store.Records about the library: which versions there were, and what is retired. Key of both is the playbook's name.
const (
	stateVersion = "version"
	stateRetired = "retired"

	versionPrefix = "version/"
	retiredPrefix = "retired/"
)

// shelve keeps each version of the library that is not kept yet, so that people can compare it with the next one.
func (c *Control) shelve(tx *store.Tx) error {
	for _, name := range slices.Sorted(maps.Keys(c.Library)) {
		p := c.Library[name]
		id := versionPrefix + name + "/" + p.Digest.String()
		if _, err := tx.Get(store.Records, id); err == nil {
			continue
		} else if !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		doc := writ.PlaybookVersion{PlaybookRef: p.Ref(), Since: c.now(), Source: string(p.Source)}
		if err := store.Create(tx, store.Records, store.Row{ID: id, State: stateVersion, Key: name}, doc); err != nil {
			return err
		}
	}
	return nil
}

// PlaybookVersions lists the versions of a playbook that this control plane has had, newest first; people only.
func (c *Control) PlaybookVersions(ctx context.Context, by writ.Principal, name string) (out []writ.PlaybookVersion, err error) {
	if err := person(by); err != nil {
		return nil, err
	}
	err = c.Store.View(ctx, func(tx *store.Tx) (err error) {
		out, _, err = find[writ.PlaybookVersion](tx, store.Records, store.Filter{Key: name, State: stateVersion, Newest: true, Limit: maxVersions})
		return err
	})
	if err == nil && (name == "" || len(out) == 0) {
		_, err = c.Library.Find(name)
	}
	slices.SortStableFunc(out, func(a, b writ.PlaybookVersion) int { return b.Version - a.Version })
	return out, err
}

// retired returns the retirement that holds for a playbook as it is in the library; nil for none.
func retired(tx *store.Tx, p Published) (*writ.Retirement, error) {
	r, _, err := store.Load[writ.Retirement](tx, store.Records, retiredPrefix+p.Playbook.Name)
	if errors.Is(err, writ.ErrNotFound) || err == nil && p.Playbook.Version > r.Version {
		return nil, nil
	}
	return &r, err
}

// offered refuses a playbook that was retired.
func offered(tx *store.Tx, p Published) error {
	r, err := retired(tx, p)
	if err != nil || r == nil {
		return err
	}
	return &writ.Refusal{
		Code: writ.ReasonUnknownPlaybook, Kind: writ.ErrDenied, Detail: fmt.Sprintf("playbook %s was retired up to version %d", p.Playbook.Name, r.Version),
		Hint: "ask for another one that list_playbooks gives, or writ playbook list; its owner may publish a higher version",
	}
}

// RetirePlaybook takes a playbook out of use, up to the version that the library has: it can be asked for no more, by agents and
// people, for break-glass too, and plans of it that wait are taken back in the same transaction. Runs that have a grant go on, and what
// ran can still be undone. A person of the team that owns the playbook may; whoever wants it stopped now freezes it.
func (c *Control) RetirePlaybook(ctx context.Context, by writ.Principal, name, reason string) (writ.PlaybookSummary, error) {
	s, err := c.retirePlaybook(ctx, by, name, reason)
	return s, c.deny(ctx, "playbook retire", by, "", err)
}

func (c *Control) retirePlaybook(ctx context.Context, by writ.Principal, name, reason string) (out writ.PlaybookSummary, err error) {
	if err := first(person(by), reasoned(reason)); err != nil {
		return out, err
	}
	p, err := c.Library.Find(name)
	if err != nil {
		return out, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		teams, err := c.teams(tx, by)
		if err != nil {
			return err
		}
		if !slices.Contains(teams, p.Playbook.Owner) {
			return &writ.Refusal{
				Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: fmt.Sprintf("only a person of team %s, which owns the playbook, may retire it", p.Playbook.Owner),
				Hint: "anybody may freeze it: writ freeze --playbook " + name,
			}
		}
		out = p.summary()
		if out.Retired, err = retired(tx, p); err != nil || out.Retired != nil {
			return err // it is already
		}
		r := writ.Retirement{Version: p.Playbook.Version, By: by, At: c.now(), Reason: reason}
		ended, err := c.takeBack(tx, p)
		if err != nil {
			return err
		}
		if _, err := c.append(tx, writ.EntryPlaybook, "", writ.PlaybookBody{Playbook: p.Ref(), Retired: true, By: by, Ended: ended}); err != nil {
			return err
		}
		out.Retired = &r
		id := retiredPrefix + name
		if row, err := tx.Get(store.Records, id); err == nil { // of a lower version
			return store.Save(tx, store.Records, row, row.State, r)
		} else if !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		return store.Create(tx, store.Records, store.Row{ID: id, State: stateRetired, Key: name}, r)
	})
	return out, err
}

// takeBack ends the plans of a retired playbook that have no grant. What puts a run back stays.
func (c *Control) takeBack(tx *store.Tx, p Published) (ended int, err error) {
	why := assignment.Refused{Code: writ.ReasonUnknownPlaybook, Detail: "its playbook was retired"}
	for _, s := range []writ.PlanState{writ.PlanPlanning, writ.PlanWaiting, writ.PlanReady} {
		err := each(tx, store.Plans, string(s), func(d planRow, row store.Row) error {
			if d.Proposal.Playbook.Name != p.Playbook.Name || d.Proposal.Reverts != "" {
				return nil
			}
			ended++
			return c.endPlan(tx, d, row, writ.PlanWithdrawn, why)
		})
		if err != nil {
			return ended, err
		}
	}
	return ended, nil
}
