package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// Answer takes a person's signed verdict on a plan: approve or reject, as the statement says. The signature is
// checked against the server's own roster; the runner checks it again against its own.
func (c *Control) Answer(ctx context.Context, by writ.Principal, id writ.PlanID, statement []byte, signature, reason string) (writ.PlanStatus, error) {
	if err := c.answer(ctx, by, id, writ.Approval{Statement: statement, Signature: signature}, reason); err != nil {
		return writ.PlanStatus{}, c.deny(ctx, "approve", by, id, err)
	}
	s, err := c.Plan(ctx, by, id, 0)
	if err == nil && s.State == writ.PlanWaiting && s.ReadAgain != nil && s.ReadAgain.Asked {
		s, err = c.Plan(ctx, by, id, answerWait)
	}
	return s, err
}

// answerWait is how long a person waits for what the plan rests on to be read again: a handful of reads.
const answerWait = 10 * time.Second

// answer takes an answer's statement and proof.
func (c *Control) answer(ctx context.Context, by writ.Principal, id writ.PlanID, a writ.Approval, reason string) error {
	if err := person(by); err != nil {
		return err
	}
	if utf8.RuneCountInString(reason) > maxBecause {
		return &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("reason has more than %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	aid, err := newID[writ.ApprovalID](c, "apr")
	if err != nil {
		return err
	}
	var why writ.Commitment
	if reason != "" {
		if why, err = c.Store.PutBlob(ctx, blobReason, classText, []byte(reason)); err != nil {
			return err
		}
	}
	veto, err := c.vetoOn(ctx, id, writ.PlanWaiting)
	if err != nil {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		p, row, err := store.Load[planRow](tx, store.Plans, string(id))
		if err != nil {
			return notFound(err, "plan", string(id))
		}
		p.veto = veto
		if err := c.waits(p, row); err != nil {
			return err
		}
		plan, digest, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return err
		}
		q, err := c.question(tx, p, plan, digest, p.tier(plan))
		if err != nil {
			return err
		}
		if q.Roster, err = c.withPasskeys(tx, a.Passkey); err != nil {
			return err
		}
		v, err := q.Judge(a)
		if err != nil {
			return err
		}
		if !v.Statement.Approver.Principal().Same(by) {
			return writ.Refuse(writ.ReasonApprovalMismatch, "the statement names another person than the one who sends it")
		}
		// One statement counts once, and one person answers once.
		if err := c.once(tx, voteOf(p.ID, plan.Tier, q.Tier, v), p.ExpiresAt, v); err != nil {
			return err
		}
		if a.Passkey != nil {
			if err := c.asserted(tx, askName(string(id), by), v.Statement.Nonce, v.Passkey, v.Counter, "/v1/plans/{id}/approvals/begin"); err != nil {
				return err
			}
		}
		shift, beyond, err := c.inShift(tx, v.Person)
		if err != nil {
			return err
		}
		a.ID, a.Proof, a.Key, a.At = aid, v.Proof, v.Key, c.now()
		e, err := c.append(tx, writ.EntryApproval, plan.Incident, writ.ApprovalBody{
			Approval: aid, Plan: id, PlanDigest: digest, Answer: v.Statement.Answer, Approver: v.Person, Slot: v.Statement.Slot,
			Proof: v.Proof, Key: v.Key, Statement: a.Statement, Signature: a.Signature, Passkey: a.Passkey, Shift: shift,
		}, ref("plan", p.Leaf)...)
		if err != nil {
			return err
		}
		state := stateCounted
		if v.Statement.Answer == writ.Reject {
			state = stateRefused
		}
		given := approvalRow{Approval: a, Person: v.Person, Answer: v.Statement.Answer, Slot: v.Statement.Slot, Reason: why, Leaf: e.hash, Shift: shift, Beyond: beyond}
		err = store.Create(tx, store.Approvals, store.Row{ID: string(aid), Incident: string(plan.Incident), Key: string(id), State: state}, given)
		if err != nil {
			return err
		}
		if err := c.answered(tx, p, plan, given); err != nil {
			return err
		}
		if v.Statement.Answer == writ.Reject {
			return c.endPlan(tx, p, row, writ.PlanRejected, assignment.Refused{Code: writ.ReasonRejected, Detail: "a person rejected it"})
		}
		return c.goOn(tx, p, row, plan, false)
	})
}

// waits refuses to take an answer to a plan that waits for nobody.
func (c *Control) waits(p planRow, row store.Row) error {
	if !c.now().Before(p.ExpiresAt) { // I05: the sweep that writes it down may come later
		return &writ.Refusal{Code: writ.ReasonApprovalExpired, Detail: "nobody answered in time, which means no", Hint: "propose it again", Kind: writ.ErrConflict}
	}
	if writ.PlanState(row.State) != writ.PlanWaiting {
		return &writ.Refusal{Code: writ.ReasonApprovalExpired, Detail: fmt.Sprintf("the plan is %s and waits for nobody", row.State), Kind: writ.ErrConflict}
	}
	return nil
}

// question is what answers to a plan are judged by: who may answer for its service, and who may not because the ask
// is theirs (invariant I02). tier is the one in force.
func (c *Control) question(tx *store.Tx, p planRow, plan writ.Plan, digest writ.Digest, tier writ.Tier) (approval.Question, error) {
	roster, err := c.roster(tx)
	if err != nil {
		return approval.Question{}, err
	}
	asked, err := c.asking(tx)
	if err != nil {
		return approval.Question{}, err
	}
	q := approval.Question{
		Plan: plan, Tier: tier, Digest: digest, Policy: asked, Roster: roster, Now: c.Now(),
		Slots: Slots(p.Owner),
	}
	a, ok, err := c.registered(tx, plan.Requester) // also of one that was suspended or removed since
	if ok {
		q.Owner = a.Owner
	}
	for _, by := range plan.Lineage {
		if err == nil {
			a, _, err = c.registered(tx, by)
		}
		q.Passed = append(q.Passed, a.Owner)
	}
	return q, err
}

// Slots says which group of the roster fills each slot for a service of a team: the team itself, and its on-call.
func Slots(team string) map[string]string {
	return map[string]string{"owner": team, "oncall": team + "-oncall"}
}

// once inserts the statement's nonce and the person's one answer; a second one conflicts. Both are kept until neither
// statement nor what was asked could be used any more.
func (c *Control) once(tx *store.Tx, of string, due time.Time, v approval.Verified) error {
	if v.Statement.Expires.After(due) {
		due = v.Statement.Expires
	}
	for _, key := range []string{"statement " + v.Statement.Nonce, fmt.Sprintf("vote %s %s %s", of, v.Person.Iss, v.Person.Sub)} {
		d := writ.DigestOf([]byte(key)).String()
		err := tx.Insert(store.Nonces, store.Row{ID: d, Key: d, Doc: []byte("{}"), Due: millis(due.Add(nonceMargin))})
		if errors.Is(err, writ.ErrConflict) {
			return &writ.Refusal{Code: writ.ReasonApprovalReplayed, Detail: "this statement was used before, or you have answered already"}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nonceMargin is how long a used statement is remembered beyond its use, for clocks that differ.
const nonceMargin = time.Hour

// counted returns the approvals that were counted for a plan when they came in.
func counted(tx *store.Tx, id writ.PlanID) ([]approvalRow, error) {
	rows, _, err := find[approvalRow](tx, store.Approvals, store.Filter{Key: string(id), State: stateCounted})
	return rows, err
}

// usable returns the approvals of a plan that still count now, with their tally. One that has expired, or whose author
// has left the roster, or that is below what the tier in force demands, is left out.
func (c *Control) usable(tx *store.Tx, p planRow, plan writ.Plan, tier writ.Tier) ([]approvalRow, approval.Tally, error) {
	rows, err := counted(tx, plan.ID)
	if err != nil || len(rows) == 0 {
		return nil, approval.Tally{}, err
	}
	q, err := c.question(tx, p, plan, p.Digest, tier)
	if err != nil {
		return nil, approval.Tally{}, err
	}
	var all []writ.Approval
	var proofs []*writ.Assertion
	for _, r := range rows {
		all, proofs = append(all, r.Approval), append(proofs, r.Approval.Passkey)
	}
	if q.Roster, err = c.withPasskeys(tx, proofs...); err != nil {
		return nil, approval.Tally{}, err
	}
	all, _ = approval.Usable(q, all)
	tally, err := approval.Count(q, all)
	if err != nil {
		return nil, approval.Tally{}, nil // a rejection among them, or no agreement on what counts: nobody counts
	}
	rows = slices.DeleteFunc(rows, func(r approvalRow) bool {
		return !slices.ContainsFunc(all, func(a writ.Approval) bool { return a.ID == r.Approval.ID })
	})
	if alone(rows) { // beyond their limit, people decide beside somebody who is below it
		return nil, approval.Tally{}, nil
	}
	return rows, tally, nil
}
