package control_test

import (
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// What was opened under a login ends with it, whatever ends it, and can never be opened without one.
func TestASessionOpenedUnderALoginDoesNotOutliveIt(t *testing.T) {
	w := newWorld(t)
	login, under := writ.DigestOf([]byte("login")), writ.DigestOf([]byte("under"))
	open := func() writ.Session {
		t.Helper()
		s, err := w.ctl.BeginSession(w.ctx, login, human("ann"), "browser")
		must(t, err)
		_, err = w.ctl.BeginUnder(w.ctx, under, login, human("ann"), "approving")
		must(t, err)
		if p, err := w.ctl.Session(w.ctx, under); err != nil || p != human("ann") {
			t.Fatalf("%v %v", p, err)
		}
		return s
	}
	ended := func(what string, kind error) {
		t.Helper()
		if p, err := w.ctl.Session(w.ctx, under); !errors.Is(err, kind) {
			t.Errorf("%s: %v %v", what, p, err)
		}
		all, err := w.ctl.Sessions(w.ctx, human("ann"), false)
		must(t, err)
		for _, s := range all {
			if s.Way == "approving" {
				t.Errorf("%s: it is still listed", what)
			}
		}
	}
	open()
	must(t, w.ctl.EndSession(w.ctx, login))
	ended("the login was left", writ.ErrNotFound)

	s := open()
	if _, err := w.ctl.RevokeSession(w.ctx, human("ann"), s.ID); err != nil {
		t.Fatal(err)
	}
	ended("the login was revoked", writ.ErrNotFound)

	open()
	for range 2 { // in use itself, while nobody uses the login
		w.pass(16 * time.Minute)
		w.ctl.Session(w.ctx, under)
	}
	ended("the login was idle for too long", writ.ErrStale)
	must(t, w.ctl.EndSession(w.ctx, login))

	open()
	for range 24 {
		w.pass(20 * time.Minute)
		w.ctl.Session(w.ctx, login)
		w.ctl.Session(w.ctx, under)
	}
	ended("the login expired", writ.ErrStale)
	must(t, w.ctl.SweepOnce(w.ctx))
	ended("the login was swept", writ.ErrNotFound)

	var logins, logouts int
	for _, e := range w.entries() {
		switch b := e.Body.(type) {
		case *writ.LoginBody:
			if logins++; b.Way == "approving" && b.Person.Sub != "ann" {
				t.Errorf("%+v", b)
			}
		case *writ.LogoutBody:
			logouts++
		}
	}
	if logins != 8 || logouts != 6 {
		t.Errorf("the ledger has %d logins and %d ends, want 8 and 6", logins, logouts)
	}
}

func TestOnlyAGoodLoginOfTheSamePersonOpensAnother(t *testing.T) {
	w := newWorld(t)
	login, under, next := writ.DigestOf([]byte("login")), writ.DigestOf([]byte("under")), writ.DigestOf([]byte("next"))
	refuse := func(what string, parent writ.Digest, who writ.Principal, kind error) {
		t.Helper()
		if s, err := w.ctl.BeginUnder(w.ctx, next, parent, who, "approving"); !errors.Is(err, kind) {
			t.Errorf("%s: %+v %v", what, s, err)
		}
	}
	refuse("no login", login, human("ann"), writ.ErrNotFound)
	_, err := w.ctl.BeginSession(w.ctx, login, human("ann"), "browser")
	must(t, err)
	refuse("another person's", login, human("bob"), writ.ErrNotFound)
	_, err = w.ctl.BeginUnder(w.ctx, under, login, human("ann"), "approving")
	must(t, err)
	refuse("what is itself under a login", under, human("ann"), writ.ErrNotFound)
	must(t, w.ctl.KeepCode(w.ctx, writ.DigestOf([]byte("code")), human("ann"), "challenge"))
	refuse("a code", writ.DigestOf([]byte("code")), human("ann"), writ.ErrNotFound)
	w.pass(30 * time.Minute)
	refuse("a login that was idle for too long", login, human("ann"), writ.ErrStale)
	if _, err := w.ctl.Session(w.ctx, next); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("one was opened: %v", err)
	}
}
