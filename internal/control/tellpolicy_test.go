package control_test

import (
	"strings"
	"testing"

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
