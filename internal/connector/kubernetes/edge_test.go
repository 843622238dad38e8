package kubernetes_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// A paged is an API server with one deployment, and so many ReplicaSets, pods and events of it, of which it lists no more than it is
// asked for, and a log.
type paged struct {
	sets, pods, events int
	log                string
}

func (s paged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	part := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	all := map[string]int{"replicasets": s.sets, "pods": s.pods, "events": s.events}
	n, list := all[part]
	switch {
	case part == "log": // as the kubelet cuts it
		most, _ := strconv.Atoi(r.URL.Query().Get("limitBytes"))
		fmt.Fprint(w, s.log[:min(len(s.log), most)])
		return
	case !list:
		fmt.Fprint(w, `{"metadata":{"name":"api","namespace":"shop","uid":"up","resourceVersion":"1"},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"api"}},"template":{"spec":{"containers":[{"name":"api","image":"api:0"}]}}}}`)
		return
	}
	most, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	var items []string
	for i := range min(n, most) {
		items = append(items, fmt.Sprintf(`{"metadata":{"name":"api-%d","namespace":"shop","uid":"u%d","annotations":{"deployment.kubernetes.io/revision":"%d"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"api","uid":"up","controller":true}]},
			"spec":{"template":{"spec":{"containers":[{"name":"api","image":"api:%d"}]}}}}`, i, i, i+1, i))
	}
	more := ""
	if n > most {
		more = `"continue":"x"`
	}
	fmt.Fprintf(w, `{"metadata":{%s},"items":[%s]}`, more, strings.Join(items, ","))
}

func (s paged) connector(t *testing.T) *kubernetes.Connector {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := &rest.Config{Host: server.URL}
	c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: cfg, Read: cfg, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s paged) read(t *testing.T, reader writ.OperationName, p writ.Parameters, limit int) connector.Reading {
	t.Helper()
	got, err := s.connector(t).Observe(t.Context(), connector.Query{Reader: reader, With: p, Scope: namespaced("shop"), Limit: limit})
	if err != nil {
		t.Fatalf("%s: %v", reader, err)
	}
	return got
}

// A list of exactly as many as are looked at is whole; with one more it is cut, and says so.
func TestAListIsCutBeyondItsBoundAndNotAtIt(t *testing.T) {
	t.Parallel()
	of := with("kind", "deployment", "namespace", "shop", "name", "api")
	for reader, x := range map[writ.OperationName]struct {
		most  int
		count func(n int) paged
		fact  string
		facts bool // also of a reading that is cut: they say of how many
	}{
		kubernetes.ListPods:        {500, func(n int) paged { return paged{pods: n} }, "pods", true},
		kubernetes.ListEvents:      {500, func(n int) paged { return paged{events: n} }, "events", true},
		kubernetes.WorkloadHistory: {200, func(n int) paged { return paged{sets: n} }, "revisions", false},
	} {
		for n, cut := range map[int]bool{x.most: false, x.most + 1: true} {
			got := x.count(n).read(t, reader, of, 1<<20)
			if lines := bytes.Count(got.Bytes, []byte("\n")); got.Truncated != cut || lines != x.most {
				t.Errorf("%s of %d: %d lines, cut %t", reader, n, lines, got.Truncated)
			}
			if f, is := got.Facts[x.fact]; is != (!cut || x.facts) || is && f != writ.Int(int64(x.most)) {
				t.Errorf("%s of %d: facts %v", reader, n, got.Facts)
			}
		}
	}
	// Pods are found by their ReplicaSets: with a set that was not looked at, there may be pods that were not.
	if got := (paged{sets: 201, pods: 1}).read(t, kubernetes.ListPods, of, 1<<20); !got.Truncated {
		t.Error("pods of too many sets are no cut list")
	}
}

// Where the newest revision may be one that was not looked at, nothing is rolled back.
func TestNothingIsRolledBackBeyondTheRevisionsThatAreLookedAt(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]writ.Reason{200: "", 201: writ.ReasonTooLarge} {
		_, err := (paged{sets: n}).connector(t).Plan(t.Context(), connector.Draft{Key: "k", Operation: kubernetes.Rollback, With: with("kind", "deployment", "namespace", "shop", "name", "api"), Scope: namespaced("shop")})
		if writ.ReasonOf(err) != want || (err != nil) != (want != "") {
			t.Errorf("%d revisions: %v, want %q", n, err, want)
		}
	}
}

// A reading of exactly as many bytes as it may have is whole; with one more it is cut, and says so. A log keeps its end, in whole lines.
func TestAReadingIsCutBeyondItsBytesAndNotAtThem(t *testing.T) {
	t.Parallel()
	of := with("kind", "deployment", "namespace", "shop", "name", "api")
	whole := paged{pods: 20}.read(t, kubernetes.ListPods, of, 1<<20)
	if n := len(whole.Bytes); whole.Truncated || n < 1000 {
		t.Fatalf("%d bytes", n)
	}
	for limit, cut := range map[int]bool{len(whole.Bytes): false, len(whole.Bytes) - 1: true} {
		got := paged{pods: 20}.read(t, kubernetes.ListPods, of, limit)
		if got.Truncated != cut || len(got.Bytes) != limit || !bytes.HasPrefix(whole.Bytes, got.Bytes) {
			t.Errorf("a limit of %d: %d bytes, cut %t", limit, len(got.Bytes), got.Truncated)
		}
	}
	pod := with("namespace", "shop", "name", "api")
	line := strings.Repeat("x", 63) + "\n"
	for name, x := range map[string]struct {
		log   string
		limit int
		want  int // bytes from the end
		cut   bool
	}{
		"as many as there may be":          {strings.Repeat(line, 4), 256, 256, false},
		"one more, within a line":          {"y" + strings.Repeat(line, 4), 256, 192, true},
		"one more, an empty line":          {"\n" + strings.Repeat(line, 4), 256, 256, true},
		"a line more":                      {strings.Repeat(line, 5), 256, 256, true},
		"as many as the most":              {strings.Repeat(line, 1<<14), 1 << 20, 1 << 20, false},
		"one more than the most":           {strings.Repeat(line, 1<<14) + "y", 1 << 20, 1 << 20, true},
		"the most, and more may not be":    {strings.Repeat(line, 1<<14), 1 << 21, 1 << 20, false},
		"one more than any reading may be": {strings.Repeat(line, 1<<14) + "\n", 1 << 21, 1 << 20, true},
	} {
		got := paged{log: x.log}.read(t, kubernetes.PodLogs, pod, x.limit)
		end := x.log[:min(len(x.log), 1<<20)] // the API server gives the first bytes of those lines
		end = end[len(end)-x.want:]
		if got.Truncated != x.cut || string(got.Bytes) != end {
			t.Errorf("%s: %d bytes, cut %t; want %d, %t", name, len(got.Bytes), got.Truncated, x.want, x.cut)
		}
	}
}

// An answer of the target is read up to its bound, and one that is a byte longer is none.
func TestAnAnswerOfTheTargetIsReadUpToItsBound(t *testing.T) {
	t.Parallel()
	const most = 16 << 20
	body := func(n int) []byte {
		b, err := json.Marshal(map[string]any{"metadata": map[string]any{"name": "node-1", "uid": "u", "resourceVersion": "1"}, "pad": ""})
		if err != nil {
			t.Fatal(err)
		}
		return append(bytes.TrimSuffix(b, []byte(`"}`)), strings.Repeat("x", n-len(b))+`"}`...)
	}
	for n, want := range map[int]writ.Reason{most: "", most + 1: writ.ReasonTooLarge} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body(n)) }))
		t.Cleanup(server.Close)
		cfg := &rest.Config{Host: server.URL}
		c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: cfg, Read: cfg, Now: time.Now, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Observe(t.Context(), connector.Query{Reader: kubernetes.NodeStatus, With: with("name", "node-1"), Scope: []writ.Location{target + "/nodes/node-1", target}, Limit: 1000})
		if writ.ReasonOf(err) != want {
			t.Errorf("%d bytes: %v, want %q", n, err, want)
		}
	}
}
