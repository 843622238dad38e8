package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// A request whose wire was cut may still be on its way when the object is read. So "nothing has happened" is believed
// only after it has been seen for settleTime, looking every settlePause.
const (
	settleTime  = 2 * time.Second
	settlePause = 250 * time.Millisecond
)

// Settle implements connector.Lease. It reads, and compares with what the call would have left.
func (l *lease) Settle(ctx context.Context, p connector.Prepared) connector.Outcome {
	unknown := func(detail string) connector.Outcome {
		return connector.Outcome{Reason: writ.ReasonUncertainOutcome, Detail: detail}
	}
	if err := p.Check(); err != nil {
		return unknown(err.Error())
	}
	at, err := objectOf(l.c.target, p.Step)
	if err != nil {
		return unknown(err.Error())
	}
	before, err := parseObject(p.Preimage)
	if err != nil {
		return unknown(err.Error())
	}
	ctx, cancel := l.during(ctx)
	defer cancel()
	if l.client == nil || l.alive.Err() != nil {
		return unknown("the lease has no credential, or it is revoked")
	}
	for waited := time.Duration(0); ; waited += settlePause {
		now, raw, err := l.client.get(ctx, at)
		if err != nil && writ.ReasonOf(err) != writ.ReasonNoObject {
			return unknown(err.Error())
		}
		out, certain := settle(at, p, before, now)
		out.Version = stamp(at.kind, now)
		if out.Effect == writ.Applied {
			out.After, out.Sent = raw, p.Step.Call.Body
		}
		if certain || waited >= settleTime {
			return out
		}
		select {
		case <-ctx.Done():
			return unknown("there was no time to look twice")
		case <-time.After(settlePause):
		}
	}
}

// settle compares one reading, and reports whether another could not change the answer. A nil now is an object that is
// not there.
func settle(at place, p connector.Prepared, before, now object) (connector.Outcome, bool) {
	none := connector.Outcome{Effect: writ.NotApplied, Reason: writ.ReasonStepFailed, Detail: fmt.Sprintf("%s is as it was", at)}
	unknown := connector.Outcome{Reason: writ.ReasonUncertainOutcome, Detail: fmt.Sprintf("%s is neither as it was nor as it would be", at)}
	same := now != nil && now.uid() == p.Step.Object.UID
	if p.Step.Call.Method == http.MethodDelete {
		if !same || now.has("metadata", "deletionTimestamp") {
			return connector.Outcome{Effect: writ.Applied}, true
		}
		return none, false
	}
	wanted, err := wanted(p)
	switch {
	case err != nil || !same:
		return unknown, true
	case len(paths(at.kind, wanted, now)) == 0:
		return connector.Outcome{Effect: writ.Applied}, true
	case len(paths(at.kind, before, now)) == 0:
		return none, stamp(at.kind, now) != p.Step.Object.Version // it was changed and put back: the call would be refused
	}
	return unknown, true
}

// wanted is the object as the call would have left it, apart from what the target itself fills in.
func wanted(p connector.Prepared) (object, error) {
	before, err := parseObject(p.Preimage)
	if err != nil {
		return nil, err
	}
	return patched(before, p.Body)
}
