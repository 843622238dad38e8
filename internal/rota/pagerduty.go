package rota

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
)

// PagerDuty asks GET /oncalls of PagerDuty's REST API, version 2, or of a tool that has the same. It is safe for concurrent
// use.
type PagerDuty struct {
	base      string
	schedules []string
	header    http.Header
	client    *http.Client
	people    People
}

// Bounds of one answer in pages.
const (
	pageSize = 100 // the API's own limit
	maxPages = 10
)

// NewPagerDuty makes one. base is https://api.pagerduty.com without a trailing slash; token is a read-only key of the account;
// schedules are the ids of those that make up the group, at least one.
func NewPagerDuty(base, token string, schedules []string, w Web, people People) *PagerDuty {
	h := http.Header{"Accept": {"application/vnd.pagerduty+json;version=2"}, "Authorization": {"Token token=" + token}}
	return &PagerDuty{base, schedules, h, w.client(), people}
}

// An onCalls is the part of an answer that counts.
type onCalls struct {
	OnCalls []struct {
		User *struct {
			ID    string `json:"id"`
			Email string `json:"email"`
		} `json:"user"`
		Schedule *struct {
			ID string `json:"id"`
		} `json:"schedule"`
		Start *time.Time `json:"start"`
		End   *time.Time `json:"end"`
	} `json:"oncalls"`
	More *bool `json:"more"`
}

// Turns implements control.Rota.
func (s *PagerDuty) Turns(ctx context.Context, from, until time.Time) ([]writ.RotaTurn, error) {
	var out []writ.RotaTurn
	for page := range maxPages {
		q := url.Values{"since": {from.UTC().Format(time.RFC3339)}, "until": {until.UTC().Format(time.RFC3339)}, "include[]": {"users"}, "schedule_ids[]": s.schedules,
			"limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(page * pageSize)}}
		b, err := get(ctx, s.client, s.base+"/oncalls?"+q.Encode(), s.header)
		if err != nil {
			return nil, err
		}
		turns, more, err := s.parse(b)
		if err != nil {
			return nil, err
		}
		if out = append(out, turns...); !more {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w: on-call source: its answer has more than %d pages", writ.ErrUnavailable, maxPages)
}

// parse reads one page. A turn of another schedule than was asked for makes it no answer: somebody else's filter is not ours.
func (s *PagerDuty) parse(b []byte) ([]writ.RotaTurn, bool, error) {
	bad := func(what string) ([]writ.RotaTurn, bool, error) {
		return nil, false, fmt.Errorf("%w: on-call source: its answer %s", writ.ErrUnavailable, what)
	}
	if !unique(b) {
		return bad("is not one JSON object that all readers agree on")
	}
	var a onCalls
	if err := json.Unmarshal(b, &a); err != nil || a.OnCalls == nil || a.More == nil {
		return bad("has no oncalls, or does not say whether there are more")
	}
	var out []writ.RotaTurn
	for _, o := range a.OnCalls {
		if o.User == nil || o.User.ID == "" {
			return bad("has a turn of nobody")
		}
		if o.Schedule == nil || !slices.Contains(s.schedules, o.Schedule.ID) {
			return bad("has a turn of a schedule that was not asked for")
		}
		p, ok := s.people.of(o.User.ID)
		if !ok {
			if p, ok = s.people.of(o.User.Email); !ok {
				continue
			}
		}
		t := writ.RotaTurn{Person: p}
		if o.Start != nil { // null: it has always been
			t.From = o.Start.UTC()
		}
		if o.End != nil { // null: it has no end
			t.Until = o.End.UTC()
		}
		if o.End != nil && !t.From.Before(t.Until) {
			return bad("has a turn that ends before it begins")
		}
		out = append(out, t)
	}
	return out, *a.More, nil
}
