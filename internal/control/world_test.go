package control_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/policies"
)

const (
	origin   = "writ.test/ledger"
	issuer   = "https://writ.test"
	idp      = "https://idp.test"
	target   = writ.Location("kubernetes://prod")
	runnerID = writ.RunnerID("spiffe://writ.test/runner/lab")
	otherID  = writ.RunnerID("spiffe://writ.test/runner/other")

	planLife     = 15 * time.Minute
	evidenceLife = 10 * time.Minute
)

var (
	source   = writ.Principal{Kind: writ.KindService, Iss: idp, Sub: "alertmanager"}
	diagnose = writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "diagnose"}
	repair   = writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "repair"}
	second   = writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "second"}
	asleep   = writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "asleep"}
)

func human(sub string) writ.Principal {
	return writ.Principal{Kind: writ.KindHuman, Iss: idp, Sub: sub}
}

// world is a control plane on a real store with real keys, one runner that the test scripts, and a clock that the test
// moves.
type world struct {
	t      testing.TB
	ctx    context.Context
	ctl    *control.Control
	store  *store.Store
	config control.Config
	vkey   string
	people map[string]ssh.Signer
	signer *cutSigner
	runner *fakeRunner
	other  ledger.Author // a runner that serves nothing
	offset atomic.Int64
	groups atomic.Int64
	logs   *bytes.Buffer
}

// begin is when every test begins: a fixed instant, so that only moving the clock makes time pass.
var begin = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)

func (w *world) now() time.Time {
	return begin.Add(time.Duration(w.offset.Load()))
}

func (w *world) pass(d time.Duration) { w.offset.Add(int64(d)) }

// newWorld starts a control plane with its runner. Changes are made to its configuration first.
func newWorld(t testing.TB, changes ...func(*control.Config)) *world {
	t.Helper()
	w := quietWorld(t, changes...)
	w.runner.start()
	return w
}

// quietWorld is newWorld without a runner that takes work: the test does.
func quietWorld(t testing.TB, changes ...func(*control.Config)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	w := &world{t: t, ctx: ctx, people: map[string]ssh.Signer{}, logs: &bytes.Buffer{}}
	dir := t.TempDir()
	_, logKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	must(t, signer.Create(filepath.Join(dir, "signer"), origin, logKey))
	sign, err := signer.Open(filepath.Join(dir, "signer"), origin, logKey)
	must(t, err)
	w.vkey, w.signer = sign.Verifier().String(), &cutSigner{Signer: sign}
	_, measured := t.(*testing.B)
	w.store, err = store.Open(ctx, store.Config{
		Prewrite: measured, Path: filepath.Join(dir, "ledger.db"), BlobPath: filepath.Join(dir, "blobs.db"), Origin: origin, Signer: w.signer, Now: w.now, Rand: rand.Reader,
	})
	must(t, err)
	grantKey, err := token.NewKey(rand.Reader)
	must(t, err)
	dispatchKey, err := token.NewKey(rand.Reader)
	must(t, err)
	lab := newAuthor(t)
	w.other = newAuthor(t)
	w.config = control.Config{
		Version: "test", Store: w.store, Origin: origin, Issuer: issuer, PresentURL: issuer + "/v1/runs", Verifier: sign.Verifier(),
		Author: newAuthor(t), GrantKey: grantKey, DispatchKey: dispatchKey, Library: library(t), Services: services(t),
		Targets: []control.Target{{Location: target, Runner: runnerID, Catalogue: plane}},
		Runners: map[writ.RunnerID]ed25519.PublicKey{runnerID: public(lab), otherID: public(w.other)},
		Agents: []writ.Agent{
			{Name: "diagnose", Iss: idp, Sub: "diagnose", Team: "observability", Owner: writ.Person{Iss: idp, Sub: "ana"}, Roles: []writ.AgentRole{writ.RoleDiagnose}},
			{Name: "repair", Iss: idp, Sub: "repair", Team: "checkout", Owner: writ.Person{Iss: idp, Sub: "rob"}, Roles: []writ.AgentRole{writ.RoleRepair}},
			{Name: "second", Iss: idp, Sub: "second", Team: "checkout", Owner: writ.Person{Iss: idp, Sub: "rob"}, Roles: []writ.AgentRole{writ.RoleRepair}},
			{Name: "asleep", Iss: idp, Sub: "asleep", Team: "checkout", Owner: writ.Person{Iss: idp, Sub: "rob"}, Roles: []writ.AgentRole{writ.RoleRepair}, State: writ.AgentSuspended},
		},
		Roster: approval.Roster{
			w.member("ann", "checkout"), w.member("bob", "checkout", "checkout-oncall"), w.member("carl", "search"),
			w.member("rob", "checkout"), w.member("ana", "checkout"),
		},
		PlanLife: planLife, EvidenceLife: evidenceLife, Now: w.now, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(w.logs, nil)),
	}
	w.config.Policy = loadPolicy(t, policies.Dev(), w.config.Library)
	for _, change := range changes {
		change(&w.config)
	}
	w.ctl, err = control.New(w.config)
	must(t, err)
	must(t, w.ctl.Start(ctx))
	w.runner = newRunner(w, lab)
	t.Cleanup(func() {
		cancel()
		w.runner.done.Wait()
		must(t, w.store.Close())
		must(t, sign.Close())
	})
	return w
}

func newAuthor(t testing.TB) ledger.Author {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	a, err := ledger.NewAuthor(key)
	must(t, err)
	return a
}

func public(a ledger.Author) ed25519.PublicKey { return a.Key.Public().(ed25519.PublicKey) }

func (w *world) member(sub string, groups ...string) approval.Member {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(w.t, err)
	s, err := ssh.NewSignerFromKey(key)
	must(w.t, err)
	w.people[sub] = s
	return approval.Member{Iss: idp, Sub: sub, Groups: groups, Keys: []string{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))}}
}

// group is one webhook of an alert group.
func group(key string, change ...func(*writ.AlertGroup)) writ.AlertGroup {
	labels := map[string]string{"service": "shop", "severity": "critical", "environment": "prod", "alertname": "ErrorRate"}
	g := writ.AlertGroup{GroupKey: key, Status: "firing", Common: labels, Alerts: []writ.Alert{
		{Fingerprint: "f1", Name: "ErrorRate", Status: "firing", StartsAt: begin, Labels: labels},
	}}
	for _, f := range change {
		f(&g)
	}
	return g
}

// incident opens one for a service.
func (w *world) incident(service string) writ.Incident {
	w.t.Helper()
	in, err := w.ctl.Alert(w.ctx, source, group(fmt.Sprintf("group-%d", w.groups.Add(1)), func(g *writ.AlertGroup) {
		g.Common["service"] = service
		g.Common["environment"] = w.config.Services[service].Environment
	}))
	must(w.t, err)
	return in
}

var workload = writ.Parameters{"kind": writ.String("deployment"), "namespace": writ.String("shop"), "name": writ.String("checkout")}

// observe has the workload's status read.
func (w *world) observe(by writ.Principal, in writ.IncidentID) writ.Evidence {
	w.t.Helper()
	ev, _, err := w.ctl.Observe(w.ctx, by, in, "kubernetes/workload.status", target, workload)
	must(w.t, err)
	return ev
}

func with(p writ.Parameters, name string, v writ.Value) writ.Parameters {
	out := writ.Parameters{name: v}
	for k, old := range p {
		if k != name {
			out[k] = old
		}
	}
	return out
}

// restartPause is restart-workload's cooldown.
const restartPause = 5 * time.Minute

// manyIncidents lifts the limit of open incidents, for tests that open many and are about something else.
func manyIncidents(c *control.Config) { c.Limits.OpenIncidents = 1000 }

// restart is an ask for a tier 1 repair, on evidence that another agent read.
func (w *world) restart(in writ.IncidentID) writ.Ask {
	w.t.Helper()
	return writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: workload, Evidence: []writ.EvidenceID{w.observe(diagnose, in).ID}, Because: "it leaks"}
}

// scale is an ask for a tier 2 repair.
func (w *world) scale(in writ.IncidentID) writ.Ask {
	a := w.restart(in)
	a.Playbook, a.Parameters = "scale-workload", with(workload, "replicas", writ.Int(3))
	return a
}

// propose asks and waits until the runner has resolved it.
func (w *world) propose(by writ.Principal, ask writ.Ask) writ.PlanStatus {
	w.t.Helper()
	s, err := w.ctl.Propose(w.ctx, by, ask)
	must(w.t, err)
	return w.settled(by, s.ID)
}

func (w *world) settled(by writ.Principal, id writ.PlanID) writ.PlanStatus {
	w.t.Helper()
	for deadline, wait := time.Now().Add(30*time.Second), time.Duration(0); time.Now().Before(deadline); wait = time.Second {
		s, err := w.ctl.Plan(w.ctx, by, id, wait)
		must(w.t, err)
		if s.State != writ.PlanPlanning {
			return s
		}
	}
	w.t.Fatalf("plan %s was not resolved", id)
	return writ.PlanStatus{}
}

// waiting is a tier 2 plan that waits for people.
func (w *world) waiting() writ.PlanStatus {
	w.t.Helper()
	s := w.propose(repair, w.scale(w.incident("shop").ID))
	if s.State != writ.PlanWaiting {
		w.t.Fatalf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	return s
}

// granted is a tier 1 plan whose run the test's runner holds.
func (w *world) granted() (writ.PlanStatus, *held) {
	w.t.Helper()
	s := w.propose(repair, w.restart(w.incident("shop").ID))
	if s.State != writ.PlanGranted {
		w.t.Fatalf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	return s, w.runner.take()
}

// statement is what a person is about to sign for a plan.
func (w *world) statement(id writ.PlanID, sub, slot string, answer writ.Answer) writ.ApprovalStatement {
	w.t.Helper()
	s, err := w.ctl.Plan(w.ctx, human(sub), id, 0)
	must(w.t, err)
	nonce, err := ident.Nonce(rand.Reader)
	must(w.t, err)
	st, err := approval.New(*s.Plan, s.Digest, approval.Ask{
		Answer: answer, Person: writ.Person{Iss: idp, Sub: sub}, Slot: slot, Now: w.now(), Life: 10 * time.Minute, Nonce: nonce,
	})
	must(w.t, err)
	st.Tier = s.Tier()
	return st
}

// answer signs a statement with a person's key and sends it as that person.
func (w *world) answer(id writ.PlanID, st writ.ApprovalStatement, sub string) (writ.PlanStatus, error) {
	w.t.Helper()
	return w.answerAs(human(sub), id, st, sub)
}

func (w *world) answerAs(by writ.Principal, id writ.PlanID, st writ.ApprovalStatement, key string) (writ.PlanStatus, error) {
	w.t.Helper()
	b, sig := w.signed(st, key)
	return w.ctl.Answer(w.ctx, by, id, b, sig, "looks right")
}

// signed is a statement's bytes with a person's signature.
func (w *world) signed(st writ.ApprovalStatement, key string) (b []byte, sig string) {
	w.t.Helper()
	b, err := st.Bytes()
	must(w.t, err)
	sig, err = approval.Sign(b, w.people[key], rand.Reader)
	must(w.t, err)
	return b, sig
}

func (w *world) approve(id writ.PlanID, sub, slot string) (writ.PlanStatus, error) {
	w.t.Helper()
	return w.answer(id, w.statement(id, sub, slot, writ.Approve), sub)
}

// entries returns all of the ledger, opened.
func (w *world) entries() []ledger.Entry {
	w.t.Helper()
	var out []ledger.Entry
	for _, l := range w.leaves() {
		e, err := ledger.Open(l)
		must(w.t, err)
		out = append(out, e)
	}
	return out
}

func (w *world) leaves() [][]byte {
	w.t.Helper()
	var out [][]byte
	must(w.t, w.store.View(w.ctx, func(tx *store.Tx) error {
		for int64(len(out)) < tx.Head() {
			some, err := tx.Leaves(int64(len(out)), 500)
			if err != nil {
				return err
			}
			out = append(out, some...)
		}
		return nil
	}))
	return out
}

// count says how many entries of a kind there are.
func (w *world) count(kind writ.EntryKind) int {
	n := 0
	for _, e := range w.entries() {
		if e.Record.Kind == kind {
			n++
		}
	}
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless err is a refusal with this code.
func refused(t testing.TB, err error, want writ.Reason) {
	t.Helper()
	if err == nil || writ.ReasonOf(err) != want {
		t.Errorf("got %v, want a refusal with code %s", err, want)
	}
}

// grantKeys are what a runner pins.
func (w *world) grantKeys() map[string]*ecdsa.PublicKey {
	return map[string]*ecdsa.PublicKey{token.KeyID(&w.config.GrantKey.PublicKey): &w.config.GrantKey.PublicKey}
}
