package control_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

func TestR05AgentsSeeTheirOwnPlansOnly(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	another := w.scale(in)
	another.Parameters = with(another.Parameters, "replicas", writ.Int(5))
	mine, theirs := w.propose(repair, w.scale(in)), w.propose(second, another)
	if _, err := w.ctl.Plan(w.ctx, repair, theirs.ID, 0); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("another agent's plan: %v", err)
	}
	all, _, err := w.ctl.Plans(w.ctx, repair, writ.PlanFilter{})
	must(t, err)
	if len(all) != 1 || all[0].ID != mine.ID || all[0].Decision != nil || all[0].Evidence != nil {
		t.Errorf("%+v", all)
	}
	if _, err := w.ctl.Withdraw(w.ctx, second, mine.ID, "x"); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("withdrawn by another agent: %v", err)
	}
	people, _, err := w.ctl.Plans(w.ctx, human("carl"), writ.PlanFilter{State: writ.PlanWaiting})
	must(t, err)
	if len(people) != 2 {
		t.Errorf("a person sees %d plans", len(people))
	}
	if s, err := w.ctl.Incident(w.ctx, repair, in); err != nil || s.Plans != nil || s.Timeline != nil || s.Evidence != nil {
		t.Errorf("an agent sees the incident's story: %+v %v", s, err)
	}
	for name, err := range map[string]error{
		"runs":    third(w.ctl.Runs(w.ctx, repair, writ.RunFilter{})),
		"status":  errOf(w.ctl.Status(w.ctx, repair)),
		"events":  errOf(w.ctl.Events(w.ctx, repair, 0, 10, "")),
		"entries": third(w.ctl.Entries(w.ctx, repair, 0, 10)),
		"export":  errOf(w.ctl.Export(w.ctx, repair, "")),
		"freezes": errOf(w.ctl.Freezes(w.ctx, repair)),
	} {
		if writ.ReasonOf(err) != writ.ReasonKind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }

func TestAnAgentSeesAndStopsItsOwnRunsOnly(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	if _, err := w.ctl.Run(w.ctx, second, h.b.Run, 0); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("another agent's run: %v", err)
	}
	if _, err := w.ctl.Stop(w.ctx, second, h.b.Run, "x"); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("stopped by another agent: %v", err)
	}
	r, err := w.ctl.Stop(w.ctx, repair, h.b.Run, "x")
	must(t, err)
	if !r.Stop {
		t.Errorf("%+v", r.Run)
	}
	if _, err := w.ctl.Stop(w.ctx, human("ann"), h.b.Run, "x"); err != nil {
		t.Errorf("stopping again: %v", err)
	}
	h.deliver(h.end(writ.RunFailed, writ.ReasonStopped))
	if _, err := w.ctl.Stop(w.ctx, human("ann"), h.b.Run, "x"); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("stopping what has ended: %v", err)
	}
	if _, err := w.ctl.Run(w.ctx, human("ann"), "run_01JDB3V0T6M2Y8H4R1C7K5P9WD", 0); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("no such run: %v", err)
	}
}

func TestAPlanIsWithdrawnUntilItIsGranted(t *testing.T) {
	w := newWorld(t)
	ask := w.scale(w.incident("shop").ID)
	s := w.propose(repair, ask)
	after, err := w.ctl.Withdraw(w.ctx, repair, s.ID, "not needed \x1b[2J any more")
	must(t, err)
	if after.State != writ.PlanWithdrawn || after.Reason != writ.ReasonWithdrawn || strings.Contains(after.Detail, "\x1b") {
		t.Errorf("%+v", after)
	}
	_, err = w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApprovalExpired)
	if _, err := w.ctl.Withdraw(w.ctx, repair, s.ID, "again"); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	granted, _ := w.granted()
	if _, err := w.ctl.Withdraw(w.ctx, human("ann"), granted.ID, "late"); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("once granted: %v", err)
	}
	if again := w.propose(repair, ask); again.ID == s.ID || again.State != writ.PlanDenied { // since a run is in flight
		t.Errorf("a withdrawn ask, made again: %s %s", again.ID, again.State)
	}
}

func TestListsNarrowAndPageOn(t *testing.T) {
	w := newWorld(t)
	shop, lab := map[writ.IncidentID]bool{}, w.incident("lab").ID
	for range 7 {
		shop[w.incident("shop").ID] = true
	}
	w.incident("lab")
	seen, cursor := map[writ.IncidentID]bool{}, ""
	for pages := 0; ; pages++ {
		some, next, err := w.ctl.Incidents(w.ctx, human("ann"), writ.IncidentFilter{Service: "shop", Limit: 3, Cursor: cursor})
		must(t, err)
		if len(some) > 3 || pages > 4 {
			t.Fatalf("%d on page %d", len(some), pages)
		}
		for _, in := range some {
			if !shop[in.ID] || seen[in.ID] {
				t.Errorf("incident of %s, seen before: %t", in.Service, seen[in.ID])
			}
			seen[in.ID] = true
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d of 7", len(seen))
	}
	_, _, err := w.ctl.Incidents(w.ctx, human("ann"), writ.IncidentFilter{Cursor: "first"})
	refused(t, err, writ.ReasonForm)

	s, h := w.granted()
	h.succeed()
	w.pass(restartPause)
	second, _ := w.granted()
	for plan, want := range map[writ.PlanID]int{s.ID: 1, second.ID: 1, "pln_01JDB3V0T6M2Y8H4R1C7K5P9WD": 0, "": 2} {
		runs, _, err := w.ctl.Runs(w.ctx, human("ann"), writ.RunFilter{Plan: plan})
		must(t, err)
		if len(runs) != want || want == 1 && runs[0].Plan != plan {
			t.Errorf("%d runs of plan %q, want %d", len(runs), plan, want)
		}
	}
	if some, _, err := w.ctl.Plans(w.ctx, human("ann"), writ.PlanFilter{Incident: lab}); err != nil || len(some) != 0 {
		t.Errorf("%d plans of an incident without any, %v", len(some), err)
	}
}

func TestR30ThePackOfAnIncidentTellsItsStoryAndVerifies(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	h := w.runner.take()
	h.succeed()
	w.incident("lab") // something else happens too
	st, err := w.ctl.Incident(w.ctx, human("carl"), s.Incident)
	must(t, err)
	var story []string
	for i, e := range st.Timeline {
		story = append(story, string(e.Kind))
		if i > 0 && e.Index <= st.Timeline[i-1].Index || e.Summary == "" {
			t.Errorf("%+v", e)
		}
	}
	want := "incident evidence proposal plan decision approval decision grant decision lease step.intent step.effect verify revoke probe run"
	if got := strings.Join(story, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(st.Plans) != 1 || len(st.Evidence) != 1 || st.Plans[0].State != writ.PlanDone {
		t.Errorf("%+v", st)
	}
	some, err := w.ctl.Events(w.ctx, human("ann"), st.Timeline[3].Index, 4, s.Incident)
	must(t, err)
	if len(some) != 4 || some[0].Index != st.Timeline[3].Index {
		t.Errorf("%+v", some)
	}
	all, err := w.ctl.Events(w.ctx, human("ann"), 0, 200, "")
	must(t, err)
	if len(all) != len(w.leaves()) {
		t.Errorf("%d events of %d entries", len(all), len(w.leaves()))
	}
	r := w.run(h.b.Run)
	if len(r.Events) == 0 || r.Events[len(r.Events)-1].Kind != writ.EntryRun {
		t.Errorf("%+v", r.Events)
	}
	for _, in := range []writ.IncidentID{"", s.Incident} {
		b, err := w.ctl.Export(w.ctx, human("ann"), in)
		must(t, err)
		report, err := verify.Bundle(bytes.NewReader(b), w.trust())
		must(t, err)
		if report.Altered.Verdict != verify.OK || report.Authority.Verdict != verify.OK || report.Missing.Verdict == verify.Violated || len(report.Findings) != 0 {
			t.Errorf("incident %q:\n%s", in, report.Text())
		}
	}
	if _, err := w.ctl.Export(w.ctx, human("ann"), "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD"); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("no such incident: %v", err)
	}
	entries, note, err := w.ctl.Entries(w.ctx, human("ann"), 2, 3)
	must(t, err)
	if cp, err := w.config.Verifier.Open(note); err != nil || cp.Size < int64(len(all)) || len(entries) != 3 || entries[0].Index != 2 {
		t.Errorf("%d entries, checkpoint %+v, %v", len(entries), cp, err)
	}
}

// trust is what an auditor pins.
func (w *world) trust() verify.Trust {
	t := verify.Trust{V: 1, Log: []verify.LogKey{{VKey: w.vkey}}, Actors: []verify.Actor{
		{Principal: writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "control"}, KeyID: w.config.Author.KeyID, Public: public(w.config.Author), Roles: []verify.Role{verify.RoleControl}},
		{Principal: runnerID.Principal(), KeyID: w.runner.author.KeyID, Public: public(w.runner.author), Roles: []verify.Role{verify.RoleRunner}},
	}}
	for _, m := range w.config.Roster {
		t.Approvers = append(t.Approvers, verify.Approver{Iss: m.Iss, Sub: m.Sub, Keys: m.Keys, Groups: m.Groups})
	}
	return t
}

// A run that is stopped, refused or frozen leaves a ledger that verifies, too.
func TestR30WhatDidNotHappenVerifiesAsWell(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeService, "shop", "wait")
	must(t, err)
	h.deliver(h.leaseEntry(), h.intent())
	h.deliver(h.end(writ.RunFailed, writ.ReasonFrozen))
	s := w.propose(repair, w.scale(w.incident("lab").ID))
	_, err = w.answer(s.ID, w.statement(s.ID, "bob", "owner", writ.Reject), "bob")
	must(t, err)
	w.propose(repair, w.scale(w.incident("lab").ID))
	w.pass(planLife)
	must(t, w.ctl.SweepOnce(w.ctx))
	b, err := w.ctl.Export(w.ctx, human("ann"), "")
	must(t, err)
	report, err := verify.Bundle(bytes.NewReader(b), w.trust())
	must(t, err)
	if len(report.Findings) != 0 || report.Altered.Verdict != verify.OK || report.Authority.Verdict != verify.OK {
		t.Errorf("%s", report.Text())
	}
}

func TestAWaitEndsWhenSomethingHappens(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	began := time.Now()
	got := make(chan writ.PlanStatus, 1)
	go func() {
		p, err := w.ctl.Plan(w.ctx, repair, s.ID, time.Hour) // cut to 20 s
		if err != nil {
			t.Error(err)
		}
		got <- p
	}()
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if p := <-got; p.State != writ.PlanGranted || time.Since(began) > 15*time.Second {
		t.Errorf("%s after %s", p.State, time.Since(began))
	}
	h := w.runner.take()
	ended := make(chan writ.RunStatus, 1)
	go func() {
		for {
			r, err := w.ctl.Run(w.ctx, repair, h.b.Run, time.Hour)
			if err != nil || r.State.Final() {
				ended <- r
				return
			}
		}
	}()
	h.succeed()
	if r := <-ended; r.State != writ.RunSucceeded {
		t.Errorf("%+v", r.Run)
	}
}

func TestTheLedgerBeginsOnce(t *testing.T) {
	w := quietWorld(t)
	must(t, w.ctl.Start(w.ctx))
	e := w.entries()
	if len(e) != 1 || e[0].Record.Kind != writ.EntryGenesis {
		t.Fatalf("%d entries", len(e))
	}
	if _, err := ledger.VerifyAuthor(w.leaves()[0], func(string) ed25519.PublicKey { return public(w.config.Author) }); err != nil {
		t.Error(err)
	}
}

func TestPlaybooksAreDescribedToAgentsWithoutTheirSource(t *testing.T) {
	w := quietWorld(t)
	all, err := w.ctl.Playbooks(w.ctx, diagnose, "")
	must(t, err)
	mine, err := w.ctl.Playbooks(w.ctx, diagnose, "shop")
	must(t, err)
	if len(all) != 4 || len(mine) != 4 || all[0].Name != "delete-stuck-pod" {
		t.Errorf("%d and %d playbooks", len(all), len(mine))
	}
	_, err = w.ctl.Playbooks(w.ctx, diagnose, "nosuch")
	refused(t, err, writ.ReasonUnknownService)
	p, err := w.ctl.Playbook(w.ctx, diagnose, "restart-workload")
	if err != nil || p.Text == "" || p.Source != "" {
		t.Errorf("%+v %v", p, err)
	}
	if p, err = w.ctl.Playbook(w.ctx, human("ann"), "restart-workload"); err != nil || p.Source == "" {
		t.Errorf("%+v %v", p, err)
	}
	_, err = w.ctl.Playbook(w.ctx, human("ann"), "nosuch")
	refused(t, err, writ.ReasonUnknownPlaybook)
}
