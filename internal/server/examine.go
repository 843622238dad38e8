package server

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

// Examine checks the files that a control plane's configuration names, one by one, without opening the ledger, which
// may be in use. It asks PostgreSQL databases whether they would do, and changes nothing there.
func Examine(ctx context.Context, c config.Server, dev bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if c.Database != nil {
			state, blobs, err := databaseURLs(c)
			if err == nil {
				err = store.Probe(ctx, state, blobs, c.Origin)
			}
			if !yield("databases for state and blobs", err) {
				return
			}
		}
		_, err := pin.Load(c.Path(c.Keys.Control))
		if !yield("key "+c.Keys.Control, err) {
			return
		}
		for _, file := range []string{c.Keys.Grant, c.Keys.Dispatch, c.Keys.Token} {
			if file == "" { // the last one may be left out
				continue
			}
			_, err := token.LoadKey(c.Path(file))
			if !yield("key "+file, err) {
				return
			}
		}
		k, err := loadLogKey(c)
		v := k.verifier
		if err == nil && v.Origin() != c.Origin {
			err = fmt.Errorf("the key is for the log %q, the ledger is %q", v.Origin(), c.Origin)
		}
		if !yield("signer's key", err) {
			return
		}
		for _, r := range c.Runners {
			_, err := loadPublic(c.Path(r.Public))
			if !yield("runner "+r.ID, err) {
				return
			}
		}
		rules, err := loadRules(c, dev, nil)
		if !yield(fmt.Sprintf("services (%d), targets (%d), playbooks (%d) and policies", len(rules.services), len(rules.targets), len(rules.library)), err) {
			return
		}
		check := c.Roster().Check
		if c.Approve != nil {
			if _, err := site(c); !yield("approve", err) {
				return
			}
			check = c.Roster().CheckOpen
		}
		if err := check(); !yield("approvers", err) {
			return
		}
		access, err := newAccess(c)
		if !yield("key of control-plane tokens", err) || err != nil {
			return
		}
		auth, err := newAuth(c, forgetful{}, forgetful{}, access, dev, slog.New(slog.DiscardHandler))
		if !yield("who may speak", err) || err != nil {
			return
		}
		for what, err := range auth.Examine(ctx) {
			if !yield(what, err) {
				return
			}
		}
		for what, err := range examineOnCall(ctx, c) {
			if !yield(what, err) {
				return
			}
		}
		if c.Notify == nil {
			return
		}
		for _, x := range c.Notify.Channels {
			if _, err := noticeChannel(c, x, dev); !yield("notify channel "+x.Name, err) {
				return
			}
		}
	}
}

// forgetful remembers nobody: an examination lets nobody in.
type forgetful struct{}

func (forgetful) First(context.Context, string, string, time.Time) (string, error) {
	return "", writ.ErrUnavailable
}

func (forgetful) Revoked(context.Context, string) (bool, error) { return true, writ.ErrUnavailable }

func (forgetful) BeginSession(context.Context, writ.Digest, writ.Principal, string) (writ.Session, error) {
	return writ.Session{}, writ.ErrUnavailable
}

func (forgetful) BeginUnder(context.Context, writ.Digest, writ.Digest, writ.Principal, string) (writ.Session, error) {
	return writ.Session{}, writ.ErrUnavailable
}

func (forgetful) Session(context.Context, writ.Digest) (writ.Principal, error) {
	return writ.Principal{}, writ.ErrUnavailable
}

func (forgetful) EndSession(context.Context, writ.Digest) error { return writ.ErrUnavailable }

func (forgetful) KeepCode(context.Context, writ.Digest, writ.Principal, string) error {
	return writ.ErrUnavailable
}

func (forgetful) TakeCode(context.Context, writ.Digest) (writ.Principal, string, error) {
	return writ.Principal{}, "", writ.ErrUnavailable
}

func (forgetful) NoteTeams(context.Context, writ.Principal, writ.Membership) error {
	return writ.ErrUnavailable
}
