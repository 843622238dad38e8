package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// A change of the rules that waits is told in the transaction that proposes it, without what it changes.
func TestAChangeOfTheSetThatWaitsIsTold(t *testing.T) {
	r := newReceiver(t)
	w := governedWorld(t, telling(t, r, r))
	s := w.proposes("dora", stricterFiles(t, 2))
	w.tells()
	var told []hook
	for _, h := range r.got() {
		if h.Event == string(writ.NoticePolicyWaiting) {
			told = append(told, h)
		}
	}
	if len(told) == 0 || !strings.Contains(told[0].Summary, "2 people of platform") || !strings.Contains(told[0].Summary, string(s.ID)) || strings.Contains(told[0].Summary, "as agreed") {
		t.Errorf("%+v of %+v", told, r.got())
	}
}

// A change that waits is escalated as a plan that waits is: silence takes it to the next person, an answer that ends it stops
// that, and one of two answers does not.
func TestSilenceTakesAChangeOfTheSetToTheNextPerson(t *testing.T) {
	t.Parallel()
	a, b := newReceiver(t), newReceiver(t)
	w := governedWorld(t, telling(t, a, b))
	told := func(r *receiver) (out []hook) {
		for _, h := range r.got() {
			if h.Event == string(writ.NoticePolicyWaiting) {
				out = append(out, h)
			}
		}
		return out
	}
	goOn := func(d time.Duration) {
		w.pass(d)
		w.sweeps()
		w.tells()
	}
	s := w.proposes("dora", stricterFiles(t, 2))
	goOn(0)
	_, err := w.votes(s.ID, "emil", writ.Approve)
	must(t, err)
	goOn(5*time.Minute - time.Second)
	if n := len(told(b)); n != 0 || len(told(a)) != 1 {
		t.Fatalf("%d were told, and the next one %d times before the wait was over", len(told(a)), n)
	}
	goOn(time.Second)
	if got := told(b); len(got) != 1 || !strings.Contains(got[0].Title, "nobody has answered") || got[0].Link != "https://writ.test/policy/"+string(s.ID) {
		t.Fatalf("after silence: %+v", got)
	}
	next := w.proposes("dora", stricterFiles(t, 3))
	goOn(time.Hour) // past what is collapsed
	if n := len(told(a)); n != 2 {
		t.Fatalf("the second change was told %d times", n-1)
	}
	_, err = w.votes(next.ID, "emil", writ.Reject)
	must(t, err)
	goOn(5 * time.Minute)
	if got := told(b); len(got) != 1 {
		t.Errorf("what was answered went on to the next: %+v", got)
	}
}
