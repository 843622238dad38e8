package runner_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

// maxLooks is how many readings count as points of their own: those that poll a verification are all alike.
const maxLooks = 6

// crash lets a runner live until the n-th point and returns what is left of its world then; nil when there is no such
// point. Points are the calls of target and control plane, before and after, and if clock is set each look at the
// clock, of which there is one near every write of the journal.
func crash(t *testing.T, w *world, script func(w *world), book string, clock bool, n int) (left *world, g *issued, at string) {
	var look atomic.Pointer[func(string)]
	w.now = func() time.Time {
		if f := look.Load(); f != nil {
			(*f)("clock")
		}
		return time.Now()
	}
	w.start()
	p := w.planned(book)
	g = w.grant(p)
	script(w)
	dir, count, gate := t.TempDir(), 0, make(chan struct{})
	close(gate)
	var mu sync.Mutex
	looks := 0
	hit := func(point string) {
		mu.Lock()
		if point == "observe" {
			looks++
		}
		if looks > maxLooks && point == "observe" {
			mu.Unlock()
			return
		}
		count++
		here, open := count == n, gate
		if here {
			gate = make(chan struct{})
			open = gate
		}
		mu.Unlock()
		if here {
			synctest.Wait() // everything else stands still at a point or waits for time
			left, at = w.snapshot(dir), point
			close(open)
		}
		<-open
	}
	inner := func(string) error { return nil }
	if f := w.control.points.Load(); f != nil {
		inner = *f
	}
	w.target.point = hit
	w.control.on(func(p string) error {
		if p != "next" {
			hit(p)
		}
		return inner(p)
	})
	if clock {
		look.Store(&hit)
	}
	w.execute(g)
	look.Store(nil)
	w.control.on(func(string) error { return nil })
	w.stop()
	return left, g, at
}

// TestI06LeaseProvenDead kills the runner at every point of runs that end in each way, starts another on what is left,
// and demands: the run ends, in a state that fits the target; no call was made twice; no credential is left.
func TestI06LeaseProvenDead(t *testing.T) {
	for name, c := range map[string]struct {
		script func(w *world)
		book   string
	}{
		"success":     {func(w *world) {}, "two"},
		"failure":     {func(w *world) { w.target.FailCall["2"] = writ.ReasonForbidden }, "two"},
		"undo":        {func(w *world) { w.target.Unhelpful = true }, "two"},
		"lost answer": {func(w *world) { w.target.LoseAnswer["2"] = true }, "two"},
		"failed mint": {func(w *world) { w.target.MintFails = 1 }, "one"},
		"cancel": {func(w *world) {
			w.control.freeze(assignment.Freeze{Scope: writ.FreezeService, Value: "none"})
		}, "one"},
		"slow revoke": {func(w *world) { w.target.RevokeFails, w.target.IdentityLag = 3, 9*time.Second }, "one"},
		"outage": {func(w *world) {
			var calls atomic.Int32
			w.control.on(func(p string) error {
				if p == "deliver" {
					calls.Add(1)
				}
				if n := calls.Load(); n > 1 && n < 8 {
					return writ.ErrUnavailable
				}
				return nil
			})
		}, "two"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n += stride() {
				if !survives(t, c.script, c.book, name == "success", n) {
					if n < 12 {
						t.Errorf("only %d points", n)
					}
					return
				}
			}
		})
	}
}

// stride is 1: every point; in short mode some of them.
func stride() int {
	if testing.Short() {
		return 7
	}
	return 1
}

// long is a time of the bubble in which a runner that tries again and again must not give up; in short mode a sixth of it.
func long(d time.Duration) time.Duration {
	if testing.Short() {
		return d / 6
	}
	return d
}

// survives reports whether there was an n-th point.
func survives(t *testing.T, script func(*world), book string, clock bool, n int) (more bool) {
	synctest.Test(t, func(t *testing.T) {
		first := newWorld(t)
		left, g, at := crash(t, first, script, book, clock, n)
		if left == nil {
			return
		}
		more = true
		name := fmt.Sprintf("point %d (%s)", n, at)
		sent := left.target.dosOf(g)
		left.start()
		defer left.stop()
		left.until("the end of "+name, func() bool { return left.ended(g.run).State != "" })
		end := left.ended(g.run)
		left.allDead()
		for key, after := range left.target.dosOf(g) {
			if key == "any" {
				continue
			}
			if after > 1 || after > sent[key] && sent["any"] > 0 {
				t.Errorf("%s: %s was called %d times, %d before the crash", name, key, after, sent[key])
			}
		}
		values := left.target.values()
		want := map[writ.RunState]string{writ.RunSucceeded: map[string]string{"one": "new old old", "two": "new new old"}[book]}[end.State]
		if want == "" {
			want = "old old old"
		}
		if end.State == writ.RunUncertain || values != want {
			t.Errorf("%s: ended %s for %s, values %s", name, end.State, end.Reason, values)
		}
		wantCauses(t, left)
		wantLeasesClosed(t, left)
	})
	return more
}

// dosOf returns how often each step of a run was called; "any" is their sum.
func (f *fakeTarget) dosOf(g *issued) map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int{}
	for _, s := range g.plan.Steps {
		out[s.Key] = f.dos[s.Key]
		out["any"] += f.dos[s.Key]
	}
	return out
}
