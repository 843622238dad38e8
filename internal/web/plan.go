package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/writ-dev/writ"
)

// A planView is one plan in nine blocks. What Writ computed comes from the digested bytes; what it read from evidence;
// what the agent claims is its own words. The three are never mixed.
type planView struct {
	writ.PlanStatus
	Moved    bool // the world is not as it was when the plan was made
	Waiting  bool // somebody's word is wanted, and may still be given
	Hidden   bool // earlier reasons are not shown before this person has answered
	Slots    []slot
	Answers  []writ.ApprovalStatus
	Kept     bool   // the plan has bytes: a runner has resolved it
	Recall   bool   // this person has an approval that may be taken back
	AnswerAt string // where a passkey answers it; empty where none can

	Last func() []past // looked up for the page alone, not for the parts of it that are followed
}

// A slot is a group of people whose word is wanted.
type slot struct {
	Name     string
	Have, Of int
}

func (d *door) plan(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
	if err != nil {
		return view{}, writ.ErrNotFound
	}
	p, err := d.Plans.Plan(ctx, by, id, 0)
	if err != nil {
		return view{}, err
	}
	v := d.planView(by, p)
	v.AnswerAt = d.answerAt(v)
	v.Last = func() []past { return d.last(ctx, by, p) }
	return view{title: title(p), said: fmt.Sprintf("plan %s", word(p.State)), data: v}, nil
}

// planView is a plan as this person may see it.
func (d *door) planView(by writ.Principal, p writ.PlanStatus) planView {
	v := planView{PlanStatus: p, Kept: p.Plan != nil, Moved: p.State == writ.PlanStale || p.Reason == writ.ReasonWorldMoved, Answers: slices.Clone(p.Approvals)}
	v.Recall = mayRecall(by, p)
	v.Waiting = p.State == writ.PlanWaiting && p.Plan != nil && d.Now().Before(p.ExpiresAt)
	for _, name := range sortedKeys(p.Needs.Approvals) {
		s := slot{Name: name, Of: p.Needs.Approvals[name]}
		for _, a := range p.Approvals {
			if a.Slot == name && a.Answer == writ.Approve && a.Recalled == nil {
				s.Have++
			}
		}
		v.Slots = append(v.Slots, s)
	}
	// Whoever is asked second judges alone (T3 and T4).
	mine := slices.ContainsFunc(p.Approvals, func(a writ.ApprovalStatus) bool { return a.Approver.Principal().Same(by) })
	if v.Waiting && !mine && p.Tier() >= writ.T3 {
		for i := range v.Answers {
			v.Hidden = v.Hidden || v.Answers[i].Reason != ""
			v.Answers[i].Reason = ""
		}
	}
	return v
}

// title is the plan's sentence, or its playbook's name before a runner has made one.
func title(p writ.PlanStatus) string {
	if p.Title != "" {
		return long(p.Title)
	}
	return short(p.Playbook.Name) + " on " + short(p.Service)
}

func (d *door) withdraw(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	_, err = d.Plans.Withdraw(ctx, by, id, because)
	return "/plans/" + string(id), err
}

// A listView is one page of a list, newest first.
type listView[T any] struct {
	Items []T
	State string
	Next  string // address of the next page; empty on the last
}

func (d *door) plans(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	q := r.URL.Query()
	f := writ.PlanFilter{State: writ.PlanState(plain(q.Get("state"))), Cursor: plain(q.Get("cursor"))}
	plans, next, err := d.Plans.Plans(ctx, by, f)
	if err != nil {
		return view{}, err
	}
	return view{title: "Plans", data: listView[writ.PlanStatus]{plans, string(f.State), more("/plans", string(f.State), next)}}, nil
}
