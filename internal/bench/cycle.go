package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/noop"
	"github.com/writ-dev/writ/internal/control"
)

// A Span says when the parts of one cycle were over.
type Span struct{ Alert, Open, Read, Granted, Dead time.Time }

// cycled makes group keys that no incident has had.
var cycled atomic.Int64

// Cycle is one whole repair on one caller's service: an alert opens an incident, one agent reads evidence, another
// proposes, policy decides and grants, the runner judges, runs, verifies and revokes, and the lease is probed dead.
// Then the alert is resolved, which is not part of the span.
func (w *World) Cycle(ctx context.Context, caller int) (Span, error) {
	var s Span
	fail := func(what string, err error) (Span, error) { return s, fmt.Errorf("bench: %s: %w", what, err) }
	thing := writ.Parameters{"name": writ.String("thing")}
	labels := map[string]string{"service": service(caller), "environment": "prod", "severity": "critical", "alertname": "Bench"}
	g := writ.AlertGroup{GroupKey: fmt.Sprintf("bench-%d", cycled.Add(1)), Status: "firing", Common: labels}
	s.Alert = time.Now()
	g.Alerts = []writ.Alert{{Fingerprint: g.GroupKey, Name: "Bench", Status: "firing", StartsAt: w.now(), Labels: labels}}
	in, err := w.control.Alert(ctx, alerts, g)
	if err != nil {
		return fail("alert", err)
	}
	s.Open = time.Now()
	ev, _, err := w.control.Observe(ctx, diagnose, in.ID, noop.Status, target, thing)
	if err != nil {
		return fail("observe", err)
	}
	s.Read = time.Now()
	p, err := w.control.Propose(ctx, repair, writ.Ask{Incident: in.ID, Playbook: "touch-thing", Parameters: thing, Evidence: []writ.EvidenceID{ev.ID}})
	for err == nil && p.State == writ.PlanPlanning {
		p, err = w.control.Plan(ctx, repair, p.ID, control.MaxWait)
	}
	if err != nil {
		return fail("propose", err)
	}
	if p.Run == "" {
		return s, fmt.Errorf("%w: bench: the plan is %s: %s %s", writ.ErrDenied, p.State, p.Reason, p.Detail)
	}
	s.Granted = time.Now()
	for {
		r, err := w.control.Run(ctx, repair, p.Run, control.MaxWait)
		if err != nil {
			return fail("run", err)
		}
		if r.State.Final() && r.State != writ.RunSucceeded {
			return s, fmt.Errorf("%w: bench: the run is %s: %s %s", writ.ErrDenied, r.State, r.Reason, r.Detail)
		}
		if r.State.Final() && dead(r.Leases) {
			break
		}
	}
	s.Dead = time.Now()
	g.Status = "resolved"
	if _, err = w.control.Alert(ctx, alerts, g); err != nil {
		return fail("resolve", err)
	}
	return s, nil
}

// dead reports whether there was a lease and every one has been proven dead.
func dead(leases []writ.Lease) bool {
	for _, l := range leases {
		if !l.Dead() {
			return false
		}
	}
	return len(leases) > 0
}
