package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// BeginUnder keeps a new session under the digest of its token, opened by who is logged in under parent. It is never good
// for longer than the login: it ends when the login is ended, expires or was idle for too long, for all replicas and at
// once. A login that is not good, or somebody else's, is writ.ErrNotFound or writ.ErrStale.
func (c *Control) BeginUnder(ctx context.Context, token, parent writ.Digest, who writ.Principal, way string) (writ.Session, error) {
	id, err := newID[writ.SessionID](c, "ses")
	if err != nil {
		return writ.Session{}, err
	}
	now := c.now()
	var s writ.Session
	return s, c.Store.Update(ctx, func(tx *store.Tx) error {
		login, _, err := openSession(tx, parent)
		if err == nil {
			err = login.good(now)
		}
		switch {
		case err != nil:
			return err
		case !login.Parent.IsZero() || !login.Person.Principal().Same(who):
			return fmt.Errorf("%w: the session is nobody's login, or somebody else's", writ.ErrNotFound)
		}
		s = writ.Session{ID: id, Person: login.Person, Way: way, Since: now, Seen: now, Expires: now.Add(sessionLife)}
		if s.Expires.After(login.Expires) {
			s.Expires = login.Expires
		}
		if _, err := c.append(tx, writ.EntryLogin, "", writ.LoginBody{Session: id, Person: s.Person, Way: way, Expires: writ.Instant(s.Expires)}); err != nil {
			return err
		}
		return store.Create(tx, store.Sessions, store.Row{ID: token.String(), State: stateOpen, Key: string(id), Due: millis(s.Expires)}, sessionRow{Session: s, Parent: parent})
	})
}

// openSession is the session whose token has this digest, or writ.ErrNotFound: a code is none.
func openSession(tx *store.Tx, token writ.Digest) (sessionRow, store.Row, error) {
	s, row, err := store.Load[sessionRow](tx, store.Sessions, token.String())
	if err == nil && row.State != stateOpen {
		err = writ.ErrNotFound
	}
	return s, row, err
}

// parentGood returns writ.ErrStale when the login under which a session was opened is not good any more.
func (c *Control) parentGood(tx *store.Tx, parent writ.Digest) error {
	login, _, err := openSession(tx, parent)
	if errors.Is(err, writ.ErrNotFound) {
		return fmt.Errorf("%w: its login has ended", writ.ErrStale)
	}
	if err != nil {
		return err
	}
	return login.good(c.now())
}

// logoutUnder ends what was opened under a login that ends. There are as many sessions as people at work.
func (c *Control) logoutUnder(tx *store.Tx, login store.Row, by writ.Principal) error {
	for after := int64(0); ; {
		docs, rows, err := find[sessionRow](tx, store.Sessions, store.Filter{State: stateOpen, AfterSeq: after})
		if err != nil {
			return err
		}
		for i, s := range docs {
			if s.Parent.IsZero() || s.Parent.String() != login.ID {
				continue
			}
			if _, err := c.append(tx, writ.EntryLogout, "", writ.LogoutBody{Session: s.ID, Person: s.Person, By: by}); err != nil {
				return err
			}
			if err := tx.Delete(store.Sessions, rows[i].ID); err != nil {
				return err
			}
		}
		if len(rows) < store.MaxRows {
			return nil
		}
		after = rows[len(rows)-1].Seq
	}
}
