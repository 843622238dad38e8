package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
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

// intake is the door with a PagerDuty source that signs, and a webhook source with a token and one with a certificate.
func intake(t *testing.T, f *fake) http.Handler {
	t.Helper()
	hook := alerts.Source{Form: alerts.Webhook, Services: map[string]string{"pay": "payments"}, Severity: 2, Resolved: []string{"ok"},
		Pointers: alerts.Pointers{Group: "/id", Status: "/status", Service: "/svc"}}
	token, named, pd := hook, hook, hook
	token.Name, token.Proof = "token", alerts.Proof{Tokens: [][]byte{[]byte(intakeSecret)}}
	named.Name, named.Proof = "named", alerts.Proof{Names: []string{"watch.corp.example"}}
	pd.Name, pd.Form, pd.Proof = "pd", alerts.PagerDuty, alerts.Proof{Secrets: [][]byte{[]byte(intakeSecret)}}
	h, err := api.IntakeHandler(api.Intake{
		Sources: map[string]alerts.Source{"token": token, "named": named, "pd": pd}, Issuer: "https://writ.example", Alerts: f,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC) },
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
