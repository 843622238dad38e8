package prometheus_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/prometheus"
)

// answering has one query answered by f.
func answering(t *testing.T, of prometheus.Query, f http.HandlerFunc) func(with writ.Parameters, limit int) (connector.Reading, error) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	x := connect(t, server.URL, of)
	return func(with writ.Parameters, limit int) (connector.Reading, error) {
		return x.Observe(t.Context(), connector.Query{Reader: of.Name, With: with, Scope: scope, Limit: limit})
	}
}

var now = prometheus.Query{Name: "prometheus/a.get", PromQL: "up"}

// vector is an answer of n series, padded to some bytes.
func vector(n, size int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"metric":{"n":"%04d"},"value":[1,"%d"]}`, i, i))
	}
	s := `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(all, ",") + `]}}`
	return s + strings.Repeat(" ", max(0, size-len(s)))
}

// A reading of exactly as many series as are shown is whole; with one more it is cut, and says so.
func TestAReadingIsCutBeyondItsSeriesAndNotAtThem(t *testing.T) {
	t.Parallel()
	for n, cut := range map[int]bool{1: false, 199: false, 200: false, 201: true} {
		got, err := answering(t, now, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, vector(n, 0)) })(nil, 64<<10)
		if err != nil || got.Truncated != cut || bytes.Count(got.Bytes, []byte("\n")) != min(n, 200) || got.Facts["series"] != writ.Int(int64(min(n, 200))) {
			t.Errorf("%d series: %d are shown, cut %t, facts %v, %v", n, bytes.Count(got.Bytes, []byte("\n")), got.Truncated, got.Facts, err)
		}
	}
}

// A reading of exactly as many bytes as it may have is whole; with one more it is cut after a whole line, and says so.
func TestAReadingIsCutBeyondItsBytesAndNotAtThem(t *testing.T) {
	t.Parallel()
	read := answering(t, now, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, vector(10, 0)) })
	whole, err := read(nil, 64<<10)
	if err != nil || whole.Truncated {
		t.Fatal(whole.Truncated, err)
	}
	got, err := read(nil, len(whole.Bytes))
	if err != nil || got.Truncated || !bytes.Equal(got.Bytes, whole.Bytes) {
		t.Errorf("as many: %d of %d bytes, cut %t, %v", len(got.Bytes), len(whole.Bytes), got.Truncated, err)
	}
	got, err = read(nil, len(whole.Bytes)-1)
	if err != nil || !got.Truncated || bytes.Count(got.Bytes, []byte("\n")) != 9 || !bytes.HasPrefix(whole.Bytes, got.Bytes) {
		t.Errorf("one less: %d of %d bytes, cut %t, %v", len(got.Bytes), len(whole.Bytes), got.Truncated, err)
	}
}

// An answer of exactly as many bytes as are read is a reading; one that is a byte longer is refused, and nothing of it is believed.
func TestAnAnswerIsReadUpToItsBound(t *testing.T) {
	t.Parallel()
	const most = 4 << 20
	for n, want := range map[int]writ.Reason{most: "", most + 1: writ.ReasonTooLarge} {
		got, err := answering(t, now, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, vector(3, n)) })(nil, 64<<10)
		if writ.ReasonOf(err) != want || (err != nil) != (want != "") || want == "" && (got.Truncated || got.Facts["series"] != writ.Int(3)) {
			t.Errorf("%d bytes: %v, cut %t, facts %v", n, err, got.Truncated, got.Facts)
		}
	}
}

// However long back a range goes, no more points of it are asked for than are documented, and with the longest ranges as many.
func TestARangeIsAskedForInNoMorePointsThanItsBound(t *testing.T) {
	t.Parallel()
	const most = 240
	seen := 0
	q := now
	q.Range = true
	read := answering(t, q, func(w http.ResponseWriter, r *http.Request) {
		at := func(name string) int64 { n, _ := strconv.ParseInt(r.FormValue(name), 10, 64); return n }
		points := (at("end")-at("start"))/at("step") + 1
		if seen = max(seen, int(points)); points > most {
			t.Errorf("%d points from %d to %d", points, at("start"), at("end"))
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	})
	for _, minutes := range []int64{1, 2, 59, 60, 61, 239, 240, 241, 480, 960, 1439, 1440} {
		if got, err := read(writ.Parameters{"minutes": writ.Int(minutes)}, 64<<10); err != nil || got.Truncated {
			t.Errorf("%d minutes: %v", minutes, err)
		}
	}
	if seen != most {
		t.Errorf("at most %d points were asked for", seen)
	}
	for _, minutes := range []int64{0, 1441} {
		if _, err := read(writ.Parameters{"minutes": writ.Int(minutes)}, 64<<10); writ.ReasonOf(err) != writ.ReasonParameterBound {
			t.Errorf("%d minutes: %v", minutes, err)
		}
	}
}

// A query that is answered within its time is a reading, and one that is not is refused soon after.
func TestAQueryEndsWithItsTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for ten seconds")
	}
	const most = 10 * time.Second
	for wait, want := range map[time.Duration]writ.Reason{most - time.Second: "", time.Minute: writ.ReasonUnreachable} {
		t.Run(wait.String(), func(t *testing.T) {
			t.Parallel()
			read := answering(t, now, func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("timeout") != "10s" {
					t.Errorf("the server is given %s", r.FormValue("timeout"))
				}
				select {
				case <-time.After(wait):
					fmt.Fprint(w, vector(1, 0))
				case <-r.Context().Done():
				}
			})
			began := time.Now()
			_, err := read(nil, 64<<10)
			if took := time.Since(began); writ.ReasonOf(err) != want || (err != nil) != (want != "") || took < min(wait, most)-time.Millisecond {
				t.Errorf("after %s: %v, want %q", took, err, want)
			}
		})
	}
}
