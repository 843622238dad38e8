package runner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

type fakeLease struct {
	f    *fakeTarget
	name string
}

func (l *fakeLease) Rights() []string { return []string{"write things"} }

func (l *fakeLease) may(key string, undo bool) bool {
	c := l.f.leases[l.name]
	return c != nil && c.Power && c.Undo == undo && strings.Contains(strings.Join(c.Keys, " ")+" ", key+" ")
}

func (l *fakeLease) Do(ctx context.Context, p connector.Prepared) connector.Outcome {
	f := l.f
	key := p.Step.Key
	number := key[strings.LastIndex(key, ".")+1:]
	f.point("do " + number)
	if f.Panic[number] {
		panic("secret-in-a-panic")
	}
	if f.DoTakes > 0 {
		select {
		case <-time.After(f.DoTakes):
		case <-ctx.Done():
		}
	}
	if f.LoseCall[number] {
		return connector.Outcome{Effect: writ.Unknown, Reason: writ.ReasonUnreachable, Detail: "connection reset"}
	}
	out := l.act(p, number)
	f.point("done " + number)
	if f.LoseAnswer[number] {
		return connector.Outcome{Effect: writ.Unknown, Reason: writ.ReasonUnreachable, Detail: "connection reset"}
	}
	return out
}

func (l *fakeLease) act(p connector.Prepared, number string) connector.Outcome {
	f := l.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dos[p.Step.Key]++
	name := strings.TrimPrefix(p.Step.Call.Path, "/things/")
	t := f.things[name]
	switch {
	case !l.may(p.Step.Key, false):
		return connector.Outcome{Effect: writ.NotApplied, Status: 403, Reason: writ.ReasonForbidden}
	case f.FailCall[number] != "":
		return connector.Outcome{Effect: writ.NotApplied, Status: 422, Reason: f.FailCall[number], Detail: "refused by the target"}
	case t.UID != p.Step.Object.UID || fmt.Sprint(t.Version) != p.Step.Object.Version:
		return connector.Outcome{Effect: writ.NotApplied, Status: 412, Reason: writ.ReasonWorldMoved}
	}
	t.Version, t.Value = t.Version+1, string(p.Body)
	f.things[name] = t
	f.order = append(f.order, "do "+number)
	f.helped = time.Now()
	sent := writ.Commit(p.Salt, connector.BlobBody, p.Body)
	if f.AlterSent {
		sent = writ.Commit(p.Salt, connector.BlobBody, []byte("other"))
	}
	return connector.Outcome{Effect: writ.Applied, Status: 200, Version: fmt.Sprint(t.Version), After: after(t), Sent: sent}
}

func after(t thing) []byte {
	b, _ := json.Marshal(t)
	return b
}

func (l *fakeLease) Settle(_ context.Context, p connector.Prepared) connector.Outcome {
	f := l.f
	f.point("settle")
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.things[strings.TrimPrefix(p.Step.Call.Path, "/things/")]
	switch {
	case f.Blind:
		return connector.Outcome{Effect: writ.Unknown, Reason: writ.ReasonUnreachable}
	case !l.may(p.Step.Key, true):
		return connector.Outcome{Effect: writ.Unknown, Reason: writ.ReasonForbidden}
	case t.Value == string(p.Body):
		return connector.Outcome{Effect: writ.Applied, Version: fmt.Sprint(t.Version), After: after(t), Sent: p.Step.Call.Body}
	}
	return connector.Outcome{Effect: writ.NotApplied, Reason: writ.ReasonStepFailed}
}

func (l *fakeLease) Undo(_ context.Context, p connector.Prepared, was []byte) connector.Undone {
	f := l.f
	number := p.Step.Key[strings.LastIndex(p.Step.Key, ".")+1:]
	f.point("undo " + number)
	u := l.undo(p, was, number)
	f.point("undid " + number)
	return u
}

func (l *fakeLease) undo(p connector.Prepared, was []byte, number string) connector.Undone {
	f := l.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.undos[p.Step.Key]++
	name := strings.TrimPrefix(p.Step.Call.Path, "/things/")
	t := f.things[name]
	switch {
	case !l.may(p.Step.Key, true):
		return connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonForbidden}
	case f.UndoUnknown:
		return connector.Undone{}
	case f.UndoReason != "":
		return connector.Undone{Effect: writ.NotApplied, Reason: f.UndoReason}
	case t.Value == string(p.Preimage):
		return connector.Undone{Effect: writ.Applied, Restored: true}
	case !bytes.Equal(after(t), was):
		return connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonUndoConflict, Detail: "somebody changed it"}
	}
	t.Version, t.Value = t.Version+1, string(p.Preimage)
	f.things[name] = t
	f.order = append(f.order, "undo "+number)
	return connector.Undone{Effect: writ.Applied, Restored: true}
}

func (l *fakeLease) Revoke(context.Context) error {
	l.f.point("revoke")
	l.f.mu.Lock()
	if l.f.RevokeFails > 0 {
		l.f.RevokeFails--
		l.f.mu.Unlock()
		return writ.Refuse(writ.ReasonUnreachable, "the issuer does not answer")
	}
	if c := l.f.leases[l.name]; c != nil && c.Revoked.IsZero() {
		c.Power, c.Revoked = false, time.Now()
	}
	l.f.mu.Unlock()
	l.f.point("revoked")
	return nil
}

func (l *fakeLease) Probe(context.Context) (connector.Probe, error) {
	l.f.point("probe")
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	c := l.f.leases[l.name]
	if c == nil { // never made: the target knows nobody of this name
		return connector.Probe{PowerGone: true, PowerStatus: 401, IdentityGone: true, IdentityStatus: 401}, nil
	}
	p := connector.Probe{PowerGone: !c.Power, PowerStatus: 403}
	if !c.Revoked.IsZero() && time.Since(c.Revoked) >= l.f.IdentityLag {
		p.IdentityGone, p.IdentityStatus = true, 401
	}
	return p, nil
}
