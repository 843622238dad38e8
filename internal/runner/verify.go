package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/receipt"
	"github.com/writ-dev/writ/internal/runner/journal"
)

const (
	readLimit  = 10 * time.Second // one reading of a guard or check
	signsEvery = 2 * time.Second  // how often a waiting run asks whether it is to stop
	readBytes  = 64 << 10         // guards and checks look at facts, not at bytes
	checkGrace = 5 * time.Second  // for a check that reads once: how long a target that does not answer is asked again
)

// verify polls the plan's checks until each has held or its time is over, and records each with what was seen last. It
// is true when all held. A sign to stop cuts the waiting short: what does not hold by then did not help.
func (x *execution) verify(ctx context.Context) (bool, error) {
	began, bound := x.r.Now(), x.verifyWithin()
	open, asked := x.plan.Verify, began
	for {
		if now := x.r.Now(); now.Sub(asked) >= signsEvery || now.Before(asked) { // a clock that went back must not make it deaf
			asked = now
			x.r.askSigns(ctx, x.run.ID)
		}
		var rest []writ.Condition
		last := x.halted(false) != nil
		for _, c := range open {
			value, read := x.look(ctx, c)
			holds := read && c.Holds(writ.Observation{c.Fact: value})
			if now := x.r.Now(); !holds && !last && now.Before(began.Add(patience(c, read, bound))) {
				rest = append(rest, c)
				continue
			}
			if err := x.recordCheck(ctx, c, value, holds, began); err != nil || !holds {
				return false, err
			}
		}
		if len(rest) == 0 {
			return true, nil
		}
		open = rest
		pause(ctx, x.r.Poll, x.r.stopping)
	}
}

// patience is how long a check may take to hold: as long as its playbook says, and no longer than the grant's duty; a bound
// of 0 is none.
func patience(c writ.Condition, read bool, bound time.Duration) time.Duration {
	d := time.Duration(c.WithinSeconds) * time.Second
	if !read {
		d = max(d, checkGrace)
	}
	if bound > 0 {
		d = min(d, bound)
	}
	return d
}

// verifyWithin is the duty of the run's grant, as the journal keeps it; 0 for none.
func (x *execution) verifyWithin() time.Duration {
	var a receipt.Authority
	if len(x.run.Authority) == 0 || json.Unmarshal(x.run.Authority, &a) != nil {
		return 0 // made while cut off: there is no grant of the control plane's
	}
	return time.Duration(a.Duties.VerifyWithin) * time.Second
}

// look reads the fact of a condition; false when the target did not say.
func (x *execution) look(ctx context.Context, c writ.Condition) (writ.Value, bool) {
	if c.Reader == plan.ReaderReverted {
		return x.reverted(ctx, c)
	}
	got, err := x.r.read(ctx, x.conn, c, x.kept.Scope)
	if err != nil {
		x.slog.Info("a check cannot be read", "check", c.Name, "reason", writ.ReasonOf(err))
		return writ.Value{}, false
	}
	v, ok := got.Facts[c.Fact]
	return v, ok && !v.IsZero()
}

func (x *execution) recordCheck(ctx context.Context, c writ.Condition, value writ.Value, holds bool, began time.Time) error {
	entry, _, err := x.r.seal(x.log, writ.EntryVerify, x.run.Incident, writ.VerifyBody{
		Run: x.run.ID, Check: c.Name, Fact: c.Fact, Value: value, Holds: holds, Millis: since(began, x.r.Now()),
	}, ref(relGrant, x.run.GrantLeaf)...)
	if err != nil {
		return err
	}
	return x.r.Journal.Append(ctx, x.run.ID, nil, []journal.Entry{entry}...)
}

// read takes the observation that a condition is about.
func (r *Runner) read(ctx context.Context, conn connector.Connector, c writ.Condition, scope []writ.Location) (connector.Reading, error) {
	conn, err := r.readerOf(conn, c.Reader, scope)
	if err != nil {
		return connector.Reading{}, err
	}
	q := connector.Query{Reader: c.Reader, With: c.With, Scope: scope, Limit: readBytes}
	return try(ctx, fault.TargetObserve, readLimit, func(ctx context.Context) (connector.Reading, error) { return conn.Observe(ctx, q) })
}

// guard checks one guard on a fresh reading. Its refusal names the guard, the fact and what was read.
func (r *Runner) guard(ctx context.Context, conn connector.Connector, c writ.Condition, scope []writ.Location) error {
	got, err := r.read(ctx, conn, c, scope)
	if err != nil {
		return err
	}
	if !c.Holds(got.Facts) {
		return writ.Refuse(writ.ReasonGuard, fmt.Sprintf("guard %s: %s is %s; %s %s is demanded", writ.Printable(c.Name, 60),
			writ.Printable(c.Fact, 60), got.Facts[c.Fact], c.Op, c.Value))
	}
	return nil
}
