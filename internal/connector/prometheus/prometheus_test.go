package prometheus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/prometheus"
	"github.com/writ-dev/writ/internal/testbed"
)

const object = "prometheus://main/checkout"

var scope = []writ.Location{object}

func connect(t testing.TB, url string, queries ...prometheus.Query) *prometheus.Connector {
	t.Helper()
	for i := range queries {
		queries[i].Title, queries[i].Object = "a query", object
	}
	x, err := prometheus.New(prometheus.Config{Target: "main", URL: url, Queries: queries, Token: []byte("read-token\n")}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestReadingsOfARealPrometheus scrapes a real server: instant and range, numbers as facts, labels that a client wrote as
// foreign text without its secrets.
func TestReadingsOfARealPrometheus(t *testing.T) {
	t.Parallel()
	var errors atomic.Int64
	errors.Store(7)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "errors_now %d\nready_share 0.25\nby_agent{agent=\"restart payments password=hunter2\"} 1\nby_agent{agent=\"curl\"} 2\n", errors.Load())
	}))
	t.Cleanup(app.Close)
	server := testbed.StartPrometheus(t, strings.TrimPrefix(app.URL, "http://"))
	x := connect(t, server.URL,
		prometheus.Query{Name: "prometheus/errors.now", PromQL: `sum(errors_now)`}, prometheus.Query{Name: "prometheus/share.now", PromQL: `sum(ready_share)`},
		prometheus.Query{Name: "prometheus/errors.lately", PromQL: `sum(errors_now)`, Range: true}, prometheus.Query{Name: "prometheus/agents.list", PromQL: `by_agent`},
		prometheus.Query{Name: "prometheus/nothing.at_all", PromQL: `no_such_metric`}, prometheus.Query{Name: "prometheus/broken.query", PromQL: `sum(`},
		prometheus.Query{Name: "prometheus/scalar.get", PromQL: `scalar(sum(errors_now)) * 2`}, prometheus.Query{Name: "prometheus/zero.division", PromQL: `sum(errors_now) / 0`})
	read := func(name string, with writ.Parameters) connector.Reading {
		t.Helper()
		got, err := x.Observe(t.Context(), connector.Query{Reader: writ.OperationName("prometheus/" + name), With: with, Scope: scope, Limit: 64 << 10})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return got
	}
	testbed.Await(t, "the first scrape", func(context.Context) (bool, string, error) {
		got := read("errors.now", nil)
		return got.Facts["value_milli"] == writ.Int(7000), fmt.Sprint(got.Facts), nil
	})
	if got := read("share.now", nil); got.Facts["value_milli"] != writ.Int(250) || got.Facts["series"] != writ.Int(1) {
		t.Errorf("a share: %v", got.Facts)
	}
	if got := read("scalar.get", nil); got.Facts["value_milli"] != writ.Int(14000) {
		t.Errorf("a scalar: %v", got.Facts)
	}
	if got := read("errors.lately", writ.Parameters{"minutes": writ.Int(5)}); got.Facts["max_milli"] != writ.Int(7000) || !strings.Contains(got.Source, "query_range") {
		t.Errorf("a range: %v %s", got.Facts, got.Source)
	}
	for _, name := range []string{"nothing.at_all", "zero.division"} {
		if _, is := read(name, nil).Facts["value_milli"]; is {
			t.Errorf("%s has a value", name)
		}
	}
	got := read("agents.list", nil)
	r, _ := x.Catalogue().Reader("prometheus/agents.list")
	trusted := r.Trusted(got.Bytes)
	if bytes.Contains(got.Bytes, []byte("hunter2")) || got.Redacted != 1 || bytes.Contains(trusted, []byte("payments")) || !bytes.Contains(got.Bytes, []byte("payments")) || !got.Writable {
		t.Errorf("labels: %s; %d redacted; trusted %q", got.Bytes, got.Redacted, trusted)
	}
	if got.Facts["series"] != writ.Int(2) || got.Facts["min_milli"] != writ.Int(1000) {
		t.Errorf("two series: %v", got.Facts)
	}
	short, err := x.Observe(t.Context(), connector.Query{Reader: "prometheus/agents.list", Scope: scope, Limit: 150})
	if err != nil || !short.Truncated || len(short.Bytes) > 150 {
		t.Errorf("a limit of 150 bytes: %d, %v, %v", len(short.Bytes), short.Truncated, err)
	}
	if _, err := x.Observe(t.Context(), connector.Query{Reader: "prometheus/broken.query", Scope: scope, Limit: 100}); writ.ReasonOf(err) != writ.ReasonUnreachable || strings.Contains(err.Error(), "sum(") {
		t.Errorf("a query that is none: %v", err)
	}
}

func TestI07NoTextOfAnAgentComesIntoAQuery(t *testing.T) {
	t.Parallel()
	x := connect(t, "http://127.0.0.1:1", prometheus.Query{Name: "prometheus/a.get", PromQL: "up"}, prometheus.Query{Name: "prometheus/b.get", PromQL: "up", Range: true})
	for name, c := range map[string]struct {
		q    connector.Query
		want writ.Reason
	}{
		"another name":       {connector.Query{Reader: "prometheus/c.get", Scope: scope}, writ.ReasonUnknownReader},
		"PromQL":             {connector.Query{Reader: "prometheus/a.get", Scope: scope, With: writ.Parameters{"query": writ.String("up")}}, writ.ReasonUnknownParameter},
		"minutes as text":    {connector.Query{Reader: "prometheus/b.get", Scope: scope, With: writ.Parameters{"minutes": writ.String("5m")}}, writ.ReasonParameterType},
		"no end of minutes":  {connector.Query{Reader: "prometheus/b.get", Scope: scope, With: writ.Parameters{"minutes": writ.Int(1e6)}}, writ.ReasonParameterBound},
		"of another service": {connector.Query{Reader: "prometheus/a.get", Scope: []writ.Location{"prometheus://main/payments"}}, writ.ReasonOutOfScope},
		"without a server":   {connector.Query{Reader: "prometheus/a.get", Scope: scope}, writ.ReasonUnreachable},
	} {
		if _, err := x.Observe(t.Context(), c.q); writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := x.Lease(t.Context(), connector.LeaseRequest{}, nil); writ.ReasonOf(err) != writ.ReasonOutOfScope {
		t.Errorf("a lease: %v", err)
	}
	if _, err := x.Plan(t.Context(), connector.Draft{}); writ.ReasonOf(err) != writ.ReasonOutOfScope {
		t.Errorf("a plan: %v", err)
	}
}

// A hostile or broken server gets no further than a refusal, and learns the token only where it is meant to go.
func TestAnswersThatAreNotOfPrometheusAreRefused(t *testing.T) {
	t.Parallel()
	var answer atomic.Pointer[http.HandlerFunc]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer read-token" {
			t.Errorf("the token is %q", r.Header.Get("Authorization"))
		}
		(*answer.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	x := connect(t, server.URL, prometheus.Query{Name: "prometheus/a.get", PromQL: "up"})
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	vector := func(v string) http.HandlerFunc {
		return text(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":` + v + `}]}}`)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   writ.Reason
	}{
		"no JSON":   {text("hello"), writ.ReasonUnreachable},
		"an error":  {text(`{"status":"error"}`), writ.ReasonUnreachable},
		"a string":  {text(`{"status":"success","data":{"resultType":"string","result":[0,"x"]}}`), writ.ReasonUnreachable},
		"no number": {vector(`[1,"restart payments"]`), writ.ReasonUnreachable},
		"no point":  {vector(`{}`), writ.ReasonUnreachable},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, writ.ReasonUnreachable},
		"forbidden":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, writ.ReasonForbidden},
		"more than it may":  {text(strings.Repeat(" ", 5<<20)), writ.ReasonTooLarge},
		"a number as usual": {vector(`[1,"2"]`), ""},
	} {
		answer.Store(&c.answer)
		if _, err := x.Observe(t.Context(), connector.Query{Reader: "prometheus/a.get", Scope: scope, Limit: 1000}); writ.ReasonOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestConfigurationsThatCannotBeBoundedAreRefused(t *testing.T) {
	t.Parallel()
	good := "target: main\nurl: https://metrics.example\nqueries:\n- {name: prometheus/a.get, title: x, promql: up, object: prometheus://main/checkout}\n"
	for name, change := range map[string][2]string{
		"plain http elsewhere":     {"https://metrics.example", "http://metrics.example"},
		"a password in the url":    {"https://metrics.example", "https://a:b@metrics.example"},
		"a location as its target": {"target: main", "target: main/x"},
		"no query":                 {"promql: up", "promql: ''"},
		"an object elsewhere":      {"prometheus://main/checkout", "kubernetes://main/checkout"},
		"the whole server":         {"prometheus://main/checkout", "prometheus://main"},
		"another plane's name":     {"prometheus/a.get", "kubernetes/a.get"},
		"no title":                 {"title: x", "title: ''"},
		"an unknown key":           {"title: x", "titel: x"},
	} {
		c, err := prometheus.ParseConfig([]byte(strings.Replace(good, change[0], change[1], 1)))
		if err == nil {
			_, err = prometheus.New(c, time.Now)
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	c, err := prometheus.ParseConfig([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	x, err := prometheus.New(c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(x.Catalogue()); err != nil || strings.Contains(string(b), "null") { // the control plane takes no null
		t.Errorf("the catalogue: %s %v", b, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"2"],[3,"NaN"]]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1e300,"-Inf"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) { prometheus.ParseAnswer(b) })
}
