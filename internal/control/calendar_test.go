package control_test

import (
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/calendar"
	"github.com/writ-dev/writ/internal/control"
)

// Tests begin on a Sunday at 03:12 UTC.
func calendars(t *testing.T, change func(*calendar.Source)) func(*control.Config) {
	t.Helper()
	s := calendar.Source{Name: "shop", Services: []string{"shop"}, Zone: "UTC"}
	change(&s)
	set, err := calendar.New([]calendar.Source{s}, time.LoadLocation)
	must(t, err)
	return func(c *control.Config) { c.Calendars = set }
}

func TestAFreezeOfTheCalendarDeniesAndEnds(t *testing.T) {
	w := newWorld(t, calendars(t, func(s *calendar.Source) {
		s.Freezes = []calendar.Entry{{Name: "audit", Start: "2026-11-22T00:00", For: 4 * time.Hour}}
	}))
	s := w.propose(repair, w.restart(w.incident("shop").ID))
	if s.State != writ.PlanDenied || s.Reason != writ.ReasonLimit || !s.Change.FrozenUntil.Equal(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v", s)
	}
	p, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
	must(t, err)
	if !slices.Equal(p.Decision.Policies, []string{"limits/change-freeze"}) || !slices.Equal(p.Change.Names, []string{"shop/audit"}) {
		t.Errorf("%+v, %+v", p.Decision, p.Change)
	}
	w.pass(48*time.Minute + time.Second)
	if s := w.propose(repair, w.restart(w.incident("shop").ID)); s.State != writ.PlanGranted {
		t.Errorf("after the freeze: %+v", s)
	}
}

// The window is looked at again in the transaction that issues: an approval that comes after it has closed is too late.
func TestAWindowThatClosesBeforeTheGrantDenies(t *testing.T) {
	w := newWorld(t, calendars(t, func(s *calendar.Source) {
		s.Windows = []calendar.Entry{{Name: "night", Start: "2026-11-20T03:00", For: 20 * time.Minute, Rule: "FREQ=DAILY"}}
	}))
	s := w.waiting()
	if s.Change == nil || !*s.Change.Open || !s.Change.ClosesAt.Equal(time.Date(2026, 11, 22, 3, 20, 0, 0, time.UTC)) || !slices.Equal(s.Change.Names, []string{"shop/night"}) {
		t.Fatalf("the plan shows no window: %+v", s.Change)
	}
	w.pass(8 * time.Minute)
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if s = w.settled(repair, s.ID); s.State != writ.PlanDenied || s.Reason != writ.ReasonLimit || *s.Change.Open {
		t.Errorf("after the window: %+v", s)
	}
}
