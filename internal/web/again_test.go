package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/web"
)

func TestAPlanThatCameToNothingIsAskedForAnewAndNoOtherIs(t *testing.T) {
	for name, c := range map[string]struct {
		state  writ.PlanState
		reason writ.Reason
		anew   bool
	}{
		"the world moved": {writ.PlanStale, writ.ReasonWorldMoved, true}, "its time is over": {writ.PlanExpired, "", true},
		"it waits": {writ.PlanWaiting, "", false}, "it was rejected": {writ.PlanRejected, "", false}, "it is done": {writ.PlanDone, "", false},
	} {
		f := newFake(t)
		f.plan.State, f.plan.Reason = c.state, c.reason
		h := site(t, f)
		if offered := strings.Contains(get(t, h, planPage), planPage+"/again"); offered != c.anew {
			t.Errorf("%s: offered %t", name, offered)
		}
		a := ask(t, h, "POST", planPage+"/again", url.Values{"reason": {"still broken"}})
		want := fmt.Sprintf("[propose %s rollback-deployment {\"revision\":41} [%s] still broken]", incident, evidence)
		if !c.anew {
			want = "[]"
		}
		if got := fmt.Sprint(f.did()); got != want || (a.StatusCode == http.StatusSeeOther) != c.anew {
			t.Errorf("%s: %s, did %s", name, a.Status, got)
		}
	}
}

func TestAReadingStandsBesideTheOneBefore(t *testing.T) {
	page := get(t, site(t, newFake(t)), "/evidence/"+string(evidenceAgain)+"?against="+string(evidence))
	for _, want := range []string{"Against the reading before", "ready <del><bdi>6</bdi></del> <ins><bdi>5</bdi></ins>", `<b class="good">now</b> pod payments-api-8 Running`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, `<b class="bad">then</b>`) || strings.Contains(page, "not of the same query") {
		t.Error("something is said to have gone")
	}
}

func TestAPlanIsComparedWithTheLastRuns(t *testing.T) {
	f := newFake(t)
	page := get(t, site(t, f, func(c *web.Config) { c.Plans = past{f} }), planPage)
	for _, want := range []string{"Against the last runs", "revision <bdi>40</bdi>, now <b><bdi>41</bdi></b>", "down at once, in ‰ <bdi>500</bdi>, now <b><bdi>166</bdi></b>"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(page, "revision <bdi>40"); n != 5 {
		t.Errorf("%d runs are shown", n)
	}
}

// past has eight earlier plans of the same playbook, which ran.
type past struct{ *fake }

func (p past) Plans(_ context.Context, _ writ.Principal, q writ.PlanFilter) ([]writ.PlanStatus, string, error) {
	if q.State != writ.PlanDone {
		return nil, "", fmt.Errorf("%w: plans that did not run are looked at: %q", writ.ErrInvalid, q.State)
	}
	out := []writ.PlanStatus{p.plan}
	for i := range 8 {
		o, _ := p.Plan(context.Background(), human, writ.PlanID(fmt.Sprintf("pln_%d", i)), 0)
		out = append(out, o)
	}
	return out, "", nil
}

func (p past) Plan(_ context.Context, _ writ.Principal, id writ.PlanID, _ time.Duration) (writ.PlanStatus, error) {
	if id == planID {
		return p.plan, nil
	}
	o, then := p.plan, *p.plan.Plan
	then.Blast.Permille, then.Parameters = 500, writ.Parameters{"revision": writ.Int(40)}
	o.ID, o.Plan, o.Run, o.CreatedAt, o.Parameters = id, &then, runID, at.Add(-time.Hour), then.Parameters
	return o, nil
}

// busy has as many plans waiting as a page of the list holds.
type busy struct{ *fake }

func (b busy) Plans(_ context.Context, _ writ.Principal, q writ.PlanFilter) (out []writ.PlanStatus, next string, err error) {
	for range writ.MaxPage {
		out = append(out, b.plan)
	}
	return out, "", nil
}

func TestAnInboxOfAHundredPlansIsLight(t *testing.T) {
	f := newFake(t)
	f.plan.Title = strings.Repeat("Roll back payments-api ", 5)
	h := site(t, f, func(c *web.Config) { c.Plans = busy{f} })
	page := get(t, h, "/")
	if n := len(page) + len(get(t, h, "/static/style.css")) + len(get(t, h, "/static/live.js")) + len(get(t, h, "/static/icon.svg")); n > 60_000 || !strings.Contains(page, "50 more wait") {
		t.Errorf("%d bytes", n)
	}
}
