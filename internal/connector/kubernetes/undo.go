package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// undoTries is how often an undo starts again because the object's version moved without anything of ours changing:
// controllers write status all the time.
const undoTries = 8

// Undo implements connector.Lease.
func (l *lease) Undo(ctx context.Context, p connector.Prepared, after []byte) connector.Undone {
	if err := p.Check(); err != nil {
		return left(refused(err))
	}
	at, err := objectOf(l.c.target, p.Step)
	if err != nil {
		return left(refused(err))
	}
	ctx, cancel := l.during(ctx)
	defer cancel()
	if l.client == nil || l.alive.Err() != nil {
		return left(notApplied(writ.ReasonLeaseFailed, "the lease has no credential, or it is revoked"))
	}
	switch p.Step.Inverse.Kind {
	case writ.InverseReplace:
		return l.replace(ctx, at, p, after)
	case writ.InverseRecreated:
		return l.recreated(ctx, at, p)
	}
	return left(notApplied(writ.ReasonNoInverse, fmt.Sprintf("%s has no inverse", p.Step.Operation)))
}

// left is the result of an undo that changed nothing.
func left(o connector.Outcome) connector.Undone {
	return connector.Undone{Effect: o.Effect, Reason: o.Reason, Detail: o.Detail}
}

// replace puts the whole pre-image back. A merge or an apply would leave behind what the call had added.
func (l *lease) replace(ctx context.Context, at place, p connector.Prepared, after []byte) connector.Undone {
	before, err := parseObject(p.Preimage)
	if err != nil {
		return left(refused(err))
	}
	deleted := p.Step.Call.Method == http.MethodDelete
	done := before
	if !deleted {
		if len(after) > 0 {
			done, err = parseObject(after)
		} else {
			done, err = wanted(p) // nobody saw the answer; this is what was asked for
		}
		if err != nil {
			return left(refused(err))
		}
	}
	for range undoTries {
		now, _, err := l.client.get(ctx, at)
		gone := writ.ReasonOf(err) == writ.ReasonNoObject
		switch {
		case err != nil && !gone:
			return left(refused(err))
		case gone && !deleted:
			return conflict([]string{at.kind.name}, fmt.Sprintf("%s is gone", at))
		case !gone && now.uid() != before.uid() && !deleted:
			return conflict([]string{at.kind.name}, fmt.Sprintf("%s was made anew by somebody", at))
		case !gone && len(paths(at.kind, before, now)) == 0 && !now.has("metadata", "deletionTimestamp"):
			return connector.Undone{Effect: writ.Applied, Restored: true}
		case !gone && now.has("metadata", "deletionTimestamp"):
			return conflict([]string{"metadata.deletionTimestamp"}, fmt.Sprintf("%s is being deleted", at))
		}
		if !gone {
			if changed := paths(at.kind, done, now); len(changed) > 0 || deleted {
				return conflict(changed, blame(at, changed, done, now))
			}
		}
		out := l.put(ctx, at, before, now)
		switch {
		case out.Effect == writ.Applied:
			return l.readBack(ctx, at, before)
		case out.Reason != writ.ReasonWorldMoved:
			return left(out)
		}
	}
	return left(notApplied(writ.ReasonUnavailable, fmt.Sprintf("%s keeps changing too fast to be put back", at)))
}

// put writes before in the place of now, or anew when now is nil.
func (l *lease) put(ctx context.Context, at place, before, now object) connector.Outcome {
	r := request{method: http.MethodPut, path: at.path(), query: "fieldManager=" + fieldManager, contentType: jsonType}
	o := again(before)
	if now == nil {
		r.method, r.path = http.MethodPost, at.collection()
	} else {
		o = restored(at.kind, before, now)
	}
	var err error
	if r.body, err = o.bytes(); err != nil {
		return refused(err)
	}
	a, err := l.client.do(ctx, r)
	return judge(at, a, err)
}

// readBack compares what is there now with the pre-image, field by field.
func (l *lease) readBack(ctx context.Context, at place, before object) connector.Undone {
	now, _, err := l.client.get(ctx, at)
	if err != nil {
		return connector.Undone{Effect: writ.Applied, Left: []string{at.kind.name}, Detail: "it was put back and could not be read back: " + err.Error()}
	}
	u := connector.Undone{Effect: writ.Applied, Left: paths(at.kind, before, now)}
	u.Restored = len(u.Left) == 0
	if !u.Restored {
		u.Detail = "not restored: " + strings.Join(u.Left, ", ")
	}
	return u
}

// conflict is an undo that left the object alone because somebody else had changed it.
func conflict(fields []string, detail string) connector.Undone {
	return connector.Undone{Effect: writ.NotApplied, Left: fields, Reason: writ.ReasonUndoConflict, Detail: detail}
}

// recreated finds out whether a deleted pod's controller has made it again. There is nothing to send. The counts must
// hold twice, since a controller needs a moment to notice that a pod has gone.
func (l *lease) recreated(ctx context.Context, at place, p connector.Prepared) connector.Undone {
	above, err := recreator(p)
	if err != nil {
		return left(refused(err))
	}
	counts := recreators[above.kind.name]
	for seen := 1; ; seen++ {
		pod, _, err := l.client.get(ctx, at)
		switch {
		case err != nil && writ.ReasonOf(err) != writ.ReasonNoObject:
			return left(refused(err))
		case err == nil && pod.uid() == p.Step.Object.UID && pod.has("metadata", "deletionTimestamp"):
			return connector.Undone{Effect: writ.Applied, Left: []string{"pod"}, Reason: writ.ReasonStepFailed, Detail: fmt.Sprintf("%s is still stopping", at)}
		case err == nil && pod.uid() == p.Step.Object.UID:
			return connector.Undone{Effect: writ.Applied, Restored: true}
		}
		owner, _, err := l.client.get(ctx, above)
		if err != nil {
			return left(refused(err))
		}
		want, have := owner.num(0, counts.want...), owner.num(0, counts.have...)
		switch {
		case have < want || want < 1:
			return connector.Undone{
				Effect: writ.Applied, Left: []string{"pod"}, Reason: writ.ReasonStepFailed, Detail: fmt.Sprintf("%s has %d of %d pods so far", above, have, want),
			}
		case seen > 1:
			return connector.Undone{Effect: writ.Applied, Restored: true, Detail: fmt.Sprintf("%s has %d of %d pods again", above, have, want)}
		}
		select {
		case <-ctx.Done():
			return left(notApplied(writ.ReasonUnreachable, "there was no time to look twice"))
		case <-time.After(settlePause):
		}
	}
}
