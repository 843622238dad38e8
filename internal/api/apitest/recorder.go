package apitest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/writ-dev/writ"
)

// A Recorder keeps the calls that reached a control plane, each as one line of what was asked for and with what. It says
// what they are answered with, too.
type Recorder struct {
	Err  error   // answered to every call, if set
	Errs []error // answered to the next calls, one by one; nil lets a call succeed

	mu     sync.Mutex
	calls  []string
	denied []string
}

// Called keeps one call and returns what it is answered with.
func (r *Recorder) Called(format string, args ...any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
	if len(r.Errs) == 0 {
		return r.Err
	}
	err := r.Errs[0]
	r.Errs = r.Errs[1:]
	return err
}

// Calls are all that were made, the oldest first.
func (r *Recorder) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// Count is how often exactly this call was made.
func (r *Recorder) Count(call string) (n int) {
	for _, c := range r.Calls() {
		if c == call {
			n++
		}
	}
	return n
}

// Forget drops the calls that were made.
func (r *Recorder) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = nil
}

// Denied keeps a refusal of a door, apart from the calls: it reached nobody.
func (r *Recorder) Denied(_ context.Context, what string, by writ.Principal, reason writ.Reason, plan writ.PlanID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.denied = append(r.denied, fmt.Sprintf("%s %s %s %s", what, by, reason, plan))
}

// Refusals are those that a door had to record.
func (r *Recorder) Refusals() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.denied)
}
