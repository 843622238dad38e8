package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/store"
)

// RunnerKeys lists the keys and open invitations of the runners that the configuration names; people only.
func (c *Control) RunnerKeys(ctx context.Context, by writ.Principal) ([]writ.RunnerKey, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	var ids []writ.RunnerID
	for id := range c.Runners {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var out []writ.RunnerKey
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		out = nil
		for _, id := range ids {
			keys, err := runnerKeys(tx, id)
			if err != nil {
				return err
			}
			declared := pin.Fingerprint(c.Runners[id])
			if declared != "" && !slices.ContainsFunc(keys, func(k runnerKeyRow) bool { return k.row.ID == declared }) {
				out = append(out, writ.RunnerKey{Runner: id, State: writ.RunnerDeclared, Key: declared})
			}
			for _, k := range keys {
				state := writ.RunnerKeyState(k.row.State)
				switch {
				case state == writ.RunnerInvited && k.doc.Until != nil && c.now().Before(*k.doc.Until):
					out = append(out, writ.RunnerKey{Runner: id, State: state, By: k.doc.By, Since: &k.doc.Since, Expires: k.doc.Until})
				case state == writ.RunnerEnrolled || state == writ.RunnerRemoved:
					out = append(out, writ.RunnerKey{Runner: id, State: state, Key: k.row.ID, By: k.doc.By, Since: &k.doc.Since, Reason: k.doc.Reason})
				}
			}
		}
		return nil
	})
}

// RemoveRunner takes a runner's keys away, or the one of that fingerprint: from the moment it returns the runners' door
// refuses them, on every replica. When none is left, what the runner has in hand ends as a lost runner's: grants that were not
// begun are revoked, runs in flight end uncertain and keep what they reserved until a person has settled them.
func (c *Control) RemoveRunner(ctx context.Context, by writ.Principal, name, key, reason string) ([]writ.RunnerKey, error) {
	out, err := c.removeRunner(ctx, by, name, key, reason)
	return out, c.deny(ctx, "runner remove", by, "", err)
}

func (c *Control) removeRunner(ctx context.Context, by writ.Principal, name, key, reason string) ([]writ.RunnerKey, error) {
	if err := first(person(by), c.rostered(ctx, by), reasoned(reason)); err != nil {
		return nil, err
	}
	id, err := c.runnerNamed(name)
	if err != nil {
		return nil, err
	}
	return c.dropKeys(ctx, by, id, key, reason)
}

// RetireKey takes back a key of the calling runner that its connection does not use.
func (c *Control) RetireKey(ctx context.Context, by Caller, in assignment.Retire) error {
	id, err := c.RunnerOf(ctx, by.Key)
	if err != nil {
		return err
	}
	if pin.Fingerprint(by.Key) == in.Key {
		return &writ.Refusal{Code: writ.ReasonEnrolment, Kind: writ.ErrDenied, Detail: "a runner retires another key than the one it calls with"}
	}
	_, err = c.dropKeys(ctx, id.Principal(), id, in.Key, "retired by its runner")
	return err
}

func (c *Control) dropKeys(ctx context.Context, by writ.Principal, id writ.RunnerID, key, reason string) (dropped []writ.RunnerKey, err error) {
	now := c.now()
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		dropped = nil
		keys, err := runnerKeys(tx, id)
		if err != nil {
			return err
		}
		left := 0
		if declared := c.Runners[id]; declared != nil && !slices.ContainsFunc(keys, func(k runnerKeyRow) bool { return k.row.ID == pin.Fingerprint(declared) }) {
			d := enrolRow{Runner: id, Public: declared, By: by, Since: now, Reason: reason}
			if print := pin.Fingerprint(declared); key == "" || key == print {
				if err := c.drop(tx, d, by); err != nil {
					return err
				}
				if err := store.Create(tx, store.Enrolments, store.Row{ID: print, Key: string(id), State: string(writ.RunnerRemoved)}, d); err != nil {
					return err
				}
				dropped = append(dropped, writ.RunnerKey{Runner: id, State: writ.RunnerRemoved, Key: print, By: by, Since: &now, Reason: reason})
			} else {
				left++
			}
		}
		for _, k := range keys {
			switch {
			case k.row.State != string(writ.RunnerEnrolled):
				continue
			case key != "" && key != k.row.ID:
				left++
				continue
			}
			k.doc.By, k.doc.Since, k.doc.Reason = by, now, reason
			if err := c.drop(tx, k.doc, by); err != nil {
				return err
			}
			k.row.State = string(writ.RunnerRemoved)
			if err := store.Save(tx, store.Enrolments, k.row, string(writ.RunnerEnrolled), k.doc); err != nil {
				return err
			}
			dropped = append(dropped, writ.RunnerKey{Runner: id, State: writ.RunnerRemoved, Key: k.row.ID, By: by, Since: &now, Reason: reason})
		}
		if len(dropped) == 0 {
			return &writ.Refusal{Code: writ.ReasonUnknownRunner, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("runner %s has no such key", id), Hint: "writ runner list"}
		}
		if left > 0 {
			return nil
		}
		if err := void(tx, id); err != nil {
			return err
		}
		return c.endRunner(tx, by, id)
	})
	return dropped, err
}

func (c *Control) drop(tx *store.Tx, d enrolRow, by writ.Principal) error {
	_, err := c.append(tx, writ.EntryRunner, "", writ.RunnerBody{Runner: d.Runner, State: writ.RunnerRemoved, Public: d.Public, By: by})
	return err
}

// endRunner ends what a removed runner has in hand.
func (c *Control) endRunner(tx *store.Tx, by writ.Principal, id writ.RunnerID) error {
	err := each(tx, store.Runs, string(writ.RunGranted), func(run runRow, row store.Row) error {
		if run.Run.Runner != id {
			return nil
		}
		return c.stopRun(tx, run, row, by, writ.ReasonRunnerLost)
	})
	if err != nil {
		return err
	}
	return each(tx, store.Runs, string(writ.RunRunning), func(run runRow, row store.Row) error {
		if run.Run.Runner != id {
			return nil
		}
		p, prow, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
		if err != nil {
			return err
		}
		plan, _, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return err
		}
		return c.giveUp(tx, &run, &row, p, prow, plan, "its runner was removed; a person must look")
	})
}
