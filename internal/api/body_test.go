package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/assignment"
)

func TestAProposalArrivesAsItWasWritten(t *testing.T) {
	f := &fake{}
	w := request(handler(t, f), "agent", "POST", "/v1/proposals", proposal, key)
	if w.Code != 201 || w.Header().Get("Location") != "/v1/plans/"+string(planID) || w.Header().Get("ETag") != `"`+digest.String()+`"` {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	want := writ.Ask{Incident: incident, Playbook: "rollback-deployment", Because: "errors since 42",
		Parameters: writ.Parameters{"replicas": writ.Int(3), "name": writ.String("api"), "force": writ.Bool(true)}}
	if d := cmp.Diff(want, f.Asked(), cmp.Comparer(func(a, b writ.Value) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

func TestRequestsRefuseWhatTwoReadersWouldReadDifferently(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	const good = `"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"x"`
	for name, body := range map[string]string{
		"unknown member":      `{` + good + `,"tier":"T1"}`,
		"member twice":        `{` + good + `,"playbook":"y"}`,
		"other case":          `{` + good + `,"Because":"x"}`,
		"other case instead":  `{"Incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"x"}`,
		"null":                `{` + good + `,"because":null}`,
		"fraction":            `{` + good + `,"parameters":{"n":1.5}}`,
		"exponent":            `{` + good + `,"parameters":{"n":1e3}}`,
		"beyond 2^53":         `{` + good + `,"parameters":{"n":9007199254740993}}`,
		"parameter twice":     `{` + good + `,"parameters":{"n":1,"n":2}}`,
		"nested parameter":    `{` + good + `,"parameters":{"n":{"m":1}}}`,
		"two values":          `{` + good + `}{}`,
		"invalid UTF-8":       `{` + good + `,"because":"` + "\xff" + `"}`,
		"a list":              `[]`,
		"nothing":             ` `,
		"too long a claim":    `{` + good + `,"because":"` + strings.Repeat("x", 4097) + `"}`,
		"too long a text":     `{` + good + `,"parameters":{"n":"` + strings.Repeat("x", 4097) + `"}}`,
		"too many parameters": `{` + good + `,"parameters":{` + many(65) + `}}`,
		"evidence of another": `{` + good + `,"evidence":["pln_01JDB4A2Q7N5S3J8E6X0F4G1MB"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, request(h, "agent", "POST", "/v1/proposals", body, key), 422, writ.ReasonForm)
		})
	}
	wantProblem(t, request(h, "human", "GET", "/v1/plans?stat=waiting", ""), 422, writ.ReasonForm)
	wantProblem(t, request(h, "human", "GET", "/v1/plans?state=approved", ""), 422, writ.ReasonForm)
	wantProblem(t, request(h, "human", "GET", "/v1/plans?limit=201", ""), 422, writ.ReasonForm)
	wantProblem(t, request(h, "human", "GET", "/v1/plans/pln_1", ""), 422, writ.ReasonForm)
	if len(f.Calls()) > 0 {
		t.Errorf("the control plane was reached: %v", f.Calls())
	}
}

func many(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, `"p`+strings.Repeat("x", i)+`":1`)
	}
	return strings.Join(parts, ",")
}

// Types that read themselves (ids, digests) know nothing of the member that they stand in.
func TestARefusedMemberOfABodyIsNamed(t *testing.T) {
	h := handler(t, &fake{})
	for body, want := range map[string]string{
		`{"incident":"inc_1","playbook":"x"}`:                                              "incident",
		`{"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"x","evidence":["ev_1"]}`: "evidence",
		`{"incident":7,"playbook":"x"}`:                                                    "incident",
	} {
		p := wantProblem(t, request(h, "agent", "POST", "/v1/proposals", body, key), 422, writ.ReasonForm)
		if !strings.Contains(p.Detail, want+":") {
			t.Errorf("%s is refused with %q", body, p.Detail)
		}
	}
}

func TestABodyOverOneMebibyteIsTooLarge(t *testing.T) {
	h := handler(t, &fake{})
	pad := func(n int) string { return proposal + strings.Repeat(" ", n-len(proposal)) }
	wantProblem(t, request(h, "agent", "POST", "/v1/proposals", pad(api.MaxBody+1), key), 413, writ.ReasonTooLarge)
	if w := request(h, "agent", "POST", "/v1/proposals", pad(api.MaxBody), key); w.Code != 201 {
		t.Errorf("exactly the limit: %d %s", w.Code, w.Body)
	}
}

func TestABodyOfAnotherTypeIsRefused(t *testing.T) {
	h := handler(t, &fake{})
	wantProblem(t, request(h, "agent", "POST", "/v1/proposals", proposal, key, "Content-Type: application/x-www-form-urlencoded"), 415, writ.ReasonForm)
	if w := request(h, "agent", "POST", "/v1/proposals", proposal, key, "Content-Type: application/json; charset=utf-8"); w.Code != 201 {
		t.Errorf("with a charset: %d %s", w.Code, w.Body)
	}
}

// wire is a connection that notes its read deadlines.
type wire struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (w *wire) SetReadDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

// A read deadline that passes while a runner reads would make net/http cancel the call.
func TestTheDeadlineOfABodyIsLiftedOnceItIsThere(t *testing.T) {
	for path, h := range map[string]http.Handler{
		"/v1/evidence": handler(t, &fake{}), assignment.PathNext: runnersDoor(&fakeRunners{}),
	} {
		r := httptest.NewRequest("POST", path, strings.NewReader(observe))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "0123456789abcdef")
		r.Header.Set("Authorization", "Bearer agent")
		if path == assignment.PathNext {
			r.Header.Set("Authorization", "Bearer the-right-key")
		}
		w := &wire{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, r)
		if len(w.deadlines) != 2 || time.Until(w.deadlines[0]) <= 0 || time.Until(w.deadlines[0]) > time.Minute || !w.deadlines[1].IsZero() {
			t.Errorf("%s: read deadlines %v", path, w.deadlines)
		}
	}
}

// slowly is a runner that takes its time.
type slowly struct{ *fake }

func (s slowly) Observe(ctx context.Context, by writ.Principal, in writ.IncidentID, reader writ.OperationName, target writ.Location, with writ.Parameters) (writ.Evidence, []byte, error) {
	select {
	case <-ctx.Done():
		return writ.Evidence{}, nil, ctx.Err()
	case <-time.After(300 * time.Millisecond):
	}
	return s.fake.Observe(ctx, by, in, reader, target, with)
}

func TestAReadingMayTakeLongerThanTheServersReadTimeout(t *testing.T) {
	f := &fake{}
	c := apitest.Config(f)
	c.Readings = slowly{f}
	s := httptest.NewUnstartedServer(serves(t, c))
	s.Config.ReadTimeout = 100 * time.Millisecond
	s.Start()
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/evidence", strings.NewReader(observe))
	r.Header.Set("Authorization", "Bearer agent")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "0123456789abcdef")
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 201 {
		t.Errorf("status %d", resp.StatusCode)
	}
}
