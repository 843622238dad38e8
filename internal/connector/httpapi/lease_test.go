package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/storefront"
)

func TestI06ARevokedLeaseIsProvenDead(t *testing.T) {
	for _, grant := range []string{httpapi.GrantTokenExchange, httpapi.GrantClientCredentials} {
		t.Run(grant, func(t *testing.T) {
			s := shop(t)
			c := config(t, s, s.AdminURL())
			c.Token.Grant = grant
			x := connect(t, c)
			l := lease(t, x, false, plan(t, x, setRelease("checkout", "v40")))
			alive, err := l.Probe(t.Context())
			if err != nil || alive.PowerGone && alive.IdentityGone || alive.IdentityGone {
				t.Errorf("a live lease probes as %+v, %v", alive, err)
			}
			for range 2 { // idempotent
				if err := l.Revoke(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			p, err := l.Probe(t.Context())
			if err != nil || p != (connector.Probe{PowerGone: true, PowerStatus: 401, IdentityGone: true, IdentityStatus: 401}) {
				t.Errorf("probe %+v, %v", p, err)
			}
			if n := s.LiveTokens(storefront.ClientT2); n != 0 {
				t.Errorf("%d tokens live on", n)
			}
		})
	}
}

func TestI06ALiveTokenNeverProbesDead(t *testing.T) {
	_, w, x := wired(t)
	p, l := leased(t, x)
	w.will(func(r *http.Request) fate { // the revocation never arrives, though its answer says so
		if r.URL.Path == "/oauth/revoke" {
			return losesCall
		}
		return passes
	})
	if err := l.Revoke(t.Context()); err == nil {
		t.Error("a revocation that did not arrive is reported as done")
	}
	probe, err := l.Probe(t.Context())
	if err != nil || probe.IdentityGone {
		t.Errorf("probe %+v, %v", probe, err)
	}
	if release(t, x, "checkout") != "v41" {
		t.Error("the probe acted")
	}
	if out := l.Do(t.Context(), p); out.Effect != writ.NotApplied {
		t.Errorf("a lease that is being revoked acted: %+v", out)
	}
	w.will(nil)
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if probe, err = l.Probe(t.Context()); err != nil || !probe.PowerGone || !probe.IdentityGone {
		t.Errorf("probe %+v, %v", probe, err)
	}
}

// Whatever step of minting is the last before a crash, what was kept by then is enough to end what was made.
func TestI06WhatWasKeptEndsWhatWasMade(t *testing.T) {
	for at := 1; at <= 2; at++ {
		s := shop(t)
		x := connect(t, config(t, s, s.AdminURL()))
		r := request(false, plan(t, x, setRelease("checkout", "v40")))
		var last []byte
		n := 0
		if _, err := x.Lease(t.Context(), r, func(h []byte) error {
			if n++; n <= at {
				last = slices.Clone(h)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n != 2 {
			t.Fatalf("kept %d times", n)
		}
		if s.LiveTokens(storefront.ClientT2) != 2 {
			t.Fatalf("%d tokens live", s.LiveTokens(storefront.ClientT2))
		}
		again, err := connect(t, config(t, s, s.AdminURL())).Reopen(r, last)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		p, err := again.Probe(t.Context())
		if err != nil || !p.PowerGone || !p.IdentityGone || s.LiveTokens(storefront.ClientT2) != 0 {
			t.Errorf("kept %d: probe %+v, %v; %d tokens live on", at, p, err, s.LiveTokens(storefront.ClientT2))
		}
	}
}

func TestI06NothingHasPowerBeforeItsHandleIsKept(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	r := request(false, plan(t, x, setRelease("checkout", "v40")))
	for fail := 1; fail <= 2; fail++ {
		n := 0
		_, err := x.Lease(t.Context(), r, func(h []byte) error {
			if n++; n == fail {
				return errors.New("disk full")
			}
			return nil
		})
		if err == nil || n != fail {
			t.Errorf("kept %d times, %v", n, err)
		}
		if live := s.LiveTokens(storefront.ClientT2); live != 0 {
			t.Errorf("%d tokens live on after keep %d failed", live, fail)
		}
	}
	// The first handle alone: what it holds is refused everything but to be exchanged.
	_, err := x.Lease(t.Context(), r, func(h []byte) error {
		var in struct{ Subject, Token string }
		if err := json.Unmarshal(h, &in); err != nil {
			t.Fatal(err)
		}
		if in.Token != "" {
			t.Error("the token with power was minted before its subject was kept")
		}
		for _, path := range []string{"GET /services/checkout", "PUT /services/checkout/release"} {
			method, path, _ := strings.Cut(path, " ")
			req, err := http.NewRequest(method, s.AdminURL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+in.Subject)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("the subject token gets %d for %s", res.StatusCode, path)
			}
		}
		return errors.New("enough")
	})
	if err == nil {
		t.Error("a lease without a handle was given out")
	}
	// Without any handle there is nothing to end, and the target says so.
	l, err := x.Reopen(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := l.Probe(t.Context()); err != nil || !p.PowerGone || !p.IdentityGone {
		t.Errorf("probe %+v, %v", p, err)
	}
}

// A lease above the tier of every client is refused before anything is minted. It must not stay a debt of its runner, which would then
// run nothing any more.
func TestI06ALeaseThatNoClientMintsIsProvenDead(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	r := request(false, plan(t, x, setRelease("checkout", "v40")))
	r.Tier = writ.T4
	if _, err := x.Lease(t.Context(), r, func([]byte) error { t.Error("a handle was kept"); return nil }); writ.ReasonOf(err) != writ.ReasonLeaseFailed {
		t.Fatalf("the lease of %s: %v", r.Tier, err)
	}
	l, err := x.Reopen(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := l.Probe(t.Context()); err != nil || !p.PowerGone || !p.IdentityGone {
		t.Errorf("probe %+v, %v", p, err)
	}
}

// With client credentials a token can be lost on its way. The lease then stays unproven until that token has ended.
func TestI06ATokenLostOnItsWayIsWaitedFor(t *testing.T) {
	s := shop(t)
	w := between(t, s.AdminURL())
	c := config(t, s, w.URL)
	c.Token.Grant = httpapi.GrantClientCredentials
	now := time.Now()
	x, err := httpapi.New(c, httpapi.Options{Now: func() time.Time { return now }, Rand: zero{}})
	if err != nil {
		t.Fatal(err)
	}
	r := request(false, plan(t, x, setRelease("checkout", "v40")))
	w.will(func(r *http.Request) fate {
		if r.URL.Path == "/oauth/token" {
			return losesAnswer
		}
		return passes
	})
	var last []byte
	if _, err := x.Lease(t.Context(), r, func(h []byte) error { last = slices.Clone(h); return nil }); err == nil {
		t.Fatal("a lease without a token was given out")
	}
	w.will(nil)
	l, err := x.Reopen(r, last)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := l.Probe(t.Context()); err == nil {
		t.Errorf("called dead while a token may live: %+v", p)
	}
	now = now.Add(r.TTL + 5*time.Minute)
	if p, err := l.Probe(t.Context()); err != nil || !p.PowerGone || !p.IdentityGone {
		t.Errorf("probe %+v, %v", p, err)
	}
}

type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestALeaseCanDoItsCallsAndNothingElse(t *testing.T) {
	s, w, x := wired(t)
	mine, other := plan(t, x, setRelease("checkout", "v40")), plan(t, x, setRelease("catalog", "v6"))
	l := lease(t, x, false, mine)
	if got := l.Rights(); !slices.Equal(got, []string{"OAuth scope setRelease:checkout on httpapi://shop"}) {
		t.Errorf("rights %q", got)
	}
	if out := l.Do(t.Context(), other); out.Effect != writ.NotApplied || out.Reason != writ.ReasonForbidden {
		t.Errorf("another plan's call: %+v", out)
	}
	if out := l.Do(t.Context(), mine); out.Effect != writ.Applied {
		t.Fatalf("its own call: %+v", out)
	}
	if u := l.Undo(t.Context(), mine, nil); u.Effect != writ.NotApplied {
		t.Errorf("a lease to act undid: %+v", u)
	}
	token := w.all(writes)[0].token
	for _, call := range []string{
		"PUT /services/catalog/release", "PUT /services/checkout/replicas", "POST /services/checkout/restart",
		"PUT /services/checkout/flags/one-click", "GET /services/checkout",
	} {
		method, path, _ := strings.Cut(call, " ")
		req, err := http.NewRequest(method, s.AdminURL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s with the lease: %d", call, res.StatusCode)
		}
	}
}
