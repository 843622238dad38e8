package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Do sends the prepared call once, with If-Match on the planned version and the step's key as Idempotency-Key.
func (l *lease) Do(ctx context.Context, p connector.Prepared) connector.Outcome {
	if err := p.Check(); err != nil {
		return notApplied(0, writ.ReasonCallAltered, err.Error())
	}
	c, err := l.find(p, false)
	if err != nil {
		return notApplied(0, writ.ReasonOf(err), err.Error())
	}
	ctx, done, ok := l.enter(ctx)
	if !ok {
		return notApplied(0, writ.ReasonLeaseFailed, "the lease is revoked")
	}
	defer done()
	now, err := l.x.get(ctx, c.op, p.Step.With)
	if err != nil {
		return refused(err)
	}
	switch {
	case now.uid != p.Step.Object.UID:
		return notApplied(0, writ.ReasonWorldMoved, fmt.Sprintf("%s is another object of the same name now", p.Step.Object.Location))
	case now.etag != p.Step.Object.Version:
		return notApplied(0, writ.ReasonWorldMoved, fmt.Sprintf("%s has changed since it was planned%s", p.Step.Object.Location, by(c.op, now)))
	}
	token, ok := l.token()
	if !ok {
		return notApplied(0, writ.ReasonLeaseFailed, "the lease is revoked")
	}
	path, query := c.write.call(p.Step.With)
	a, err := l.x.send(ctx, request{
		method: c.write.method, path: path, query: query, body: p.Body, token: token, match: p.Step.Object.Version, key: p.Step.Key,
	})
	if errors.Is(err, errNotSent) {
		return notApplied(0, writ.ReasonUnreachable, "the call was not sent: "+err.Error())
	}
	out := connector.Outcome{}
	if len(p.Body) > 0 {
		out.Sent = writ.Commit(p.Salt, connector.BlobBody, p.Body)
	}
	if err != nil {
		out.Reason, out.Detail = writ.ReasonUncertainOutcome, "the call was sent: "+err.Error()
		return out
	}
	out.Status = a.status
	out.Effect, out.Reason, out.Detail = judge(a.status, p.Step.Object.Location)
	if out.Effect != writ.Applied {
		return out
	}
	out.Version, out.After, err = l.after(ctx, c, p, now, a.etag)
	if err != nil {
		out.Detail = "applied, but what it left could not be written down: " + writ.Printable(err.Error(), 120)
	}
	return out
}

// after reads back what the call left. When somebody else was there first, or nothing can be read, only the fields that
// were written are known, under the version that the answer to the call gave.
func (l *lease) after(ctx context.Context, c allowed, p connector.Prepared, before state, etag string) (version string, b []byte, err error) {
	fields, err := c.op.fieldsOf(before)
	if err != nil {
		return "", nil, err
	}
	m := image{UID: before.uid, Version: etag, Fields: c.op.wanted(p.Step.With, fields)}
	if now, err := l.x.get(ctx, c.op, p.Step.With); err == nil && now.uid == before.uid && (now.etag == etag || !isETag(etag)) {
		if got, err := c.op.fieldsOf(now); err == nil && len(differences(m.Fields, got)) == 0 {
			m.Version, m.State = now.etag, c.op.valuesOf(now)
		}
	}
	if !isETag(m.Version) {
		m.Version = ""
	}
	b, err = m.bytes()
	return m.Version, b, err
}

// judge says what a status means for the object. Only the plain successes say that the call was carried out; only
// refusals by the client's fault say that it was not. All else may be either (RFC 9110 section 15).
func judge(status int, at writ.Location) (writ.Effect, writ.Reason, string) {
	switch {
	case status == http.StatusOK, status == http.StatusCreated, status == http.StatusNoContent:
		return writ.Applied, "", ""
	case status == http.StatusPreconditionFailed, status == http.StatusConflict:
		return writ.NotApplied, writ.ReasonWorldMoved, fmt.Sprintf("%s has changed since it was planned: status %d", at, status)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return writ.NotApplied, writ.ReasonForbidden, fmt.Sprintf("the target refuses the lease: status %d", status)
	case status == http.StatusRequestTimeout:
		return writ.Unknown, writ.ReasonUncertainOutcome, "the target says that it waited too long: status 408"
	case status >= 400 && status < 500:
		return writ.NotApplied, writ.ReasonStepFailed, fmt.Sprintf("the target refuses the call: status %d", status)
	}
	return writ.Unknown, writ.ReasonUncertainOutcome, fmt.Sprintf("status %d does not say whether the call was carried out", status)
}

// Settle finds out by reading what an interrupted Do did. The version that was planned means that it did nothing; the
// step's own key on the last write means that it was carried out. All else stays unknown: equal values could be
// another's work.
//
// BUG: a request that a proxy still holds back can arrive after Settle has read the planned version. The lease's
// revocation, which follows, ends that.
func (l *lease) Settle(ctx context.Context, p connector.Prepared) connector.Outcome {
	unknown := func(detail string) connector.Outcome {
		return connector.Outcome{Reason: writ.ReasonUncertainOutcome, Detail: detail}
	}
	if err := p.Check(); err != nil {
		return unknown(err.Error())
	}
	c, err := l.find(p, l.undo)
	if err != nil {
		return unknown(err.Error())
	}
	now, err := l.x.get(ctx, c.op, p.Step.With)
	if err != nil {
		return unknown("the object cannot be read: " + err.Error())
	}
	switch {
	case now.uid != p.Step.Object.UID:
		return unknown(fmt.Sprintf("%s is another object of the same name now", p.Step.Object.Location))
	case now.etag == p.Step.Object.Version:
		return connector.Outcome{Effect: writ.NotApplied, Version: now.etag, Reason: writ.ReasonStepFailed, Detail: "the object is as it was planned: the call did not arrive"}
	}
	ours, known := c.op.changedKey(now, p.Step.Key)
	fields, err := c.op.fieldsOf(now)
	switch {
	case err != nil:
		return unknown(err.Error())
	case !known:
		return unknown("the object has changed, and the target does not say by which call")
	case !ours:
		return unknown("the object was changed last by another call" + by(c.op, now))
	case len(differences(c.op.wanted(p.Step.With, fields), fields)) > 0:
		return unknown("the object's last change carries the step's key, but its fields are not as asked")
	}
	after, err := (image{UID: now.uid, Version: now.etag, Fields: fields, State: c.op.valuesOf(now)}).bytes()
	if err != nil {
		return unknown(err.Error())
	}
	out := connector.Outcome{Effect: writ.Applied, Version: now.etag, After: after}
	if len(p.Body) > 0 {
		out.Sent = writ.Commit(p.Salt, connector.BlobBody, p.Body)
	}
	return out
}

// enter begins a use of the token, which Revoke cuts. done ends it.
func (l *lease) enter(ctx context.Context) (_ context.Context, done func(), ok bool) {
	if !l.busy.TryRLock() {
		return nil, nil, false // Revoke is waiting or at work
	}
	if _, ok := l.token(); !ok {
		l.busy.RUnlock()
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		l.busy.RUnlock()
	}, true
}

func notApplied(status int, r writ.Reason, detail string) connector.Outcome {
	return connector.Outcome{Effect: writ.NotApplied, Status: status, Reason: r, Detail: detail}
}

// refused turns a refusal of a read that came before the call into an outcome: nothing was sent.
func refused(err error) connector.Outcome {
	r := writ.ReasonOf(err)
	switch r {
	case writ.ReasonNoObject:
		r = writ.ReasonWorldMoved
	case "":
		r = writ.ReasonUnreachable
	}
	return notApplied(0, r, err.Error())
}

// by says who changed an object, for the end of a sentence.
func by(o *operation, s state) string {
	if who := o.changedBy(s); who != "" {
		return " by " + who
	}
	return ""
}
