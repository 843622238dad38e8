package kubernetes_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// A sick API server holds one deployment and answers writes as it is told: faults that a healthy one cannot be made to
// show. What it shows right is what the real one is tested for.
type sick struct {
	t      *testing.T
	answer func(w http.ResponseWriter, body []byte) // to a PATCH
	server *httptest.Server

	mu    sync.Mutex
	got   []byte // the body of the last PUT
	puts  int
	lag   int             // how many more reads of the lease are refused, as while roles have not arrived
	conns map[string]bool // the lease's connections, by the client's address
}

const sickToken = "Tr0ub4dor-lease-token"

func newSick(t *testing.T, answer func(w http.ResponseWriter, body []byte)) *sick {
	t.Helper()
	s := &sick{t: t, answer: answer, conns: map[string]bool{}}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

const sickObject = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api","namespace":"shop","uid":"u1","resourceVersion":"41","generation":7},"spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"api","image":"<api>&1","env":[{"name":"PASSWORD","value":"hunter2"}]}]}}},"status":{"readyReplicas":1},"future":{"big":12345678901234567890,"float":1.10}}`

func (s *sick) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	leased := r.Header.Get("Authorization") == "Bearer "+sickToken
	if leased {
		if s.conns[r.RemoteAddr] {
			s.t.Error("the lease used a connection twice")
		}
		s.conns[r.RemoteAddr] = true
	}
	switch {
	case leased && r.Method == http.MethodGet && s.lag > 0:
		s.lag--
		w.WriteHeader(http.StatusForbidden)
	case strings.HasSuffix(r.URL.Path, "/token"):
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"status":{"token":%q}}`, sickToken)
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte(`{}`))
	case r.Method == http.MethodGet:
		w.Write([]byte(sickObject))
	case r.Method == http.MethodPatch:
		if !leased {
			s.t.Error("the call came with another credential than the lease's")
		}
		s.got = body
		s.puts++
		s.answer(w, body)
	}
}

// call plans scaling the deployment and does it.
func (s *sick) call() (connector.Prepared, connector.Lease, connector.Outcome) {
	s.t.Helper()
	cfg := &rest.Config{Host: s.server.URL, BearerToken: "runner"}
	c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: cfg, Read: cfg, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		s.t.Fatal(err)
	}
	p := plan(s.t, c, "shop", kubernetes.Scale, workload("deployment", "shop", "api", "replicas", 2))
	l, err := c.Lease(s.t.Context(), request(p), func([]byte) error { return nil })
	if err != nil {
		s.t.Fatal(err)
	}
	return p, l, l.Do(s.t.Context(), p)
}

// asked answers with the object as the call was to leave it.
func asked(w http.ResponseWriter, _ []byte) {
	fmt.Fprint(w, strings.Replace(sickObject, `"replicas":1`, `"replicas":2`, 1))
}

func status(code int, message string) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, _ []byte) {
		w.WriteHeader(code)
		b, _ := json.Marshal(map[string]any{"kind": "Status", "message": message})
		w.Write(b)
	}
}

// TestI15OnlyAnAnswerSaysWhatHappened: each way in which a call can end, and what may be concluded from it.
func TestI15OnlyAnAnswerSaysWhatHappened(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		answer func(http.ResponseWriter, []byte)
		effect writ.Effect
		reason writ.Reason
	}{
		"done":              {asked, writ.Applied, ""},
		"conflict":          {status(409, "changed"), writ.NotApplied, writ.ReasonWorldMoved},
		"gone":              {status(404, "gone"), writ.NotApplied, writ.ReasonWorldMoved},
		"forbidden":         {status(403, "no"), writ.NotApplied, writ.ReasonForbidden},
		"unauthenticated":   {status(401, "no"), writ.NotApplied, writ.ReasonForbidden},
		"invalid":           {status(422, "no"), writ.NotApplied, writ.ReasonStepFailed},
		"too many requests": {status(429, "later"), writ.NotApplied, writ.ReasonUnreachable},
		"moved":             {func(w http.ResponseWriter, _ []byte) { w.Header().Set("Location", "/x"); w.WriteHeader(307) }, writ.NotApplied, writ.ReasonStepFailed},
		"broken inside":     {status(500, "etcd"), writ.Unknown, writ.ReasonUncertainOutcome},
		"timed out inside":  {status(504, "etcd"), writ.Unknown, writ.ReasonUncertainOutcome},
		"hung up":           {func(http.ResponseWriter, []byte) { panic(http.ErrAbortHandler) }, writ.Unknown, writ.ReasonUncertainOutcome},
		"cut in the middle": {func(w http.ResponseWriter, b []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			w.Write(b[:len(b)/2])
		}, writ.Unknown, writ.ReasonUncertainOutcome},
		"no JSON": {func(w http.ResponseWriter, _ []byte) { w.Write([]byte("<html>")) }, writ.Unknown, writ.ReasonUncertainOutcome},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSick(t, x.answer)
			_, _, out := s.call()
			if out.Effect != x.effect || out.Reason != x.reason {
				t.Errorf("%+v", out)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.puts != 1 {
				t.Errorf("the call was sent %d times", s.puts)
			}
		})
	}
}

// TestI03TheApprovedBytesAreTheBytesOnTheWire: what was approved is what is sent, and it says what must still stand and
// the one field that changes; nothing else of the object is in it.
func TestI03TheApprovedBytesAreTheBytesOnTheWire(t *testing.T) {
	t.Parallel()
	s := newSick(t, asked)
	p, _, out := s.call()
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(s.got) != string(p.Body) {
		t.Errorf("sent %s\nplanned %s", s.got, p.Body)
	}
	if !out.Sent.Equal(p.Step.Call.Body) || !out.Sent.Equal(writ.Commit(p.Salt, connector.BlobBody, s.got)) {
		t.Error("the commitment is not over the bytes that were sent")
	}
	const want = `[{"op":"test","path":"/metadata/uid","value":"u1"},{"op":"test","path":"/metadata/generation","value":7},` +
		`{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":2}]`
	if string(s.got) != want {
		t.Errorf("got  %s\nwant %s", s.got, want)
	}
}

// TestI06LeaseIsReadyWhenItIsGiven: API servers lag behind their own bindings for a moment, which is no refusal.
func TestI06LeaseIsReadyWhenItIsGiven(t *testing.T) {
	t.Parallel()
	s := newSick(t, asked)
	s.lag = 3
	if _, _, out := s.call(); out.Effect != writ.Applied {
		t.Errorf("%+v", out)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) != 6 { // four looks, one read, one call
		t.Errorf("%d connections", len(s.conns))
	}
}

// TestI20NoSecretInAnOutcome: what a target says back may quote the object.
func TestI20NoSecretInAnOutcome(t *testing.T) {
	t.Parallel()
	s := newSick(t, status(422, "spec.env[PASSWORD]: Invalid value: password=hunter2 \x1b[31m; Authorization: Bearer "+sickToken))
	_, l, out := s.call()
	text := fmt.Sprintf("%+v %q", out, l.Rights())
	if strings.Contains(text, "hunter2") || strings.Contains(text, sickToken) || strings.ContainsRune(text, 0x1b) {
		t.Errorf("the outcome shows a secret or a control character: %s", text)
	}
	s.server.Close()
	_, err := l.Probe(t.Context())
	if err == nil || strings.Contains(err.Error(), sickToken) {
		t.Errorf("probe without a target: %v", err)
	}
}

// TestI08OnlyAControllerThatMakesThePodAgainCounts shows controllers in states that a healthy cluster soon leaves.
func TestI08OnlyAControllerThatMakesThePodAgainCounts(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		set  string
		want writ.Reason
	}{
		"one that wants it":        {`{"metadata":{"name":"api-1","uid":"set-1"},"spec":{"replicas":1},"status":{"replicas":1}}`, ""},
		"another of the same name": {`{"metadata":{"name":"api-1","uid":"set-2"},"spec":{"replicas":1},"status":{"replicas":1}}`, writ.ReasonNoInverse},
		"one that wants none":      {`{"metadata":{"name":"api-1","uid":"set-1"},"spec":{"replicas":0},"status":{"replicas":0}}`, writ.ReasonNoInverse},
		"one with one too many":    {`{"metadata":{"name":"api-1","uid":"set-1"},"spec":{"replicas":1},"status":{"replicas":2}}`, writ.ReasonNoInverse},
		"one that goes itself":     {`{"metadata":{"name":"api-1","uid":"set-1","deletionTimestamp":"2026-01-02T03:04:05Z"},"spec":{"replicas":1},"status":{"replicas":1}}`, writ.ReasonNoInverse},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "replicasets") {
				w.Write([]byte(x.set))
				return
			}
			w.Write([]byte(`{"metadata":{"name":"x","namespace":"shop","uid":"pod-1","resourceVersion":"1","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"api-1","uid":"set-1","controller":true}]}}`))
		}))
		t.Cleanup(server.Close)
		cfg := &rest.Config{Host: server.URL}
		c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: cfg, Read: cfg, Now: time.Now, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Plan(t.Context(), connector.Draft{Key: "k", Operation: kubernetes.DeletePod, With: with("namespace", "shop", "name", "x"), Scope: namespaced("shop")})
		if writ.ReasonOf(err) != x.want || (err != nil) != (x.want != "") {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// TestI05NoConnectorOutOfHalfAConfiguration: authority has no default.
func TestI05NoConnectorOutOfHalfAConfiguration(t *testing.T) {
	t.Parallel()
	cfg := &rest.Config{Host: "https://127.0.0.1:1"}
	good := kubernetes.Config{Target: target, Mint: cfg, Read: cfg, Now: time.Now, Rand: rand.Reader}
	if _, err := kubernetes.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*kubernetes.Config){
		"no target":       func(c *kubernetes.Config) { c.Target = "" },
		"target and path": func(c *kubernetes.Config) { c.Target += "/shop" },
		"another plane":   func(c *kubernetes.Config) { c.Target = "postgres://orders" },
		"no mint":         func(c *kubernetes.Config) { c.Mint = nil },
		"no read":         func(c *kubernetes.Config) { c.Read = nil },
		"no clock":        func(c *kubernetes.Config) { c.Now = nil },
		"no randomness":   func(c *kubernetes.Config) { c.Rand = nil },
		"odd namespace":   func(c *kubernetes.Config) { c.LeaseNamespace = "../x" },
	} {
		c := good
		spoil(&c)
		if _, err := kubernetes.New(c); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	if _, err := kubernetes.NewFromKubeconfig(good, "/nowhere/kubeconfig", "/nowhere/kubeconfig"); err == nil {
		t.Error("made from a kubeconfig that is not there")
	}
}
