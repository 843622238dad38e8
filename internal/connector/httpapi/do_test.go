package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

func TestI03TheBytesOnTheWireAreTheApprovedOnes(t *testing.T) {
	_, w, x := wired(t)
	p, l := leased(t, x)
	out := l.Do(t.Context(), p)
	if out.Effect != writ.Applied || out.Status != 200 || !out.Sent.Equal(p.Step.Call.Body) || out.Version == "" || out.Version == p.Step.Object.Version {
		t.Fatalf("%+v", out)
	}
	sent := w.all(writes)
	if len(sent) != 1 {
		t.Fatalf("%d writes", len(sent))
	}
	got, want := sent[0], seen{p.Step.Call.Method, p.Step.Call.Path, p.Step.Object.Version, p.Step.Key, sent[0].token, string(p.Body)}
	if got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	if release(t, x, "checkout") != "v40" {
		t.Error("not applied")
	}
}

func TestI03AnAlteredCallIsNotSent(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	p := plan(t, x, setRelease("checkout", "v40"))
	alter := map[string]func(q *connector.Prepared){
		"body": func(q *connector.Prepared) { q.Body = []byte(`{"release":"v42"}`) },
		"body, resealed": func(q *connector.Prepared) {
			*q = connector.Seal(q.Step, q.Salt, []byte(`{"release":"v42"}`), q.Preimage)
		},
		"path":            func(q *connector.Prepared) { q.Step.Call.Path = "/services/payments/release" },
		"method":          func(q *connector.Prepared) { q.Step.Call.Method = "DELETE" },
		"query":           func(q *connector.Prepared) { q.Step.Call.Query = "force=true" },
		"operation":       func(q *connector.Prepared) { q.Step.Operation = "httpapi/replicas.set" },
		"parameters":      func(q *connector.Prepared) { q.Step.With = setRelease("checkout", "v42").With },
		"object":          func(q *connector.Prepared) { q.Step.Object.Location = "httpapi://shop/services/payments" },
		"pre-image":       func(q *connector.Prepared) { q.Preimage = []byte(`{}`) },
		"off the catalog": func(q *connector.Prepared) { q.Step.Operation = "httpapi/service.delete" },
	}
	for what, f := range alter {
		q := p
		f(&q)
		l, err := x.Lease(t.Context(), request(false, q), func([]byte) error { return nil })
		if err == nil {
			t.Errorf("%s: a lease was minted", what)
			if err := l.Revoke(t.Context()); err != nil {
				t.Error(err)
			}
		} else if r := writ.ReasonOf(err); r != writ.ReasonCallAltered && r != writ.ReasonMissingParameter && r != writ.ReasonUnknownParameter {
			t.Errorf("%s: %v", what, err)
		}
		out := lease(t, x, false, p).Do(t.Context(), q)
		if out.Effect != writ.NotApplied || out.Reason != writ.ReasonCallAltered {
			t.Errorf("%s under the plan's own lease: %+v", what, out)
		}
	}
	if n := s.WriteRequests(); n != 0 || release(t, x, "checkout") != "v41" {
		t.Errorf("%d writes were sent", n)
	}
}

func TestI14AMovedObjectIsLeftAlone(t *testing.T) {
	s, w, x := wired(t)
	p, l := leased(t, x)
	if err := s.Scale("checkout", 4, "ops"); err != nil {
		t.Fatal(err)
	}
	out := l.Do(t.Context(), p)
	if out.Effect != writ.NotApplied || out.Reason != writ.ReasonWorldMoved || !strings.Contains(out.Detail, "ops") {
		t.Errorf("%+v", out)
	}
	if n := len(w.all(writes)); n != 0 {
		t.Errorf("%d writes were sent", n)
	}
}

// Between the connector's own look and the call, only the target can refuse.
func TestI14TheTargetItselfChecksTheVersion(t *testing.T) {
	s, w, x := wired(t)
	p, l := leased(t, x)
	w.will(func(r *http.Request) fate {
		if isWrite(r) {
			if err := s.Scale("checkout", 4, "ops"); err != nil {
				t.Error(err)
			}
		}
		return passes
	})
	out := l.Do(t.Context(), p)
	if out.Effect != writ.NotApplied || out.Reason != writ.ReasonWorldMoved || out.Status != http.StatusPreconditionFailed {
		t.Errorf("%+v", out)
	}
	if release(t, x, "checkout") != "v41" {
		t.Error("applied all the same")
	}
}

func TestI15ACutWireIsUnknownAndSettledByReading(t *testing.T) {
	for what, c := range map[string]struct {
		fate fate
		want writ.Effect
	}{
		"before it arrived": {losesCall, writ.NotApplied},
		"after it arrived":  {losesAnswer, writ.Applied},
	} {
		t.Run(what, func(t *testing.T) {
			_, w, x := wired(t)
			p, l := leased(t, x)
			w.writesFare(c.fate)
			out := l.Do(t.Context(), p)
			if out.Effect != writ.Unknown || out.Reason != writ.ReasonUncertainOutcome {
				t.Fatalf("%+v", out)
			}
			if n := len(w.all(writes)); n != 1 {
				t.Errorf("sent %d times", n)
			}
			settled := l.Settle(t.Context(), p)
			if settled.Effect != c.want {
				t.Errorf("settled as %+v", settled)
			}
			if n := len(w.all(writes)); n != 1 {
				t.Errorf("settling wrote")
			}
			if c.want != writ.Applied {
				return
			}
			w.will(nil)
			if u := lease(t, x, true, p).Undo(t.Context(), p, settled.After); !u.Restored {
				t.Errorf("undo after settle: %+v", u)
			}
		})
	}
}

func TestI15WhatMayBeAnothersWorkStaysUnknown(t *testing.T) {
	s, w, x := wired(t)
	p, l := leased(t, x)
	w.writesFare(losesCall)
	if out := l.Do(t.Context(), p); out.Effect != writ.Unknown {
		t.Fatalf("%+v", out)
	}
	if err := s.Deploy("checkout", "v40", "ops"); err != nil { // the very change, by somebody else
		t.Fatal(err)
	}
	if out := l.Settle(t.Context(), p); out.Effect != writ.Unknown || !strings.Contains(out.Detail, "ops") {
		t.Errorf("%+v", out)
	}

	// A target that does not say which call changed it leaves it unknown too.
	c := config(t, s, w.URL)
	c.Operations[0].ChangedKey = ""
	x = connect(t, c)
	p = plan(t, x, setRelease("checkout", "v41"))
	l = lease(t, x, false, p)
	w.writesFare(losesAnswer)
	if out := l.Do(t.Context(), p); out.Effect != writ.Unknown {
		t.Fatalf("%+v", out)
	}
	if out := l.Settle(t.Context(), p); out.Effect != writ.Unknown {
		t.Errorf("%+v", out)
	}
}

func TestI15AStatusThatSaysNothingIsUnknown(t *testing.T) {
	for status, want := range map[int]writ.Effect{
		200: writ.Applied, 204: writ.Applied, 202: writ.Unknown, 302: writ.Unknown, 303: writ.Unknown, 307: writ.Unknown, 308: writ.Unknown,
		400: writ.NotApplied, 401: writ.NotApplied, 403: writ.NotApplied, 404: writ.NotApplied, 408: writ.Unknown, 409: writ.NotApplied,
		412: writ.NotApplied, 429: writ.NotApplied, 500: writ.Unknown, 502: writ.Unknown, 503: writ.Unknown, 504: writ.Unknown,
	} {
		_, w, x := wired(t)
		p, l := leased(t, x)
		w.answers(func(r *http.Request, res *http.Response) {
			if isWrite(r) {
				res.StatusCode = status
				res.Header.Set("Location", "/services/payments")
			}
		})
		out := l.Do(t.Context(), p)
		if out.Effect != want || out.Status != status || (out.Reason == "") != (want == writ.Applied) {
			t.Errorf("status %d: %+v", status, out)
		}
		if n := len(w.all(writes)); n != 1 {
			t.Errorf("status %d: %d writes; a redirect was followed or a call repeated", status, n)
		}
	}
}

func TestI18RevokeCutsACallUnderWay(t *testing.T) {
	_, w, x := wired(t)
	p, l := leased(t, x)
	w.writesFare(hangs)
	done := make(chan connector.Outcome)
	go func() { done <- l.Do(context.Background(), p) }()
	<-w.held
	w.will(nil)
	began := time.Now()
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	select {
	case out := <-done:
		if out.Effect != writ.Unknown {
			t.Errorf("%+v", out)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the call goes on")
	}
}

func TestAnUnreachableTargetIsNotApplied(t *testing.T) {
	_, w, x := wired(t)
	p, l := leased(t, x)
	w.CloseClientConnections()
	w.Close()
	if out := l.Do(t.Context(), p); out.Effect != writ.NotApplied || out.Reason != writ.ReasonUnreachable {
		t.Errorf("%+v", out)
	}
	_, err := x.Plan(t.Context(), setRelease("checkout", "v40"))
	if !errors.Is(err, writ.ErrUnavailable) {
		t.Error(err)
	}
}
