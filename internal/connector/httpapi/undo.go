package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Undo calls the inverse with the values of the pre-image, if the object is still as the step left it, and reads back.
// If anything on it has changed since, also a field that the inverse would not write, it is left alone: whoever changed
// it may rely on what the step did. If-Match on the version just read keeps the inverse from acting on anything that was
// not looked at.
func (l *lease) Undo(ctx context.Context, p connector.Prepared, after []byte) connector.Undone {
	none := func(r writ.Reason, format string, args ...any) connector.Undone {
		return connector.Undone{Effect: writ.NotApplied, Reason: r, Detail: fmt.Sprintf(format, args...)}
	}
	if err := p.Check(); err != nil {
		return none(writ.ReasonCallAltered, "%v", err)
	}
	c, err := l.find(p, true)
	if err != nil {
		return none(writ.ReasonOf(err), "%v", err)
	}
	pre, err := parseImage(p.Preimage)
	if err != nil {
		return none(writ.ReasonCallAltered, "%v", err)
	}
	ctx, done, ok := l.enter(ctx)
	if !ok {
		return none(writ.ReasonLeaseFailed, "the lease is revoked")
	}
	defer done()
	now, err := l.x.get(ctx, c.op, p.Step.With)
	if err != nil {
		return left(none(writ.ReasonOf(refusedError(err)), "%v", err), pre.Fields, nil)
	}
	fields, err := c.op.fieldsOf(now)
	switch {
	case now.uid != pre.UID:
		return left(none(writ.ReasonUndoConflict, "%s is another object of the same name now", p.Step.Object.Location), pre.Fields, nil)
	case err != nil:
		return left(none(writ.ReasonUndoConflict, "%v", err), pre.Fields, nil)
	case len(differences(pre.Fields, fields)) == 0:
		return connector.Undone{Effect: writ.Applied, Restored: true}
	}
	was, err := parseImage(after)
	if err != nil {
		return left(none(writ.ReasonUndoConflict, "what the call left is not known"), pre.Fields, fields)
	}
	if moved := c.op.moved(was, now, fields); len(moved) > 0 || was.UID != now.uid {
		return left(none(writ.ReasonUndoConflict, "%s was changed since%s: %s", p.Step.Object.Location, by(c.op, now), strings.Join(moved, "; ")), pre.Fields, fields)
	}
	return l.restore(ctx, c, p, pre, now, fields)
}

// restore sends the inverse call and reads back.
func (l *lease) restore(ctx context.Context, c allowed, p connector.Prepared, pre image, now state, fields writ.Parameters) connector.Undone {
	with, err := c.op.inverse.with(p.Step.With, pre.Fields)
	if err != nil {
		return left(connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonNoInverse, Detail: err.Error()}, pre.Fields, fields)
	}
	_, body, err := l.x.call(c.write, with)
	if err != nil {
		return left(connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonNoInverse, Detail: err.Error()}, pre.Fields, fields)
	}
	token, ok := l.token()
	if !ok {
		return left(connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonLeaseFailed, Detail: "the lease is revoked"}, pre.Fields, fields)
	}
	// The key names the version it undoes, so that a second attempt on a newer version is another request to the target.
	key := p.Step.Key + ".undo." + writ.DigestOf([]byte(now.etag)).String()[len("sha256:"):][:16]
	path, query := c.write.call(with)
	a, err := l.x.send(ctx, request{method: c.write.method, path: path, query: query, body: body, token: token, match: now.etag, key: key})
	u := connector.Undone{}
	switch {
	case errors.Is(err, errNotSent):
		u = connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonUnreachable, Detail: "the undo was not sent: " + err.Error()}
	case err != nil:
		u = connector.Undone{Reason: writ.ReasonUncertainOutcome, Detail: "the undo was sent: " + err.Error()}
	default:
		u.Effect, u.Reason, u.Detail = judge(a.status, p.Step.Object.Location)
		if u.Reason == writ.ReasonWorldMoved {
			u.Reason = writ.ReasonUndoConflict
		}
	}
	if u.Effect == writ.NotApplied {
		return left(u, pre.Fields, fields)
	}
	return l.readBack(ctx, c, p, pre, key, u)
}

// readBack compares the object with the pre-image after the inverse was sent.
func (l *lease) readBack(ctx context.Context, c allowed, p connector.Prepared, pre image, key string, u connector.Undone) connector.Undone {
	now, err := l.x.get(ctx, c.op, p.Step.With)
	var fields writ.Parameters
	if err == nil {
		fields, err = c.op.fieldsOf(now)
	}
	if err != nil || now.uid != pre.UID {
		u.Effect, u.Reason, u.Detail = writ.Unknown, writ.ReasonUncertainOutcome, "the undo was sent, but the object cannot be read back"
		return left(u, pre.Fields, nil)
	}
	u = left(u, pre.Fields, fields)
	if u.Effect == writ.Unknown {
		if ours, known := c.op.changedKey(now, key); !ours || !known {
			return u
		}
		u = connector.Undone{Effect: writ.Applied, Left: u.Left}
	}
	u.Restored = len(u.Left) == 0
	if !u.Restored {
		u.Reason, u.Detail = writ.ReasonUndoConflict, "the undo was carried out, but fields are not as before"+by(c.op, now)
	}
	return u
}

// left names the fields that are not as in the pre-image; all of them when the object could not be read.
func left(u connector.Undone, pre, now writ.Parameters) connector.Undone {
	u.Left = nil
	for _, k := range sortedKeys(pre) {
		if now == nil || now[k] != pre[k] {
			u.Left = append(u.Left, k)
		}
	}
	return u
}

// maxDescribed bounds a sentence about fields.
const maxDescribed = 5

// describe says for each field what it is and what it was left as.
func describe(fields []string, was, now writ.Parameters) []string {
	var out []string
	for i, k := range fields {
		if i == maxDescribed {
			return append(out, fmt.Sprintf("and %d more", len(fields)-i))
		}
		out = append(out, fmt.Sprintf("%s is %s, and was left as %s", writ.Printable(k, 80), show(now[k]), show(was[k])))
	}
	return out
}

// refusedError gives an error without a code the one of an unreachable target.
func refusedError(err error) error {
	if writ.ReasonOf(err) != "" {
		return err
	}
	return writ.Refuse(writ.ReasonUnreachable, err.Error())
}
