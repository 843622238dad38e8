package control

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// ReviewBreakGlass takes a person's look back at one use. Whoever asked for it, or signed it while the control plane was
// down, does not review it.
func (c *Control) ReviewBreakGlass(ctx context.Context, by writ.Principal, id writ.BreakGlassID, verdict writ.ReviewVerdict, note string) (writ.BreakGlass, error) {
	if err := c.reviewGlass(ctx, by, id, verdict, note); err != nil {
		return writ.BreakGlass{}, c.deny(ctx, "breakglass review", by, "", err)
	}
	return c.BreakGlassOf(ctx, by, id)
}

func (c *Control) reviewGlass(ctx context.Context, by writ.Principal, id writ.BreakGlassID, verdict writ.ReviewVerdict, note string) error {
	if err := person(by); err != nil {
		return err
	}
	if verdict != writ.ReviewJustified && verdict != writ.ReviewNotJustified {
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "verdict is justified or not_justified"}
	}
	if n := utf8.RuneCountInString(note); n == 0 || n > maxBecause {
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("note must have 1 to %d characters", maxBecause)}
	}
	why, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(note))
	if err != nil {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		g, row, err := store.Load[glassRow](tx, store.BreakGlasses, string(id))
		if err != nil {
			return notFound(err, "break-glass", string(id))
		}
		me, err := c.accounts(tx, by)
		if err != nil {
			return err
		}
		of := append([]writ.Person{{Iss: g.Asker.Iss, Sub: g.Asker.Sub}}, g.Signers...)
		switch {
		case row.State != string(writ.BreakGlassUsed):
			return &writ.Refusal{Code: writ.ReasonNoReviewOwed, Kind: writ.ErrConflict, Detail: fmt.Sprintf("%s is %s: no review is owed", id, row.State)}
		case len(me.accounts) == 0 || !fillsSlot(me.groups, g.Team):
			return writ.Refuse(writ.ReasonApproverUnknown, fmt.Sprintf("only people of %s, and those on call for it, review its break-glass", g.Team))
		case slices.ContainsFunc(of, func(p writ.Person) bool { return slices.Contains(me.accounts, p) }):
			return &writ.Refusal{Code: writ.ReasonReviewOwn, Kind: writ.ErrDenied, Detail: "nobody reviews what they asked for or signed", Hint: "ask somebody else of " + g.Team}
		}
		g.Review = &glassReview{By: by, At: c.now(), Verdict: verdict, Note: why}
		if _, err := c.append(tx, writ.EntryBreakGlassReview, g.Incident, writ.BreakGlassReviewBody{ID: id, By: by, Verdict: verdict, Note: why}, ref("breakglass", g.Leaf)...); err != nil {
			return err
		}
		if err := c.endOwn(tx, g); err != nil {
			return err
		}
		return c.moveGlass(tx, g, row, writ.BreakGlassReviewed)
	})
}

// a rostered person with all accounts.
type rostered struct {
	accounts []writ.Person
	groups   []string
}

func (c *Control) accounts(tx *store.Tx, by writ.Principal) (rostered, error) {
	p := writ.Person{Iss: by.Iss, Sub: by.Sub}
	roster, err := c.roster(tx)
	if err != nil {
		return rostered{}, err
	}
	for _, m := range roster {
		if all := append([]writ.Person{m.Person()}, m.Accounts...); slices.Contains(all, p) {
			return rostered{all, m.Groups}, nil
		}
	}
	return rostered{}, nil
}

// passDrill records that a drill has shown both of its halves: the run of its own that succeeded, and the refusal of a
// second use. It does nothing for whoever did not ask for the drill, before the run has succeeded, and the second time.
func (c *Control) passDrill(ctx context.Context, by writ.Principal, id writ.BreakGlassID, refusal writ.Reason) error {
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		g, row, err := store.Load[glassRow](tx, store.BreakGlasses, string(id))
		if err != nil || !g.Drill || g.PassedAt != nil || !g.Asker.Same(by) || g.Run == "" {
			return err
		}
		run, _, err := store.Load[runRow](tx, store.Runs, string(g.Run))
		if err != nil || run.Run.State != writ.RunSucceeded {
			return err
		}
		at := c.now()
		g.PassedAt, g.Refusal = &at, refusal
		if _, err := c.append(tx, writ.EntryBreakGlassDrill, g.Incident, writ.BreakGlassDrillBody{ID: id, Run: g.Run, By: by, Refusal: refusal}, ref("breakglass", g.Leaf)...); err != nil {
			return err
		}
		if err := store.Save(tx, store.BreakGlasses, row, row.State, g); err != nil {
			return err
		}
		if err := c.endOwn(tx, g); err != nil {
			return err
		}
		last, lrow, err := drilled(tx)
		if err != nil {
			return err
		}
		if last == nil {
			return store.Create(tx, store.BreakGlasses, store.Row{ID: lastDrill, State: stateDone}, drillRow{at, id})
		}
		return store.Save(tx, store.BreakGlasses, lrow, lrow.State, drillRow{at, id})
	})
}
