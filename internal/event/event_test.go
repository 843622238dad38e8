package event_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/event"
)

var now = time.Date(2026, 11, 22, 2, 10, 0, 0, time.UTC)

const (
	first  = "0123456789abcdef0123456789abcdef"
	second = "fedcba9876543210fedcba9876543210"

	// As PagerDuty documents its webhook, with what Writ does not read left in.
	pagerDuty = `{"event":{"id":"01E4","event_type":"incident.triggered","resource_type":"incident","occurred_at":"2026-11-22T02:09:00.123Z","agent":{"id":"PLH1"},"client":null,
"data":{"id":"PGR0VU2","type":"incident","number":2,"status":"triggered","incident_key":"d364","created_at":"2026-11-22T02:08:59Z","title":"A little bump","service":{"id":"PF9KMXH","summary":"API","type":"service_reference"},"urgency":"high","priority":{"id":"PSO7","summary":"P1"}}}}`
	structured = `{"specversion":"1.0","id":"e-1","source":"/watch","type":"com.example.slo","time":"2026-11-22T02:09:00Z","datacontenttype":"application/json","extra":"x",
"data":{"problem":{"key":"burn/7"},"state":"burning","svc":"checkout","level":3,"title":"SLO burns"}}`
	data         = `{"problem":{"key":"burn/7"},"state":"burning","svc":"checkout","level":3,"title":"SLO burns"}`
	alertmanager = `{"version":"4","groupKey":"{}:{alertname=\"High\"}","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"High","service":"checkout","severity":"page"},"annotations":{},"startsAt":"2026-11-22T02:00:00Z","fingerprint":"a1b2"}]}`
)

// of is the source of a case: one that signs, except where headers say something.
func of(n int) event.Source {
	s := source(forms[n].form)
	if n == 2 {
		s.Proof = event.Proof{Tokens: [][]byte{[]byte(first)}}
	}
	return s
}

func source(form event.Form) event.Source {
	s := event.Source{Name: "src", Form: form, Services: map[string]string{"PF9KMXH": "shop", "checkout": "shop"},
		Severities: map[string]int{"P1": 1, "high": 2, "3": 3, "page": 1}, Proof: event.Proof{Secrets: [][]byte{[]byte(first), []byte(second)}}}
	switch form {
	case event.CloudEvents:
		s.Pointers = event.Pointers{Group: "/data/problem/key", Status: "/data/state", Service: "/data/svc", Severity: "/data/level", Title: "/data/title"}
		s.Resolved, s.Firing = []string{"fine"}, []string{"burning"}
	case event.Webhook:
		s.Pointers = event.Pointers{Group: "/problem/key", Status: "/state", Service: "/svc", Severity: "/level", Title: "/title"}
		s.Resolved = []string{"fine"}
	}
	return s
}

func headers(pairs ...string) func(string) string {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h.Get
}

var binary = headers("Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", "e-1", "ce-source", "/watch", "ce-type", "com.example.slo", "ce-time", "2026-11-22T02:09:00Z")

// forms are a good call of each form.
var forms = []struct {
	form     event.Form
	body     string
	header   func(string) string
	severity string
}{
	{event.PagerDuty, pagerDuty, headers(), "1"},
	{event.CloudEvents, structured, headers("Content-Type", "application/cloudevents+json; charset=utf-8"), "3"},
	{event.CloudEvents, data, binary, "3"}, // in a source that does not sign
	{event.Webhook, data, headers(), "3"},
	{event.Alertmanager, alertmanager, headers(), "1"},
}

func TestServiceAndSeverityComeFromTheSourcesMappingAlone(t *testing.T) {
	for n, x := range forms {
		e, err := of(n).Read([]byte(x.body), x.header)
		if err != nil {
			t.Fatalf("%s: %v", x.form, err)
		}
		c := e.Group.Common
		if c["service"] != "shop" || c["severity"] != x.severity || e.Group.Status != "firing" || len(e.Group.Alerts) != 1 || e.Group.GroupKey == "" || c["alertname"] == "" {
			t.Errorf("%s: %+v", x.form, e)
		}
		other := of(n)
		other.Services = map[string]string{"something-else": "shop"}
		if _, err := other.Read([]byte(x.body), x.header); writ.ReasonOf(err) != writ.ReasonUnknownService {
			t.Errorf("%s: a service that is not mapped: %v", x.form, err)
		}
		other = of(n)
		other.Severities = map[string]int{"nothing": 1}
		if _, err := other.Read([]byte(x.body), x.header); writ.ReasonOf(err) != writ.ReasonForm {
			t.Errorf("%s: a severity that is not mapped: %v", x.form, err)
		}
		other.Severity = 4
		if e, err := other.Read([]byte(x.body), x.header); err != nil || e.Group.Common["severity"] != "4" {
			t.Errorf("%s: one severity for all: %+v %v", x.form, e, err)
		}
	}
}

func TestAResolvedEventClosesTheGroupThatItOpened(t *testing.T) {
	for i, change := range map[int][2]string{0: {"incident.triggered", "incident.resolved"}, 1: {`"burning"`, `"fine"`}, 2: {`"burning"`, `"fine"`}, 3: {`"burning"`, `"fine"`}, 4: {`"firing"`, `"resolved"`}} {
		x := forms[i]
		open, err := of(i).Read([]byte(x.body), x.header)
		if err != nil {
			t.Fatal(err)
		}
		over, err := of(i).Read([]byte(strings.ReplaceAll(x.body, change[0], change[1])), x.header)
		if err != nil || over.Group.Status != "resolved" || over.Group.GroupKey != open.Group.GroupKey {
			t.Errorf("%s: %+v %v", x.form, over, err)
		}
	}
	for i, change := range map[int][2]string{0: {"incident.triggered", "incident.annotated"}, 1: {`"burning"`, `"odd"`}} {
		x := forms[i]
		if e, err := source(x.form).Read([]byte(strings.ReplaceAll(x.body, change[0], change[1])), x.header); err != nil || !e.Other {
			t.Errorf("%s: an event that says neither: %+v %v", x.form, e, err)
		}
	}
}

func TestAMalformedEventIsOneSentenceWithoutItsText(t *testing.T) {
	long := strings.Repeat("k", 5000)
	for name, c := range map[string]struct {
		n              int
		old, new, says string
	}{
		"no id":              {0, `"id":"01E4"`, `"id":""`, "event.id"},
		"no time":            {0, `"occurred_at":"2026-11-22T02:09:00.123Z",`, ``, "occurred_at"},
		"no incident":        {0, `"type":"incident","number"`, `"type":"service","number"`, "event.data.type"},
		"long incident":      {0, "PGR0VU2", long, "event.data.id"},
		"not JSON":           {0, pagerDuty, "hello hunter2", "JSON"},
		"old CloudEvents":    {1, `"1.0"`, `"0.3"`, "specversion"},
		"no source":          {1, `"source":"/watch",`, ``, "id, source and type"},
		"no group":           {1, `"key":"burn/7"`, `"key":{}`, "group"},
		"bad time":           {1, `"time":"2026-11-22T02:09:00Z"`, `"time":"hunter2"`, "time"},
		"a list":             {3, data, `[{"a":1}]`, "object"},
		"two documents":      {3, data, data + data, "object"},
		"no status":          {3, `"state":"burning",`, ``, "status"},
		"long group":         {3, "burn/7", long, "group"},
		"not UTF-8":          {3, "burn", "\xff", "UTF-8"},
		"a mapped object":    {3, `"svc":"checkout"`, `"svc":["checkout"]`, "service"},
		"an id too long":     {0, `"01E4"`, `"` + long + `"`, "event.id"},
		"a member twice":     {3, `"svc":"checkout"`, `"svc":"hunter2","svc":"checkout"`, "once"},
		"one below twice":    {3, `"key":"burn/7"`, `"key":"burn/7","key":"hunter2"`, "once"},
		"twice, PagerDuty":   {0, `"service":{`, `"service":{"id":"hunter2"},"service":{`, "once"},
		"twice, structured":  {1, `"svc":"checkout"`, `"svc":"hunter2","svc":"checkout"`, "once"},
		"twice, in base64":   {1, `"data":{"problem"`, `"data_base64":"eyJhIjoxLCJhIjoyfQ==","more":{"problem"`, "data_base64"},
		"twice, a label":     {4, `"service":"checkout"`, `"service":"hunter2","service":"checkout"`, "once"},
		"too deep":           {3, `"level":3`, `"level":3,"deep":` + strings.Repeat("[", 64) + strings.Repeat("]", 64), "deep"},
		"far too deep":       {3, `"level":3`, `"level":3,"deep":` + strings.Repeat("[", 400_000) + strings.Repeat("]", 400_000), "deep"},
		"deep, Alertmanager": {4, `"version":"4"`, `"version":"4","deep":` + strings.Repeat("[", 64) + strings.Repeat("]", 64), "deep"},
		"10,000 alerts":      {4, `"alerts":[`, `"alerts":[` + strings.Repeat(`{"a":{}},`, 10_000), "max_alerts"},
		"an odd status":      {4, `"status":"firing","alerts"`, `"status":"pending","alerts"`, "status"},
		"an alert's status":  {4, `[{"status":"firing"`, `[{"status":"suppressed"`, "alerts[0].status"},
		"a bool for a group": {0, `"id":"PGR0VU2"`, `"id":true`, "JSON"},
		"Alertmanager's own": {4, `"version":"4"`, `"version":"3"`, "version"},
	} {
		x := forms[c.n]
		body := strings.Replace(x.body, c.old, c.new, 1)
		if body == x.body {
			t.Fatalf("%s changes nothing", name)
		}
		_, err := source(x.form).Read([]byte(body), x.header)
		if !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, header := range map[string]func(string) string{"a header over its bound": headers("Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", strings.Repeat("i", 1025), "ce-source", "/w", "ce-type", "t"),
		"a header that is not encoded": headers("Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", "%zz", "ce-source", "/w", "ce-type", "t"), "no type": headers()} {
		if _, err := of(2).Read([]byte(data), header); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := source(event.CloudEvents).Read([]byte("["+structured+"]"), headers("Content-Type", "application/cloudevents-batch+json")); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a batch: %v", err)
	}
	if _, err := (event.Source{}).Read([]byte(`{}`), headers()); err == nil {
		t.Error("the zero source reads")
	}
}

// Attributes in headers are not under the signature: whoever stands between could change what the event is of.
func TestAnEventThatIsSignedSaysNothingInHeaders(t *testing.T) {
	s := source(event.CloudEvents)
	s.Pointers.Service = "/subject"
	header := func(name string) string {
		if name == "ce-subject" {
			return "checkout"
		}
		return binary(name)
	}
	if _, err := s.Read([]byte(data), header); !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), "does not cover") {
		t.Errorf("signed: %v", err)
	}
	s.Proof = event.Proof{Tokens: [][]byte{[]byte(first)}}
	if e, err := s.Read([]byte(data), header); err != nil || e.Group.Common["service"] != "shop" {
		t.Errorf("with a token: %+v %v", e, err)
	}
}

func TestALongGroupKeyIsToldFromAllOthers(t *testing.T) {
	read := func(key string) string {
		t.Helper()
		e, err := source(event.Alertmanager).Read([]byte(strings.Replace(alertmanager, "{}:", key, 1)), headers())
		if err != nil {
			t.Fatal(err)
		}
		return e.Group.GroupKey
	}
	long := strings.Repeat("\u00fc", 1000)
	a, b := read(long+"a"), read(long+"b")
	if a == b || len(a) > 512 || !strings.HasPrefix(a, "\u00fc\u00fc") || !utf8.ValidString(a) || a != read(long+"a") {
		t.Errorf("%q and %q", a, b)
	}
}

func mac(secret string, parts ...string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(strings.Join(parts, "")))
	return m.Sum(nil)
}

// signed are the headers of a call at a time, under a secret.
func signed(secret string, at time.Time, body string) func(string) string {
	sec := fmt.Sprint(at.Unix())
	return headers("Webhook-Id", "msg_1", "Webhook-Timestamp", sec, "Webhook-Signature", "v1,AAAA v1,"+base64.StdEncoding.EncodeToString(mac(secret, "msg_1.", sec, ".", body)))
}

// with is h with another value of one header.
func with(h func(string) string, name, value string) func(string) string {
	return func(n string) string {
		if n == name {
			return value
		}
		return h(n)
	}
}

func TestASignedEventIsFreshAndUnderOneOfTwoSecrets(t *testing.T) {
	s := source(event.Webhook)
	call := func(h func(string) string, body string) error {
		_, err := s.Prove(event.Call{Header: h, Body: []byte(body), Now: now})
		return err
	}
	for _, secret := range []string{first, second} {
		if err := call(signed(secret, now.Add(-4*time.Minute), data), data); err != nil {
			t.Errorf("a good signature: %v", err)
		}
	}
	id, err := s.Prove(event.Call{Header: signed(first, now, data), Body: []byte(data), Now: now})
	if id != "msg_1" || err != nil {
		t.Errorf("the signed id is %q, %v", id, err)
	}
	for name, err := range map[string]error{
		"another secret":         call(signed(strings.Repeat("x", 32), now, data), data),
		"another body":           call(signed(first, now, data), data+" "),
		"too old":                call(signed(first, now.Add(-6*time.Minute), data), data),
		"an hour old":            call(signed(first, now.Add(-time.Hour), data), data),
		"an hour ahead":          call(signed(first, now.Add(time.Hour), data), data),
		"the end of time":        call(signed(first, time.Unix(1<<62, 0), data), data),
		"another id":             call(with(signed(first, now, data), "Webhook-Id", "msg_2"), data),
		"another time":           call(with(signed(first, now, data), "Webhook-Timestamp", fmt.Sprint(now.Unix()+1)), data),
		"no id":                  call(with(signed(first, now, data), "Webhook-Id", ""), data),
		"a time with a fraction": call(with(signed(first, now, data), "Webhook-Timestamp", fmt.Sprint(now.Unix())+".0"), data),
		"too many":               call(with(signed(first, now, data), "Webhook-Signature", strings.Repeat("v1,AAAA ", 8)+signed(first, now, data)("Webhook-Signature")), data),
		"of another version":     call(with(signed(first, now, data), "Webhook-Signature", strings.ReplaceAll(signed(first, now, data)("Webhook-Signature"), "v1,", "v2,")), data),
		"no signature":           call(headers(), data),
		"an empty one":           call(headers("Webhook-Id", "a", "Webhook-Timestamp", fmt.Sprint(now.Unix()), "Webhook-Signature", "v1,"), data),
	} {
		if !errors.Is(err, writ.ErrUnknownUser) {
			t.Errorf("%s: %v", name, err)
		}
	}
	pd := source(event.PagerDuty)
	prove := func(header string) error {
		_, err := pd.Prove(event.Call{Header: headers("X-PagerDuty-Signature", header), Body: []byte(pagerDuty), Now: now})
		return err
	}
	if err := prove("v1=00,v1=" + hex.EncodeToString(mac(second, pagerDuty))); err != nil {
		t.Errorf("PagerDuty: %v", err)
	}
	if err := prove("v1=" + hex.EncodeToString(mac("z", pagerDuty))); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("PagerDuty under another secret: %v", err)
	}
	if err := pd.Fresh(now.Add(-2*time.Hour), now); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("PagerDuty of two hours ago: %v", err)
	}
}

func TestASourceProvesItselfInItsOneWayOnly(t *testing.T) {
	token := source(event.Alertmanager)
	token.Proof = event.Proof{Tokens: [][]byte{[]byte(first)}}
	named := source(event.Alertmanager)
	named.Proof = event.Proof{Names: []string{"alerts.corp.example"}}
	cert := &x509.Certificate{DNSNames: []string{"alerts.corp.example"}}
	for _, c := range []struct {
		name string
		s    event.Source
		call event.Call
		ok   bool
	}{
		{"its token", token, event.Call{Header: headers("Authorization", "Bearer "+first)}, true},
		{"another token", token, event.Call{Header: headers("Authorization", "Bearer "+second)}, false},
		{"the beginning of its token", token, event.Call{Header: headers("Authorization", "Bearer "+first[:31])}, false},
		{"its token by another scheme", token, event.Call{Header: headers("Authorization", "Basic "+first)}, false},
		{"its name in another's part", named, event.Call{Header: headers(), Cert: &x509.Certificate{DNSNames: []string{"alerts.corp.example.evil.example"}}}, false},
		{"its name as common name", named, event.Call{Header: headers(), Cert: &x509.Certificate{Subject: pkix.Name{CommonName: "alerts.corp.example"}}}, false},
		{"a name for all", named, event.Call{Header: headers(), Cert: &x509.Certificate{DNSNames: []string{"*.corp.example"}}}, false},
		{"no token", token, event.Call{Header: headers("Authorization", "Bearer ")}, false},
		{"a certificate instead", token, event.Call{Header: headers(), Cert: cert}, false},
		{"its certificate", named, event.Call{Header: headers(), Cert: cert}, true},
		{"another certificate", named, event.Call{Header: headers(), Cert: &x509.Certificate{DNSNames: []string{"corp.example"}}}, false},
		{"a token instead", named, event.Call{Header: headers("Authorization", "Bearer "+first)}, false},
		{"nothing configured", event.Source{Name: "x", Form: event.Webhook}, event.Call{Header: signed(first, now, "")}, false},
	} {
		c.call.Now = now
		if _, err := c.s.Prove(c.call); (err == nil) != c.ok || err != nil && !errors.Is(err, writ.ErrUnknownUser) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for text, ok := range map[string]bool{first: true, "short": false, "whsec_": false, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": true, "whsec_!": false} {
		if _, err := event.SecretBytes(text); (err == nil) != ok {
			t.Errorf("secret %q: %v", text, err)
		}
	}
}

// check is what every event that was read keeps to, and every refusal.
func check(t *testing.T, e event.Event, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, writ.ErrInvalid) || len(err.Error()) > 2000 {
			t.Fatalf("refused with %v", err)
		}
		return
	}
	if e.Other {
		return
	}
	g := e.Group
	if g.Common["service"] != "shop" || len(g.Common["severity"]) != 1 || g.GroupKey == "" || len(g.GroupKey) > 512 || len(e.ID) > 256 || len(g.Alerts) == 0 || g.Status != "firing" && g.Status != "resolved" {
		t.Fatalf("%+v", e)
	}
}

func FuzzPagerDuty(f *testing.F) {
	f.Add([]byte(pagerDuty))
	f.Add([]byte(`{"event":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := source(event.PagerDuty).Read(b, headers())
		check(t, e, err)
	})
}

func FuzzCloudEvent(f *testing.F) {
	f.Add([]byte(structured), "application/cloudevents+json", "")
	f.Add([]byte(data), "application/json", "e%201")
	f.Add([]byte(`{"specversion":"1.0","data_base64":"e30="}`), "application/cloudevents+json", "%")
	f.Fuzz(func(t *testing.T, b []byte, kind, id string) {
		e, err := of(2).Read(b, func(name string) string {
			switch name {
			case "Content-Type":
				return kind
			case "ce-id":
				return id
			}
			return binary(name)
		})
		check(t, e, err)
	})
}

func FuzzWebhook(f *testing.F) {
	f.Add([]byte(data), "/problem/key")
	f.Add([]byte(`{"a/b":[1,{"~":true}]}`), "/a~1b/1/~0")
	f.Fuzz(func(t *testing.T, b []byte, pointer string) {
		s := source(event.Webhook)
		if event.CheckPointer(pointer) == nil {
			s.Pointers.Title, s.Pointers.Summary = pointer, pointer
		}
		e, err := s.Read(b, headers())
		check(t, e, err)
	})
}

func FuzzSignatureHeaders(f *testing.F) {
	f.Add("v1=00", "1", "v1,AAAA", "id")
	f.Fuzz(func(t *testing.T, pd, at, sig, id string) {
		h := headers("X-PagerDuty-Signature", pd, "Webhook-Timestamp", at, "Webhook-Signature", sig, "Webhook-Id", id)
		for _, form := range []event.Form{event.PagerDuty, event.Webhook} {
			if _, err := source(form).Prove(event.Call{Header: h, Body: []byte(data), Now: now}); !errors.Is(err, writ.ErrUnknownUser) {
				t.Fatalf("%s: %v", form, err)
			}
		}
	})
}
