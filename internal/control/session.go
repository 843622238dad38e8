package control

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

const (
	// sessionLife is how long a login is good: a working day.
	sessionLife = 8 * time.Hour
	// sessionIdle is how long it is good without use: a person who went away is not at the screen.
	sessionIdle = 30 * time.Minute
	// sessionSeen is how often a use is written down: an idle time that is a minute short does no harm, a write for
	// each request would.
	sessionSeen = time.Minute
	// codeLife is how long the command line may take to fetch its session: it waits for the code.
	codeLife = time.Minute
	// stateCode is the state of a code, which is no session yet.
	stateCode = "code"
)

// A sessionRow is one session or code. The row's id is the digest of its token.
type sessionRow struct {
	writ.Session
	Challenge string      `json:",omitempty"` // of a code
	Parent    writ.Digest `json:",omitzero"`  // the row of the login under which it was opened; zero for a login
}

// good returns writ.ErrStale when a session is too old, or idle for too long.
func (s sessionRow) good(now time.Time) error {
	if !now.Before(s.Expires) || now.Sub(s.Seen) >= sessionIdle {
		return fmt.Errorf("%w: the session has ended", writ.ErrStale)
	}
	return nil
}

// BeginSession keeps a new session of a person under the digest of its token. It is good for eight hours.
func (c *Control) BeginSession(ctx context.Context, token writ.Digest, who writ.Principal, way string) (writ.Session, error) {
	if who.Kind != writ.KindHuman || !who.Valid() {
		return writ.Session{}, fmt.Errorf("%w: only people log in", writ.ErrInvalid)
	}
	id, err := newID[writ.SessionID](c, "ses")
	if err != nil {
		return writ.Session{}, err
	}
	now := c.now()
	s := writ.Session{ID: id, Person: writ.Person{Iss: who.Iss, Sub: who.Sub}, Way: way, Since: now, Seen: now, Expires: now.Add(sessionLife)}
	return s, c.Store.Update(ctx, func(tx *store.Tx) error {
		if _, err := c.append(tx, writ.EntryLogin, "", writ.LoginBody{Session: id, Person: s.Person, Way: way, Expires: writ.Instant(s.Expires)}); err != nil {
			return err
		}
		return store.Create(tx, store.Sessions, store.Row{ID: token.String(), State: stateOpen, Key: string(id), Due: millis(s.Expires)}, sessionRow{Session: s})
	})
}

// Session returns whose session the token of this digest is, and counts as its use. It returns writ.ErrNotFound when there
// is none, and writ.ErrStale when it was too old, or idle for too long.
func (c *Control) Session(ctx context.Context, token writ.Digest) (writ.Principal, error) {
	var s sessionRow
	var row store.Row
	load := func(tx *store.Tx) (err error) {
		if s, row, err = openSession(tx, token); err != nil || s.Parent.IsZero() {
			return err
		}
		return c.parentGood(tx, s.Parent)
	}
	if err := c.Store.View(ctx, load); err != nil {
		return writ.Principal{}, err
	}
	now := c.now()
	if err := s.good(now); err != nil {
		return writ.Principal{}, err
	}
	if now.Sub(s.Seen) < sessionSeen {
		return s.Person.Principal(), nil
	}
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := load(tx); err != nil { // it may have been ended meanwhile
			return err
		}
		if s.Seen.Before(now) {
			s.Seen = now
		}
		return store.Save(tx, store.Sessions, row, stateOpen, s)
	})
	return s.Person.Principal(), err
}

// EndSession ends the session of this token, or returns writ.ErrNotFound.
func (c *Control) EndSession(ctx context.Context, token writ.Digest) error {
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		s, row, err := openSession(tx, token)
		if err != nil {
			return err
		}
		return c.logout(tx, row, s.Session, s.Person.Principal())
	})
}

// logout ends a session before its time, with all that were opened under it.
func (c *Control) logout(tx *store.Tx, row store.Row, s writ.Session, by writ.Principal) error {
	if err := c.logoutUnder(tx, row, by); err != nil {
		return err
	}
	if _, err := c.append(tx, writ.EntryLogout, "", writ.LogoutBody{Session: s.ID, Person: s.Person, By: by}); err != nil {
		return err
	}
	return tx.Delete(store.Sessions, row.ID)
}

// KeepCode keeps a code for the command line, which TakeCode takes once within a minute.
func (c *Control) KeepCode(ctx context.Context, code writ.Digest, who writ.Principal, challenge string) error {
	if who.Kind != writ.KindHuman || !who.Valid() {
		return fmt.Errorf("%w: only people log in", writ.ErrInvalid)
	}
	id, err := newID[writ.SessionID](c, "ses")
	if err != nil {
		return err
	}
	until := c.now().Add(codeLife)
	row := sessionRow{Session: writ.Session{ID: id, Person: writ.Person{Iss: who.Iss, Sub: who.Sub}, Expires: until}, Challenge: challenge}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		return store.Create(tx, store.Sessions, store.Row{ID: code.String(), State: stateCode, Due: millis(until)}, row)
	})
}

// TakeCode returns what was kept under a code, and forgets it. It returns writ.ErrNotFound when there is nothing, or its
// time is over.
func (c *Control) TakeCode(ctx context.Context, code writ.Digest) (who writ.Principal, challenge string, err error) {
	var s sessionRow
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		var row store.Row
		var err error
		if s, row, err = store.Load[sessionRow](tx, store.Sessions, code.String()); err != nil {
			return err
		}
		if row.State != stateCode {
			return writ.ErrNotFound
		}
		return tx.Delete(store.Sessions, code.String())
	})
	if err == nil && !c.now().Before(s.Expires) {
		err = writ.ErrNotFound
	}
	if err != nil {
		return writ.Principal{}, "", err
	}
	return s.Person.Principal(), s.Challenge, nil
}

// Sessions returns the caller's own sessions that are good, oldest first; or everybody's, for whom operators name.
func (c *Control) Sessions(ctx context.Context, by writ.Principal, all bool) (found []writ.Session, err error) {
	now := c.now()
	good := map[string]bool{} // rows of logins, which come before what was opened under them
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		if all {
			if may, err := c.operates(tx, by); err != nil {
				return err
			} else if !may {
				return &writ.Refusal{
					Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: "only a person of a team of operators sees other people's sessions",
					Hint: "your own: writ session list; the configuration names the teams under operators",
				}
			}
		}
		for after := int64(0); ; {
			docs, rows, err := find[sessionRow](tx, store.Sessions, store.Filter{State: stateOpen, AfterSeq: after})
			if err != nil {
				return err
			}
			for i, s := range docs {
				if s.good(now) != nil || !s.Parent.IsZero() && !good[s.Parent.String()] {
					continue
				}
				if good[rows[i].ID] = true; all || s.Person.Principal().Same(by) {
					found = append(found, s.Session)
				}
			}
			if len(rows) < store.MaxRows {
				return nil
			}
			after = rows[len(rows)-1].Seq
		}
	})
	return found, err
}

// RevokeSession ends one of the caller's own sessions, or, for an operator, anybody's. For everybody else, what is
// somebody else's is not there.
func (c *Control) RevokeSession(ctx context.Context, by writ.Principal, id writ.SessionID) (ended writ.Session, err error) {
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		docs, rows, err := find[sessionRow](tx, store.Sessions, store.Filter{Key: string(id)})
		if err != nil {
			return err
		}
		may, err := c.operates(tx, by)
		if err != nil {
			return err
		}
		if len(docs) != 1 || !may && !docs[0].Person.Principal().Same(by) {
			return notFound(writ.ErrNotFound, "session", string(id))
		}
		ended = docs[0].Session
		return c.logout(tx, rows[0], ended, by)
	})
	return ended, err
}
