package control

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// Freeze stops new grants and further steps for a scope at once; runs in flight stop at their next step boundary.
func (c *Control) Freeze(ctx context.Context, by writ.Principal, scope writ.FreezeScope, value, reason string) (writ.Freeze, error) {
	if err := person(by); err != nil {
		return writ.Freeze{}, c.deny(ctx, "freeze", by, "", err)
	}
	scopes := []writ.FreezeScope{writ.FreezeAll, writ.FreezeAgent, writ.FreezeService, writ.FreezePlaybook, writ.FreezeTarget}
	bad := func(detail string) (writ.Freeze, error) {
		return writ.Freeze{}, &writ.Refusal{Code: writ.ReasonForm, Detail: detail, Kind: writ.ErrInvalid}
	}
	switch {
	case !slices.Contains(scopes, scope):
		return bad("scope must be one of " + join(scopes))
	case (scope == writ.FreezeAll) != (value == ""):
		return bad("value names what is frozen, except for scope all, which has none")
	case len(value) > 300:
		return bad("value is longer than 300 bytes")
	case reason == "" || utf8.RuneCountInString(reason) > maxBecause:
		return bad(fmt.Sprintf("reason must have 1 to %d characters", maxBecause))
	}
	named := value
	value, err := c.frozenValue(ctx, scope, value)
	if err != nil {
		return writ.Freeze{}, err
	}
	if named == value {
		named = ""
	}
	id, err := newID[writ.FreezeID](c, "frz")
	if err != nil {
		return writ.Freeze{}, err
	}
	f := writ.Freeze{ID: id, Scope: scope, Value: value, Named: named, Reason: reason, By: by, At: c.now()}
	return f, c.Store.Update(ctx, func(tx *store.Tx) error {
		if _, err := c.append(tx, writ.EntryFreeze, "", writ.FreezeBody{Freeze: id, Scope: scope, Value: value, On: true}); err != nil {
			return err
		}
		if err := store.Create(tx, store.Freezes, store.Row{ID: string(id), State: stateOn}, f); err != nil {
			return err
		}
		if err := c.tellFreeze(tx, f, by, true); err != nil {
			return err
		}
		return turnEpoch(tx)
	})
}

// Unfreeze lifts a freeze and returns it.
func (c *Control) Unfreeze(ctx context.Context, by writ.Principal, id writ.FreezeID, reason string) (writ.Freeze, error) {
	if err := person(by); err != nil {
		return writ.Freeze{}, c.deny(ctx, "unfreeze", by, "", err)
	}
	if reason == "" || utf8.RuneCountInString(reason) > maxBecause {
		return writ.Freeze{}, &writ.Refusal{Code: writ.ReasonForm, Detail: fmt.Sprintf("reason must have 1 to %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	var f writ.Freeze
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		var row store.Row
		var err error
		f, row, err = store.Load[writ.Freeze](tx, store.Freezes, string(id))
		if err == nil && row.State == stateEpoch {
			err = writ.ErrNotFound
		}
		if err != nil {
			return notFound(err, "freeze", string(id))
		}
		if row.State == stateOff {
			return nil
		}
		row.State = stateOff
		if _, err := c.append(tx, writ.EntryFreeze, "", writ.FreezeBody{Freeze: id, Scope: f.Scope, Value: f.Value}); err != nil {
			return err
		}
		if err := store.Save(tx, store.Freezes, row, stateOn, f); err != nil {
			return err
		}
		if err := c.tellFreeze(tx, f, by, false); err != nil {
			return err
		}
		return turnEpoch(tx)
	})
	return f, err
}

// Freezes lists what is frozen now.
func (c *Control) Freezes(ctx context.Context, by writ.Principal) ([]writ.Freeze, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	var out []writ.Freeze
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		out, err = freezes(tx)
		return err
	})
	return out, err
}

func freezes(tx *store.Tx) ([]writ.Freeze, error) {
	out, _, err := find[writ.Freeze](tx, store.Freezes, store.Filter{State: stateOn})
	return out, err
}

// frozen reports whether a freeze covers the plan.
func frozen(tx *store.Tx, plan writ.Plan) (bool, error) {
	all, err := freezes(tx)
	if err != nil {
		return true, err
	}
	return slices.ContainsFunc(all, func(f writ.Freeze) bool {
		return assignment.Freeze{Scope: f.Scope, Value: f.Value}.Covers(plan)
	}), nil
}
