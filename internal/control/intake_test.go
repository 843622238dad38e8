package control_test

import (
	"errors"
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
