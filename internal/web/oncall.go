package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Turns says who is on call, and lets people hand their own turn over and back, and take their own approval of a plan back.
// None of it gives anybody a power that they did not have.
type Turns interface {
	OnCalls(ctx context.Context, by writ.Principal) ([]writ.OnCallGroup, error)
	Delegate(ctx context.Context, by writ.Principal, ask writ.DelegationAsk) (writ.Delegation, error)
	EndDelegation(ctx context.Context, by writ.Principal, id writ.DelegationID) (writ.Delegation, error)
	Recall(ctx context.Context, by writ.Principal, id writ.PlanID) (writ.PlanStatus, error)
}

// An onCallView is who is on call.
type onCallView struct{ Groups []onCallGroup }

// An onCallGroup is one group, as one person sees it.
type onCallGroup struct {
	writ.OnCallGroup
	Mine   bool          // this person holds a turn of their own and may hand it over
	Others []writ.Person // to whom
}

func (d *door) onCall(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	all, err := d.Turns.OnCalls(ctx, by)
	if err != nil {
		return view{}, err
	}
	var v onCallView
	for _, g := range all {
		x := onCallGroup{OnCallGroup: g}
		for _, t := range g.Turns {
			x.Mine = x.Mine || g.State != writ.OnCallRoster && t.For == nil && t.Person.Principal().Same(by)
		}
		for _, p := range g.Members {
			if !slices.ContainsFunc(g.Turns, func(t writ.Turn) bool { return t.Person == p }) {
				x.Others = append(x.Others, p)
			}
		}
		v.Groups = append(v.Groups, x)
	}
	return view{title: "On call", said: "who is on call", data: v}, nil
}

// delegate hands the person's own turn over. The form names the recipient as issuer, a space, and subject.
func (d *door) delegate(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	bad := func(what, hint string) (string, error) {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: what, Hint: hint}
	}
	group := r.PathValue("group")
	if !writ.IsName(group) {
		return "", writ.ErrNotFound
	}
	iss, sub, ok := strings.Cut(f.Get("to"), " ")
	if !ok || iss == "" || sub == "" {
		return bad("to must be one of the people in the list", "go back and choose one")
	}
	hours, err := strconv.Atoi(f.Get("hours"))
	if longest := int(writ.MaxDelegation / time.Hour); err != nil || hours < 1 || hours > longest {
		return bad("hours must be 1 to "+strconv.Itoa(longest), "go back and write for how many")
	}
	_, err = d.Turns.Delegate(ctx, by, writ.DelegationAsk{Group: group, To: writ.Person{Iss: iss, Sub: sub}, Until: d.Now().Add(time.Duration(hours) * time.Hour)})
	return "/oncall", err
}

func (d *door) giveBack(ctx context.Context, by writ.Principal, r *http.Request, _ form) (string, error) {
	id, err := writ.ParseDelegationID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	_, err = d.Turns.EndDelegation(ctx, by, id)
	return "/oncall", err
}

func (d *door) recall(ctx context.Context, by writ.Principal, r *http.Request, _ form) (string, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	_, err = d.Turns.Recall(ctx, by, id)
	return "/plans/" + string(id), err
}

// AsOnCall reports whether people may answer as on call though the decision names another group: either will do at tier 2.
func (v planView) AsOnCall() bool {
	return v.OnCall != nil && len(v.Slots) > 0 && !slices.ContainsFunc(v.Slots, func(s slot) bool { return s.Name == "oncall" })
}

// mayRecall reports whether a person has an approval on a plan that may still be taken back. Whether the run has begun
// meanwhile is decided when they do.
func mayRecall(by writ.Principal, p writ.PlanStatus) bool {
	open := p.State == writ.PlanWaiting || p.State == writ.PlanReady || p.State == writ.PlanGranted
	return open && slices.ContainsFunc(p.Approvals, func(a writ.ApprovalStatus) bool {
		return a.Answer == writ.Approve && a.Recalled == nil && a.Approver.Principal().Same(by)
	})
}
