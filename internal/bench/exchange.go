package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/noop"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/token"
)

// Exchange has a plan made on one caller's service whose grant an agent holds, and returns how long the agent's exchange
// took: the plan is decided again, its object locked, its blast radius reserved, and the grant signed and entered in the
// ledger, in one durable transaction. The grant is revoked afterwards, outside of the time.
func (w *World) Exchange(ctx context.Context, caller int) (time.Duration, error) {
	fail := func(what string, err error) (time.Duration, error) { return 0, fmt.Errorf("bench: %s: %w", what, err) }
	key, err := token.NewKey(rand.Reader)
	if err != nil {
		return fail("key", err)
	}
	holder := token.Thumbprint(&key.PublicKey)
	thing := writ.Parameters{"name": writ.String("thing")}
	labels := map[string]string{"service": service(caller), "environment": "prod", "severity": "critical", "alertname": "Bench"}
	g := writ.AlertGroup{GroupKey: fmt.Sprintf("bench-%d", cycled.Add(1)), Status: "firing", Common: labels}
	g.Alerts = []writ.Alert{{Fingerprint: g.GroupKey, Name: "Bench", Status: "firing", StartsAt: w.now(), Labels: labels}}
	in, err := w.control.Alert(ctx, alerts, g)
	if err != nil {
		return fail("alert", err)
	}
	ev, _, err := w.control.Observe(ctx, diagnose, in.ID, noop.Status, target, thing)
	if err != nil {
		return fail("observe", err)
	}
	p, err := w.control.Propose(ctx, repair, writ.Ask{Incident: in.ID, Playbook: "touch-thing", Parameters: thing, Evidence: []writ.EvidenceID{ev.ID}, Holder: holder})
	for err == nil && p.State == writ.PlanPlanning {
		p, err = w.control.Plan(ctx, repair, p.ID, control.MaxWait)
	}
	if err != nil {
		return fail("propose", err)
	}
	if p.State != writ.PlanReady {
		return 0, fmt.Errorf("%w: bench: the plan is %s: %s %s", writ.ErrDenied, p.State, p.Reason, p.Detail)
	}
	details := writ.Authorization{Type: writ.AuthorizationType, Plan: p.ID, PlanDigest: p.Digest}
	began := time.Now()
	issued, err := w.control.Exchange(ctx, repair, holder, details, runnerID)
	took := time.Since(began)
	if err != nil {
		return fail("exchange", err)
	}
	if err := w.control.RevokeGrant(ctx, repair, issued.Grant); err != nil {
		return fail("revoke", err)
	}
	g.Status = "resolved"
	if _, err = w.control.Alert(ctx, alerts, g); err != nil {
		return fail("resolve", err)
	}
	return took, nil
}
