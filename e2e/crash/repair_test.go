package crash_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/verify"
)

// A scenario is one kind of repair.
type scenario struct {
	name     string
	playbook string
	approved bool                                                         // a person answers
	begin    func(s *site)                                                // before the alert
	during   func(s *site, run writ.RunID) error                          // once the run is known
	asked    func(s *site) error                                          // when a person is asked, before the answer
	faults   []string                                                     // of the runner, besides the kill
	only     []fault.Op                                                   // the points that are worth a kill; all when empty
	undo     func(s *site)                                                // what begin did
	ends     writ.RunState                                                // without any fault
	with     func(was storefront.View) (writ.Parameters, storefront.View) // parameters, and what the service is set to if it helps
}

// twoSteps changes release and flag.
func twoSteps(was storefront.View) (writ.Parameters, storefront.View) {
	to := "v3"
	if was.Release == "v3" {
		to = "v2"
	}
	on := !was.Flags["dark-mode"]
	return writ.Parameters{"to": writ.String(to), "on": writ.Bool(on)},
		storefront.View{Release: to, Replicas: was.Replicas, Flags: map[string]bool{"dark-mode": on}}
}

// scale changes the number of replicas.
func scale(was storefront.View) (writ.Parameters, storefront.View) {
	n := 3
	if was.Replicas == 3 {
		n = 2
	}
	return writ.Parameters{"replicas": writ.Int(int64(n))}, storefront.View{Release: was.Release, Replicas: n, Flags: was.Flags}
}

// scenarios are the ways a repair can go when nothing breaks.
var scenarios = []scenario{
	{name: "success", playbook: "helps", ends: writ.RunSucceeded, with: twoSteps},
	{name: "undo", playbook: "helps-not", ends: writ.RunUndone, with: twoSteps},
	{name: "approved", playbook: "scale", approved: true, ends: writ.RunSucceeded, with: scale},
	{name: "stop", playbook: "waits", ends: writ.RunUndone, with: twoSteps, during: (*site).stopWhenApplied},
	{
		name: "lost", playbook: "helps", ends: writ.RunSucceeded, with: twoSteps,
		begin: func(s *site) { s.wire.cutOnce(unanswered, "/flags/dark-mode") }, undo: func(s *site) { s.wire.setCut(nil) },
	},
	{
		name: "refused", playbook: "scale", approved: true, ends: writ.RunRefused, with: scale, only: []fault.Op{fault.JournalRefused, fault.LinkDeliver, fault.LinkAnswer},
		asked: (*site).distrust, during: (*site).trustedAgain, undo: (*site).restoreTrust,
	},
	{
		name: "frozen", playbook: "helps", ends: writ.RunFailed, with: twoSteps, only: []fault.Op{fault.JournalVoid, fault.JournalEffect, fault.JournalTurned},
		faults: []string{"stop journal-intent after 1"}, during: (*site).freezeWhenStopped, undo: (*site).unfreeze,
	},
}

func scenarioOf(of []scenario, name string) scenario {
	i := slices.IndexFunc(of, func(s scenario) bool { return s.name == name })
	return of[i]
}

// errNoRun says that a plan came to nothing.
var errNoRun = errors.New("the plan has no run")

// A repair is one that was driven to its end.
type repair struct {
	sc       scenario
	service  string
	incident writ.IncidentID
	plan     writ.PlanStatus
	run      writ.RunStatus
	was, aim storefront.View
	ended    time.Time // when the end was seen
}

// drive opens an incident of a service and repairs it as the scenario says, whatever dies meanwhile: each request is
// made until it is answered.
func (s *site) drive(sc scenario, service string) (r repair, err error) {
	r = repair{sc: sc, service: service}
	if r.was, err = s.plane.look(service); err != nil {
		return r, err
	}
	with, aim := sc.with(r.was)
	r.aim = aim
	target, reader, of := s.plane.status(service)
	maps.Copy(with, of)
	if sc.begin != nil {
		sc.begin(s)
	}
	if sc.undo != nil {
		defer sc.undo(s)
	}
	hook := s.webhook(service)
	var in writ.Incident
	if err = s.persist("the alert", func(ctx context.Context) (err error) { in, err = s.src.Alert(ctx, hook); return err }); err != nil {
		return r, err
	}
	r.incident = in.ID
	var ev writ.Evidence
	if err = s.persist("a reading", func(ctx context.Context) (err error) {
		ev, _, err = s.reads.Observe(ctx, in.ID, reader, target, of)
		if errors.Is(err, writ.ErrDenied) { // the runner could not read just then
			err = fmt.Errorf("%w: %v", writ.ErrUnavailable, err)
		}
		return err
	}); err != nil {
		return r, err
	}
	ask := writ.Ask{Incident: in.ID, Playbook: sc.playbook, Parameters: with, Evidence: []writ.EvidenceID{ev.ID}, Because: "a test says so"}
	if err = s.persist("the plan", func(ctx context.Context) error {
		for p, err := range s.person.Plans(ctx, writ.PlanFilter{Incident: in.ID}) { // the answer to an earlier try got lost
			if err != nil {
				return err
			}
			r.plan = p
			return nil
		}
		r.plan, err = s.asks.Propose(ctx, ask)
		return err
	}); err != nil {
		return r, err
	}
	if err = s.follow(&r, writ.PlanPlanning); err != nil {
		return r, err
	}
	if r.plan.State == writ.PlanWaiting { // also where an earlier repair failed, so that a person is asked
		if sc.asked != nil {
			if err = sc.asked(s); err != nil {
				return r, err
			}
		}
		if err = s.approve(&r); err != nil {
			return r, err
		}
		if err = s.follow(&r, writ.PlanPlanning, writ.PlanWaiting); err != nil {
			return r, err
		}
	}
	if r.plan.Run == "" {
		return r, fmt.Errorf("%w: it is %s (%s: %s)", errNoRun, r.plan.State, r.plan.Reason, r.plan.Detail)
	}
	if sc.during != nil {
		if err = sc.during(s, r.plan.Run); err != nil {
			return r, err
		}
	}
	err = s.persist("the end of the run", func(ctx context.Context) (err error) {
		r.run, err = s.person.Run(ctx, r.plan.Run)
		if err == nil && !r.run.State.Final() {
			err = fmt.Errorf("%w: it is %s\n%s", writ.ErrUnavailable, r.run.State, story(r.run))
		}
		return err
	})
	r.ended = time.Now()
	return r, err
}

// follow waits while the plan is in one of these states.
func (s *site) follow(r *repair, while ...writ.PlanState) error {
	return s.persist("the plan's decision", func(ctx context.Context) error {
		p, err := s.person.Plan(ctx, r.plan.ID)
		if err == nil && slices.Contains(while, p.State) {
			err = fmt.Errorf("%w: it is %s", writ.ErrUnavailable, p.State)
		}
		if err == nil {
			r.plan = p
		}
		return err
	})
}

// approve signs as the person does.
func (s *site) approve(r *repair) error {
	plan, digest, err := writ.ParsePlan(r.plan.Bytes)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(s.in.SSHKeys[you])
	if err != nil {
		return err
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return err
	}
	nonce, err := ident.Nonce(rand.Reader)
	if err != nil {
		return err
	}
	st, err := approval.New(plan, digest, approval.Ask{
		Answer: writ.Approve, Person: writ.Person{Iss: authn.DevIssuer, Sub: you}, Slot: "owner", Tier: r.plan.Tier(), Now: time.Now(), Life: 10 * time.Minute, Nonce: nonce,
	})
	if err != nil {
		return err
	}
	b, err := st.Bytes()
	if err != nil {
		return err
	}
	sig, err := approval.Sign(b, key, rand.Reader)
	if err != nil {
		return err
	}
	return s.persist("the approval", func(ctx context.Context) error {
		p, err := s.person.Plan(ctx, r.plan.ID)
		if err != nil || p.State != writ.PlanWaiting {
			return err
		}
		_, err = s.person.Approve(ctx, r.plan.ID, digest, b, sig, "")
		return err
	})
}

// applied waits until the lease of a run has no power any more, so that all calls were made.
func (s *site) applied(run writ.RunID) error {
	return s.persist("the effect", func(ctx context.Context) error {
		r, err := s.person.Run(ctx, run)
		if err == nil && !slices.ContainsFunc(r.Events, func(e writ.Event) bool { return e.Kind == writ.EntryProbe }) {
			err = fmt.Errorf("%w: it is not applied yet\n%s", writ.ErrUnavailable, story(r))
		}
		return err
	})
}

// stopWhenApplied waits until the lease of a run has no power any more, so that all calls were made, and stops the run.
func (s *site) stopWhenApplied(run writ.RunID) error {
	return s.persist("the stop", func(ctx context.Context) error {
		r, err := s.person.Run(ctx, run)
		if err != nil || r.State.Final() || r.Stop {
			return err
		}
		if !slices.ContainsFunc(r.Events, func(e writ.Event) bool { return e.Kind == writ.EntryProbe }) {
			return fmt.Errorf("%w: it is not applied yet\n%s", writ.ErrUnavailable, story(r))
		}
		if _, err = s.person.Stop(ctx, run, "it does not help"); errors.Is(err, writ.ErrConflict) {
			return nil // it has ended meanwhile
		}
		return err
	})
}

// trust is the runner's trust file.
func (s *site) trust() string { return filepath.Join(s.in.Dir, "trust.json") }

func (s *site) distrust() error {
	s.away = time.Now()
	return os.Rename(s.trust(), s.trust()+".away")
}

func (s *site) restoreTrust() { _ = os.Rename(s.trust()+".away", s.trust()) }

// trustedAgain gives the runner its trust file back when the run is over or the runner was killed: without the file it
// can check no receipt, so it cannot deliver what it still knows of the refusal.
func (s *site) trustedAgain(run writ.RunID) error {
	defer s.restoreTrust()
	return s.persist("the refusal", func(ctx context.Context) error {
		if deaths, born, _ := s.runner.state(); deaths > 0 && born.After(s.away) {
			return nil
		}
		r, err := s.person.Run(ctx, run)
		if err == nil && !r.State.Final() {
			err = fmt.Errorf("%w: it is %s", writ.ErrUnavailable, r.State)
		}
		return err
	})
}

// freezeWhenStopped freezes everything while the runner stands still between sealing an intent and sending it.
func (s *site) freezeWhenStopped(run writ.RunID) error {
	before, _, _ := s.runner.state()
	if err := s.persist("the runner's stop", func(ctx context.Context) error {
		if deaths, _, _ := s.runner.state(); deaths > before || s.runner.stopped() {
			return nil
		}
		r, err := s.person.Run(ctx, run)
		if err == nil && !r.State.Final() {
			err = fmt.Errorf("%w: it runs", writ.ErrUnavailable)
		}
		return err
	}); err != nil {
		return err
	}
	err := s.persist("the freeze", func(ctx context.Context) error {
		_, err := s.person.Freeze(ctx, writ.FreezeAll, "", "a test says so")
		return err
	})
	s.runner.signal(syscall.SIGCONT)
	return err
}

func (s *site) unfreeze() {
	s.runner.signal(syscall.SIGCONT)
	_ = s.persist("the end of the freeze", func(ctx context.Context) error {
		for f, err := range s.person.Freezes(ctx) {
			if err == nil {
				err = s.person.Unfreeze(ctx, f.ID, "the test is over")
			}
			if err != nil && !errors.Is(err, writ.ErrConflict) {
				return err
			}
		}
		return nil
	})
}

func story(r writ.RunStatus) string {
	var b bytes.Buffer
	for _, e := range r.Events {
		fmt.Fprintf(&b, "  %d %s %s\n", e.Index, e.Kind, e.Summary)
	}
	return b.String()
}

// webhook is what Alertmanager posts about a new incident of a service.
func (s *site) webhook(service string) []byte {
	n := s.alerted.Add(1)
	labels := map[string]string{"alertname": "Broken", "environment": "prod", "service": service, "severity": "error"}
	group := fmt.Sprintf(`{}:{alertname="Broken", service=%q, n="%d"}`, service, n)
	b, _ := json.Marshal(map[string]any{ // strings, numbers and maps of them cannot fail
		"receiver": "writ", "status": "firing", "version": "4", "groupKey": group, "truncatedAlerts": 0,
		"groupLabels": labels, "commonLabels": labels, "commonAnnotations": map[string]string{}, "externalURL": "http://alertmanager.example:9093",
		"alerts": []map[string]any{{
			"status": "firing", "labels": labels, "annotations": map[string]string{}, "startsAt": time.Now().UTC().Format(time.RFC3339Nano),
			"endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "9f86d081884c7d65",
		}},
	})
	return b
}

// quiet waits until nothing runs and every lease is proven dead, and returns when that was.
func (s *site) quiet() (time.Time, error) {
	err := s.persist("the end of all runs and leases", func(ctx context.Context) error {
		st, err := s.person.Status(ctx)
		if err == nil && (st.Running != 0 || st.LeasesAlive != 0) {
			err = fmt.Errorf("%w: %d runs, %d leases alive", writ.ErrUnavailable, st.Running, st.LeasesAlive)
		}
		return err
	})
	return time.Now(), err
}

// accept demands of a repair what must hold whatever has happened.
func (s *site) accept(r repair, allowed ...writ.RunState) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	state := r.run.State
	if r.run.ID != r.plan.Run {
		wrong("the run that ended is not the plan's")
	}
	if !slices.Contains(allowed, state) {
		wrong("the run is %s (%s: %s), want one of %v\n%s", state, r.run.Reason, r.run.Detail, allowed, story(r.run))
	}
	errs = append(errs, s.plane.once(r)...)
	now, err := s.plane.look(r.service)
	if err != nil {
		return err
	}
	want := r.was
	if state == writ.RunSucceeded {
		want = r.aim
	}
	if state != writ.RunUncertain && !same(now, want) {
		wrong("the run is %s and the service is set to %+v, want %+v", state, now, want)
	}
	if state == writ.RunRefused {
		s.refused.Add(1)
	}
	errs = append(errs, s.plane.powerless(r.service, r.plan.Run)...)
	if n, err := s.database.reservations(context.Background()); err != nil || n != 0 {
		wrong("%d reservations are held (%v)", n, err)
	}
	errs = append(errs, s.verified())
	return errors.Join(errs...)
}

func same(a, b storefront.View) bool {
	return a.Release == b.Release && a.Replicas == b.Replicas && a.Flags["dark-mode"] == b.Flags["dark-mode"]
}

// verified exports the ledger and verifies it offline, with the trust file alone.
func (s *site) verified() error {
	var bundle []byte
	if err := s.persist("the export", func(ctx context.Context) (err error) { bundle, err = s.person.Export(ctx, ""); return err }); err != nil {
		return err
	}
	tb, err := os.ReadFile(s.in.Verify)
	if err != nil {
		return err
	}
	trust, err := verify.ParseTrust(tb)
	if err != nil {
		return err
	}
	report, err := verify.Bundle(bytes.NewReader(bundle), trust)
	if err != nil {
		return fmt.Errorf("the ledger does not verify: %w", err)
	}
	// A run that was refused before its grant could be believed has no entry of its end: its refusal is one of a presentation.
	report.Open = slices.DeleteFunc(report.Open, func(f verify.Finding) bool { return f.Code == "open_run" && s.refused.Load() > 0 })
	if s.jumped.Load() { // a clock that went back is what the ledger shows, and nothing else
		report.Findings = slices.DeleteFunc(report.Findings, func(f verify.Finding) bool { return f.Code == "clock" })
	} else if report.Verdict() == verify.Violated {
		return fmt.Errorf("the ledger does not verify: findings %+v", report.Findings)
	}
	if !report.Complete || len(report.Findings) != 0 || len(report.Open) != 0 {
		return fmt.Errorf("the ledger does not verify: %s, findings %+v, open %+v", report.Verdict(), report.Findings, report.Open)
	}
	return nil
}

// stepKey is the idempotency key of a step, counted from 0.
func (r repair) stepKey(i int) string { return fmt.Sprintf("%s.%d", r.plan.ID, i+1) }

// sound ends the test with everything that the processes printed.
func (s *site) sound(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.logs())
	}
}
