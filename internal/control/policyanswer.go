package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/store"
)

// AnswerPolicy takes a person's signed answer to a change of the policy set. The last approval that it needs puts the set
// in force, in the same transaction; one rejection ends it.
func (c *Control) AnswerPolicy(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, a writ.Approval) (writ.PolicyChangeStatus, error) {
	if err := c.answerPolicy(ctx, by, id, a); err != nil {
		return writ.PolicyChangeStatus{}, c.deny(ctx, "policy answer", by, "", err)
	}
	return c.PolicyChange(ctx, by, id)
}

func (c *Control) answerPolicy(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, a writ.Approval) error {
	if err := first(person(by), c.governed()); err != nil {
		return err
	}
	aid, err := newID[writ.ApprovalID](c, "apr")
	if err != nil {
		return err
	}
	c.adopting.Lock()
	defer c.adopting.Unlock()
	var adopted *PolicySet
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		adopted = nil
		r, row, change, was, err := c.waitingChange(tx, id)
		if err != nil {
			return err
		}
		q, err := c.policyQuestion(tx, change, r.Digest, was, a)
		if err != nil {
			return err
		}
		v, err := q.Judge(a)
		if err != nil {
			return err
		}
		if !v.Statement.Approver.Principal().Same(by) {
			return writ.Refuse(writ.ReasonApprovalMismatch, "the statement names another person than the one who sends it")
		}
		if err := c.once(tx, string(id), change.NotAfter, v.Verified); err != nil {
			return err
		}
		if a.Passkey != nil {
			if err := c.asserted(tx, askName(string(id), by), v.Statement.Nonce, v.Passkey, v.Counter, "/v1/policy/changes/{id}/answers/begin"); err != nil {
				return err
			}
		}
		a.ID, a.Proof, a.Key, a.At = aid, v.Proof, v.Key, c.now()
		e, err := c.append(tx, writ.EntryPolicyApproval, "", writ.PolicyApprovalBody{
			Approval: aid, Change: id, Digest: r.Digest, Answer: v.Statement.Answer, Approver: v.Person, Proof: v.Proof, Key: v.Key,
			Statement: a.Statement, Signature: a.Signature, Passkey: a.Passkey,
		}, ref("change", r.Leaf)...)
		if err != nil {
			return err
		}
		r.Answers = append(r.Answers, policyAnswer{a, v.Person, v.Statement.Answer, e.hash})
		if v.Statement.Answer == writ.Reject {
			return c.endChange(tx, r, row, writ.PolicyRejected, writ.ReasonRejected, "a person rejected it", writ.Principal{})
		}
		adopted, err = c.concludes(tx, &r, &row, change, was)
		return err
	})
	if err != nil {
		return err
	}
	if adopted != nil { // Committed: whoever starts now decides by this set or a later one.
		c.follow(adopted)
	}
	return nil
}

// waitingChange loads a change that can be answered, with the set in force, which it must follow.
func (c *Control) waitingChange(tx *store.Tx, id writ.PolicyChangeID) (r changeRow, row store.Row, change writ.PolicyChange, was policyRow, err error) {
	if r, row, err = store.Load[changeRow](tx, store.PolicyChanges, string(id)); err != nil {
		return r, row, change, was, unknownChange(err, id)
	}
	if change, _, err = writ.ParsePolicyChange(r.Bytes); err != nil {
		return r, row, change, was, err
	}
	if was, _, err = store.Load[policyRow](tx, store.PolicySets, policyRowID); err != nil {
		return r, row, change, was, err
	}
	switch {
	case writ.PolicyChangeState(row.State) != writ.PolicyWaiting:
		err = &writ.Refusal{Code: writ.ReasonApprovalExpired, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the change is %s and waits for nobody", row.State)}
	case !c.now().Before(change.NotAfter): // the sweep that writes it down may come later
		err = &writ.Refusal{Code: writ.ReasonApprovalExpired, Kind: writ.ErrConflict, Detail: "nobody answered in time, which means no", Hint: "propose it again: writ policy publish"}
	case !was.Policy.Equal(change.Base.Policy) || was.Version != change.Base.Version:
		err = stale()
	}
	return r, row, change, was, err
}

func unknownChange(err error, id writ.PolicyChangeID) error {
	if errors.Is(err, writ.ErrNotFound) {
		return &writ.Refusal{Code: writ.ReasonUnknownChange, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("there is no change %s of the policy set", writ.Printable(string(id), 40)), Hint: "writ policy changes"}
	}
	return err
}

// policyQuestion is what answers to a change are judged by.
func (c *Control) policyQuestion(tx *store.Tx, change writ.PolicyChange, digest writ.Digest, was policyRow, answers ...writ.Approval) (approval.PolicyQuestion, error) {
	proofs := make([]*writ.Assertion, len(answers))
	for i, a := range answers {
		proofs[i] = a.Passkey
	}
	roster, err := c.withPasskeys(tx, proofs...)
	return approval.PolicyQuestion{Change: change, Digest: digest, Policy: was.Policy, Roster: roster, Now: c.Now()}, err
}

// concludes puts the set in force when its last approval has come, and otherwise goes on waiting. Every answer is judged
// again, and the set is loaded, its signatures checked and its tests run again.
func (c *Control) concludes(tx *store.Tx, r *changeRow, row *store.Row, change writ.PolicyChange, was policyRow) (*PolicySet, error) {
	var answers []writ.Approval
	refs := ref("change", r.Leaf)
	for _, a := range r.Answers {
		answers, refs = append(answers, a.Approval), append(refs, ref("approval", a.Leaf)...)
	}
	q, err := c.policyQuestion(tx, change, r.Digest, was, answers...)
	if err != nil {
		return nil, err
	}
	err = q.Met(answers)
	if writ.ReasonOf(err) == writ.ReasonApprovalQuorum {
		return nil, store.Save(tx, store.PolicyChanges, *row, row.State, *r)
	}
	if err != nil {
		return nil, err
	}
	files, frow, err := store.Load[writ.PolicyFiles](tx, store.PolicyFiles, string(r.ID))
	if err != nil {
		return nil, err
	}
	set, _, err := c.judgeSet(files)
	if err != nil {
		return nil, err
	}
	next := policyRow{Version: set.Version, Manifest: set.Manifest, Policy: set.Bundle.Digest(), Files: string(r.ID), Change: r.ID, Since: c.now()}
	if !next.Manifest.Equal(change.Next.Manifest) || next.Version != change.Next.Version {
		return nil, writ.Refuse(writ.ReasonApprovalMismatch, "the files are not those of the set that was approved")
	}
	if err := follows(was, set); err != nil {
		return nil, err
	}
	_, err = c.append(tx, writ.EntryPolicy, "", writ.PolicyBody{
		Policy: next.Policy, Version: next.Version, Manifest: next.Manifest, Signers: set.Signers, Was: was.Policy, Change: r.ID, ChangeDigest: r.Digest,
	}, refs...)
	if err != nil {
		return nil, err
	}
	_, prow, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
	if err != nil {
		return nil, err
	}
	if err := store.Save(tx, store.PolicySets, prow, prow.State, next); err != nil {
		return nil, err
	}
	frow.Key = versionKey(next.Version)
	if err := store.Save(tx, store.PolicyFiles, frow, frow.State, files); err != nil {
		return nil, err
	}
	if err := c.moveChange(tx, *r, *row, writ.PolicyInForce); err != nil {
		return nil, err
	}
	return &set, c.outdated(tx)
}

// outdated ends the changes that were proposed on the set before.
func (c *Control) outdated(tx *store.Tx) error {
	others, rows, err := find[changeRow](tx, store.PolicyChanges, store.Filter{State: string(writ.PolicyWaiting)})
	for i := range others {
		err = first(err, c.endChange(tx, others[i], rows[i], writ.PolicyStale, writ.ReasonPolicyStale, "another set came into force meanwhile", writ.Principal{}))
	}
	return err
}

func (c *Control) moveChange(tx *store.Tx, r changeRow, row store.Row, to writ.PolicyChangeState) error {
	was := row.State
	if err := writ.PolicyChangeState(was).Move(to); err != nil {
		return err
	}
	at := c.now()
	r.Ended, row.State, row.Due = &at, string(to), 0
	return store.Save(tx, store.PolicyChanges, row, was, r)
}

// endChange ends a change that was not put in force, with its entry.
func (c *Control) endChange(tx *store.Tx, r changeRow, row store.Row, to writ.PolicyChangeState, code writ.Reason, detail string, by writ.Principal) error {
	if _, err := c.append(tx, writ.EntryPolicyEnd, "", writ.PolicyEndBody{Change: r.ID, State: to, Reason: code, By: by}, ref("change", r.Leaf)...); err != nil {
		return err
	}
	r.Reason, r.Detail = code, detail
	return c.moveChange(tx, r, row, to)
}

// WithdrawPolicy takes a change back: its proposer, or whoever could approve it.
func (c *Control) WithdrawPolicy(ctx context.Context, by writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	err := first(person(by), c.governed())
	if err == nil {
		err = c.Store.Update(ctx, func(tx *store.Tx) error {
			r, row, err := store.Load[changeRow](tx, store.PolicyChanges, string(id))
			if err != nil {
				return unknownChange(err, id)
			}
			if writ.PolicyChangeState(row.State) != writ.PolicyWaiting {
				return &writ.Refusal{Code: writ.ReasonApprovalExpired, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the change is %s, and cannot be taken back", row.State)}
			}
			if err := c.mayWithdraw(tx, by, r); err != nil {
				return err
			}
			return c.endChange(tx, r, row, writ.PolicyWithdrawn, writ.ReasonWithdrawn, "it was taken back", by)
		})
	}
	if err != nil {
		return writ.PolicyChangeStatus{}, c.deny(ctx, "policy withdraw", by, "", err)
	}
	return c.PolicyChange(ctx, by, id)
}

func (c *Control) mayWithdraw(tx *store.Tx, by writ.Principal, r changeRow) error {
	who, err := c.accounts(tx, by)
	if err != nil {
		return err
	}
	for _, p := range who.accounts {
		if p.Principal().Same(r.By) {
			return nil
		}
	}
	for _, g := range who.groups {
		if g == c.PolicyGate.Group {
			return nil
		}
	}
	return &writ.Refusal{Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: fmt.Sprintf("only who proposed it, and people of %s, take a change back", c.PolicyGate.Group)}
}

// expireChanges ends the changes that nobody answered in time.
func (c *Control) expireChanges(tx *store.Tx, due store.Filter) error {
	changes, rows, err := find[changeRow](tx, store.PolicyChanges, due)
	for i := range changes {
		err = first(err, c.endChange(tx, changes[i], rows[i], writ.PolicyExpired, writ.ReasonExpired, "nobody answered in time, which means no", writ.Principal{}))
	}
	return err
}

// BeginPolicyAnswer makes the statement that the caller's passkey is to sign for a change, whose bytes were shown with this
// digest. It is good for one answer; beginning again makes another, and the one before is worth nothing.
func (c *Control) BeginPolicyAnswer(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, shown writ.Digest, answer writ.Answer) (ask writ.AnswerAsk, err error) {
	err = first(person(by), c.governed(), c.passkeys())
	if err == nil {
		ask, err = c.beginPolicyAnswer(ctx, by, id, shown, answer)
	}
	return ask, c.deny(ctx, "policy answer begin", by, "", err)
}

func (c *Control) beginPolicyAnswer(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, shown writ.Digest, answer writ.Answer) (ask writ.AnswerAsk, err error) {
	i, err := c.memberOf(by)
	if err != nil {
		return ask, err
	}
	nonce, err := ident.Nonce(c.Rand)
	if err != nil {
		return ask, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		r, _, change, _, err := c.waitingChange(tx, id)
		if err != nil {
			return err
		}
		if !shown.Equal(r.Digest) {
			return writ.Refuse(writ.ReasonApprovalMismatch, "the change that was shown is another version")
		}
		have, err := c.mine(tx, i)
		if err != nil {
			return err
		}
		s, err := approval.NewPolicy(change, r.Digest, answer, writ.Person{Iss: by.Iss, Sub: by.Sub}, c.now(), nonce)
		if err != nil {
			return err
		}
		if ask.Statement, err = s.Bytes(); err != nil {
			return err
		}
		ask.Options = c.Approve.RequestPolicy(ask.Statement, have)
		return replaceNonce(tx, askName(string(id), by), askRow{nonce}, s.Expires)
	})
	return ask, err
}
