package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

var liveAt = regexp.MustCompile(`data-live="([^"]+)"`)

// follow opens the stream that a page names and returns its parts as they come.
func follow(t *testing.T, f *fake, path string, header http.Header) (*http.Response, func() map[string]string) {
	t.Helper()
	h := site(t, f)
	m := liveAt.FindStringSubmatch(get(t, h, path))
	if m == nil {
		t.Fatalf("%s names no stream", path)
	}
	srv := httptest.NewServer(h)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); srv.Close() })
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+m[1], nil)
	must(t, err)
	r.AddCookie(&http.Cookie{Name: "session", Value: goodValue})
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return resp, func() map[string]string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var part map[string]string
				must(t, json.Unmarshal([]byte(data), &part))
				return part
			}
		}
		return nil
	}
}

func TestAStreamSendsWhatHasChangedSinceThePageWasMadeAndNothingElse(t *testing.T) {
	f := newFake(t)
	f.run.State, f.run.Ended = writ.RunRunning, nil
	resp, next := follow(t, f, "/runs/"+string(runID), nil)
	if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Content-Security-Policy") == "" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	f.mu.Lock()
	f.run = f.succeeded()
	f.mu.Unlock()
	for _, id := range []string{"said", "now", "acts"} { // in the order of the page, and not the alarms
		if part := next(); part["id"] != id {
			t.Errorf("%q came, want %q", part["id"], id)
		} else if id == "said" && part["html"] != "run succeeded" {
			t.Errorf("it says %q", part["html"])
		}
	}
}

func TestAStreamDoesNotKeepASessionAliveForEver(t *testing.T) {
	f := newFake(t)
	first := f.now.Add(-19 * time.Minute).UnixMilli()
	resp, _ := follow(t, f, "/runs/"+string(runID), http.Header{"Last-Event-Id": {fmt.Sprint(first)}})
	if resp.StatusCode != http.StatusOK {
		t.Errorf("after 19 minutes: %s", resp.Status)
	}
	first = f.now.Add(-20 * time.Minute).UnixMilli()
	_, next := follow(t, f, "/runs/"+string(runID), http.Header{"Last-Event-Id": {fmt.Sprint(first)}})
	if part := next(); part["id"] != "alarms" || !strings.Contains(part["html"], "This page stands still.") {
		t.Errorf("after 20 minutes it says %v", part)
	}
	resp, _ = follow(t, f, "/runs/"+string(runID), http.Header{"Last-Event-Id": {"end"}})
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("whoever comes back after the end: %s", resp.Status)
	}
}
