package control

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// Reviews lists the looks back at runs that grants demanded, newest first, in one state or in all; people only. Notes are
// left out.
func (c *Control) Reviews(ctx context.Context, by writ.Principal, state writ.ReviewState, limit int, cursor string) ([]writ.Review, string, error) {
	if err := person(by); err != nil {
		return nil, "", err
	}
	page, err := pageOf(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	page.State = string(state)
	var out []writ.Review
	var next string
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		out = nil
		docs, rows, more, err := list(tx, store.Reviews, page, func(reviewRow) bool { return true })
		next = more
		for i, d := range docs {
			out = append(out, c.showReview(d, rows[i]))
		}
		return err
	})
	return out, next, err
}

func (c *Control) showReview(d reviewRow, row store.Row) writ.Review {
	r := d.Review
	r.State = writ.ReviewState(row.State)
	r.Overdue = r.State == writ.ReviewOwed && !c.now().Before(r.Due)
	return r
}

// ReviewRun takes a person's look back at a run whose grant demanded one: somebody of the team that owns the service, or on
// call for it, who neither asked for the run nor answers for the agent that did. A run that was not justified counts as
// harm. It is said once.
func (c *Control) ReviewRun(ctx context.Context, by writ.Principal, id writ.RunID, verdict writ.ReviewVerdict, note string) (writ.Review, error) {
	out, err := c.reviewRun(ctx, by, id, verdict, note)
	return out, c.deny(ctx, "review", by, "", err)
}

func (c *Control) reviewRun(ctx context.Context, by writ.Principal, id writ.RunID, verdict writ.ReviewVerdict, note string) (out writ.Review, err error) {
	if err := person(by); err != nil {
		return out, err
	}
	if verdict != writ.ReviewJustified && verdict != writ.ReviewNotJustified {
		return out, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "verdict is justified or not_justified"}
	}
	if n := utf8.RuneCountInString(note); n == 0 || n > maxBecause {
		return out, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("note must have 1 to %d characters", maxBecause)}
	}
	why, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(note))
	if err != nil {
		return out, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		d, row, err := store.Load[reviewRow](tx, store.Reviews, string(id))
		if err != nil {
			return notFound(err, "review of run", string(id))
		}
		me, err := c.accounts(tx, by)
		if err != nil {
			return err
		}
		own := []writ.Person{{Iss: d.Review.Asker.Iss, Sub: d.Review.Asker.Sub}, d.Owner}
		switch {
		case row.State != string(writ.ReviewOwed):
			return &writ.Refusal{Code: writ.ReasonNoReviewOwed, Kind: writ.ErrConflict, Detail: fmt.Sprintf("run %s was reviewed before", id)}
		case len(me.accounts) == 0 || !fillsSlot(me.groups, d.Review.Team):
			return writ.Refuse(writ.ReasonApproverUnknown, fmt.Sprintf("only people of %s, and those on call for it, look back at its runs", d.Review.Team))
		case slices.ContainsFunc(own, func(p writ.Person) bool { return slices.Contains(me.accounts, p) }):
			return &writ.Refusal{Code: writ.ReasonReviewOwn, Kind: writ.ErrDenied, Detail: "nobody reviews what they, or their agent, asked for", Hint: "ask somebody else of " + d.Review.Team}
		}
		e, err := c.append(tx, writ.EntryReview, d.Review.Incident, writ.ReviewBody{Run: id, Plan: d.Review.Plan, By: by, Verdict: verdict, Note: why}, ref("review.due", d.Leaf)...)
		if err != nil {
			return err
		}
		d.Review.By, d.Review.At, d.Review.Verdict, d.Note = by, new(c.now()), verdict, why
		row.State, row.Due = string(writ.ReviewMade), 0
		if err := store.Save(tx, store.Reviews, row, string(writ.ReviewOwed), d); err != nil {
			return err
		}
		out = c.showReview(d, row)
		if verdict == writ.ReviewJustified {
			return nil
		}
		return c.takenBack(tx, id, e.hash)
	})
	out.Note = note
	return out, err
}
