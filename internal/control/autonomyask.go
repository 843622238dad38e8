package control

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/store"
)

// BeginAutonomy makes the statement that the caller's passkey is to sign for a decision on a record that was shown with this
// digest, after everything was checked that can be before a signature. It is good for one decision within a quarter of an
// hour; beginning again on the same record makes another, and the one before is worth nothing. It decides nothing:
// DecideAutonomy does, with the assertion.
func (c *Control) BeginAutonomy(ctx context.Context, by writ.Principal, wish writ.AutonomyWish) (writ.AnswerAsk, error) {
	ask, err := c.beginAutonomy(ctx, by, wish)
	return ask, c.deny(ctx, "autonomy begin", by, "", err)
}

func (c *Control) beginAutonomy(ctx context.Context, by writ.Principal, wish writ.AutonomyWish) (ask writ.AnswerAsk, err error) {
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
	s := writ.AutonomyStatement{
		Type: writ.AutonomyType, Playbook: wish.Playbook, Service: wish.Service, From: writ.T2, To: wish.To, Record: wish.Record, Person: writ.Person{Iss: by.Iss, Sub: by.Sub},
		Nonce: nonce, NotBefore: writ.Instant(c.now()), Expires: writ.Instant(c.now().Add(writ.MaxAutonomyLife)),
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		who, err := c.accounts(tx, by)
		if err != nil {
			return err
		}
		if wish.Agent != "" {
			err = c.beginRestore(tx, who, wish.Agent, &s)
		} else {
			err = c.beginMove(tx, who, &s)
		}
		if err != nil {
			return err
		}
		if ask.Statement, err = s.Bytes(); err != nil {
			return err
		}
		if _, err := writ.ParseAutonomyStatement(ask.Statement); err != nil {
			return &writ.Refusal{Code: writ.ReasonAutonomyForm, Kind: writ.ErrInvalid, Detail: writ.Printable(err.Error(), 300)}
		}
		have, err := c.mine(tx, i)
		if err != nil {
			return err
		}
		ask.Options = c.Approve.RequestAutonomy(ask.Statement, have)
		return replaceNonce(tx, decisionName(s, by), askRow{nonce}, s.Expires)
	})
	return ask, err
}

func (c *Control) beginMove(tx *store.Tx, who rostered, s *writ.AutonomyStatement) error {
	doc, _, fresh, err := c.bookRecord(tx, s.Service, s.Playbook)
	if err != nil {
		return err
	}
	s.From = doc.stands(doc.Level)
	_, err = c.mayMove(doc, fresh, who.groups, *s)
	return err
}

func (c *Control) beginRestore(tx *store.Tx, who rostered, name string, s *writ.AutonomyStatement) error {
	a, err := c.named(tx, name)
	if err != nil {
		return err
	}
	p := a.Principal()
	doc, _, _, err := c.agentRecord(tx, p)
	if err != nil {
		return err
	}
	s.Agent = &p
	return mayRestore(a, doc, who.groups, who.accounts, s.Record)
}

// decisionName is under which the statement is kept that a person was last given to decide on one record.
func decisionName(s writ.AutonomyStatement, by writ.Principal) string {
	if s.Agent != nil {
		return askName("autonomy agent "+identity(*s.Agent), by)
	}
	return askName("autonomy playbook "+bookID(s.Service, s.Playbook), by)
}
