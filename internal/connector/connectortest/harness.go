package connectortest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// leaseDeadline is how long a lease may live after it was revoked: targets keep an identity for ten seconds after it
// was deleted.
const leaseDeadline = 30 * time.Second

// probePause is the time between two probes.
const probePause = 200 * time.Millisecond

// open makes a connector on a wire of its own.
func (f Fixture) open(t *testing.T) (connector.Connector, *wire) {
	t.Helper()
	w := newWire(t, f.Upstream)
	return f.Connect(t, w.addr()), w
}

// prepared plans the subject's draft.
func prepared(t *testing.T, c connector.Connector, s Subject) connector.Prepared {
	t.Helper()
	p, err := c.Plan(t.Context(), s.Draft)
	if err != nil {
		t.Fatalf("plan %s: %v", s.Draft.Operation, err)
	}
	return p
}

// ask is a lease request with a fresh name.
func ask(undo bool, steps ...connector.Prepared) connector.LeaseRequest {
	const crockford = "0123456789abcdefghjkmnpqrstvwxyz"
	b := make([]byte, 26)
	rand.Read(b)
	for i := range b {
		b[i] = crockford[b[i]%32]
	}
	b[0] = '0'
	return connector.LeaseRequest{
		Name: "writ-" + string(b), Run: writ.RunID("run_" + strings.ToUpper(string(b))), Tier: writ.T2, Steps: steps, Undo: undo, TTL: 2 * time.Minute,
	}
}

// mint makes a lease that ends with the test.
func mint(t *testing.T, c connector.Connector, undo bool, steps ...connector.Prepared) connector.Lease {
	t.Helper()
	l, err := c.Lease(t.Context(), ask(undo, steps...), func([]byte) error { return nil })
	if err != nil {
		t.Fatalf("lease: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), leaseDeadline)
		defer cancel()
		if err := l.Revoke(ctx); err != nil {
			t.Errorf("revoke: %v", err)
		}
	})
	return l
}

// wantOutcome holds an outcome to its effect and reason; an empty reason must be empty.
func wantOutcome(t *testing.T, got connector.Outcome, effect writ.Effect, reason writ.Reason) {
	t.Helper()
	if got.Effect != effect || got.Reason != reason {
		t.Fatalf("outcome %s %q (%d: %s), want %s %q", got.Effect, got.Reason, got.Status, got.Detail, effect, reason)
	}
}

// wantState holds the subject to a state seen before.
func wantState(t *testing.T, s Subject, want, why string) {
	t.Helper()
	if got := s.State(t); got != want {
		t.Fatalf("%s\n got %s\nwant %s", why, got, want)
	}
}

// wantRefusal holds an error to its code.
func wantRefusal(t *testing.T, err error, code writ.Reason) {
	t.Helper()
	if writ.ReasonOf(err) != code {
		t.Errorf("got %v, want the refusal %s", err, code)
	}
}

// wantDead probes until power and identity are gone.
func wantDead(t *testing.T, l connector.Lease) {
	t.Helper()
	var power, identity bool
	var p connector.Probe
	for end := time.Now().Add(leaseDeadline); time.Now().Before(end); time.Sleep(probePause) {
		var err error
		if p, err = l.Probe(t.Context()); err != nil {
			t.Fatalf("probe: %v", err)
		}
		power, identity = power || p.PowerGone, identity || p.IdentityGone
		if power && identity {
			return
		}
	}
	t.Fatalf("%s after it was revoked the lease is not dead: %+v", leaseDeadline, p)
}
