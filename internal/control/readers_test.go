package control_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/store"
)

// What an agent is told that it can read is what it can read: the readers of its incident's own targets, with what each takes.
func TestAnAgentIsToldTheReadersOfItsIncidentsTargetsAndNoOthers(t *testing.T) {
	w := newWorld(t)
	shop := w.incident("shop").ID
	all, err := w.ctl.Readers(w.ctx, diagnose, shop, "")
	must(t, err)
	if len(all) != len(plane.Readers) {
		t.Fatalf("%d readers of %d", len(all), len(plane.Readers))
	}
	for i, r := range all {
		if r.Name != plane.Readers[i].Name || r.Target != target || len(r.Takes) != len(plane.Readers[i].Parameters) || len(r.Facts) != len(plane.Readers[i].Facts) || r.Writable != plane.Readers[i].Writable {
			t.Errorf("%+v", r)
		}
	}
	if p := all[0].Takes[0]; p.Name != "kind" || p.Allowed != "one of deployment, statefulset, daemonset" || p.Optional {
		t.Errorf("%+v", p)
	}
	one, err := w.ctl.Readers(w.ctx, repair, shop, target)
	must(t, err)
	if !slices.EqualFunc(one, all, func(a, b writ.ReaderText) bool { return a.Name == b.Name }) {
		t.Errorf("of its target: %+v", one)
	}
	if none, err := w.ctl.Readers(w.ctx, diagnose, w.incident("far").ID, ""); err != nil || len(none) != 0 {
		t.Errorf("of a target that no runner serves: %+v %v", none, err)
	}
	if _, err := w.ctl.Freeze(w.ctx, human("bob"), writ.FreezeAgent, idp+" second", "it behaves oddly"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		by   writ.Principal
		in   writ.IncidentID
		at   writ.Location
		want writ.Reason
	}{
		"another target":     {diagnose, shop, "kubernetes://elsewhere", writ.ReasonOutOfScope},
		"no such incident":   {diagnose, "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD", "", writ.ReasonUnknownIncident},
		"a suspended agent":  {asleep, shop, "", writ.ReasonAgentSuspended},
		"a frozen agent":     {second, shop, "", writ.ReasonFrozen},
		"an unknown agent":   {writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "stranger"}, shop, "", writ.ReasonAgentUnregistered},
		"a runner":           {runnerID.Principal(), shop, "", writ.ReasonKind},
		"a source of alerts": {source, shop, "", writ.ReasonKind},
	} {
		_, err := w.ctl.Readers(w.ctx, c.by, c.in, c.at)
		if writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// An agent that proposes is shown what it may propose; one that hands on is shown what others may.
func TestAnAgentIsShownThePlaybooksOfItsOwnClasses(t *testing.T) {
	class := library(t)["restart-workload"].Playbook.Class
	for name, c := range map[string]struct {
		classes []string
		by      writ.Principal
		shown   bool
	}{
		"of its class":      {[]string{class}, repair, true},
		"of any class":      {nil, repair, true},
		"of another class":  {[]string{"no-such-class"}, repair, false},
		"one that hands on": {[]string{"no-such-class"}, diagnose, true},
	} {
		w := quietWorld(t, func(x *control.Config) {
			for i := range x.Agents {
				x.Agents[i].Classes = c.classes
			}
		})
		found, err := w.ctl.Playbooks(w.ctx, c.by, "")
		must(t, err)
		if got := slices.ContainsFunc(found, func(p writ.PlaybookSummary) bool { return p.Name == "restart-workload" }); got != c.shown {
			t.Errorf("%s: shown %t", name, got)
		}
	}
}

// A limit that never passes is no "come again": an agent that is told so would come for ever.
func TestALimitThatDoesNotPassIsNoReasonToComeAgain(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	must(t, w.store.Update(w.ctx, func(tx *store.Tx) error {
		for i := range 500 {
			if err := store.Create(tx, store.Evidence, store.Row{ID: fmt.Sprintf("ev_%d", i), Incident: string(in), State: "read"}, struct{}{}); err != nil {
				return err
			}
		}
		return nil
	}))
	_, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, workload)
	refused(t, err, writ.ReasonTooLarge)
	if errors.Is(err, writ.ErrBusy) || !errors.Is(err, writ.ErrConflict) {
		t.Errorf("%v is for now", err)
	}
	before := w.count(writ.EntryDeny)
	for range 3 {
		_, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, workload)
		refused(t, err, writ.ReasonTooLarge)
	}
	if n := w.count(writ.EntryDeny); n != before {
		t.Errorf("saying it again made %d entries", n-before)
	}
}
