package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/runner"
)

var _ runner.Control = (*runner.Link)(nil)

func link(t *testing.T, h http.HandlerFunc) *runner.Link {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	l, err := runner.NewLink(s.URL, s.Client())
	must(t, err)
	return l
}

func TestLinkSpeaksTheRunnersDoor(t *testing.T) {
	l := link(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s", r.Method, r.Header.Get("Content-Type"))
		}
		switch r.URL.Path {
		case assignment.PathNext:
			var ask assignment.Ask
			must(t, json.Unmarshal(b, &ask))
			if ask.Seen == 0 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			json.NewEncoder(w).Encode(assignment.Assignment{V: 1, ID: "asg_00VHNCZB0028SMYQBBRPW3M6W3", Kind: assignment.KindObserve, Feed: []byte("f")})
		case assignment.PathAnswer:
			io.WriteString(w, "{}")
		case assignment.PathEntries:
			var d assignment.Delivery
			must(t, json.Unmarshal(b, &d))
			json.NewEncoder(w).Encode(assignment.Delivered{Stop: len(d.Entries) == 1 && string(d.Entries[0]) == "leaf", Feed: []byte("f")})
		default:
			t.Errorf("path %s", r.URL.Path)
		}
	})
	ctx := context.Background()
	if a, err := l.Next(ctx, assignment.Ask{WaitSeconds: 1}); a != nil || err != nil {
		t.Errorf("no work: %+v %v", a, err)
	}
	if a, err := l.Next(ctx, assignment.Ask{WaitSeconds: 1, Seen: 3}); err != nil || a.Kind != assignment.KindObserve {
		t.Errorf("work: %+v %v", a, err)
	}
	if err := l.Answer(ctx, assignment.Answer{Assignment: "asg_00VHNCZB0028SMYQBBRPW3M6W3", Ended: true}); err != nil {
		t.Error(err)
	}
	d, err := l.Deliver(ctx, assignment.Delivery{Run: "run_00VHNCZB0028SMYQBBRPW3M6W3", Entries: [][]byte{[]byte("leaf")}})
	if err != nil || !d.Stop {
		t.Errorf("delivery: %+v %v", d, err)
	}
}

func TestLinkTurnsProblemsIntoKindsAndReasons(t *testing.T) {
	for status, kind := range map[int]error{
		401: writ.ErrUnknownUser, 403: writ.ErrDenied, 404: writ.ErrNotFound, 409: writ.ErrConflict, 422: writ.ErrInvalid, 429: writ.ErrBusy,
		500: writ.ErrUnavailable, 503: writ.ErrUnavailable, 302: writ.ErrUnavailable,
	} {
		l := link(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("a redirect was followed")
			}
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			io.WriteString(w, `{"code":"limit","detail":"not \u202enow","hint":"later"}`)
		})
		err := l.Answer(context.Background(), assignment.Answer{})
		if !errors.Is(err, kind) {
			t.Errorf("status %d: %v, want %v", status, err, kind)
		}
		if r, ok := errors.AsType[*writ.Refusal](err); status < 500 && status >= 400 && (!ok || r.Code != writ.ReasonLimit || r.Hint != "later" || strings.Contains(r.Detail, "\u202e")) {
			t.Errorf("status %d: %+v", status, err)
		}
	}
}

func TestLinkReadsNoMoreThanItMust(t *testing.T) {
	l := link(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"feed":"` + strings.Repeat("A", 5<<20) + `"}`))
	})
	if _, err := l.Deliver(context.Background(), assignment.Delivery{}); !errors.Is(err, writ.ErrUnavailable) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("an endless answer: %v", err)
	}
	if err := l.Answer(context.Background(), assignment.Answer{Observed: &assignment.Observed{Bytes: make([]byte, 4<<20)}}); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("an answer too large to send: %v", err)
	}
}

func TestLinkEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	l := link(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Next(ctx, assignment.Ask{}); !errors.Is(err, writ.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestNewLinkTakesAPlainURLOnly(t *testing.T) {
	for _, bad := range []string{"", "ftp://x", "https://", "https://u:p@x", "https://x?q=1", "https://x#f", "x"} {
		if _, err := runner.NewLink(bad, http.DefaultClient); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzLinkAnswer feeds whatever a control plane may answer to the link: it returns or fails, and never panics.
func FuzzLinkAnswer(f *testing.F) {
	f.Add([]byte(`{"v":1,"id":"asg_00VHNCZB0028SMYQBBRPW3M6W3","kind":"run","run":{"run":"x"}}`), 200)
	f.Add([]byte(`{"code":"spent"}`), 403)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		l, err := runner.NewLink("http://control.test", &http.Client{Transport: answering{body, status}})
		must(t, err)
		a, err := l.Next(context.Background(), assignment.Ask{})
		if err == nil && a == nil && status != http.StatusNoContent {
			t.Error("neither work nor an error")
		}
	})
}

type answering struct {
	body   []byte
	status int
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader(string(a.body))), Header: http.Header{}}, nil
}
