package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/store"
)

// delegations are those of a group that are in force, in order.
func (c *Control) delegations(tx *store.Tx, group string) ([]writ.Delegation, []store.Row, error) {
	all, rows, err := find[writ.Delegation](tx, store.Delegations, store.Filter{Key: group, State: stateOn})
	if err != nil {
		return nil, nil, err
	}
	now := c.now()
	var out []writ.Delegation
	var of []store.Row
	for i, d := range all {
		if now.Before(d.Until) && !now.Before(d.At.Add(-maxBack)) { // the sweep that forgets it may come later
			out, of = append(out, d), append(of, rows[i])
		}
	}
	return out, of, nil
}

// maxBack is how far the clock may have been set back and a delegation still hold.
const maxBack = writ.MaxDelegation

// Delegate hands the caller's own turn to another member of the group until a time. It refuses whoever holds no turn of
// their own, and a recipient who is no member of the group, is on call already, asked for a plan that waits for the group,
// or owns the agent that did. A turn that was handed over is not handed on.
func (c *Control) Delegate(ctx context.Context, by writ.Principal, ask writ.DelegationAsk) (writ.Delegation, error) {
	var out writ.Delegation
	err := person(by)
	if err == nil {
		err = c.Store.Update(ctx, func(tx *store.Tx) (err error) {
			out, err = c.delegate(tx, by, ask)
			return err
		})
	}
	if err != nil {
		return writ.Delegation{}, c.deny(ctx, "delegate", by, "", err)
	}
	return out, nil
}

func (c *Control) delegate(tx *store.Tx, by writ.Principal, ask writ.DelegationAsk) (writ.Delegation, error) {
	no := func(code writ.Reason, hint, format string, args ...any) (writ.Delegation, error) {
		return writ.Delegation{}, &writ.Refusal{Code: code, Detail: fmt.Sprintf(format, args...), Hint: hint}
	}
	group := writ.Printable(ask.Group, 60)
	o := c.onCallOf(ask.Group)
	if o == nil {
		return no(writ.ReasonNotOnCall, "writ oncall show lists the groups", "group: %s has no on-call source, so there is no turn to hand over: each of its members may answer", group)
	}
	now := c.now()
	if d := ask.Until.Sub(now); d < writ.MinDelegation || d > writ.MaxDelegation {
		return no(writ.ReasonDelegation, "--for 4h", "until: a turn is handed over for %s to %s", writ.MinDelegation, writ.MaxDelegation)
	}
	roster, err := c.mapped(tx)
	if err != nil {
		return writ.Delegation{}, err
	}
	of := members(roster, ask.Group)
	whose := func(p writ.Person) int {
		return slices.IndexFunc(of, func(m approval.Member) bool { return m.Person() == p || slices.Contains(m.Accounts, p) })
	}
	own, err := c.turns(tx, *o, of)
	if err != nil {
		return writ.Delegation{}, err
	}
	onCall := func(p writ.Person) bool {
		return slices.ContainsFunc(own.Turns, func(t writ.Turn) bool { return t.Person == p })
	}
	given, _, err := c.delegations(tx, ask.Group)
	if err != nil {
		return writ.Delegation{}, err
	}
	from, to := whose(writ.Person{Iss: by.Iss, Sub: by.Sub}), whose(ask.To)
	if from < 0 || !onCall(of[from].Person()) {
		if from >= 0 && slices.ContainsFunc(given, func(d writ.Delegation) bool { return d.To == of[from].Person() }) {
			return no(writ.ReasonDelegation, "writ oncall return "+group, "a turn that was handed to you is not handed on; give it back")
		}
		return no(writ.ReasonNotOnCall, "writ oncall show "+group, "you are not on call for %s now", group)
	}
	if to < 0 {
		return no(writ.ReasonDelegation, "writ oncall show lists the groups", "to: only a person of the roster who is of %s takes its turn", group)
	}
	giver, taker := of[from].Person(), of[to].Person()
	if _, agent, err := c.registered(tx, writ.Principal{Kind: writ.KindAgent, Iss: ask.To.Iss, Sub: ask.To.Sub}); err != nil {
		return writ.Delegation{}, err
	} else if agent {
		return no(writ.ReasonDelegation, "", "to: that is an agent's identity; only people are on call")
	}
	for _, d := range given {
		switch {
		case d.From == giver:
			return no(writ.ReasonDelegation, "writ oncall return "+string(d.ID), "you have handed this turn over already, to %s", writ.Printable(d.To.Sub, 60))
		case d.From == taker || d.To == taker || d.To == giver: // no chains
			return no(writ.ReasonDelegation, "writ oncall show "+group, "to: a turn of theirs or yours was handed over already, and turns are not handed on")
		}
	}
	if giver == taker || onCall(taker) {
		return no(writ.ReasonDelegation, "writ oncall show "+group, "to: they are on call for %s already", group)
	}
	if err := c.apartFrom(tx, ask.Group, ask.To, roster); err != nil {
		return writ.Delegation{}, err
	}
	id, err := newID[writ.DelegationID](c, "dlg")
	if err != nil {
		return writ.Delegation{}, err
	}
	d := writ.Delegation{ID: id, Group: ask.Group, From: giver, To: taker, At: now, Until: writ.Instant(ask.Until)}
	if err := c.delegated(tx, d, true, by); err != nil {
		return writ.Delegation{}, err
	}
	return d, store.Create(tx, store.Delegations, store.Row{ID: string(id), Key: d.Group, State: stateOn, Due: millis(d.Until.Add(keepDelegation))}, d)
}

// keepDelegation is how long a delegation that is over is kept for the pages.
const keepDelegation = 30 * 24 * time.Hour

func (c *Control) delegated(tx *store.Tx, d writ.Delegation, on bool, by writ.Principal) error {
	_, err := c.append(tx, writ.EntryDelegation, "", writ.DelegationBody{Delegation: d.ID, Group: d.Group, From: d.From, To: d.To, Until: d.Until, On: on, By: by})
	return err
}

// apartFrom refuses a recipient who asked for a plan that waits for the group now, or owns an agent that did or passed its incident on: they could
// not answer it, and nobody would be left who can (invariant I02).
func (c *Control) apartFrom(tx *store.Tx, group string, to writ.Person, roster approval.Roster) error {
	waiting, _, err := find[planRow](tx, store.Plans, store.Filter{State: string(writ.PlanWaiting)})
	if err != nil {
		return err
	}
	for _, p := range waiting {
		if Slots(p.Owner)["oncall"] != group {
			continue
		}
		plan, digest, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return err
		}
		q, err := c.question(tx, p, plan, digest, p.tier(plan))
		if err != nil {
			return err
		}
		q.Roster, q.Slots = roster, map[string]string{"oncall": group}
		if err := q.Admits(to.Principal()); writ.ReasonOf(err) == writ.ReasonApproverConflict {
			return &writ.Refusal{Code: writ.ReasonDelegation, Detail: fmt.Sprintf("to: plan %s waits for this group, and they could not answer it: they asked for it, or own an agent that did", p.ID), Hint: "hand it to another member of the group"}
		}
	}
	return nil
}

// EndDelegation gives a turn back before its time: who gave it may, and who got it.
func (c *Control) EndDelegation(ctx context.Context, by writ.Principal, id writ.DelegationID) (writ.Delegation, error) {
	var out writ.Delegation
	err := person(by)
	if err == nil {
		err = c.Store.Update(ctx, func(tx *store.Tx) error {
			d, row, err := store.Load[writ.Delegation](tx, store.Delegations, string(id))
			if err == nil && (row.State != stateOn || !c.now().Before(d.Until)) {
				err = writ.ErrNotFound
			}
			if errors.Is(err, writ.ErrNotFound) {
				return &writ.Refusal{Code: writ.ReasonUnknownDelegation, Kind: writ.ErrNotFound, Detail: "there is no such delegation in force", Hint: "writ oncall show"}
			}
			if err != nil {
				return err
			}
			i, known := c.member(writ.Person{Iss: by.Iss, Sub: by.Sub})
			if !known || c.Roster[i].Person() != d.From && c.Roster[i].Person() != d.To {
				return &writ.Refusal{Code: writ.ReasonNotYours, Detail: "a turn is given back by who handed it over or by who got it"}
			}
			at := c.now()
			d.Ended, d.By = &at, &by
			if err := c.delegated(tx, d, false, by); err != nil {
				return err
			}
			out = d
			row.State = stateOff
			return store.Save(tx, store.Delegations, row, stateOn, d)
		})
	}
	if err != nil {
		return writ.Delegation{}, c.deny(ctx, "return", by, "", err)
	}
	return out, nil
}

func delegationSentence(b writ.DelegationBody) string {
	if !b.On {
		return fmt.Sprintf("%s gave the turn of %s for %s back", name(b.By), writ.Printable(b.From.Sub, 60), writ.Printable(b.Group, 60))
	}
	return fmt.Sprintf("%s handed their turn for %s to %s until %s", writ.Printable(b.From.Sub, 60), writ.Printable(b.Group, 60), writ.Printable(b.To.Sub, 60), b.Until.Format("2006-01-02 15:04Z"))
}

func recallSentence(b writ.RecallBody) string {
	if b.Run != "" {
		return fmt.Sprintf("%s took their approval back before the run began; it will not", writ.Printable(b.Approver.Sub, 60))
	}
	return fmt.Sprintf("%s took their approval back; it does not count", writ.Printable(b.Approver.Sub, 60))
}
