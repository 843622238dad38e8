package control

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/store"
)

// BeginBreakGlass makes the statement that the caller's passkey is to sign to ask for break-glass, after everything was
// checked that can be before a signature. It is good for one ask within a quarter of an hour; beginning again makes another,
// and the one before is worth nothing. It opens nothing: AskBreakGlass does, with the assertion.
func (c *Control) BeginBreakGlass(ctx context.Context, by writ.Principal, wish writ.BreakGlassWish) (writ.BreakGlassBegun, error) {
	begun, err := c.beginGlass(ctx, by, wish)
	return begun, c.deny(ctx, "breakglass begin", by, "", err)
}

func (c *Control) beginGlass(ctx context.Context, by writ.Principal, wish writ.BreakGlassWish) (begun writ.BreakGlassBegun, err error) {
	if err := first(glassPerson(by), c.passkeys()); err != nil {
		return begun, err
	}
	i, err := c.memberOf(by)
	if err != nil {
		return begun, err
	}
	nonce, err := ident.Nonce(c.Rand)
	if err != nil {
		return begun, err
	}
	parameters, err := wish.Parameters.Digest()
	if err != nil {
		return begun, err
	}
	s := writ.BreakGlassStatement{
		Type: writ.BreakGlassType, Incident: wish.Incident, Service: wish.Service, Playbook: wish.Playbook, Parameters: parameters, Asker: writ.Person{Iss: by.Iss, Sub: by.Sub},
		Drill: wish.Incident == "", Nonce: nonce, NotBefore: writ.Instant(c.now()), Expires: writ.Instant(c.now().Add(writ.MaxBreakGlassLife)),
	}
	if begun.Statement, err = s.Bytes(); err != nil {
		return begun, err
	}
	if _, err := writ.ParseBreakGlassStatement(begun.Statement); err != nil {
		return begun, &writ.Refusal{Code: writ.ReasonBreakGlassForm, Kind: writ.ErrInvalid, Detail: writ.Printable(err.Error(), 300)}
	}
	pb, err := c.emergency(s, wish.Parameters)
	if err != nil {
		return begun, err
	}
	return begun, c.Store.Update(ctx, func(tx *store.Tx) error {
		roster, err := c.roster(tx)
		if err != nil {
			return err
		}
		if err := c.mayGlass(tx, roster[i].Groups, s); err != nil {
			return err
		}
		if !s.Drill {
			in, err := c.glassIncident(tx, by, s)
			if err != nil {
				return err
			}
			if err := c.mayRepair(tx, by, writ.Ask{Incident: in.ID, Playbook: pb.Playbook.Name, Parameters: wish.Parameters}, in, pb); err != nil {
				return err
			}
		}
		have, err := c.mine(tx, i)
		if err != nil {
			return err
		}
		begun.Options = c.Approve.RequestAsk(begun.Statement, have)
		return replaceNonce(tx, glassName(by), askRow{nonce}, s.Expires)
	})
}

// verifyAsk checks a signed ask against the server's own roster, with the passkey that signed it if that is active.
func (c *Control) verifyAsk(tx *store.Tx, signed writ.Signed) (approval.Asked, error) {
	roster, err := c.withPasskeys(tx, signed.Passkey)
	if err != nil {
		return approval.Asked{}, err
	}
	return approval.VerifyAsk(signed, roster, c.BreakGlass.AskProof, c.Now())
}

// glassName is under which the statement is kept that a person was last given to ask for break-glass.
func glassName(by writ.Principal) string { return "breakglass " + identity(by) }

// glassPerson refuses whoever is no person: an agent may suggest break-glass, and never asks for it.
func glassPerson(by writ.Principal) error {
	if by.Kind != writ.KindHuman || !by.Valid() {
		return &writ.Refusal{Code: writ.ReasonKind, Kind: writ.ErrDenied, Detail: "only a person asks for break-glass", Hint: "say in a claim what a person should do"}
	}
	return nil
}
