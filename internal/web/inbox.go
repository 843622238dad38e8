package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// Limits of the inbox: what a person can take in, and what is worth looking up for them.
const (
	maxCards  = 20             // plans that are shown whole; the next ones are a line each
	maxMore   = 30             // of those lines: the page stays light, and the list of plans has all
	maxRecent = 50             // plans that are looked at for what was done and what is alike
	recent    = 24 * time.Hour // what is called today
	quietRows = 8
)

// An inboxView is what waits for people.
type inboxView struct {
	Cards   []card
	More    []writ.PlanStatus // waiting, beyond the cards
	Beyond  int               // waiting, beyond those
	Running []writ.RunStatus
	Quiet   []writ.PlanStatus         // done today without anybody being asked
	Open    int                       // incidents
	Changes []writ.PolicyChangeStatus // of the policy set, waiting
}

// A card is one plan that waits.
type card struct {
	writ.PlanStatus
	Alike int // asked for today: the same playbook on the same service
}

// InForce is the plan's tier in force, which the list does not know.
func (c card) InForce() string {
	if c.Plan == nil {
		return ""
	}
	return c.Tier().String()
}

func (d *door) inbox(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	waiting, _, err := d.Plans.Plans(ctx, by, writ.PlanFilter{State: writ.PlanWaiting, Limit: writ.MaxPage})
	if err != nil {
		return view{}, err
	}
	slices.SortStableFunc(waiting, func(a, b writ.PlanStatus) int { return a.ExpiresAt.Compare(b.ExpiresAt) })
	past, _, err := d.Plans.Plans(ctx, by, writ.PlanFilter{Limit: maxRecent})
	if err != nil {
		return view{}, err
	}
	var v inboxView
	for i, p := range waiting {
		if i >= maxCards+maxMore {
			v.Beyond++
			continue
		}
		if i >= maxCards {
			v.More = append(v.More, p)
			continue
		}
		whole, err := d.Plans.Plan(ctx, by, p.ID, 0)
		if errors.Is(err, writ.ErrNotFound) {
			continue
		}
		if err != nil {
			return view{}, err
		}
		v.Cards = append(v.Cards, card{whole, d.alike(past, p)})
	}
	// By time left to the minute, then the higher tier first.
	slices.SortStableFunc(v.Cards, func(a, b card) int {
		return cmp.Or(a.ExpiresAt.Truncate(time.Minute).Compare(b.ExpiresAt.Truncate(time.Minute)), cmp.Compare(b.InForce(), a.InForce()))
	})
	for _, p := range past {
		if p.State == writ.PlanDone && len(p.Approvals) == 0 && p.Requester.Kind == writ.KindAgent && d.today(p.CreatedAt) && len(v.Quiet) < quietRows {
			v.Quiet = append(v.Quiet, p)
		}
	}
	for _, state := range []writ.RunState{writ.RunRunning, writ.RunGranted} {
		runs, _, err := d.Runs.Runs(ctx, by, writ.RunFilter{State: state, Limit: maxCards})
		if err != nil {
			return view{}, err
		}
		v.Running = append(v.Running, runs...)
	}
	open, _, err := d.Incidents.Incidents(ctx, by, writ.IncidentFilter{State: writ.IncidentOpen, Limit: writ.MaxPage})
	if err != nil {
		return view{}, err
	}
	v.Open = len(open)
	if v.Changes, _, err = d.Policies.PolicyChanges(ctx, by, writ.PolicyWaiting, maxCards, ""); err != nil {
		return view{}, err
	}
	return view{title: fmt.Sprintf("Inbox (%d)", len(waiting)), said: count(len(waiting), "plan") + " waiting", data: v, slow: true}, nil
}

// alike counts the other plans of today with the same playbook on the same service.
func (d *door) alike(past []writ.PlanStatus, p writ.PlanStatus) int {
	n := 0
	for _, o := range past {
		if o.ID != p.ID && o.Playbook.Name == p.Playbook.Name && o.Service == p.Service && d.today(o.CreatedAt) {
			n++
		}
	}
	return n
}

func (d *door) today(t time.Time) bool { return d.Now().Sub(t) < recent }
