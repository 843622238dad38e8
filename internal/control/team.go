package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/store"
)

// A personRow is what a person's issuer said last of their teams.
type personRow struct {
	Person writ.Person
	writ.Membership
}

// personID is the key of a person's row. Its parts have no zero byte, so no two identities share one.
func personID(p writ.Principal) string {
	return writ.DigestOf([]byte(p.Iss + "\x00" + p.Sub)).String()
}

// NoteTeams keeps what a person's issuer says of their teams, durably and with a ledger entry when it changes. What an
// older token says is no news.
func (c *Control) NoteTeams(ctx context.Context, who writ.Principal, m writ.Membership) error {
	if who.Kind != writ.KindHuman || !who.Valid() {
		return fmt.Errorf("%w: only people are of teams", writ.ErrInvalid)
	}
	id := personID(who)
	news := func(tx *store.Tx) (personRow, store.Row, bool, error) {
		old, row, err := store.Load[personRow](tx, store.People, id)
		if errors.Is(err, writ.ErrNotFound) {
			return old, row, true, nil
		}
		return old, row, err == nil && m.AsOf.After(old.AsOf), err
	}
	var change bool
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		_, _, change, err = news(tx)
		return err
	})
	if err != nil || !change {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		old, row, change, err := news(tx)
		if err != nil || !change {
			return err
		}
		doc := personRow{writ.Person{Iss: who.Iss, Sub: who.Sub}, m}
		if row.ID != "" && slices.Equal(m.Teams, old.Teams) {
			return store.Save(tx, store.People, row, stateOn, doc)
		}
		if _, err := c.append(tx, writ.EntryTeams, "", writ.TeamsBody{Person: doc.Person, Teams: m.Teams, AsOf: writ.Instant(m.AsOf)}); err != nil {
			return err
		}
		if row.ID == "" {
			return store.Create(tx, store.People, store.Row{ID: id, State: stateOn}, doc)
		}
		return store.Save(tx, store.People, row, stateOn, doc)
	})
}

// teams returns the teams of a person: those of the roster, or, where the issuer maps groups, those that it named last.
// Whoever never came with a token of a mapped issuer is of none.
func (c *Control) teams(tx *store.Tx, by writ.Principal) ([]string, error) {
	if !c.Mapped[by.Iss] {
		for _, m := range c.Roster {
			if m.Person().Principal().Same(by) {
				return m.Groups, nil
			}
		}
		return nil, nil
	}
	p, _, err := store.Load[personRow](tx, store.People, personID(by))
	if errors.Is(err, writ.ErrNotFound) {
		return nil, nil
	}
	return p.Teams, err
}

// roster returns the roster with each member's groups cut down to what their issuers agree with: who has left a team
// counts for it no more, whatever the roster and earlier answers say; and of a group with an on-call source, whoever does not
// hold its turn now is not. A runner has its own roster and hears nothing of issuers and turns.
func (c *Control) roster(tx *store.Tx) (approval.Roster, error) {
	out, err := c.mapped(tx)
	if err == nil {
		err = c.narrow(tx, out)
	}
	return out, err
}

// mapped is roster without regard to turns.
func (c *Control) mapped(tx *store.Tx) (approval.Roster, error) {
	out := slices.Clone(c.Roster)
	for i, m := range out {
		var teams []string
		narrow := false
		for _, p := range append([]writ.Person{m.Person()}, m.Accounts...) {
			if !c.Mapped[p.Iss] {
				continue
			}
			of, err := c.teams(tx, p.Principal())
			if err != nil {
				return nil, err
			}
			narrow, teams = true, append(teams, of...)
		}
		if narrow {
			out[i].Groups = slices.DeleteFunc(slices.Clone(m.Groups), func(g string) bool { return !slices.Contains(teams, g) })
		}
	}
	return out, nil
}

// operates reports whether a person is of one of the teams that look after Writ itself.
func (c *Control) operates(tx *store.Tx, by writ.Principal) (bool, error) {
	teams, err := c.teams(tx, by)
	return slices.ContainsFunc(teams, func(t string) bool { return slices.Contains(c.Operators, t) }), err
}
