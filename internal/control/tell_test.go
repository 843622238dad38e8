package control_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/notify"
	"github.com/writ-dev/writ/internal/store"
)

// receiver is a local stand-in for people's on-call tool: an HTTPS server that keeps what it is sent.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	hooks  []hook
	status int // what it answers; 0 means 200
}

// hook is the part of a webhook's body that the tests look at.
type hook struct {
	Key, Thread, Event, Title, Summary, Place, Link string
	Count                                           int
	Header                                          http.Header `json:"-"`
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		var h hook
		if err := json.Unmarshal(b, &h); err != nil {
			t.Error(err)
		}
		h.Header = q.Header
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hooks = append(r.hooks, h)
		if r.status != 0 {
			w.WriteHeader(r.status)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) got() []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]hook(nil), r.hooks...)
}

// channel is the real webhook channel to the receiver.
func (r *receiver) channel(t *testing.T) control.Teller {
	t.Helper()
	cas := x509.NewCertPool()
	cas.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}))
	c, err := notify.NewWebhook(r.URL+"/hook", []byte("0123456789abcdef0123456789abcdef"), notify.Options{CAs: cas, Now: time.Now})
	must(t, err)
	return c
}

// telling makes a control plane tell of everything: first by a, then by b.
func telling(t *testing.T, a, b *receiver) func(*control.Config) {
	return func(c *control.Config) {
		c.Notices = &control.Notices{
			Routes:   notice.Routes{{Hops: []notice.Hop{{Channel: "a", Wait: 5 * time.Minute}, {Channel: "b"}}}},
			Channels: map[string]control.Teller{"a": a.channel(t), "b": b.channel(t)}, URL: "https://writ.test",
		}
	}
}

// tells has everything sent that is due now.
func (w *world) tells() {
	w.t.Helper()
	for range 3 { // a failure makes the next recipient's notice due
		for name := range w.config.Notices.Channels {
			must(w.t, w.ctl.NotifyOnce(w.ctx, name))
		}
	}
}

// notices are the entries on who was told.
func (w *world) notices() []writ.NoticeBody {
	w.t.Helper()
	var out []writ.NoticeBody
	for _, e := range w.entries() {
		if b, ok := e.Body.(*writ.NoticeBody); ok {
			out = append(out, *b)
		}
	}
	return out
}

func (w *world) sweeps() {
	w.t.Helper()
	must(w.t, w.ctl.SweepOnce(w.ctx))
	must(w.t, w.ctl.SweepNotices(w.ctx))
}

func TestAPlanThatWaitsIsToldWithWhoMayApproveItAndALink(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	p := w.waiting()
	w.tells()
	w.tells()
	got := a.got()
	if len(got) != 1 || len(b.got()) != 0 {
		t.Fatalf("%d and %d notices", len(got), len(b.got()))
	}
	h := got[0]
	if h.Event != "plan.waiting" || h.Link != "https://writ.test/plans/"+string(p.ID) || h.Place != "shop in prod" || h.Count != 1 || h.Key != h.Header.Get(notify.HeaderKey) {
		t.Errorf("%+v", h)
	}
	if want := "waits for 1 of checkout"; !strings.Contains(h.Summary, want) || !strings.Contains(h.Summary, "T2") {
		t.Errorf("%q does not say %q", h.Summary, want)
	}
	if n := w.notices(); len(n) != 1 || n[0].Outcome != writ.OutcomeDelivered || n[0].Channel != "a" || n[0].Attempts != 1 {
		t.Errorf("%+v", n)
	}
}

// What is not recorded is not told: a freeze that is refused leaves no notice, and one that is set leaves one.
func TestANoticeIsPartOfWhatItTells(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	_, err := w.ctl.Freeze(w.ctx, repair, writ.FreezeAll, "", "no")
	refused(t, err, writ.ReasonKind)
	w.tells()
	z, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeService, "shop", "secret words")
	must(t, err)
	w.tells()
	w.pass(time.Hour)
	_, err = w.ctl.Unfreeze(w.ctx, human("ann"), z.ID, "over")
	must(t, err)
	w.tells()
	got := a.got()
	if len(got) != 2 || got[0].Event != "freeze.set" || got[1].Event != "freeze.lifted" {
		t.Fatalf("%+v", got)
	}
	if strings.Contains(got[0].Summary, "secret words") || !strings.Contains(got[0].Summary, "Service shop was frozen by human:ann") {
		t.Errorf("%q", got[0].Summary)
	}
}

func TestSilenceTakesAnAskToTheNextPersonAndStaysANo(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	p := w.waiting()
	w.tells()
	w.pass(5*time.Minute - time.Second)
	w.sweeps()
	w.tells()
	if n := len(b.got()); n != 0 {
		t.Fatalf("the next one was told %d times before the wait was over", n)
	}
	w.pass(time.Second)
	w.sweeps()
	w.tells()
	if got := b.got(); len(got) != 1 || !strings.Contains(got[0].Title, "nobody has answered") || got[0].Key == a.got()[0].Key {
		t.Fatalf("%+v", got)
	}
	w.pass(planLife)
	w.sweeps()
	w.tells()
	if s := w.settled(human("ann"), p.ID); s.State != writ.PlanExpired {
		t.Errorf("the plan is %s", s.State)
	}
	if got := a.got(); len(got) != 2 || got[1].Event != "plan.expired" {
		t.Errorf("%+v", got)
	}
}

func TestWhoIsAnsweredIsNotAskedOn(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	p := w.waiting()
	w.tells()
	_, err := w.answer(p.ID, w.statement(p.ID, "ann", "owner", writ.Reject), "ann")
	must(t, err)
	w.pass(6 * time.Minute)
	w.sweeps()
	w.tells()
	if n := len(b.got()); n != 0 {
		t.Errorf("%d were asked after the answer", n)
	}
	// Nor is anybody, when the answer comes before the first notice leaves.
	q := w.waiting()
	_, err = w.answer(q.ID, w.statement(q.ID, "ann", "owner", writ.Reject), "ann")
	must(t, err)
	w.tells()
	if n := len(a.got()); n != 1 {
		t.Errorf("%d notices", n)
	}
}

func TestNoDeliveryMeansTheNextPerson(t *testing.T) {
	for name, c := range map[string]struct {
		status, attempts int
		failure          writ.NoticeFailure
	}{
		"it is down":     {http.StatusServiceUnavailable, notice.MaxTries, writ.FailureBusy},
		"it refuses":     {http.StatusGone, 1, writ.FailureRefused},
		"our key is bad": {http.StatusUnauthorized, 1, writ.FailureAuth},
		"it moved":       {http.StatusTemporaryRedirect, 1, writ.FailureRedirect},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newReceiver(t), newReceiver(t)
			a.answers(c.status)
			w := newWorld(t, telling(t, a, b))
			w.waiting()
			for range 40 {
				w.tells()
				w.pass(2 * time.Second)
			}
			if len(a.got()) != c.attempts || len(b.got()) != 1 {
				t.Fatalf("%d attempts, then %d", len(a.got()), len(b.got()))
			}
			for _, h := range a.got() {
				if h.Key != a.got()[0].Key {
					t.Errorf("attempts have the keys %s and %s", a.got()[0].Key, h.Key)
				}
			}
			n := w.notices()
			if len(n) != 2 || n[0].Outcome != writ.OutcomeFailed || n[0].Failure != c.failure || n[0].Status != c.status || n[0].Attempts != c.attempts || n[1].Outcome != writ.OutcomeDelivered || n[1].Channel != "b" {
				t.Errorf("%+v", n)
			}
			st := w.glance().Channels
			if len(st) != 2 || !st[0].Failing || st[0].Failure != c.failure || st[0].Kind != "webhook" || st[1].Failing {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestANoticeThatNobodyGotIsTriedInRoundsAndThenSaidAloud(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	a.answers(http.StatusGone)
	b.answers(http.StatusGone)
	w := newWorld(t, telling(t, a, b))
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "drill")
	must(t, err)
	for range 10 {
		w.tells()
		w.pass(notice.RoundRest)
	}
	if len(a.got()) != notice.MaxRounds || len(b.got()) != notice.MaxRounds {
		t.Errorf("%d and %d attempts", len(a.got()), len(b.got()))
	}
	n := w.notices()
	if last := n[len(n)-1]; len(n) != 2*notice.MaxRounds+1 || last.Outcome != writ.OutcomeUndelivered || !strings.Contains(w.logs.String(), "a notice reached nobody") {
		t.Errorf("%+v", n)
	}
}

// The process dies after the recipient got the notice and before that is written down: it is sent again, under the same
// key, when the claim has ended and not before. What the dead one would have said changes nothing.
func TestI19ANoticeWhoseSenderDiesIsSentAgainUnderItsKey(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	dying := &dyingChannel{Teller: w.config.Notices.Channels["a"], reached: make(chan struct{}), hold: make(chan struct{})}
	first := w.config
	first.Notices = &control.Notices{Routes: w.config.Notices.Routes, Channels: map[string]control.Teller{"a": dying, "b": b.channel(t)}, URL: w.config.Notices.URL}
	dead, err := control.New(first)
	must(t, err)
	w.waiting()
	ended := make(chan error)
	go func() { ended <- dead.NotifyOnce(w.ctx, "a") }()
	<-dying.reached
	w.pass(notice.ClaimFor - time.Second)
	w.tells()
	if n := len(a.got()); n != 1 {
		t.Fatalf("%d notices while the claim holds", n)
	}
	w.pass(time.Second)
	w.tells()
	got := a.got()
	if len(got) != 2 || got[0].Key != got[1].Key {
		t.Fatalf("%d notices, keys %+v", len(got), got)
	}
	close(dying.hold)
	must(t, <-ended)
	if n := w.notices(); len(n) != 1 || n[0].Attempts != 2 {
		t.Errorf("%+v", n)
	}
}

// dyingChannel is a channel whose process gets no further than the delivery.
type dyingChannel struct {
	control.Teller
	reached, hold chan struct{}
}

func (d *dyingChannel) Send(ctx context.Context, to string, m notice.Message) notice.Result {
	r := d.Teller.Send(ctx, to, m)
	close(d.reached)
	<-d.hold
	return r
}

func TestOfManyReplicasOneSends(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	other, err := control.New(w.config)
	must(t, err)
	for range 5 {
		_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "drill")
		must(t, err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			ctl := w.ctl
			if i%2 == 1 {
				ctl = other
			}
			for range 5 {
				if err := ctl.NotifyOnce(w.ctx, "a"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := a.got(); len(got) != 5 {
		t.Errorf("%d notices of 5 freezes", len(got))
	}
}

// TestI19AStormIsABoundedNumberOfNotices: 500 alerts open 500 incidents, and each has a plan that waits for people.
func TestI19AStormIsABoundedNumberOfNotices(t *testing.T) {
	storm := 500
	if testing.Short() {
		storm = 60
	}
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b), func(c *control.Config) {
		c.Limits.OpenIncidents, c.Limits.OpenPlans, c.Limits.OpenPlansEach = 2*storm, 2*storm, 2*storm
	})
	for n := range storm {
		ask := w.scale(w.incident("shop").ID)
		ask.Parameters = with(ask.Parameters, "replicas", writ.Int(int64(2+n%199)))
		w.propose(human("ann"), ask)
	}
	waiting := w.glance().Waiting
	for range 60 {
		w.tells()
	}
	if n := len(a.got()); n != notice.PerHour {
		t.Errorf("%d plans wait; %d notices in the first hour", waiting, n)
	}
	w.pass(time.Hour)
	for range 5 {
		w.tells()
	}
	got := a.got()
	told := 0
	for _, h := range got {
		told += h.Count
	}
	if len(got) != notice.PerHour+1 || told != waiting || waiting != storm || got[len(got)-1].Link != "https://writ.test/" {
		t.Errorf("%d notices tell of %d of %d plans; the last is %+v", len(got), told, waiting, got[len(got)-1])
	}
	// Another class has its own hour.
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "storm")
	must(t, err)
	w.tells()
	if n := len(a.got()); n != len(got)+1 {
		t.Errorf("the storm silenced an alarm")
	}
}

func TestI19EventsOfOneIncidentAreCollapsed(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, telling(t, a, b))
	in := w.incident("shop").ID
	for n := range 4 {
		ask := w.scale(in)
		ask.Parameters = with(ask.Parameters, "replicas", writ.Int(int64(3+n)))
		if s := w.propose(human("ann"), ask); s.State != writ.PlanWaiting {
			t.Fatalf("%s %s", s.State, s.Detail)
		}
		w.tells()
	}
	if n := len(a.got()); n != 1 {
		t.Fatalf("%d notices at once", n)
	}
	w.pass(notice.CollapseFor)
	w.tells()
	got := a.got()
	if len(got) != 2 || got[1].Count != 3 || got[1].Link != "https://writ.test/incidents/"+string(in) || got[0].Thread != got[1].Thread {
		t.Errorf("%+v", got)
	}
}

func TestI06ADebtIsToldWhenItOpensAndWhenItIsPaid(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w, h, c := inCell(t, telling(t, a, b))
	lease, intent := h.leaseEntry(), h.intent()
	h.claimed(c, lease, intent)
	h.claimed(c, h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.end(writ.RunSucceeded, ""))
	w.tells()
	if n := len(a.got()); n != 0 {
		t.Fatalf("%d notices of a success", n)
	}
	debt := assignment.Debt{Lease: h.lease, Run: h.b.Run, Target: target, Name: "writ-owed", Since: w.now()}
	for range 2 { // a heartbeat repeats it
		_, err := w.beat(first, 1, debt)
		must(t, err)
		w.tells()
	}
	got := a.got()
	if len(got) != 1 || got[0].Event != "lease.debt" || got[0].Link != "https://writ.test/runs/"+string(h.b.Run) || !strings.Contains(got[0].Summary, "Credential writ-owed") {
		t.Fatalf("%+v", got)
	}
	h.claimed(c, h.probe(lease, true, true))
	_, err := w.beat(first, 1)
	must(t, err)
	w.tells()
	if got := a.got(); len(got) != 2 || got[1].Event != "lease.paid" {
		t.Errorf("%+v", got)
	}
}

func TestR38ALostRunnerIsTold(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	w, h, c := inCell(t, telling(t, a, b))
	h.claimed(c, h.leaseEntry(), h.intent())
	w.runner.stop()
	for range 2 { // the doubt, and the end
		w.pass(lost)
		w.sweeps()
	}
	w.tells()
	if got := a.got(); len(got) != 1 || got[0].Event != "runner.lost" || got[0].Link != "https://writ.test/runs/"+string(h.b.Run) {
		t.Errorf("%+v", got)
	}
}

func TestTheEndOfARunThatDidNotRepairIsTold(t *testing.T) {
	for state, event := range map[writ.RunState]string{writ.RunUndone: "run.undone", writ.RunFailed: "run.failed", writ.RunUncertain: "run.uncertain"} {
		a, b := newReceiver(t), newReceiver(t)
		w := newWorld(t, telling(t, a, b))
		_, h := w.granted()
		h.endedAs(state)
		w.tells()
		if got := a.got(); len(got) != 1 || got[0].Event != event {
			t.Errorf("%s: %+v", state, got)
		}
	}
}

// rows counts the notices that are kept.
func (w *world) rows() (n int) {
	w.t.Helper()
	must(w.t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Notices, store.Filter{})
		n = len(rows)
		return err
	}))
	return n
}
