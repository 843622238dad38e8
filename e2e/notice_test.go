package e2e_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
)

// A pager is a local receiver written for these tests, in the place of an on-call tool. It can keep a sender waiting for
// its answer.
type pager struct {
	*httptest.Server

	mu   sync.Mutex
	got  []page
	hold chan struct{} // while not nil, no answer comes before it is closed
}

type page struct{ Key, Event, Summary, Link string }

func newPager(t *testing.T) *pager {
	p := &pager{}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var got page
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		p.got = append(p.got, got)
		hold := p.hold
		p.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// of lists what was told of an event.
func (p *pager) of(e writ.NoticeEvent) []page {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []page
	for _, x := range p.got {
		if x.Event == string(e) {
			out = append(out, x)
		}
	}
	return out
}

func (p *pager) holds(c chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = c
}

// pages makes a site tell its people by the pager.
func (s *site) pages(p *pager) {
	s.t.Helper()
	dir := filepath.Dir(s.in.Server)
	write(s.t, filepath.Join(dir, "pager.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}))
	must(s.t, os.WriteFile(filepath.Join(dir, "pager.secret"), []byte(strings.Repeat("s", 32)), 0o600))
	s.edit(func(c *config.Server) {
		c.Notify = &config.Notify{
			Channels: []config.NotifyChannel{{Name: "pager", CA: "pager.pem", Webhook: &config.WebhookHook{URL: p.URL, SecretFile: "pager.secret"}}},
			Routes:   []config.NotifyRoute{{To: []config.NotifyHop{{Channel: "pager"}}}},
		}
	})
}

// TestI06ADebtIsToldToPeopleWhenItOpensAndWhenItIsPaid: the API server deletes nothing, so the runner cannot prove its lease
// dead. People are told, although the server is killed while the receiver has the notice and the server has no answer yet.
func TestI06ADebtIsToldToPeopleWhenItOpensAndWhenItIsPaid(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses, nil, "owing")
	p := newPager(t)
	s.pages(p)
	s.start()
	if r := s.run(t, s.dir, "notify", "test", "pager", "-c", s.in.Server, "--dev"); r.code != 0 || len(p.of(writ.NoticeTest)) != 1 {
		t.Fatalf("notify test: %d %s %s", r.code, r.out, r.err)
	}
	x := s.broken(t, "owing").diagnosed()
	s.keep(true)
	hold := make(chan struct{})
	p.holds(hold)
	run := x.runOf(x.rollback().Plan) // it ends when its lease has
	told := func(e writ.NoticeEvent, n int) []page {
		await(t, fmt.Sprintf("%d notices of %s", n, e), func() (bool, string) { return len(p.of(e)) >= n, s.state("server") })
		return p.of(e)
	}
	told(writ.NoticeLeaseDebt, 1)
	s.procs["server"].kill()
	p.holds(nil)
	close(hold)
	s.startServer()
	got := told(writ.NoticeLeaseDebt, 2)
	if got[0] != got[1] || !strings.HasSuffix(got[0].Link, "/runs/"+string(run)) || !strings.Contains(got[0].Summary, "gets no new grants") {
		t.Errorf("%+v", got)
	}
	if st := s.wantCLI(t, 0, you, "status"); !strings.Contains(st.out, "DEBT lease") || strings.Contains(st.out, "FAILING") {
		t.Errorf("%s", st.out)
	}
	s.metric(`writ_notices_total{channel="pager",outcome="delivered"} 1`, `writ_notice_channel_failing{channel="pager"} 0`, `writ_lease_debts{runner="spiffe://writ.local/runner/local"} 1`)
	s.keep(false)
	told(writ.NoticeLeasePaid, 1)
	x.endedRun(run, writ.RunSucceeded)
	x.dead(run)
	delivered := 0
	for _, e := range s.entries(t) {
		if b, ok := e.Body.(*writ.NoticeBody); ok && b.Outcome == writ.OutcomeDelivered {
			delivered++
		}
	}
	if delivered != 2 || len(p.of(writ.NoticeLeaseDebt)) != 2 {
		t.Errorf("%d deliveries are entered, %d notices of the debt came", delivered, len(p.of(writ.NoticeLeaseDebt)))
	}
	s.explains(t)
}

// metric waits until the server counts these.
func (s *site) metric(lines ...string) {
	s.t.Helper()
	for _, want := range lines {
		await(s.t, want, func() (bool, string) {
			resp, err := http.Get(s.admin + "/metrics")
			if err != nil {
				return false, err.Error()
			}
			text := readAll(s.t, resp.Body)
			return strings.Contains(text, want+"\n"), "it says otherwise"
		})
	}
}
