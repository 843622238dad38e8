package noop_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/noop"
)

const target = writ.Location("noop://bench")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheCatalogueIsBoundedAndUndoable(t *testing.T) { must(t, noop.Catalogue().Check()) }

func TestATouchSucceedsAndItsLeaseDiesAtOnce(t *testing.T) {
	ctx := context.Background()
	c, err := noop.New(target, time.Now, rand.Reader)
	must(t, err)
	p, err := c.Plan(ctx, connector.Draft{Key: "k.1", Operation: noop.Touch, With: writ.Parameters{"name": writ.String("x")}, Scope: []writ.Location{"noop://bench/s1"}})
	must(t, err)
	must(t, p.Check())
	if p.Step.Object.Location != "noop://bench/s1/x" || p.Step.Tier != writ.T1 {
		t.Errorf("%+v", p.Step)
	}
	kept := ""
	l, err := c.Lease(ctx, connector.LeaseRequest{Name: "writ-1", Steps: []connector.Prepared{p}}, func(b []byte) error { kept = string(b); return nil })
	must(t, err)
	if probe, err := l.Probe(ctx); err != nil || probe.PowerGone || probe.IdentityGone || kept != "writ-1" {
		t.Errorf("before: %+v %v, kept %q", probe, err, kept)
	}
	if out := l.Do(ctx, p); out.Effect != writ.Applied || !out.Sent.Equal(p.Step.Call.Body) {
		t.Errorf("%+v", out)
	}
	must(t, l.Revoke(ctx))
	if probe, err := l.Probe(ctx); err != nil || !probe.PowerGone || !probe.IdentityGone {
		t.Errorf("after: %+v %v", probe, err)
	}
	if out := l.Do(ctx, p); out.Effect != writ.NotApplied {
		t.Errorf("with a revoked lease: %+v", out)
	}
	got, err := c.Observe(ctx, connector.Query{Reader: noop.Status, With: writ.Parameters{"name": writ.String("x")}, Scope: []writ.Location{"noop://bench/s1"}, Limit: 100})
	if err != nil || got.Facts["touched"] != writ.Bool(true) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestI07WhatIsNotDeclaredIsRefused(t *testing.T) {
	ctx := context.Background()
	c, err := noop.New(target, time.Now, rand.Reader)
	must(t, err)
	for name, d := range map[string]connector.Draft{
		"operation": {Key: "k.1", Operation: "noop/thing.drop", With: writ.Parameters{"name": writ.String("x")}, Scope: []writ.Location{"noop://bench/s1"}},
		"free text": {Key: "k.1", Operation: noop.Touch, With: writ.Parameters{"name": writ.String("a b")}, Scope: []writ.Location{"noop://bench/s1"}},
		"elsewhere": {Key: "k.1", Operation: noop.Touch, With: writ.Parameters{"name": writ.String("x")}, Scope: []writ.Location{"noop://other/s1"}},
	} {
		if _, err := c.Plan(ctx, d); writ.ReasonOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, at := range []writ.Location{"", "kubernetes://x", "noop://bench/s1"} {
		if _, err := noop.New(at, time.Now, rand.Reader); err == nil {
			t.Errorf("a connector of %q", at)
		}
	}
}

func TestATouchLeavesNothingToPutBack(t *testing.T) {
	c, err := noop.New(target, time.Now, rand.Reader)
	must(t, err)
	p, err := c.Plan(t.Context(), connector.Draft{Key: "k.1", Operation: noop.Touch, With: writ.Parameters{"name": writ.String("x")}, Scope: []writ.Location{"noop://bench/s1"}})
	must(t, err)
	if _, err := c.Revert(t.Context(), connector.Reversal{Key: "k.2", Of: p}); writ.ReasonOf(err) != writ.ReasonNoChange {
		t.Errorf("revert: %v", err)
	}
	p.Body = nil
	if _, err := c.Revert(t.Context(), connector.Reversal{Key: "k.2", Of: p}); writ.ReasonOf(err) != writ.ReasonCallAltered {
		t.Errorf("revert of an altered step: %v", err)
	}
}
