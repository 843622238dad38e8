package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/assignment"
)

const runner = writ.RunnerID("spiffe://corp.example/runner/prod-eu1")

// fakeRunners is the control plane as runners see it.
type fakeRunners struct {
	by       writ.RunnerID
	work     *assignment.Assignment
	joined   assignment.Join
	answer   assignment.Answer
	delivery assignment.Delivery
	listen   assignment.Listen
	err      error
	calls    int
}

func (f *fakeRunners) Join(_ context.Context, by writ.RunnerID, j assignment.Join) (assignment.Joined, error) {
	f.by, f.joined, f.calls = by, j, f.calls+1
	return assignment.Joined{Epoch: 7}, f.err
}

func (f *fakeRunners) Next(_ context.Context, by writ.RunnerID, _ assignment.Ask) (*assignment.Assignment, error) {
	f.by, f.calls = by, f.calls+1
	return f.work, f.err
}

func (f *fakeRunners) AnswerAssignment(_ context.Context, by writ.RunnerID, a assignment.Answer) error {
	f.by, f.answer, f.calls = by, a, f.calls+1
	return f.err
}

func (f *fakeRunners) Deliver(_ context.Context, by writ.RunnerID, d assignment.Delivery) (assignment.Delivered, error) {
	f.by, f.delivery, f.calls = by, d, f.calls+1
	return assignment.Delivered{Feed: []byte("feed"), Stop: true}, f.err
}

func (f *fakeRunners) Feed(_ context.Context, by writ.RunnerID, l assignment.Listen) (assignment.Told, error) {
	f.by, f.listen, f.calls = by, l, f.calls+1
	return assignment.Told{Feed: []byte("feed")}, f.err
}

func runnersDoor(f *fakeRunners) http.Handler {
	return api.RunnerHandler(f, func(r *http.Request) (writ.RunnerID, error) {
		switch r.Header.Get("Authorization") { // stands for the connection's key
		case "Bearer the-right-key":
			return runner, nil
		case "Bearer the-store-is-down":
			return "", writ.ErrUnavailable
		}
		return "", writ.ErrUnknownUser
	})
}

func TestARunnerAsksAnswersAndDelivers(t *testing.T) {
	f := &fakeRunners{}
	h := runnersDoor(f)
	if w := request(h, "the-right-key", "POST", assignment.PathNext, `{"wait_seconds":20,"seen":0}`); w.Code != 204 || w.Body.Len() != 0 || f.by != runner {
		t.Errorf("nothing to do: %d %q for %s", w.Code, w.Body, f.by)
	}
	f.work = &assignment.Assignment{V: 1, ID: "asg_" + ulid, Kind: assignment.KindObserve, Expires: at, Feed: []byte("feed")}
	var got assignment.Assignment
	w := request(h, "the-right-key", "POST", assignment.PathNext, `{"wait_seconds":0,"seen":7}`)
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.ID != f.work.ID {
		t.Errorf("work: %d %s %v", w.Code, w.Body, err)
	}
	w = request(h, "the-right-key", "POST", assignment.PathAnswer, `{"assignment":"asg_`+ulid+`","refused":{"code":"guard"}}`)
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != "{}" || f.answer.Refused == nil || f.answer.Refused.Code != writ.ReasonGuard {
		t.Errorf("answer: %d %s %+v", w.Code, w.Body, f.answer)
	}
	w = request(h, "the-right-key", "POST", assignment.PathEntries, `{"run":"run_`+ulid+`","entries":["YQ=="],"seen":7}`)
	var told assignment.Told
	heard := request(h, "the-right-key", "POST", assignment.PathFeed, `{"wait_seconds":20,"epoch":3}`)
	if err := json.Unmarshal(heard.Body.Bytes(), &told); err != nil || heard.Code != 200 || string(told.Feed) != "feed" || f.listen.Epoch != 3 {
		t.Errorf("feed: %d %s %+v", heard.Code, heard.Body, f.listen)
	}
	var back assignment.Delivered
	if err := json.Unmarshal(w.Body.Bytes(), &back); err != nil || !back.Stop || len(f.delivery.Entries) != 1 || string(f.delivery.Entries[0]) != "a" {
		t.Errorf("delivery: %d %s %+v", w.Code, w.Body, f.delivery)
	}
}

func TestWithoutARunnersKeyNothingIsReached(t *testing.T) {
	f := &fakeRunners{}
	for _, path := range []string{assignment.PathNext, assignment.PathAnswer, assignment.PathEntries, assignment.PathFeed} {
		wantProblem(t, request(runnersDoor(f), "another-key", "POST", path, `{}`), 401, writ.ReasonUnauthenticated)
	}
	if f.calls > 0 {
		t.Error("the control plane was reached")
	}
}

func TestTheRunnersDoorReadsStrictly(t *testing.T) {
	f := &fakeRunners{}
	h := runnersDoor(f)
	for name, c := range map[string]struct {
		path, body string
		status     int
		code       writ.Reason
	}{
		"unknown member":  {assignment.PathNext, `{"wait_seconds":1,"seen":0,"more":1}`, 422, writ.ReasonForm},
		"missing member":  {assignment.PathNext, `{"wait_seconds":1}`, 422, writ.ReasonForm},
		"member twice":    {assignment.PathNext, `{"wait_seconds":1,"seen":0,"seen":0}`, 422, writ.ReasonForm},
		"other case":      {assignment.PathNext, `{"wait_seconds":1,"Seen":0}`, 422, writ.ReasonForm},
		"too long a wait": {assignment.PathNext, `{"wait_seconds":21,"seen":0}`, 422, writ.ReasonForm},
		"a past wait":     {assignment.PathNext, `{"wait_seconds":-1,"seen":0}`, 422, writ.ReasonForm},
		"a long listen":   {assignment.PathFeed, `{"wait_seconds":21,"epoch":0}`, 422, writ.ReasonForm},
		"not an id":       {assignment.PathAnswer, `{"assignment":"x"}`, 422, writ.ReasonForm},
		"no JSON":         {assignment.PathEntries, `x`, 422, writ.ReasonForm},
		"empty entry":     {assignment.PathEntries, `{"run":"run_` + ulid + `","entries":[""],"seen":0}`, 422, writ.ReasonTooLarge},
		"many entries":    {assignment.PathEntries, `{"run":"run_` + ulid + `","entries":["YQ=="` + strings.Repeat(`,"YQ=="`, 200) + `],"seen":0}`, 422, writ.ReasonTooLarge},
		"large body":      {assignment.PathEntries, strings.Repeat(" ", api.MaxRunnerBody+1), 413, writ.ReasonTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, request(h, "the-right-key", "POST", c.path, c.body), c.status, c.code)
		})
	}
	wantProblem(t, request(h, "the-right-key", "GET", assignment.PathNext, ""), 405, "method")
	wantProblem(t, request(h, "the-right-key", "POST", "/v1/plans", `{}`), 404, "not_found")
	if f.calls > 0 {
		t.Error("the control plane was reached")
	}
}

func TestARefusalOfTheControlPlaneKeepsItsCode(t *testing.T) {
	f := &fakeRunners{err: writ.Refuse(writ.ReasonFrozen, "everything is frozen")}
	p := wantProblem(t, request(runnersDoor(f), "the-right-key", "POST", assignment.PathNext, `{"wait_seconds":0,"seen":0}`), 403, writ.ReasonFrozen)
	if p.Detail != "everything is frozen" {
		t.Errorf("says %q", p.Detail)
	}
}

func TestARunnerIsToldThatItCannotBeKnownNowAndNotThatItIsNobody(t *testing.T) {
	h := runnersDoor(&fakeRunners{})
	for key, want := range map[string]int{"the-store-is-down": 503, "another-key": 401} {
		if w := request(h, key, "POST", assignment.PathNext, `{"wait_seconds":0,"seen":0}`); w.Code != want {
			t.Errorf("%s: %d, want %d: %s", key, w.Code, want, w.Body)
		}
	}
}
