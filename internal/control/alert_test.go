package control_test

import (
	"sync"
	"testing"

	"github.com/writ-dev/writ"
)

func incidents(t *testing.T, w *world) []writ.Incident {
	t.Helper()
	all, _, err := w.ctl.Incidents(w.ctx, human("ann"), writ.IncidentFilter{})
	must(t, err)
	return all
}

func TestR23AnAlertOpensAnIncidentFromTheServiceCatalogue(t *testing.T) {
	w := newWorld(t)
	in, err := w.ctl.Alert(w.ctx, source, group("g1"))
	must(t, err)
	if in.Service != "shop" || in.Environment != "prod" || in.Owner != "checkout" || in.Severity != 1 || in.State != writ.IncidentOpen || in.OpenedBy != source {
		t.Errorf("%+v", in)
	}
	again, err := w.ctl.Alert(w.ctx, source, group("g1", func(g *writ.AlertGroup) { g.Common["severity"] = "warning" }))
	must(t, err)
	if again.ID != in.ID || again.Severity != 3 {
		t.Errorf("the second webhook gave %s with severity %d", again.ID, again.Severity)
	}
	if n := w.count(writ.EntryIncident); n != 2 { // opened, and its severity changed
		t.Errorf("%d incident entries", n)
	}
}

func TestI19AStormOfIdenticalAlertsIsOneIncident(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			if _, err := w.ctl.Alert(w.ctx, source, group("storm")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(incidents(t, w)); n != 1 {
		t.Errorf("%d incidents", n)
	}
	if n := w.count(writ.EntryIncident); n != 1 {
		t.Errorf("%d incident entries", n)
	}
}

func TestR24AnIncidentIsResolvedByItsSourceAndOpensAnew(t *testing.T) {
	w := newWorld(t)
	resolved := func(g *writ.AlertGroup) { g.Status = "resolved" }
	first, err := w.ctl.Alert(w.ctx, source, group("g1"))
	must(t, err)
	done, err := w.ctl.Alert(w.ctx, source, group("g1", resolved))
	must(t, err)
	if done.ID != first.ID || done.State != writ.IncidentResolved || done.ResolvedAt == nil {
		t.Errorf("%+v", done)
	}
	nothing, err := w.ctl.Alert(w.ctx, source, group("g1", resolved))
	must(t, err)
	if nothing.ID != "" || w.count(writ.EntryIncident) != 2 {
		t.Errorf("resolving what is not open gave %q", nothing.ID)
	}
	second, err := w.ctl.Alert(w.ctx, source, group("g1"))
	must(t, err)
	if second.ID == first.ID || second.State != writ.IncidentOpen {
		t.Errorf("%+v", second)
	}
	if _, err := w.ctl.Propose(w.ctx, repair, writ.Ask{Incident: first.ID, Playbook: "restart-workload", Parameters: workload}); writ.ReasonOf(err) != writ.ReasonIncidentClosed {
		t.Errorf("a closed incident was worked on: %v", err)
	}
}

func TestI04AnAlertThatDoesNotFitTheCatalogueChangesNothing(t *testing.T) {
	w := newWorld(t)
	set := func(label, value string) func(*writ.AlertGroup) {
		return func(g *writ.AlertGroup) { g.Common[label] = value }
	}
	for name, c := range map[string]struct {
		change func(*writ.AlertGroup)
		want   writ.Reason
	}{
		"unknown service":    {set("service", "nosuch"), writ.ReasonUnknownService},
		"no service":         {set("service", ""), writ.ReasonUnknownService},
		"unknown severity":   {set("severity", "dreadful"), writ.ReasonForm},
		"no severity":        {set("severity", ""), writ.ReasonForm},
		"wrong environment":  {set("environment", "dev"), writ.ReasonUnknownService},
		"no group key":       {func(g *writ.AlertGroup) { g.GroupKey = "" }, writ.ReasonForm},
		"an unknown status":  {func(g *writ.AlertGroup) { g.Status = "maybe" }, writ.ReasonForm},
		"mixed environments": {mixed, writ.ReasonUnknownService},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.ctl.Alert(w.ctx, source, group("g1", c.change))
			refused(t, err, c.want)
		})
	}
	if n := len(w.leaves()); n != 1 { // the genesis
		t.Errorf("%d entries", n)
	}
	if n := len(incidents(t, w)); n != 0 {
		t.Errorf("%d incidents", n)
	}
}

// mixed has two alerts that name two environments, and no common label.
func mixed(g *writ.AlertGroup) {
	one := map[string]string{"service": "shop", "severity": "critical", "environment": "prod"}
	two := map[string]string{"service": "shop", "severity": "critical", "environment": "staging"}
	g.Common, g.Alerts = nil, []writ.Alert{{Name: "a", Labels: one}, {Name: "b", Labels: two}}
}

func TestI04AnOpenIncidentKeepsItsService(t *testing.T) {
	w := newWorld(t)
	in, err := w.ctl.Alert(w.ctx, source, group("g1"))
	must(t, err)
	_, err = w.ctl.Alert(w.ctx, source, group("g1", func(g *writ.AlertGroup) { g.Common["service"], g.Common["severity"] = "orders", "info" }))
	refused(t, err, writ.ReasonUnknownService)
	if now := incidents(t, w)[0]; now.ID != in.ID || now.Service != "shop" || now.Severity != 1 {
		t.Errorf("%+v", now)
	}
}

func TestI04OnlyAnAlertSourceOpensIncidents(t *testing.T) {
	w := newWorld(t)
	for _, by := range []writ.Principal{repair, human("ann"), runnerID.Principal(), {Kind: writ.KindService}, {}} {
		_, err := w.ctl.Alert(w.ctx, by, group("g1"))
		refused(t, err, writ.ReasonKind)
	}
	if n := len(incidents(t, w)); n != 0 {
		t.Errorf("%d incidents", n)
	}
}
