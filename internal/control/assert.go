package control

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/store"
)

// statementLife is how long an answer by passkey counts: as one by SSH key, it must outlive the plan's grant.
const statementLife = 30 * time.Minute

// An askRow is the nonce of the statement that a person was last given for a plan.
type askRow struct{ Nonce string }

// BeginAnswer makes the statement that the caller's passkey is to sign for a plan. It is good for one answer; beginning
// again makes another, and the one before is worth nothing.
func (c *Control) BeginAnswer(ctx context.Context, by writ.Principal, id writ.PlanID, wish writ.AnswerWish) (writ.AnswerAsk, error) {
	ask, err := c.beginAnswer(ctx, by, id, wish)
	return ask, c.deny(ctx, "approve begin", by, id, err)
}

func (c *Control) beginAnswer(ctx context.Context, by writ.Principal, id writ.PlanID, wish writ.AnswerWish) (ask writ.AnswerAsk, err error) {
	if err := first(person(by), c.passkeys()); err != nil {
		return ask, err
	}
	i, err := c.memberOf(by)
	if err != nil {
		return ask, err
	}
	nonce, err := ident.Nonce(c.Rand)
	if err != nil {
		return ask, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		p, row, err := store.Load[planRow](tx, store.Plans, string(id))
		if err != nil {
			return notFound(err, "plan", string(id))
		}
		if err := c.waits(p, row); err != nil {
			return err
		}
		plan, digest, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return err
		}
		if !wish.PlanDigest.Equal(digest) {
			return writ.Refuse(writ.ReasonApprovalMismatch, "the plan that was shown is another version")
		}
		q, err := c.question(tx, p, plan, digest, p.tier(plan))
		if err != nil {
			return err
		}
		if err := q.Admits(by); err != nil {
			return err
		}
		have, err := c.mine(tx, i)
		if err != nil {
			return err
		}
		s, err := approval.New(plan, digest, approval.Ask{
			Answer: wish.Answer, Person: writ.Person{Iss: by.Iss, Sub: by.Sub}, Slot: wish.Slot, Tier: p.tier(plan), Typed: wish.Typed, Now: c.now(), Life: statementLife, Nonce: nonce,
		})
		if err != nil {
			return err
		}
		if ask.Statement, err = s.Bytes(); err != nil {
			return err
		}
		ask.Options = c.Approve.Request(ask.Statement, have)
		return replaceNonce(tx, askName(string(id), by), askRow{nonce}, s.Expires)
	})
	return ask, err
}

// AnswerByPasskey takes a person's verdict on a plan, signed by their passkey over the statement that BeginAnswer made. It
// is counted as Answer counts one.
func (c *Control) AnswerByPasskey(ctx context.Context, by writ.Principal, id writ.PlanID, statement []byte, proof writ.Assertion, reason string) (writ.PlanStatus, error) {
	if err := c.answer(ctx, by, id, writ.Approval{Statement: statement, Passkey: &proof}, reason); err != nil {
		return writ.PlanStatus{}, c.deny(ctx, "approve", by, id, err)
	}
	return c.Plan(ctx, by, id, 0)
}

func askName(of string, by writ.Principal) string {
	return fmt.Sprintf("answer %s %s", of, identity(by))
}

// asserted consumes what a proof by passkey uses up: the statement that was made under a name for this person, and the
// passkey's counter. again is how another statement is begun.
func (c *Control) asserted(tx *store.Tx, name, nonce string, passkey []byte, counter uint32, again string) error {
	begun, err := takeNonce[askRow](tx, name, c.now())
	if err != nil {
		return err
	}
	if begun == nil || begun.Nonce != nonce {
		return &writ.Refusal{Code: writ.ReasonApprovalReplayed, Detail: "this statement was not the last one made for you here, or it was used before", Hint: "begin again: POST " + again}
	}
	return c.counts(tx, passkey, counter)
}

// mine are the caller's passkeys that may sign now, or a refusal that says how to get one.
func (c *Control) mine(tx *store.Tx, member int) ([]writ.Credential, error) {
	have, err := c.credentials(tx, member, writ.PasskeyActive)
	if err == nil && len(have) == 0 {
		err = &writ.Refusal{Code: writ.ReasonUnknownPasskey, Kind: writ.ErrConflict, Detail: "you have no passkey that was confirmed", Hint: "enrol one, and let a person of your group confirm it; or sign with an SSH key: writ approve, writ breakglass open"}
	}
	return have, err
}
