package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/passkey"
	"github.com/writ-dev/writ/internal/store"
)

// A passkeyRow is one enrolment. Counter is that of its last answer, which the next one must exceed.
type passkeyRow struct {
	writ.Passkey
	Counter int64
}

// An passkeyAskRow is a challenge that one person may make a passkey for.
type passkeyAskRow struct{ Challenge []byte }

// challengeSize is twice what Web Authentication demands (section 13.4.3).
const challengeSize = 32

// BeginPasskey returns what the caller's browser is to make a passkey with. The challenge is good for one passkey of the
// caller's within five minutes; beginning again makes a new one.
func (c *Control) BeginPasskey(ctx context.Context, by writ.Principal) (writ.EnrolAsk, error) {
	ask, err := c.beginPasskey(ctx, by)
	return ask, c.deny(ctx, "passkey begin", by, "", err)
}

func (c *Control) beginPasskey(ctx context.Context, by writ.Principal) (ask writ.EnrolAsk, err error) {
	if err := first(person(by), c.passkeys()); err != nil {
		return ask, err
	}
	i, err := c.memberOf(by)
	if err != nil {
		return ask, err
	}
	challenge := make([]byte, challengeSize)
	if _, err := io.ReadFull(c.Rand, challenge); err != nil {
		return ask, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		have, err := c.credentials(tx, i, writ.PasskeyPending, writ.PasskeyActive)
		if err != nil {
			return err
		}
		if len(have) >= approval.MaxPasskeys {
			return &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrConflict, Detail: fmt.Sprintf("a person has at most %d passkeys", approval.MaxPasskeys), Hint: "remove one: writ approver remove"}
		}
		ask.Options = c.Approve.Creation(challenge, writ.Person{Iss: by.Iss, Sub: by.Sub}, have)
		return replaceNonce(tx, "enrol "+identity(by), passkeyAskRow{challenge}, c.now().Add(passkey.Patience))
	})
	return ask, err
}

// AddPasskey enrols what the caller's browser made. It is pending, and worth nothing, until somebody else confirms it.
// The entry in the ledger, with the bytes as they came, is durable on return.
func (c *Control) AddPasskey(ctx context.Context, by writ.Principal, r writ.Registration) (writ.Passkey, error) {
	p, err := c.addPasskey(ctx, by, r)
	return p, c.deny(ctx, "passkey add", by, "", err)
}

func (c *Control) addPasskey(ctx context.Context, by writ.Principal, r writ.Registration) (p writ.Passkey, err error) {
	if err := first(person(by), c.passkeys()); err != nil {
		return p, err
	}
	i, err := c.memberOf(by)
	if err != nil {
		return p, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		begun, err := takeNonce[passkeyAskRow](tx, "enrol "+identity(by), c.now())
		if err != nil {
			return err
		}
		if begun == nil {
			return &writ.Refusal{Code: writ.ReasonPasskeyForm, Kind: writ.ErrInvalid, Detail: "no enrolment was begun by you within five minutes", Hint: "begin again: POST /v1/passkeys/begin"}
		}
		cred, err := c.Approve.Register(begun.Challenge, r, c.now())
		if err != nil {
			return err
		}
		have, err := c.credentials(tx, i, writ.PasskeyPending, writ.PasskeyActive)
		if err != nil {
			return err
		}
		if len(have) >= approval.MaxPasskeys {
			return &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrConflict, Detail: fmt.Sprintf("a person has at most %d passkeys", approval.MaxPasskeys)}
		}
		p = writ.Passkey{
			ID: writ.PasskeyIDOf(cred.ID), Person: c.Roster[i].Person(), State: writ.PasskeyPending, Credential: cred, Fingerprint: approval.Fingerprint(cred.Key),
			Enrolled: c.now(), Changed: c.now(), By: by,
		}
		if err := c.enterPasskey(tx, p, &r); err != nil {
			return err
		}
		err = store.Create(tx, store.Passkeys, store.Row{ID: string(p.ID), Key: personKey(p.Person), State: string(p.State)}, passkeyRow{p, cred.Counter})
		if errors.Is(err, writ.ErrConflict) {
			err = &writ.Refusal{Code: writ.ReasonPasskeyExists, Kind: writ.ErrConflict, Detail: "this passkey is, or was, enrolled already", Hint: "make a new one"}
		}
		return err
	})
	return p, err
}

// Passkeys lists all enrolments in the order they came, for people.
func (c *Control) Passkeys(ctx context.Context, by writ.Principal) (found []writ.Passkey, err error) {
	if err := person(by); err != nil {
		return nil, err
	}
	return found, c.Store.View(ctx, func(tx *store.Tx) error {
		for _, state := range []writ.PasskeyState{writ.PasskeyPending, writ.PasskeyActive, writ.PasskeyRemoved} {
			err := each(tx, store.Passkeys, string(state), func(p passkeyRow, _ store.Row) error {
				found = append(found, p.Passkey)
				return nil
			})
			if err != nil {
				return err
			}
		}
		slices.SortStableFunc(found, func(a, b writ.Passkey) int { return a.Enrolled.Compare(b.Enrolled) })
		return nil
	})
}

// SetPasskey confirms a passkey that is pending, or removes one for good. Who confirms is another human than its owner,
// shares a group of the roster with them, and repeats the fingerprint that the owner told them. Its owner and whoever could
// confirm it may remove it; answers that it gave no longer count from then on.
func (c *Control) SetPasskey(ctx context.Context, by writ.Principal, id writ.PasskeyID, to writ.PasskeyState, fingerprint string) (writ.Passkey, error) {
	p, err := c.setPasskey(ctx, by, id, to, fingerprint)
	return p, c.deny(ctx, "passkey "+string(to), by, "", err)
}

func (c *Control) setPasskey(ctx context.Context, by writ.Principal, id writ.PasskeyID, to writ.PasskeyState, fingerprint string) (out writ.Passkey, err error) {
	if err := first(person(by), c.passkeys()); err != nil {
		return out, err
	}
	i, err := c.memberOf(by)
	if err != nil {
		return out, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		p, row, err := store.Load[passkeyRow](tx, store.Passkeys, string(id))
		if errors.Is(err, writ.ErrNotFound) {
			return &writ.Refusal{Code: writ.ReasonUnknownPasskey, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("there is no passkey %s", id), Hint: "writ approver list shows them"}
		}
		if err != nil {
			return err
		}
		if err := p.State.Move(to); err != nil {
			return &writ.Refusal{Code: writ.ReasonPasskeyState, Kind: writ.ErrConflict, Detail: fmt.Sprintf("passkey %s is %s, and cannot become %s", id, p.State, to), Hint: "one that was removed stays so; its owner enrols another"}
		}
		owner, known := c.member(p.Person)
		own, together := known && owner == i, false
		if known {
			if together, err = c.together(tx, owner, i); err != nil {
				return err
			}
		}
		switch {
		case !own && !together && !(to == writ.PasskeyRemoved && !known):
			return &writ.Refusal{Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: "only people who share a group with its owner may do this"}
		case to == writ.PasskeyActive && own:
			return &writ.Refusal{Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: "nobody confirms their own passkey", Hint: "tell a person of your group its fingerprint"}
		case to == writ.PasskeyActive && fingerprint != p.Fingerprint:
			return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "fingerprint is not the one of this passkey's key", Hint: "ask its owner for what their browser showed; if it differs, remove the passkey"}
		}
		was := row.State
		p.State, p.Changed, p.By = to, c.now(), by
		if to == writ.PasskeyActive {
			p.Credential.Since = c.now()
		}
		if err := c.enterPasskey(tx, p.Passkey, nil); err != nil {
			return err
		}
		out, row.State = p.Passkey, string(to)
		return store.Save(tx, store.Passkeys, row, was, p)
	})
	return out, err
}

func (c *Control) enterPasskey(tx *store.Tx, p writ.Passkey, r *writ.Registration) error {
	_, err := c.append(tx, writ.EntryPasskey, "", writ.PasskeyBody{Passkey: p.ID, Person: p.Person, State: p.State, Credential: p.Credential, By: p.By, Registration: r})
	return err
}

// passkeys refuses where the configuration names no origin for approving.
func (c *Control) passkeys() error {
	if c.Approve.Origin == "" {
		return &writ.Refusal{Code: writ.ReasonPasskeysOff, Kind: writ.ErrDenied, Detail: "passkeys are not set up here", Hint: "approve.origin in the server's configuration; until then answer with an SSH key: writ approve"}
	}
	return nil
}
