package control_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// from is a group as a configured source sends it.
func eventOf(source, event, status string) writ.AlertGroup {
	return group("g1", func(g *writ.AlertGroup) {
		g.Status = status
		g.Intake = &writ.Intake{Source: source, Body: writ.DigestOf([]byte(event)), Event: event, Keep: begin.Add(time.Hour)}
	})
}

func TestAnEventThatComesAgainChangesNothing(t *testing.T) {
	w := newWorld(t)
	first, err := w.ctl.Alert(w.ctx, source, eventOf("pd", "e1", "firing"))
	must(t, err)
	_, err = w.ctl.Alert(w.ctx, source, eventOf("pd", "e2", "resolved"))
	must(t, err)
	again, err := w.ctl.Alert(w.ctx, source, eventOf("pd", "e1", "firing")) // recorded on the way, and shown again
	must(t, err)
	if again.ID != first.ID || len(incidents(t, w)) != 1 || w.count(writ.EntryIncident) != 2 {
		t.Errorf("%+v, %d incidents", again, len(incidents(t, w)))
	}
	if other, err := w.ctl.Alert(w.ctx, source, eventOf("other", "e1", "firing")); err != nil || other.ID == first.ID {
		t.Errorf("the same id of another source: %+v %v", other, err)
	}
}

func TestAnEventThatIsRefusedMayComeAgain(t *testing.T) {
	w := newWorld(t)
	bad := eventOf("pd", "e1", "firing")
	bad.Common["service"] = "nobody"
	if _, err := w.ctl.Alert(w.ctx, source, bad); err == nil {
		t.Fatal("a service that does not exist")
	}
	if in, err := w.ctl.Alert(w.ctx, source, eventOf("pd", "e1", "firing")); err != nil || in.ID == "" {
		t.Errorf("%+v %v", in, err)
	}
}

func TestNoSourceClosesTheIncidentOfAnother(t *testing.T) {
	w := newWorld(t)
	in, err := w.ctl.Alert(w.ctx, source, eventOf("pd", "e1", "firing"))
	must(t, err)
	for _, g := range []writ.AlertGroup{eventOf("other", "e9", "resolved"), group("g1", func(g *writ.AlertGroup) { g.Status = "resolved" })} {
		if _, err := w.ctl.Alert(w.ctx, source, g); !errors.Is(err, writ.ErrConflict) {
			t.Errorf("another source: %v", err)
		}
	}
	if now := incidents(t, w); len(now) != 1 || now[0].State != writ.IncidentOpen || now[0].Source != "pd" || in.Source != "pd" {
		t.Errorf("%+v", now)
	}
}

func TestTheEntryOfAnIncidentNamesSourceAndBody(t *testing.T) {
	w := newWorld(t)
	_, err := w.ctl.Alert(w.ctx, source, eventOf("pd", "e1", "firing"))
	must(t, err)
	b := w.bodies(writ.EntryIncident)[0].(*writ.IncidentBody)
	if b.Source != "pd" || b.Event != writ.DigestOf([]byte("e1")) {
		t.Errorf("%+v", b)
	}
}

// PagerDuty delivers in no order: what it signed earlier changes nothing of what was taken since.
func TestAnEventThatWasOvertakenChangesNothing(t *testing.T) {
	w := newWorld(t)
	at := func(event, status string, minute int) writ.AlertGroup {
		g := eventOf("pd", event, status)
		g.GroupKey, g.Intake.At = "pd:1", begin.Add(time.Duration(minute)*time.Minute)
		return g
	}
	take := func(g writ.AlertGroup) writ.Incident {
		t.Helper()
		in, err := w.ctl.Alert(w.ctx, source, g)
		must(t, err)
		return in
	}
	take(at("over", "resolved", 5))
	if in := take(at("began", "firing", 1)); in.ID != "" || len(incidents(t, w)) != 0 {
		t.Errorf("what is over was opened: %+v", in)
	}
	again := take(at("again", "firing", 7))
	if again.State != writ.IncidentOpen {
		t.Fatalf("%+v", again)
	}
	if in := take(at("late", "resolved", 6)); in.ID != "" || incidents(t, w)[0].State != writ.IncidentOpen {
		t.Errorf("what began since was closed: %+v", in)
	}
	if in := take(at("end", "resolved", 7)); in.ID != again.ID || in.State != writ.IncidentResolved {
		t.Errorf("at the same time: %+v", in)
	}
}

// A sender's clock, or Writ's, is wrong for a while: that may not make late what happens after the clocks are right again, and where
// both events are dated by the wrong clock, they keep their order.
func TestAnEventDatedAheadMakesNoLaterOneLate(t *testing.T) {
	type sent struct {
		status     string
		said, came time.Duration // after the beginning
		late       bool
	}
	for name, events := range map[string][]sent{
		"the sender's clock is set right": {
			{"firing", 4 * time.Minute, 0, false}, {"resolved", time.Minute, time.Minute, false}, {"firing", 2 * time.Minute, 2 * time.Minute, false},
		},
		"what happened before it was taken is late all the same": {
			{"resolved", 4 * time.Minute, time.Minute, false}, {"firing", 30 * time.Second, 2 * time.Minute, true},
		},
		"whoever has the key says as much as the door lets through": {
			{"firing", 0, 0, false}, {"resolved", 5*time.Minute + time.Second, time.Second, false}, {"firing", 2 * time.Second, 2 * time.Second, false},
		},
		"Writ's clock is behind, and the second comes first": {
			{"resolved", 3*time.Minute + 2*time.Second, 2 * time.Second, false}, {"firing", 3 * time.Minute, 3 * time.Second, true},
		},
		"Writ's clock is behind, and nothing is swapped": {
			{"firing", 3 * time.Minute, 0, false}, {"resolved", 3*time.Minute + time.Second, time.Second, false},
		},
		"one time, dated ahead": {
			{"firing", time.Minute, 0, false}, {"resolved", time.Minute, 0, false}, {"firing", time.Minute, 2 * time.Second, false},
		},
		"one time, dated rightly and ahead": {
			{"firing", 2 * time.Second, 2 * time.Second, false}, {"resolved", time.Minute, 2 * time.Second, false}, {"firing", 2 * time.Second, 3 * time.Second, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := quietWorld(t)
			for i, e := range events {
				w.offset.Store(int64(e.came))
				g := eventOf("pd", fmt.Sprint("e", i), e.status)
				g.GroupKey, g.Intake.At = "pd:1", begin.Add(e.said)
				before := w.count(writ.EntryIncident)
				in, err := w.ctl.Alert(w.ctx, source, g)
				must(t, err)
				opened := 0
				for _, in := range incidents(t, w) {
					if in.State == writ.IncidentOpen {
						opened++
					}
				}
				switch changed := w.count(writ.EntryIncident) > before; {
				case e.late && (changed || in.ID != ""):
					t.Errorf("event %d is late, but changed something: %+v", i, in)
				case !e.late && e.status == "firing" && opened != 1:
					t.Errorf("event %d began a problem, and %d incidents are open", i, opened)
				case !e.late && e.status == "resolved" && opened != 0:
					t.Errorf("event %d ended it, and %d incidents are open", i, opened)
				}
			}
		})
	}
}

// An event that was dated ahead and is shown again, once its time has come, is still the same event.
func TestAnEventDatedAheadThatIsShownAgainChangesNothing(t *testing.T) {
	w := quietWorld(t)
	send := func(event, status string, said time.Duration) writ.Incident {
		t.Helper()
		g := eventOf("pd", event, status)
		g.GroupKey, g.Intake.At = "pd:1", begin.Add(said)
		in, err := w.ctl.Alert(w.ctx, source, g)
		must(t, err)
		return in
	}
	first := send("e1", "firing", 4*time.Minute)
	w.pass(time.Minute)
	send("e2", "resolved", time.Minute)
	w.pass(4 * time.Minute)
	again := send("e1", "firing", 4*time.Minute)
	if all := incidents(t, w); again.ID != first.ID || len(all) != 1 || all[0].State != writ.IncidentResolved {
		t.Errorf("%+v; incidents %+v", again, all)
	}
}

// Sources that are not configured have group keys of their own choice: none takes another's incident or key.
func TestASourceThatIsNotConfiguredTouchesNoOther(t *testing.T) {
	w := newWorld(t)
	in, err := w.ctl.Alert(w.ctx, source, group("g1"))
	must(t, err)
	other := writ.Principal{Kind: writ.KindService, Iss: source.Iss, Sub: "another"}
	for _, status := range []string{"firing", "resolved"} {
		if _, err := w.ctl.Alert(w.ctx, other, group("g1", func(g *writ.AlertGroup) { g.Status, g.Common["severity"] = status, "info" })); !errors.Is(err, writ.ErrConflict) {
			t.Errorf("%s of another source: %v", status, err)
		}
	}
	_, err = w.ctl.Alert(w.ctx, other, group("pd:g1"))
	refused(t, err, writ.ReasonForm)
	if now := incidents(t, w); len(now) != 1 || now[0].State != writ.IncidentOpen || now[0].Severity != in.Severity {
		t.Errorf("%+v", now)
	}
}
