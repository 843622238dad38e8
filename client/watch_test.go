package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

func events(n int64) []writ.Event {
	var all []writ.Event
	for i := range n {
		all = append(all, writ.Event{Index: i, Time: at, Kind: writ.EntryRun, Actor: human, Summary: fmt.Sprint("event ", i)})
	}
	return all
}

func TestEventsAreReadToTheNewest(t *testing.T) {
	f := &fake{}
	f.Happen(events(450)...)
	c := start(t, f, nil)
	if got := all(t, c.Events(t.Context(), 10, "")); len(got) != 440 || got[0].Index != 10 || got[439].Index != 449 {
		t.Errorf("%d events", len(got))
	}
}

// cut passes a few writes on and then breaks the connection.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cut) Write(b []byte) (int, error) {
	if c.left--; c.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(b)
}

func TestWatchSurvivesBrokenConnectionsWithoutLossOrRepetition(t *testing.T) {
	f := &fake{}
	f.Happen(events(7)...)
	connections := 0
	c := start(t, f, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connections++
			h.ServeHTTP(&cut{w, 4}, r) // the greeting and three events
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var want int64 = 1
	for e, err := range c.Watch(ctx, 1, "") {
		if err != nil || e.Index != want {
			t.Fatalf("event %d, want %d: %v", e.Index, want, err)
		}
		if want++; want == 7 {
			break
		}
	}
	if connections != 2 {
		t.Errorf("%d connections for 6 events, 3 on each", connections)
	}
}

func TestWatchEndsWithARefusalOrTheContext(t *testing.T) {
	f := failing(writ.ErrDenied)
	for _, err := range start(t, f, nil).Watch(t.Context(), 0, "") {
		if !errors.Is(err, writ.ErrDenied) {
			t.Errorf("got %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var last error
	for _, err := range start(t, &fake{}, nil).Watch(ctx, 0, "") {
		last = err
	}
	if !errors.Is(last, context.DeadlineExceeded) {
		t.Errorf("got %v", last)
	}
	c := start(t, &fake{}, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(strings.Repeat("{}", 10))) })
	})
	for _, err := range c.Watch(t.Context(), 0, "") {
		if err == nil || errors.Is(err, writ.ErrUnavailable) {
			t.Errorf("not a stream: %v", err)
		}
	}
}

func TestWatchDoesNotRepeatWhatAServerSendsAgain(t *testing.T) {
	c := start(t, &fake{}, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, i := range []int{4, 5, 5, 6} {
				fmt.Fprintf(w, "id: %d\ndata: {\"index\":%d}\n\n", i, i)
			}
		})
	})
	var got []int64
	for e, err := range c.Watch(t.Context(), 5, "") {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.Index); len(got) == 2 {
			break
		}
	}
	if got[0] != 5 || got[1] != 6 {
		t.Errorf("events %v", got)
	}
}
