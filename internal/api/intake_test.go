package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	alerts "github.com/writ-dev/writ/internal/event"
)

const intakeSecret = "0123456789abcdef0123456789abcdef"

var intakeNow = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// intake is the door with a PagerDuty source that signs, and a webhook source with a token and one with a certificate.
func intake(t *testing.T, f *fake) http.Handler {
	t.Helper()
	hook := alerts.Source{Form: alerts.Webhook, Services: map[string]string{"pay": "payments"}, Severity: 2, Resolved: []string{"ok"},
		Pointers: alerts.Pointers{Group: "/id", Status: "/status", Service: "/svc"}}
	token, named, pd, signed := hook, hook, hook, hook
	signed.Name, signed.Proof = "signed", alerts.Proof{Secrets: [][]byte{[]byte(intakeSecret)}}
	token.Name, token.Proof = "token", alerts.Proof{Tokens: [][]byte{[]byte(intakeSecret)}}
	named.Name, named.Proof = "named", alerts.Proof{Names: []string{"watch.corp.example"}}
	pd.Name, pd.Form, pd.Proof = "pd", alerts.PagerDuty, alerts.Proof{Secrets: [][]byte{[]byte(intakeSecret)}}
	h, err := api.IntakeHandler(api.Intake{
		Sources: map[string]alerts.Source{"token": token, "named": named, "pd": pd, "signed": signed}, Issuer: "https://writ.example", Alerts: f,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return intakeNow },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const plainHook = `{"id":"7","status":"bad","svc":"pay"}`

func TestASourceThatIsNotConfiguredOrNotProvenReachesNothing(t *testing.T) {
	f := &fake{}
	h := intake(t, f)
	p := wantProblem(t, request(h, "", "POST", "/v1/intake/stranger", plainHook), 404, "not_found")
	if !strings.Contains(p.Detail, "there is no event source of this name") {
		t.Errorf("says %q", p.Detail)
	}
	wantProblem(t, request(h, "", "POST", "/v1/intake/token", plainHook), 401, writ.ReasonUnauthenticated)
	wantProblem(t, request(h, "", "POST", "/v1/intake/token", plainHook, "Authorization: Bearer wrong"), 401, writ.ReasonUnauthenticated)
	wantProblem(t, request(h, "", "POST", "/v1/intake/named", plainHook, "Authorization: Bearer "+intakeSecret), 401, writ.ReasonUnauthenticated)
	wantProblem(t, request(h, "", "POST", "/v1/intake/token", strings.Repeat("x", alerts.MaxBody+1), "Authorization: Bearer "+intakeSecret), 413, writ.ReasonTooLarge)
	wantProblem(t, request(h, "", "GET", "/v1/intake/token", ""), 405, "method")
	if len(f.Calls()) > 0 {
		t.Errorf("the control plane was reached: %v", f.Calls())
	}
}

func TestAProvenEventCarriesItsSourceAndTheDigestOfItsBody(t *testing.T) {
	f := &fake{}
	h := intake(t, f)
	if w := request(h, "", "POST", "/v1/intake/token", plainHook, "Authorization: Bearer "+intakeSecret); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	in := f.Alerted().Intake
	if in == nil || in.Source != "token" || in.Body != writ.DigestOf([]byte(plainHook)) || f.Alerted().GroupKey != "token:7" || f.Alerted().Common["service"] != "payments" {
		t.Errorf("%+v %+v", f.Alerted(), in)
	}
	pd := `{"event":{"id":"e1","event_type":"incident.triggered","occurred_at":"%s","data":{"id":"P1","type":"incident","service":{"id":"pay"}}}}`
	send := func(at string) *httptest.ResponseRecorder {
		body := fmt.Sprintf(pd, at)
		m := hmac.New(sha256.New, []byte(intakeSecret))
		m.Write([]byte(body))
		return request(h, "", "POST", "/v1/intake/pd", body, "X-PagerDuty-Signature: v1="+hex.EncodeToString(m.Sum(nil)))
	}
	if w := send("2026-11-22T02:59:00Z"); w.Code != 200 || f.Alerted().Intake.Event != "e1" {
		t.Errorf("%d %s %+v", w.Code, w.Body, f.Alerted().Intake)
	}
	wantProblem(t, send("2026-11-21T02:59:00Z"), 401, writ.ReasonUnauthenticated) // recorded yesterday
}

func TestACertificateOfTheWrongNameIsNotASource(t *testing.T) {
	f := &fake{}
	h := intake(t, f)
	post := func(name string) int {
		r := httptest.NewRequest("POST", "/v1/intake/named", strings.NewReader(plainHook))
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{DNSNames: []string{name}}}}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if got := post("watch.corp.example"); got != 200 {
		t.Errorf("its own: %d", got)
	}
	if got := post("other.corp.example"); got != 401 {
		t.Errorf("another: %d", got)
	}
	r := httptest.NewRequest("POST", "/v1/intake/named", strings.NewReader(plainHook))
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{DNSNames: []string{"watch.corp.example"}}}} // shown, and not verified
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("not verified: %d", w.Code)
	}
}

// hooked posts a body that the source signs, as it was signed at a time, with headers changed.
func hooked(h http.Handler, at time.Time, id, body string, change func(http.Header)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/v1/intake/signed", strings.NewReader(body))
	m := hmac.New(sha256.New, []byte(intakeSecret))
	fmt.Fprintf(m, "%s.%d.%s", id, at.Unix(), body)
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", fmt.Sprint(at.Unix()))
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)))
	if change != nil {
		change(r.Header)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestASignatureThatIsOldDoubledOrOfSomethingElseReachesNothing(t *testing.T) {
	f := &fake{}
	h := intake(t, f)
	good := hooked(h, intakeNow, "m1", plainHook, nil)
	if good.Code != 200 || f.Alerted().Intake.Event != "m1" {
		t.Fatalf("%d %s", good.Code, good.Body)
	}
	calls := len(f.Calls())
	for name, at := range map[string]time.Time{"an hour old": intakeNow.Add(-time.Hour), "an hour ahead": intakeNow.Add(time.Hour), "six minutes old": intakeNow.Add(-6 * time.Minute)} {
		if w := hooked(h, at, "m2", plainHook, nil); w.Code != 401 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for name, change := range map[string]func(http.Header){
		"no signature":    func(h http.Header) { h.Del("Webhook-Signature") },
		"no time":         func(h http.Header) { h.Del("Webhook-Timestamp") },
		"no id":           func(h http.Header) { h.Del("Webhook-Id") },
		"two signatures":  func(h http.Header) { h.Add("Webhook-Signature", "v1,AAAA") },
		"two times":       func(h http.Header) { h.Add("Webhook-Timestamp", "1") },
		"two ids":         func(h http.Header) { h.Add("Webhook-Id", "m3") },
		"another id":      func(h http.Header) { h.Set("Webhook-Id", "m3") },
		"a token instead": func(h http.Header) { h.Del("Webhook-Signature"); h.Set("Authorization", "Bearer "+intakeSecret) },
		"PagerDuty's header": func(h http.Header) {
			h.Set("X-PagerDuty-Signature", h.Get("Webhook-Signature"))
			h.Del("Webhook-Signature")
		},
	} {
		if w := hooked(h, intakeNow, "m2", plainHook, change); w.Code != 401 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	wantProblem(t, request(h, "", "POST", "/v1/intake/token", plainHook, "Authorization: Bearer "+intakeSecret[:31]), 401, writ.ReasonUnauthenticated)
	r := httptest.NewRequest("POST", "/v1/intake/token", strings.NewReader(plainHook))
	r.Header["Authorization"] = []string{"Bearer " + intakeSecret, "Bearer x"}
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("two tokens: %d", w.Code)
	}
	if n := len(f.Calls()) - calls; n != 0 {
		t.Errorf("%d calls reached the control plane", n)
	}
}

func TestAProvenEventThatMakesNoSenseChangesNothing(t *testing.T) {
	f := &fake{}
	h := intake(t, f)
	for name, body := range map[string]string{
		"nothing": "", "not JSON": "id=7", "a list": "[" + plainHook + "]", "two": plainHook + plainHook, "cut off": plainHook[:20], "not UTF-8": strings.Replace(plainHook, "7", "\xff", 1),
		"a member twice": `{"id":"7","status":"bad","svc":"other","svc":"pay"}`, "another service": `{"id":"7","status":"bad","svc":"web"}`, "no group": `{"status":"bad","svc":"pay"}`,
		"a group that is null": `{"id":null,"status":"bad","svc":"pay"}`, "a group that is a list": `{"id":["7"],"status":"bad","svc":"pay"}`,
		"deep": `{"id":"7","status":"bad","svc":"pay","x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", "a long group": `{"id":"` + strings.Repeat("7", 513) + `","status":"bad","svc":"pay"}`,
	} {
		w := hooked(h, intakeNow, "m1", body, nil)
		if w.Code != 422 || strings.Contains(w.Body.String(), "\\u") || w.Body.Len() > 2000 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if len(f.Calls()) > 0 {
		t.Errorf("the control plane was reached: %v", f.Calls())
	}
}
