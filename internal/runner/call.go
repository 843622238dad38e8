package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// callGrace is how long a connector may take to return after its context has ended. After it the call counts as
// unknown and the run goes on without it.
const callGrace = 5 * time.Second

// call runs f with a time limit. It reports false when f panicked or did not come back in time; f's answer is then
// lost, and what f did is not known. A panic's text may hold anything and is dropped.
func call[T any](ctx context.Context, op fault.Op, limit time.Duration, f func(context.Context) T) (T, bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	type answer struct {
		v  T
		ok bool
	}
	came := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if recover() != nil {
				a = answer{}
			}
			cancel()
			came <- a
		}()
		fault.Before(op)
		a.v = f(ctx)
		fault.After(op)
		a.ok = true
	}()
	select {
	case a := <-came:
		return a.v, a.ok
	case <-ctx.Done():
	}
	wait := time.NewTimer(callGrace)
	defer wait.Stop()
	select {
	case a := <-came:
		return a.v, a.ok
	case <-wait.C:
		var none T
		return none, false
	}
}

// try is call for functions that return an error.
func try[T any](ctx context.Context, op fault.Op, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	a, ok := call(ctx, op, limit, func(ctx context.Context) answer {
		v, err := f(ctx)
		return answer{v, err}
	})
	if !ok {
		return a.v, fmt.Errorf("%w: the connector did not come back", writ.ErrUnavailable)
	}
	return a.v, a.err
}

// pause waits, unless ctx ends or stop is closed first; it reports whether the whole time passed.
func pause(ctx context.Context, d time.Duration, stop <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-stop:
	}
	return false
}

// backoff doubles from its first delay to its last.
type backoff struct {
	next  time.Time
	delay time.Duration
}

func (b backoff) after(now time.Time, first, last time.Duration) backoff {
	b.delay = min(max(first, 2*b.delay), last)
	b.next = now.Add(b.delay)
	return b
}
