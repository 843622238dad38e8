package control

import (
	"bytes"
	"errors"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/store"
)

// memberOf returns the caller's place on the roster.
func (c *Control) memberOf(by writ.Principal) (int, error) {
	i, ok := c.member(writ.Person{Iss: by.Iss, Sub: by.Sub})
	if !ok {
		return 0, &writ.Refusal{Code: writ.ReasonApproverUnknown, Kind: writ.ErrDenied, Detail: "you are not on the roster", Hint: "approvers in the server's configuration names who is"}
	}
	return i, nil
}

func (c *Control) member(p writ.Person) (int, bool) {
	i := slices.IndexFunc(c.Roster, func(m approval.Member) bool { return m.Person() == p || slices.Contains(m.Accounts, p) })
	return i, i >= 0 && p.Principal().Valid()
}

// together reports whether two members share a group.
func (c *Control) together(tx *store.Tx, a, b int) (bool, error) {
	roster, err := c.roster(tx)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(roster[a].Groups, func(g string) bool { return slices.Contains(roster[b].Groups, g) }), nil
}

func personKey(p writ.Person) string { return writ.DigestOf([]byte(identity(p.Principal()))).String() }

// credentials returns a member's passkeys of these states, made for the site of now.
func (c *Control) credentials(tx *store.Tx, member int, states ...writ.PasskeyState) ([]writ.Credential, error) {
	var out []writ.Credential
	for _, state := range states {
		docs, _, err := find[passkeyRow](tx, store.Passkeys, store.Filter{State: string(state), Key: personKey(c.Roster[member].Person())})
		if err != nil {
			return nil, err
		}
		for _, p := range docs {
			if c.here(p) {
				out = append(out, p.Credential)
			}
		}
	}
	return out, nil
}

// here reports whether a passkey is of the site that the configuration names now.
func (c *Control) here(p passkeyRow) bool {
	return p.Credential.Origin == c.Approve.Origin && p.Credential.RP == c.Approve.RP
}

// withPasskeys returns the roster with those passkeys that signed and are active. A nil assertion is that of no passkey.
func (c *Control) withPasskeys(tx *store.Tx, proofs ...*writ.Assertion) (approval.Roster, error) {
	roster, err := c.roster(tx) // a clone
	if err != nil {
		return nil, err
	}
	for _, a := range proofs {
		if a == nil {
			continue
		}
		p, row, err := store.Load[passkeyRow](tx, store.Passkeys, string(writ.PasskeyIDOf(a.Credential)))
		if errors.Is(err, writ.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		i, known := c.member(p.Person)
		if !known || row.State != string(writ.PasskeyActive) || !c.here(p) {
			continue
		}
		if !slices.ContainsFunc(roster[i].Passkeys, func(x writ.Credential) bool { return bytes.Equal(x.ID, p.Credential.ID) }) {
			roster[i].Passkeys = append(slices.Clip(roster[i].Passkeys), p.Credential)
		}
	}
	return roster, nil
}

// counts remembers a passkey's counter, and refuses one that did not grow: there may be a copy of it (section 6.1.1).
func (c *Control) counts(tx *store.Tx, passkey []byte, counter uint32) error {
	p, row, err := store.Load[passkeyRow](tx, store.Passkeys, string(writ.PasskeyIDOf(passkey)))
	if err != nil {
		return err
	}
	now := int64(counter)
	if (now != 0 || p.Counter != 0) && now <= p.Counter {
		return &writ.Refusal{Code: writ.ReasonApprovalCloned, Kind: writ.ErrDenied, Detail: "the passkey's counter did not grow since its last answer: there may be a copy of it", Hint: "remove the passkey and enrol a new one: writ approver remove " + string(p.ID)}
	}
	p.Counter = now
	return store.Save(tx, store.Passkeys, row, row.State, p)
}
