package control_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/notice"
)

// mailbox stands for a mail server: it keeps to whom something was sent. internal/notify tests the real one.
type mailbox struct {
	mu sync.Mutex
	to []string
}

func (*mailbox) Kind() string { return "mail" }

func (m *mailbox) Send(_ context.Context, to string, _ notice.Message) notice.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.to = append(m.to, to)
	return notice.Result{}
}

func TestTheMembersOfAGroupAreAskedOneAfterTheOther(t *testing.T) {
	post := &mailbox{}
	mail := func(sub string) map[string]string { return map[string]string{"mail": sub + "@corp.test"} }
	w := newWorld(t, func(c *control.Config) {
		c.Notices = &control.Notices{
			Routes:   notice.Routes{{Hops: []notice.Hop{{Channel: "mail", Group: notice.GroupOncall}, {Channel: "mail", Group: notice.GroupOwner}}}},
			Channels: map[string]control.Teller{"mail": post}, URL: "https://writ.test",
			Contacts: map[writ.Person]map[string]string{{Iss: idp, Sub: "ann"}: mail("ann"), {Iss: idp, Sub: "bob"}: mail("bob"), {Iss: idp, Sub: "carl"}: mail("carl")},
		}
	})
	w.waiting()
	for range 5 {
		w.tells()
		w.pass(notice.Untold)
		w.sweeps()
	}
	if got := strings.Join(post.to, " "); got != "bob@corp.test ann@corp.test" {
		t.Errorf("asked: %s", got)
	}
	if n := w.notices(); len(n) != 2 || n[0].To == nil || n[0].To.Sub != "bob" {
		t.Errorf("%+v", n)
	}
}

// Who is on the roster and cannot be reached, and a channel that was taken out of the configuration, are failures that
// show, and the next one is told.
func TestWhoCannotBeReachedAnyMoreIsNotTheEnd(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	w.waiting()
	later := w.config
	later.Notices = &control.Notices{Routes: notice.Routes{{Hops: []notice.Hop{{Channel: "b"}}}}, Channels: map[string]control.Teller{"b": b.channel(t)}, URL: "https://writ.test"}
	ctl, err := control.New(later)
	must(t, err)
	must(t, ctl.SweepNotices(w.ctx))
	must(t, ctl.NotifyOnce(w.ctx, "b"))
	if len(a.got()) != 0 || len(b.got()) != 1 {
		t.Errorf("%d and %d notices", len(a.got()), len(b.got()))
	}
}

func TestARouteWithNobodyOnItIsSaidAloud(t *testing.T) {
	w := newWorld(t, func(c *control.Config) {
		c.Notices = &control.Notices{
			Routes:   notice.Routes{{Hops: []notice.Hop{{Channel: "mail", Group: "nobodys"}}}},
			Channels: map[string]control.Teller{"mail": &mailbox{}}, URL: "https://writ.test",
		}
	})
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "drill")
	must(t, err)
	w.sweeps()
	if n := w.notices(); len(n) != 1 || n[0].Outcome != writ.OutcomeUndelivered || n[0].Failure != writ.FailureNobody || !strings.Contains(w.logs.String(), "reached nobody") {
		t.Errorf("%+v", n)
	}
}

func TestOldNoticesAreForgotten(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "drill")
	must(t, err)
	w.tells()
	w.pass(notice.Keep - time.Minute)
	w.sweeps()
	if n := w.rows(); n != 1 {
		t.Errorf("%d notices are kept", n)
	}
	w.pass(2 * time.Minute)
	w.sweeps()
	if n := w.rows(); n != 0 {
		t.Errorf("%d notices are kept for ever", n)
	}
}

func TestASilentRunnerIsToldOncePerSilenceWhicheverReplicaSeesIt(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w, h, c := inCell(t, telling(t, a, b))
	h.claimed(c, h.leaseEntry(), h.intent())
	other, err := control.New(w.config)
	must(t, err)
	w.pass(time.Minute)
	for _, ctl := range []*control.Control{w.ctl, other, w.ctl} {
		must(t, ctl.WatchCells(w.ctx))
		w.tells()
		w.pass(10 * time.Second) // after which it looks again
	}
	if got := a.got(); len(got) != 1 || got[0].Event != "runner.lost" || !strings.Contains(got[0].Summary, "1 credentials") {
		t.Errorf("%+v", got)
	}
}
