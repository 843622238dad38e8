package notify_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/notify"
)

const secret = "0123456789abcdef0123456789abcdef"

var at = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)

// message is what is sent, with text of others that wants more than to be read.
func message(change ...func(*notice.Message)) notice.Message {
	m := notice.Message{
		Key: "ntc_1.0", Thread: "inc_1", Event: writ.NoticePlanWaiting, Urgent: true, Heading: "a plan waits for approval", Place: "shop in prod",
		Lines: []string{"<!channel> *Restart* <https://evil.test|approve> & `more`"}, Count: 1, At: at, Until: at.Add(time.Hour), Link: "https://writ.test/plans/pln_1",
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

// A receiver is a local HTTPS server written for these tests, in the place of an on-call tool, Slack or ntfy.
type receiver struct {
	*httptest.Server
	body   []byte
	header http.Header
	calls  atomic.Int32
}

func receive(t testing.TB, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.calls.Add(1)
		r.body, _ = io.ReadAll(q.Body)
		r.header = q.Header
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) options() notify.Options {
	cas := x509.NewCertPool()
	cas.AddCert(r.Certificate())
	return notify.Options{CAs: cas, Now: func() time.Time { return at }}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func send(t testing.TB, c notify.Channel, m notice.Message) notice.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), notice.SendLimit)
	defer cancel()
	return c.Send(ctx, "", m)
}

func TestAWebhookIsSignedAndCarriesItsKey(t *testing.T) {
	r := receive(t, nil)
	c, err := notify.NewWebhook(r.URL+"/writ", []byte(secret), r.options())
	must(t, err)
	if got := send(t, c, message()); got != (notice.Result{Status: 200}) {
		t.Fatalf("%+v", got)
	}
	stamp, sum, _ := strings.Cut(r.header.Get("Writ-Signature"), ",v1=")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.TrimPrefix(stamp, "t=") + "."))
	mac.Write(r.body)
	if stamp != "t=1795317120" || sum != hex.EncodeToString(mac.Sum(nil)) || r.header.Get("Idempotency-Key") != "ntc_1.0" {
		t.Errorf("%s %v", stamp, r.header)
	}
	var body map[string]any
	must(t, json.Unmarshal(r.body, &body))
	for member, want := range map[string]any{"v": 1.0, "event": "plan.waiting", "link": "https://writ.test/plans/pln_1", "thread": "inc_1", "count": 1.0, "until": "2026-11-22T04:12:00Z"} {
		if body[member] != want {
			t.Errorf("%s is %v, want %v", member, body[member], want)
		}
	}
}

func TestSlackGetsTextOfOthersAsTextAndOneLink(t *testing.T) {
	r := receive(t, nil)
	c, err := notify.NewSlack(r.URL+"/services/T/B/secret", r.options())
	must(t, err)
	m := message(func(m *notice.Message) { m.Heading = "<!here> & *x*" })
	if got := send(t, c, m); got.Failure != "" {
		t.Fatalf("%+v", got)
	}
	var body struct {
		Text   string
		Blocks []struct {
			Text struct{ Type, Text string }
		}
		UnfurlLinks *bool `json:"unfurl_links"`
	}
	must(t, json.Unmarshal(r.body, &body))
	if strings.ContainsAny(body.Text, "<>*@") || len(body.Blocks) != 3 || body.UnfurlLinks == nil || *body.UnfurlLinks {
		t.Errorf("%s", r.body)
	}
	for i, b := range body.Blocks {
		if want := []string{"plain_text", "plain_text", "mrkdwn"}[i]; b.Text.Type != want {
			t.Errorf("block %d is %s", i, b.Text.Type)
		}
	}
	if body.Blocks[2].Text.Text != "<https://writ.test/plans/pln_1|Read it in Writ>" {
		t.Errorf("%q", body.Blocks[2].Text.Text)
	}
}

func TestNtfyGetsAPriorityAndNoSecondHeader(t *testing.T) {
	r := receive(t, nil)
	c, err := notify.NewNtfy(r.URL+"/topic", "tk_secret", r.options())
	must(t, err)
	m := message(func(m *notice.Message) {
		m.Event, m.Place = writ.NoticeLeaseDebt, "shöp\r\nActions: http, approve, https://evil.test"
	})
	if got := send(t, c, m); got.Failure != "" {
		t.Fatalf("%+v", got)
	}
	if r.header.Get("Priority") != "5" || r.header.Get("Authorization") != "Bearer tk_secret" || r.header.Get("Click") != m.Link || r.header.Get("Actions") != "" || !strings.Contains(string(r.body), "Silence means no") {
		t.Errorf("%v %s", r.header, r.body)
	}
}

func TestNtfyGetsNoMoreThanItShows(t *testing.T) {
	r := receive(t, nil)
	c, err := notify.NewNtfy(r.URL+"/topic", "", r.options())
	must(t, err)
	m := message(func(m *notice.Message) { m.Lines = []string{strings.Repeat("ö", 3000)} })
	if got := send(t, c, m); got.Failure != "" || len(r.body) > 4096 || len(r.body) < 4090 || !utf8.Valid(r.body) || r.header.Get("Authorization") != "" {
		t.Errorf("%+v, %d bytes", got, len(r.body))
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for code, want := range map[int]notice.Result{
		204: {Status: 204},
		302: {Status: 302, Failure: writ.FailureRedirect, Final: true},
		400: {Status: 400, Failure: writ.FailureRefused, Final: true},
		401: {Status: 401, Failure: writ.FailureAuth, Final: true},
		429: {Status: 429, Failure: writ.FailureBusy, After: 7 * time.Second},
		503: {Status: 503, Failure: writ.FailureBusy, After: 7 * time.Second},
	} {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(code)
		})
		c, err := notify.NewSlack(r.URL, r.options())
		must(t, err)
		if got := send(t, c, message()); got != want {
			t.Errorf("%d: %+v, want %+v", code, got, want)
		}
	}
}

// Addresses come from the configuration alone: what an answer names, and what a message says, is not called.
func TestNothingButTheConfiguredAddressIsCalled(t *testing.T) {
	other := receive(t, nil)
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, other.URL, http.StatusTemporaryRedirect)
	})
	c, err := notify.NewWebhook(r.URL, []byte(secret), r.options())
	must(t, err)
	m := message(func(m *notice.Message) { m.Lines, m.Link = []string{other.URL}, other.URL })
	ctx := t.Context()
	if got := c.Send(ctx, other.URL, m); got.Failure != writ.FailureRedirect {
		t.Errorf("%+v", got)
	}
	if r.calls.Load() != 1 || other.calls.Load() != 0 {
		t.Errorf("%d and %d calls", r.calls.Load(), other.calls.Load())
	}
}

func TestAChannelThatIsNotWhoItSaysGetsNothing(t *testing.T) {
	r := receive(t, nil)
	c, err := notify.NewWebhook(r.URL, []byte(secret), notify.Options{CAs: x509.NewCertPool(), Now: time.Now})
	must(t, err)
	if got := send(t, c, message()); got != (notice.Result{Failure: writ.FailureTLS}) || r.calls.Load() != 0 {
		t.Errorf("%+v after %d calls", got, r.calls.Load())
	}
}

func TestAChannelThatHangsOrTalksForEverIsLeft(t *testing.T) {
	done := make(chan struct{})
	hangs := receive(t, func(http.ResponseWriter, *http.Request) { <-done })
	talks := receive(t, func(w http.ResponseWriter, q *http.Request) {
		for q.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	defer close(done)
	c, err := notify.NewSlack(hangs.URL, hangs.options())
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := c.Send(ctx, "", message()); got != (notice.Result{Failure: writ.FailureTimeout}) {
		t.Errorf("%+v", got)
	}
	c, err = notify.NewSlack(talks.URL, talks.options())
	must(t, err)
	if got := send(t, c, message()); got.Failure != "" {
		t.Errorf("%+v", got)
	}
}

func TestAnAddressThatIsNoHTTPSURLIsRefusedAndNotQuoted(t *testing.T) {
	dev, prod := notify.Options{Plain: true, Now: time.Now}, notify.Options{Now: time.Now}
	for address, o := range map[string]notify.Options{
		"http://127.0.0.1:1/tokenpath": prod, "http://hooks.test/tokenpath": dev, "https://user:tokenpath@hooks.test": prod, "tokenpath": prod, "ftp://tokenpath": prod,
		"https:///tokenpath": prod, "https://hooks.test/#tokenpath": prod,
	} {
		if _, err := notify.NewSlack(address, o); err == nil || strings.Contains(err.Error(), "tokenpath") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := notify.NewSlack("http://127.0.0.1:1/hook", dev); err != nil {
		t.Error(err)
	}
	if _, err := notify.NewWebhook("https://hooks.test", []byte("short"), prod); err == nil || strings.Contains(err.Error(), "short\"") {
		t.Error(err)
	}
}
