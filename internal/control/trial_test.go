package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/notice"
)

// postbox is a channel of mail to people's own addresses, which fails while broken.
type postbox struct {
	control.Teller
	to     []string
	broken bool
}

func (*postbox) Kind() string { return "mail" }

func (m *postbox) Send(_ context.Context, to string, x notice.Message) notice.Result {
	if m.broken {
		return notice.Result{Failure: writ.FailureAuth, Final: true}
	}
	m.to = append(m.to, to+" "+string(x.Event))
	return notice.Result{}
}

// TestATestNoticeGoesToWhoeverAskedForItAndIsRecorded is the health page's promise: one can try out whether one is told.
func TestATestNoticeGoesToWhoeverAskedForItAndIsRecorded(t *testing.T) {
	a, mail := newReceiver(t), &postbox{}
	w := newWorld(t, func(c *control.Config) {
		c.Notices = &control.Notices{
			Routes:   notice.Routes{{Hops: []notice.Hop{{Channel: "hook"}}}},
			Channels: map[string]control.Teller{"hook": a.channel(t), "mail": mail}, URL: "https://writ.test",
			Contacts: map[writ.Person]map[string]string{{Iss: idp, Sub: "ann"}: {"mail": "ann@corp.example"}},
		}
	})
	trialOf := func(channel string) writ.ChannelStatus {
		for _, x := range w.status().Channels {
			if x.Name == channel {
				return x
			}
		}
		t.Fatalf("no channel %s", channel)
		return writ.ChannelStatus{}
	}
	asked, err := w.ctl.TestNotice(w.ctx, human("ann"), "mail")
	must(t, err)
	w.tells()
	if len(mail.to) != 1 || mail.to[0] != "ann@corp.example test" || len(a.got()) != 0 {
		t.Errorf("mail %v, hook %v", mail.to, a.got())
	}
	if x := trialOf("mail"); x.Trial == nil || x.Trial.Notice != asked.Notice || x.Trial.State != writ.NoticeDelivered || x.Trial.By != human("ann") {
		t.Errorf("%+v", x.Trial)
	}
	n := w.notices()
	if len(n) != 1 || n[0].Notice != asked.Notice || n[0].By == nil || *n[0].By != human("ann") || n[0].To == nil || n[0].To.Sub != "ann" || n[0].Outcome != writ.OutcomeDelivered {
		t.Errorf("the ledger tells %+v", n)
	}
	// A channel without contacts tells its own recipients.
	_, err = w.ctl.TestNotice(w.ctx, human("bob"), "hook")
	must(t, err)
	w.tells()
	if got := a.got(); len(got) != 1 || got[0].Event != "test" {
		t.Errorf("%+v", got)
	}
	// Whoever has no address there is told so, and nobody else gets it.
	_, err = w.ctl.TestNotice(w.ctx, human("bob"), "mail")
	refused(t, err, writ.ReasonForm)
	_, err = w.ctl.TestNotice(w.ctx, human("ann"), "pigeon")
	refused(t, err, writ.ReasonForm)
	_, err = w.ctl.TestNotice(w.ctx, repair, "hook")
	refused(t, err, writ.ReasonKind)
	// A failure is recorded too.
	mail.broken = true
	_, err = w.ctl.TestNotice(w.ctx, human("ann"), "mail")
	must(t, err)
	w.tells()
	if n := w.notices(); n[len(n)-1].Outcome != writ.OutcomeFailed || n[len(n)-1].Failure != writ.FailureAuth {
		t.Errorf("%+v", n[len(n)-1])
	}
	// And nobody floods a channel with tests.
	var last error
	for range 6 {
		if _, last = w.ctl.TestNotice(w.ctx, human("ann"), "mail"); last != nil {
			break
		}
	}
	refused(t, last, writ.ReasonStorm)
}

// TestHealthTellsHowFarARunnersClockIsOff: a runner refuses grants from its own future, so that its clock must be seen.
func TestHealthTellsHowFarARunnersClockIsOff(t *testing.T) {
	w := quietWorld(t)
	const instance = "0123456789abcdef0123"
	epoch := w.join(instance, 0).Epoch
	beat := func(off time.Duration) *writ.ClockReading {
		_, err := w.ctl.Join(w.ctx, runnerID, assignment.Join{Claim: assignment.Claim{Instance: instance, Epoch: epoch}, Clock: w.now().Add(off)})
		must(t, err)
		return w.status().Runners[0].Clock
	}
	if got := beat(-300 * time.Millisecond); got == nil || got.Off() != -300*time.Millisecond || got.Wrong() {
		t.Errorf("%+v", got)
	}
	if got := beat(3 * time.Second); got == nil || got.Off() != 3*time.Second || !got.Wrong() {
		t.Errorf("%+v", got)
	}
}
