package siege_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/runner"
	"github.com/writ-dev/writ/internal/runner/journal"
	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/policies"
)

const (
	origin   = "siege.writ/ledger"
	issuer   = "https://siege.writ"
	runnerID = writ.RunnerID("spiffe://siege.writ/runner/one")
	many     = 1 << 30
)

// Playbooks without a cooldown: nothing but budgets and locks is left to hold anybody back.
var playbooks = []string{`v: 1
name: restart-replica
version: 1
owner: siege
title: "Restart replica {replica}"
class: restart
tier: T1
plane: lab
parameters:
  - {name: replica, type: integer, min: 0, max: 2, title: which}
steps:
  - {operation: lab/replica.restart, with: {replica: $replica}}
verify:
  - {name: ready-again, reader: lab/workload.status, fact: ready, op: equals, value: 3, within_seconds: 60}
undo: inverse
limits: {max_objects: 1, max_permille: 1000}
`, `v: 1
name: restart-all
version: 1
owner: siege
title: "Restart all replicas"
class: restart
tier: T1
plane: lab
steps:
  - {operation: lab/workload.restart}
verify:
  - {name: ready-again, reader: lab/workload.status, fact: ready, op: equals, value: 3, within_seconds: 60}
undo: inverse
limits: {max_objects: 1, max_permille: 1000}
`}

// wire is the runner's side of the control plane, without a network.
type wire struct{ *control.Control }

func (w wire) Join(ctx context.Context, j assignment.Join) (assignment.Joined, error) {
	return w.Control.Join(ctx, runnerID, j)
}

func (w wire) Next(ctx context.Context, ask assignment.Ask) (*assignment.Assignment, error) {
	return w.Control.Next(ctx, runnerID, ask)
}

func (w wire) Answer(ctx context.Context, a assignment.Answer) error {
	return w.Control.AnswerAssignment(ctx, runnerID, a)
}

func (w wire) Deliver(ctx context.Context, d assignment.Delivery) (assignment.Delivered, error) {
	return w.Control.Deliver(ctx, runnerID, d)
}

func (w wire) Feed(ctx context.Context, l assignment.Listen) (assignment.Told, error) {
	return w.Control.Feed(ctx, runnerID, l)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func agentNamed(i int) writ.Principal {
	return writ.Principal{Kind: writ.KindAgent, Iss: issuer, Sub: fmt.Sprintf("agent-%d", i)}
}

var (
	alerts   = writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "alerts"}
	diagnose = writ.Principal{Kind: writ.KindAgent, Iss: issuer, Sub: "diagnose"}
	person   = writ.Principal{Kind: writ.KindHuman, Iss: issuer, Sub: "ann"}
)

// rules are the policies of serve --dev for one more plane, with texts replaced.
func rules(t *testing.T, l control.Library, replace map[string]string) *policy.Bundle {
	t.Helper()
	sources := map[string][]byte{}
	set := policies.Dev()
	must(t, fs.WalkDir(set, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || len(name) > 6 && name[:6] == "tests/" { // whose expectations are of the set as shipped
			return err
		}
		b, err := fs.ReadFile(set, name)
		for old, text := range replace {
			b = bytes.ReplaceAll(b, []byte(old), []byte(text))
		}
		b = bytes.ReplaceAll(b, []byte("entity Plane enum ["), []byte(`entity Plane enum ["lab", `))
		sources[name] = bytes.ReplaceAll(b, []byte("  compatible:\n"), []byte("  compatible:\n    - [lab/replica.restart, lab/workload.restart]\n"))
		return err
	}))
	v := policy.Vocabulary{Planes: []string{plane}, Operations: []writ.OperationName{restartOne, restartAll}, Readers: []writ.OperationName{status}}
	for name := range l {
		v.Playbooks = append(v.Playbooks, policy.Playbook{Name: name, Plane: plane})
	}
	b, err := policy.LoadSources(sources, v)
	must(t, err)
	return b
}

// start runs a control plane and a runner on the fleet until the test ends.
func start(t *testing.T, f *fleet, agents int, replace map[string]string) (*control.Control, *store.Store) {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	var log, self, run, owner ed25519.PrivateKey
	for _, to := range []*ed25519.PrivateKey{&log, &self, &run, &owner} {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		must(t, err)
		*to = key
	}
	state := filepath.Join(dir, "signer.state")
	must(t, signer.Create(state, origin, log))
	sign, err := signer.Open(state, origin, log)
	must(t, err)
	st, err := store.Open(ctx, store.Config{
		Path: filepath.Join(dir, "ledger.db"), BlobPath: filepath.Join(dir, "blobs.db"), Origin: origin, Signer: sign, Now: time.Now, Rand: rand.Reader,
	})
	must(t, err)
	author, err := ledger.NewAuthor(self)
	must(t, err)
	grantKey, err := token.NewKey(rand.Reader)
	must(t, err)
	dispatchKey, err := token.NewKey(rand.Reader)
	must(t, err)
	c := control.Config{
		Version: "siege", Store: st, Origin: origin, Issuer: issuer, PresentURL: issuer + "/v1/runs", Verifier: sign.Verifier(),
		Author: author, GrantKey: grantKey, DispatchKey: dispatchKey, Library: control.Library{},
		Services: catalogue.Catalogue{"api": {Name: "api", Owner: "siege", Environment: "prod", Locations: []writ.Location{target + "/api"}}},
		Targets:  []control.Target{{Location: target, Runner: runnerID, Catalogue: operations}},
		Runners:  map[writ.RunnerID]ed25519.PublicKey{runnerID: run.Public().(ed25519.PublicKey)},
		Agents:   []writ.Agent{{Name: "diagnose", Iss: issuer, Sub: "diagnose", Team: "observers", Owner: writ.Person{Iss: issuer, Sub: "ana"}, Roles: []writ.AgentRole{writ.RoleDiagnose}}},
		Roster:   approval.Roster{}, PlanLife: 15 * time.Minute, EvidenceLife: 10 * time.Minute, Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Limits: control.Limits{Attempts: many, ObjectAttempts: many},
	}
	for i := range agents {
		c.Agents = append(c.Agents, writ.Agent{
			Name: agentNamed(i).Sub, Iss: issuer, Sub: agentNamed(i).Sub, Team: "siege", Owner: writ.Person{Iss: issuer, Sub: fmt.Sprintf("owner-%d", i)}, Roles: []writ.AgentRole{writ.RoleRepair},
		})
	}
	for _, p := range playbooks {
		must(t, c.Library.Add([]byte(p)))
	}
	c.Policy = rules(t, c.Library, replace)
	ctl, err := control.New(c)
	must(t, err)
	must(t, ctl.Start(ctx))

	pem, err := token.MarshalPublic(&grantKey.PublicKey)
	must(t, err)
	trusted := trust.Trust{
		V: writ.FormatVersion, Version: 1, Runner: runnerID, Expires: writ.Instant(time.Now().Add(24 * time.Hour)), Issuer: issuer,
		GrantKeys: []trust.GrantKey{{Kid: token.KeyID(&grantKey.PublicKey), PEM: string(pem)}}, Presented: c.PresentURL,
		Control: []trust.Author{{Principal: writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "control"}, KeyID: author.KeyID, Public: self.Public().(ed25519.PublicKey)}},
		Log:     trust.Log{Origin: origin, VKey: sign.Verifier().String()},
		Ceiling: trust.Ceiling{
			MaxTier: writ.T1, HandleMaxTier: writ.T1, Targets: []writ.Location{target}, Operations: []writ.OperationName{restartOne, restartAll},
			MaxObjects: 1, MaxPermille: 1000, RunsPerHour: many, Quorum: map[writ.Tier]trust.Quorum{writ.T1: {}},
		},
	}
	for _, p := range c.Library {
		trusted.Playbooks = append(trusted.Playbooks, p.Ref())
	}
	file, err := trust.Sign(trusted, owner)
	must(t, err)
	hand, err := ledger.NewAuthor(run)
	must(t, err)
	j, err := journal.Open(ctx, filepath.Join(dir, "runner.db"))
	must(t, err)
	r, err := runner.New(runner.Config{
		ID: runnerID, Connectors: []connector.Connector{f}, Control: wire{ctl}, TrustFile: func() ([]byte, error) { return file, nil },
		Owners: []ed25519.PublicKey{owner.Public().(ed25519.PublicKey)}, Threshold: 1, Author: hand, Journal: j, Now: time.Now, Rand: rand.Reader,
		Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- r.Serve(serving) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, j.Close(), st.Close(), sign.Close()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return ctl, st
}

// TestD5TwoHundredRestartsNeverPassTheFloor: twenty agents ask for ten tier 1 restarts each, all at the same time, of a
// service of three replicas of which two must be ready. The same holds whether policy lets one change of a service run
// at a time, or lets all of them and only locks, or only floors, are left.
func TestD5TwoHundredRestartsNeverPassTheFloor(t *testing.T) {
	const agents, asks, tries = 20, 10, 5
	lifted := map[string]string{
		"context.concurrent < 1": "context.concurrent < 1000", "context.sameFixRepeated < 3": "context.sameFixRepeated < 1000", "context.failures < 1": "context.failures < 1000",
	}
	for name, x := range map[string]struct {
		locks   bool
		replace map[string]string
	}{
		"policy as shipped": {true, map[string]string{"context.sameFixRepeated < 3": "context.sameFixRepeated < 1000"}},
		"locks":             {true, lifted},
		"floors":            {false, lifted},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "floors" {
				t.Skip("one of three is enough for a quick look")
			}
			f := newFleet(x.locks)
			ctl, st := start(t, f, agents, x.replace)
			ctx := t.Context()
			labels := map[string]string{"service": "api", "environment": "prod", "severity": "critical", "alertname": "Siege"}
			in, err := ctl.Alert(ctx, alerts, writ.AlertGroup{GroupKey: "siege", Status: "firing", Common: labels, Alerts: []writ.Alert{{Fingerprint: "f", Name: "Siege", Status: "firing", StartsAt: time.Now(), Labels: labels}}})
			must(t, err)
			ev, _, err := ctl.Observe(ctx, diagnose, in.ID, status, target, nil)
			must(t, err)
			var ran, refused, busy atomic.Int64
			var all sync.WaitGroup
			for i := range agents {
				all.Go(func() {
					for n := range asks {
						ask := writ.Ask{Incident: in.ID, Playbook: "restart-replica", Parameters: writ.Parameters{"replica": writ.Int(int64((i + n) % replicas))}, Evidence: []writ.EvidenceID{ev.ID}}
						if (i+n)%7 == 0 {
							ask.Playbook, ask.Parameters = "restart-all", nil
						}
						p, err := ctl.Propose(ctx, agentNamed(i), ask)
						for range tries {
							if !errors.Is(err, writ.ErrBusy) {
								break
							}
							time.Sleep(rebirth / 2) // sooner than it was told to
							p, err = ctl.Propose(ctx, agentNamed(i), ask)
						}
						for err == nil && p.State == writ.PlanPlanning {
							p, err = ctl.Plan(ctx, agentNamed(i), p.ID, control.MaxWait)
						}
						switch {
						case errors.Is(err, writ.ErrBusy):
							busy.Add(1)
							continue
						case err != nil:
							t.Errorf("propose: %v", err)
							return
						case p.Run == "":
							switch p.Reason {
							case writ.ReasonBudget, writ.ReasonObjectBusy, writ.ReasonLimit:
								refused.Add(1)
							default:
								t.Errorf("the plan is %s: %s %s", p.State, p.Reason, p.Detail)
							}
							continue
						}
						for {
							r, err := ctl.Run(ctx, agentNamed(i), p.Run, control.MaxWait)
							if err != nil {
								t.Errorf("run: %v", err)
								return
							}
							if r.State.Final() {
								if r.State != writ.RunSucceeded && r.Reason != writ.ReasonBudget && r.Reason != writ.ReasonWorldMoved {
									t.Errorf("the run is %s: %s %s", r.State, r.Reason, r.Detail)
								}
								break
							}
						}
						ran.Add(1)
					}
				})
			}
			all.Wait()
			lowest, calls, twice := f.report()
			t.Logf("%d ran, %d were refused, %d were told to come again; %d calls, never fewer than %d ready", ran.Load(), refused.Load(), busy.Load(), calls, lowest)
			if lowest < floor {
				t.Errorf("only %d replicas were ready", lowest)
			}
			if ran.Load() == 0 || calls == 0 || int64(calls) > ran.Load() || ran.Load()+refused.Load()+busy.Load() != agents*asks {
				t.Error("nothing ran, or something is not accounted for")
			}
			if len(twice) > 0 {
				t.Errorf("executed twice: %v", twice)
			}
			must(t, st.View(ctx, func(tx *store.Tx) error {
				for _, table := range []store.Table{store.Reservations, store.Locks} {
					rows, err := tx.Find(table, store.Filter{})
					if err != nil {
						return err
					}
					if len(rows) > 0 {
						t.Errorf("%d rows of %s are left", len(rows), table)
					}
				}
				return nil
			}))
			if s, err := ctl.Status(ctx, person); err != nil || s.Running != 0 || s.Waiting != 0 {
				t.Errorf("%d runs, %d plans are left: %v", s.Running, s.Waiting, err)
			}
		})
	}
}
