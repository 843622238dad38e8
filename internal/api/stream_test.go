package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
)

func event(i int64) writ.Event {
	return writ.Event{Index: i, Time: at, Kind: writ.EntryStepEffect, Actor: human, Summary: fmt.Sprintf("event %d\nid: 99", i), OK: true}
}

func TestAStreamResumesAfterLastEventIDWithoutLoss(t *testing.T) {
	f := &fake{}
	for i := range int64(500) {
		f.Happen(event(2 * i)) // other callers' entries lie between
	}
	s := httptest.NewServer(handler(t, f))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	last := "100"
	for _, want := range []int64{102, 500, 998} { // each time the connection is dropped after that event
		r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/events", nil)
		r.Header.Set("Authorization", "Bearer human")
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Last-Event-ID", last)
		resp, err := s.Client().Do(r)
		if err != nil || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(err, resp)
		}
		lines := bufio.NewScanner(resp.Body)
		var expect int64
		fmt.Sscan(last, &expect)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var e writ.Event
				if err := json.Unmarshal([]byte(data), &e); err != nil {
					t.Fatal(err)
				}
				if expect += 2; e.Index != expect || last != fmt.Sprint(e.Index) {
					t.Fatalf("event %d with id %s after %d", e.Index, last, expect-2)
				}
				if e.Index == want {
					break
				}
			} else if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				last = id
			}
		}
		resp.Body.Close()
		if last != fmt.Sprint(want) {
			t.Fatalf("the stream ended at %s before %d: %v", last, want, lines.Err())
		}
	}
}

func TestNewEventsReachAnOpenStreamAndSilenceIsFilledWithComments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		h := handler(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := httptest.NewRequest("GET", "/v1/events?from=5", nil).WithContext(ctx)
		r.Header.Set("Authorization", "Bearer agent")
		r.Header.Set("Accept", "text/event-stream")
		w := httptest.NewRecorder()
		go func() {
			time.Sleep(20 * time.Second)
			f.Happen(event(4), event(5))
		}()
		h.ServeHTTP(w, r) // returns when the client leaves after a minute
		body := w.Body.String()
		if got := strings.Count(body, ": quiet\n\n"); got != 3 { // at 15 s, then 15 and 30 s after the event
			t.Errorf("%d comments in %q", got, body)
		}
		if strings.Count(body, "id: 5\nevent: step.effect\ndata: {") != 1 || strings.Contains(body, "id: 4") || strings.Contains(body, "\nid: 99") {
			t.Errorf("events in %q", body)
		}
	})
}

func TestAStreamEndsSoThatItsCallerIsAuthenticatedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := httptest.NewRequest("GET", "/v1/events", nil)
		r.Header.Set("Authorization", "Bearer agent")
		r.Header.Set("Accept", "text/event-stream")
		start := time.Now()
		handler(t, &fake{}).ServeHTTP(httptest.NewRecorder(), r)
		if lived := time.Since(start); lived != 10*time.Minute {
			t.Errorf("the stream lived %v", lived)
		}
	})
}

func TestWithoutEventStreamOnePageIsAnswered(t *testing.T) {
	f := &fake{}
	f.Happen(event(3), event(9))
	h := handler(t, f)
	var p api.Page[writ.Event]
	w := request(h, "agent", "GET", "/v1/events?from=2", "")
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Items) != 2 || p.Next != "10" {
		t.Errorf("%v %s", err, w.Body)
	}
	w = request(h, "agent", "GET", "/v1/events?from=10", "")
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Items) != 0 || p.Next != "10" {
		t.Errorf("%v %s", err, w.Body)
	}
	wantProblem(t, request(h, "agent", "GET", "/v1/events", "", "Last-Event-ID: x"), 422, writ.ReasonForm)
	f.Err = writ.ErrUnavailable
	wantProblem(t, request(h, "agent", "GET", "/v1/events", "", "Accept: text/event-stream"), 503, writ.ReasonUnavailable)
}
