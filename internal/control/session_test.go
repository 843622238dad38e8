package control_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

func TestASessionIsGoodForEightHoursAndThirtyMinutesWithoutUse(t *testing.T) {
	w := newWorld(t)
	token := writ.DigestOf([]byte("a token"))
	good := func(what string) {
		t.Helper()
		if p, err := w.ctl.Session(w.ctx, token); err != nil || p != human("ann") {
			t.Errorf("%s: %v %v", what, p, err)
		}
	}
	ended := func(what string, kind error) {
		t.Helper()
		if p, err := w.ctl.Session(w.ctx, token); !errors.Is(err, kind) {
			t.Errorf("%s: %v %v", what, p, err)
		}
	}
	begin := func() {
		t.Helper()
		_, err := w.ctl.BeginSession(w.ctx, token, human("ann"), "browser")
		must(t, err)
	}
	begin()
	for range 16 {
		w.pass(29 * time.Minute)
		good("in use")
	}
	w.pass(16 * time.Minute)
	ended("after eight hours", writ.ErrStale)
	must(t, w.ctl.SweepOnce(w.ctx))
	ended("swept", writ.ErrNotFound)

	begin()
	w.pass(30 * time.Minute)
	ended("idle", writ.ErrStale)
	must(t, w.ctl.EndSession(w.ctx, token))
	begin()
	must(t, w.ctl.EndSession(w.ctx, token))
	ended("logged out", writ.ErrNotFound)
	for _, p := range []writ.Principal{repair, source, {}} {
		if _, err := w.ctl.BeginSession(w.ctx, token, p, "browser"); err == nil {
			t.Errorf("%v logged in", p)
		}
	}
}

func TestPeopleSeeAndEndTheirOwnSessionsOnly(t *testing.T) {
	w := newWorld(t)
	ann, bob := writ.DigestOf([]byte("ann's")), writ.DigestOf([]byte("bob's"))
	s, err := w.ctl.BeginSession(w.ctx, ann, human("ann"), "browser")
	must(t, err)
	_, err = w.ctl.BeginSession(w.ctx, bob, human("bob"), "command line")
	must(t, err)
	all, err := w.ctl.Sessions(w.ctx, human("bob"), false)
	if err != nil || len(all) != 1 || all[0].Person.Sub != "bob" || all[0].Way != "command line" {
		t.Errorf("%v %v", all, err)
	}
	if _, err := w.ctl.RevokeSession(w.ctx, human("bob"), s.ID); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("another's: %v", err)
	}
	if _, err := w.ctl.RevokeSession(w.ctx, human("ann"), s.ID); err != nil {
		t.Error(err)
	}
	if _, err := w.ctl.Session(w.ctx, ann); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("after its end: %v", err)
	}
}

func TestACodeOfTheCommandLineCountsOnceWithinAMinute(t *testing.T) {
	w := newWorld(t)
	code := writ.DigestOf([]byte("a code"))
	must(t, w.ctl.KeepCode(w.ctx, code, human("ann"), "challenge"))
	if _, err := w.ctl.Session(w.ctx, code); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("a code as a session: %v", err)
	}
	if p, c, err := w.ctl.TakeCode(w.ctx, code); err != nil || p != human("ann") || c != "challenge" {
		t.Errorf("%v %q %v", p, c, err)
	}
	if _, _, err := w.ctl.TakeCode(w.ctx, code); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	must(t, w.ctl.KeepCode(w.ctx, code, human("ann"), "challenge"))
	w.pass(time.Minute)
	if _, _, err := w.ctl.TakeCode(w.ctx, code); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("after a minute: %v", err)
	}
	session := writ.DigestOf([]byte("a session"))
	_, err := w.ctl.BeginSession(w.ctx, session, human("ann"), "browser")
	must(t, err)
	if _, _, err := w.ctl.TakeCode(w.ctx, session); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("a session as a code: %v", err)
	}
}

// The rows hold the digest, from which nobody makes a token.
func TestPitfall09TheLoginTableHoldsNoUsableToken(t *testing.T) {
	w := newWorld(t)
	const token = "writses_a-token-that-nobody-guesses"
	_, err := w.ctl.BeginSession(w.ctx, writ.DigestOf([]byte(token)), human("ann"), "browser")
	must(t, err)
	must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Sessions, store.Filter{})
		if len(rows) != 1 {
			t.Errorf("%d rows", len(rows))
		}
		for _, r := range rows {
			if bytes.Contains([]byte(r.ID+r.Key+string(r.Doc)), []byte("nobody-guesses")) {
				t.Errorf("a row holds the token: %+v", r)
			}
		}
		return err
	}))
}
