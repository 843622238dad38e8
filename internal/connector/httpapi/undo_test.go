package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/storefront"
)

// applied does one draft and returns what is needed to undo it.
func applied(t *testing.T, x *httpapi.Connector, d connector.Draft) (connector.Prepared, []byte) {
	t.Helper()
	p := plan(t, x, d)
	out := lease(t, x, false, p).Do(t.Context(), p)
	if out.Effect != writ.Applied {
		t.Fatalf("%+v", out)
	}
	return p, out.After
}

func TestI16UndoRestoresThePreimage(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	for what, d := range map[string]connector.Draft{
		"release":  setRelease("checkout", "v40"),
		"replicas": draft("payments", "httpapi/replicas.set", writ.Parameters{"service": writ.String("payments"), "replicas": writ.Int(4)}),
		"flag":     draft("checkout", "httpapi/flag.set", writ.Parameters{"service": writ.String("checkout"), "flag": writ.String("one-click"), "on": writ.Bool(true)}),
	} {
		p, after := applied(t, x, d)
		l := lease(t, x, true, p)
		for range 2 { // idempotent
			if u := l.Undo(t.Context(), p, after); u.Effect != writ.Applied || !u.Restored || len(u.Left) > 0 || u.Reason != "" {
				t.Errorf("%s: %+v", what, u)
			}
		}
		again, err := x.Plan(t.Context(), d)
		if err != nil || again.Step.Diff[0] != p.Step.Diff[0] {
			t.Errorf("%s: after the undo, the same draft changes %v, %v", what, again.Step.Diff, err)
		}
	}
}

func TestI16UndoNeverOverwritesAThirdParty(t *testing.T) {
	s, w, x := wired(t)
	p, after := applied(t, x, setRelease("checkout", "v40"))
	if err := s.Deploy("checkout", "v43", "ops"); err != nil {
		t.Fatal(err)
	}
	before := len(w.all(writes))
	u := lease(t, x, true, p).Undo(t.Context(), p, after)
	if u.Effect != writ.NotApplied || u.Restored || u.Reason != writ.ReasonUndoConflict || !slices.Equal(u.Left, []string{"/release"}) {
		t.Errorf("%+v", u)
	}
	for _, word := range []string{"ops", "/release", "v43", "v40"} {
		if !strings.Contains(u.Detail, word) {
			t.Errorf("%q does not say %s", u.Detail, word)
		}
	}
	if n := len(w.all(writes)); n != before {
		t.Errorf("%d writes", n-before)
	}
	if release(t, x, "checkout") != "v43" {
		t.Error("overwritten")
	}
}

func TestI16AnObjectThatAnotherTouchedIsLeftAlone(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	p, after := applied(t, x, setRelease("checkout", "v40"))
	if err := s.Scale("checkout", 5, "ops"); err != nil {
		t.Fatal(err)
	}
	l := lease(t, x, true, p)
	u := l.Undo(t.Context(), p, after)
	if u.Reason != writ.ReasonUndoConflict || !strings.Contains(u.Detail, "by ops: /replicas is 5, and was left as 3") || strings.Contains(u.Detail, "changed_by") {
		t.Errorf("%+v", u)
	}
	if err := s.Scale("checkout", 3, "ops"); err != nil {
		t.Fatal(err)
	}
	if u := l.Undo(t.Context(), p, after); !u.Restored {
		t.Errorf("once it is as it was left again: %+v", u)
	}
}

// Between the undo's look and its call, only the target can refuse.
func TestI16TheTargetItselfChecksTheUndo(t *testing.T) {
	s, w, x := wired(t)
	p, after := applied(t, x, setRelease("checkout", "v40"))
	l := lease(t, x, true, p)
	w.will(func(r *http.Request) fate {
		if isWrite(r) {
			if err := s.Deploy("checkout", "v43", "ops"); err != nil {
				t.Error(err)
			}
		}
		return passes
	})
	u := l.Undo(t.Context(), p, after)
	if u.Effect != writ.NotApplied || u.Reason != writ.ReasonUndoConflict || u.Restored {
		t.Errorf("%+v", u)
	}
	w.will(nil)
	if release(t, x, "checkout") != "v43" {
		t.Error("overwritten")
	}
	// Once the third party has put its change back, a second attempt restores.
	if err := s.Deploy("checkout", "v40", "ops"); err != nil {
		t.Fatal(err)
	}
	if u := l.Undo(t.Context(), p, after); !u.Restored {
		t.Errorf("%+v", u)
	}
}

// An undo that was carried out and then overtaken says exactly which fields are not as before.
func TestI16WhatIsNotRestoredIsNamed(t *testing.T) {
	s, w, x := wired(t)
	p, after := applied(t, x, setRelease("checkout", "v40"))
	l := lease(t, x, true, p)
	w.answers(func(r *http.Request, _ *http.Response) {
		if isWrite(r) {
			if err := s.Deploy("checkout", "v43", "ops"); err != nil {
				t.Error(err)
			}
		}
	})
	u := l.Undo(t.Context(), p, after)
	if u.Restored || !slices.Equal(u.Left, []string{"/release"}) || u.Reason != writ.ReasonUndoConflict || !strings.Contains(u.Detail, "ops") {
		t.Errorf("%+v", u)
	}
}

func TestI15AnUndoOnACutWireIsReadBack(t *testing.T) {
	for what, c := range map[string]struct {
		fate     fate
		effect   writ.Effect
		restored bool
	}{
		"lost":    {losesCall, writ.Unknown, false},
		"arrived": {losesAnswer, writ.Applied, true},
	} {
		_, w, x := wired(t)
		p, after := applied(t, x, setRelease("checkout", "v40"))
		l := lease(t, x, true, p)
		w.writesFare(c.fate)
		u := l.Undo(t.Context(), p, after)
		if u.Effect != c.effect || u.Restored != c.restored {
			t.Errorf("%s: %+v", what, u)
		}
		w.will(nil)
		if u := l.Undo(t.Context(), p, after); !u.Restored {
			t.Errorf("%s: a second attempt: %+v", what, u)
		}
	}
}

func TestALeaseToUndoCannotGoForward(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	p := plan(t, x, setRelease("checkout", "v40"))
	if out := lease(t, x, true, p).Do(t.Context(), p); out.Effect != writ.NotApplied {
		t.Errorf("%+v", out)
	}
	restart := plan(t, x, draft("checkout", "httpapi/service.restart", writ.Parameters{"service": writ.String("checkout")}))
	_, err := x.Lease(t.Context(), request(true, restart), func([]byte) error { return nil })
	wantReason(t, "an undo that does not exist", err, writ.ReasonLeaseFailed)
	if n := s.LiveTokens(storefront.ClientT2); n != 2 { // of the first lease: its subject and its token
		t.Errorf("%d tokens", n)
	}
	l := lease(t, x, false, restart)
	if out := l.Do(t.Context(), restart); out.Effect != writ.Applied {
		t.Errorf("%+v", out)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if probe, err := l.Probe(t.Context()); err != nil || !probe.PowerGone || !probe.IdentityGone {
		t.Errorf("probe of a call without a body: %+v, %v", probe, err)
	}
}
