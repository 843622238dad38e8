package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/api"
)

const (
	ulid      = "01JDB4A2Q7N5S3J8E6X0F4G1MB"
	planID    = writ.PlanID("pln_" + ulid)
	runID     = writ.RunID("run_" + ulid)
	incident  = writ.IncidentID("inc_" + ulid)
	evidence  = writ.EvidenceID("ev_" + ulid)
	freezeID  = writ.FreezeID("frz_" + ulid)
	handOffID = writ.HandOffID("hnd_" + ulid)
	runner    = writ.RunnerID("spiffe://corp.example/runner/prod-eu1")
)

var (
	at     = time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)
	digest = writ.DigestOf([]byte("plan"))
	human  = writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.example", Sub: "u-4821"}
)

// fake is a control plane with one plan, whose state each question moves on, and a log of calls.
type fake struct {
	mu     sync.Mutex
	calls  []string
	errs   []error // given out one by one before anything succeeds
	states []writ.PlanState
	runs   []writ.RunState
	events []writ.Event
	keys   map[string]bool
	proofs []string // of the grants that were presented
}

func (f *fake) called(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	if len(f.errs) == 0 {
		return nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return err
}

func first[S any](f *fake, states *[]S) S {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := (*states)[0]
	if len(*states) > 1 {
		*states = (*states)[1:]
	}
	return s
}

func (f *fake) plan(state writ.PlanState) writ.PlanStatus {
	return writ.PlanStatus{ID: planID, Incident: incident, State: state, Service: "payments", Environment: "prod", Requester: human,
		Playbook:   writ.PlaybookRef{Name: "rollback", Version: 5, Digest: writ.DigestOf([]byte("playbook"))},
		Parameters: writ.Parameters{"replicas": writ.Int(3), "name": writ.String("api"), "force": writ.Bool(true)},
		Digest:     digest, Bytes: []byte("{}"), CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
}

func (f *fake) run(state writ.RunState) writ.RunStatus {
	return writ.RunStatus{Run: writ.Run{ID: runID, Plan: planID, Incident: incident, Grant: "gnt_" + ulid, Runner: runner, State: state}, Title: "Roll back"}
}

func (f *fake) reading() writ.Evidence {
	return writ.Evidence{ID: evidence, Incident: incident, AskedBy: human, Reader: runner, At: at, Size: 7,
		Query:      writ.Query{Reader: "kubernetes/workload.status", Target: "kubernetes://prod-eu1", With: writ.Parameters{"name": writ.String("api")}},
		Commitment: writ.Commit([32]byte{1}, "evidence", nil), Facts: writ.Observation{"ready": writ.Int(6)}}
}

func (f *fake) freeze() writ.Freeze {
	return writ.Freeze{ID: freezeID, Scope: writ.FreezeService, Value: "payments", Reason: "drill", By: human, At: at}
}

func (f *fake) Playbooks(_ context.Context, _ writ.Principal, service string) ([]writ.PlaybookSummary, error) {
	return []writ.PlaybookSummary{{PlaybookRef: f.plan("").Playbook, Title: "Roll back", Tier: writ.T2}}, f.called("playbooks %s", service)
}

func (f *fake) Playbook(_ context.Context, _ writ.Principal, name string) (writ.PlaybookText, error) {
	return writ.PlaybookText{PlaybookSummary: writ.PlaybookSummary{PlaybookRef: f.plan("").Playbook, Tier: writ.T2}, Text: "words"}, f.called("playbook %s", name)
}

func (f *fake) Observe(_ context.Context, _ writ.Principal, i writ.IncidentID, r writ.OperationName, t writ.Location, with writ.Parameters) (writ.Evidence, []byte, error) {
	return f.reading(), []byte("ready 6"), f.called("observe %s %s %s %v", i, r, t, with)
}

func (f *fake) Evidence(_ context.Context, _ writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error) {
	return f.reading(), []byte("ready 6"), f.called("evidence %s", id)
}

func (f *fake) OpenedEvidence(_ context.Context, _ writ.Principal, id writ.EvidenceID) (writ.EvidenceContent, error) {
	return writ.EvidenceContent{Evidence: f.reading(), Bytes: []byte("ready 6"), Salt: []byte("salt")}, f.called("opened %s", id)
}

func (f *fake) Propose(_ context.Context, _ writ.Principal, a writ.Ask) (writ.PlanStatus, error) {
	return f.plan(writ.PlanPlanning), f.called("propose %s %s %v %v %s", a.Incident, a.Playbook, a.Parameters, a.Evidence, a.Because)
}

func (f *fake) Plan(_ context.Context, _ writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error) {
	if err := f.called("plan %s %v", id, wait); err != nil {
		return writ.PlanStatus{}, err
	}
	return f.plan(first(f, &f.states)), nil
}

func (f *fake) Plans(_ context.Context, _ writ.Principal, q writ.PlanFilter) ([]writ.PlanStatus, string, error) {
	next := map[string]string{"": "second", "second": "third"}[q.Cursor]
	return []writ.PlanStatus{f.plan(writ.PlanWaiting), f.plan(writ.PlanDone)}, next, f.called("plans %s %s %d %s", q.State, q.Incident, q.Limit, q.Cursor)
}

func (f *fake) Withdraw(_ context.Context, _ writ.Principal, id writ.PlanID, because string) (writ.PlanStatus, error) {
	return f.plan(writ.PlanWithdrawn), f.called("withdraw %s %s", id, because)
}

func (f *fake) Answer(_ context.Context, _ writ.Principal, id writ.PlanID, statement []byte, signature, reason string) (writ.PlanStatus, error) {
	return f.plan(writ.PlanGranted), f.called("answer %s %s %s %s", id, statement, signature, reason)
}

func (f *fake) Run(_ context.Context, _ writ.Principal, id writ.RunID, wait time.Duration) (writ.RunStatus, error) {
	if err := f.called("run %s %v", id, wait); err != nil {
		return writ.RunStatus{}, err
	}
	return f.run(first(f, &f.runs)), nil
}

func (f *fake) Runs(_ context.Context, _ writ.Principal, q writ.RunFilter) ([]writ.RunStatus, string, error) {
	return []writ.RunStatus{f.run(writ.RunRunning)}, "", f.called("runs %s %s %s %d", q.State, q.Incident, q.Plan, q.Limit)
}

func (f *fake) Present(_ context.Context, _ writ.Principal, grant, proof string) (writ.RunStatus, error) {
	f.mu.Lock()
	f.proofs = append(f.proofs, proof)
	f.mu.Unlock()
	return f.run(writ.RunGranted), f.called("present %s", grant)
}

func (f *fake) Settle(_ context.Context, _ writ.Principal, id writ.RunID, step int, as writ.Effect, reason string) (writ.RunStatus, error) {
	return f.run(writ.RunUncertain), f.called("settle %s %d %s %s", id, step, as, reason)
}

func (f *fake) Undo(_ context.Context, _ writ.Principal, id writ.IncidentID, ask writ.UndoAsk) (writ.Undo, error) {
	return writ.Undo{Incident: id, State: writ.UndoOpen}, f.called("undo %s %s %s", id, ask.Run, ask.Because)
}

func (f *fake) Stop(_ context.Context, _ writ.Principal, id writ.RunID, because string) (writ.RunStatus, error) {
	return f.run(writ.RunRunning), f.called("stop %s %s", id, because)
}

func (f *fake) Incidents(_ context.Context, _ writ.Principal, q writ.IncidentFilter) ([]writ.Incident, string, error) {
	return []writ.Incident{{ID: incident, OpenedAt: at}}, "", f.called("incidents %s %s %d", q.State, q.Service, q.Limit)
}

func (f *fake) Incident(_ context.Context, _ writ.Principal, id writ.IncidentID) (writ.IncidentStatus, error) {
	return writ.IncidentStatus{Incident: writ.Incident{ID: id, OpenedAt: at}}, f.called("incident %s", id)
}

func (f *fake) Alert(_ context.Context, _ writ.Principal, g writ.AlertGroup) (writ.Incident, error) {
	return writ.Incident{ID: incident, GroupKey: g.GroupKey}, f.called("alert %s", g.GroupKey)
}

func (f *fake) Freeze(_ context.Context, _ writ.Principal, scope writ.FreezeScope, value, reason string) (writ.Freeze, error) {
	return f.freeze(), f.called("freeze %s %s %s", scope, value, reason)
}

func (f *fake) Unfreeze(_ context.Context, _ writ.Principal, id writ.FreezeID, reason string) (writ.Freeze, error) {
	return f.freeze(), f.called("unfreeze %s %s", id, reason)
}

func (f *fake) Freezes(context.Context, writ.Principal) ([]writ.Freeze, error) {
	return []writ.Freeze{f.freeze()}, f.called("freezes")
}

func (f *fake) Sessions(_ context.Context, _ writ.Principal, all bool) ([]writ.Session, error) {
	return []writ.Session{{ID: sessionID}}, f.called("sessions all=%t", all)
}

const someRunner = writ.RunnerID("spiffe://writ.example/runner/prod-eu1")

func (f *fake) InviteRunner(_ context.Context, _ writ.Principal, name string) (writ.RunnerInvitation, error) {
	return writ.RunnerInvitation{Runner: someRunner, Code: "code"}, f.called("invite runner %s", name)
}

func (f *fake) RunnerKeys(context.Context, writ.Principal) ([]writ.RunnerKey, error) {
	return []writ.RunnerKey{{Runner: someRunner, Key: "sha256:1"}}, f.called("runner keys")
}

func (f *fake) RemoveRunner(_ context.Context, _ writ.Principal, name, key, reason string) ([]writ.RunnerKey, error) {
	return []writ.RunnerKey{{Runner: someRunner, Key: key}}, f.called("remove runner %s %s %s", name, key, reason)
}

func (f *fake) RevokeSession(_ context.Context, _ writ.Principal, id writ.SessionID) (writ.Session, error) {
	return writ.Session{ID: id}, f.called("revoke %s", id)
}

const sessionID = writ.SessionID("ses_01JDB4ZK4E8Q6W2N7M5T9V3XCA")

func (f *fake) Events(_ context.Context, _ writ.Principal, from int64, limit int, _ writ.IncidentID) ([]writ.Event, error) {
	if err := f.called("events %d", from); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []writ.Event
	for _, e := range f.events {
		if e.Index >= from && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, nil
}

func (f *fake) Entries(_ context.Context, _ writ.Principal, from int64, limit int) ([]writ.Entry, []byte, error) {
	return []writ.Entry{{Index: from, Leaf: []byte("leaf")}}, []byte("note"), f.called("entries %d %d", from, limit)
}

func (f *fake) Export(_ context.Context, _ writ.Principal, i writ.IncidentID) ([]byte, error) {
	return []byte("bundle\x00"), f.called("export %s", i)
}

func (f *fake) Status(context.Context, writ.Principal) (writ.Status, error) {
	return writ.Status{Version: "test", LedgerSize: 7, Policy: digest}, f.called("status")
}

func (f *fake) Begin(_ context.Context, _ writ.Principal, key string, _ writ.Digest) ([]byte, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[key] = true
	return nil, false, nil
}

func (f *fake) Finish(context.Context, writ.Principal, string, int, []byte) error { return nil }

// Principal takes any bearer of "token" for a person, of "agent" for an agent, and of "source" for an alert source.
func (f *fake) Principal(_ context.Context, r *http.Request) (writ.Principal, error) {
	switch r.Header.Get("Authorization") {
	case "Bearer token":
		return human, nil
	case "Bearer agent":
		return f.agent().Principal(), nil
	case "Bearer source":
		return writ.Principal{Kind: writ.KindService, Iss: human.Iss, Sub: "am"}, nil
	}
	return writ.Principal{}, writ.ErrUnknownUser
}

func (f *fake) log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.calls...)
}

// start serves the real API over f and returns a person's client of it. wrap, if not nil, stands between them.
func start(t *testing.T, f *fake, wrap func(http.Handler) http.Handler) *client.Client {
	t.Helper()
	return startAs(t, f, wrap, client.Config{Token: client.Static("token")})
}

func startAs(t *testing.T, f *fake, wrap func(http.Handler) http.Handler, config client.Config) *client.Client {
	t.Helper()
	f.keys = map[string]bool{}
	h, err := api.Handler(api.Config{Auth: f, Playbooks: f, Readings: f, Proposals: f, Approvals: f, Runs: f, Presents: f, Incidents: f, Alerts: f,
		Freezes: f, Agents: f, HandOffs: f, Ledger: f, Overview: f, Idempotency: f, Sessions: f, Fleet: f, BreakGlass: f, Passkeys: f, Assertions: f, Recalls: f, OnCall: f, Policies: f, PolicyAnswers: f, Simulations: f, Autonomy: f, Reviews: f, Reports: f, ExternalURL: "https://writ.example", Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL+"/", config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fake) agent() writ.Agent {
	return writ.Agent{Name: "repair", Iss: "https://idp.example", Sub: "repair", Team: "payments", Owner: writ.Person{Iss: "https://idp.example", Sub: "ana"}, Roles: []writ.AgentRole{writ.RoleRepair}, State: writ.AgentActive}
}

func (f *fake) Agents(context.Context, writ.Principal) ([]writ.Agent, error) {
	return []writ.Agent{f.agent()}, f.called("agents")
}

func (f *fake) Agent(_ context.Context, _ writ.Principal, name string) (writ.Agent, error) {
	return f.agent(), f.called("agent %s", name)
}

func (f *fake) AddAgent(_ context.Context, _ writ.Principal, a writ.Agent) (writ.Agent, error) {
	return f.agent(), f.called("add %s %s %s %s %v %v", a.Name, a.Iss, a.Sub, a.Team, a.Roles, a.Classes)
}

func (f *fake) SetAgent(_ context.Context, _ writ.Principal, name string, to writ.AgentState, reason string) (writ.Agent, error) {
	return f.agent(), f.called("%s %s %s", to, name, reason)
}

func (f *fake) RotateAgent(_ context.Context, _ writ.Principal, name, iss, sub, reason string) (writ.Agent, error) {
	return f.agent(), f.called("rotate %s %s %s %s", name, iss, sub, reason)
}

func (f *fake) handOff() writ.HandOffStatus {
	return writ.HandOffStatus{HandOff: writ.HandOff{V: 1, ID: handOffID, Incident: incident, From: human, To: human, Lineage: []writ.Principal{human}, Playbooks: []string{"rollback-deployment"}, MaxTier: 1}, State: writ.HandOffOpen}
}

func (f *fake) HandOff(_ context.Context, _ writ.Principal, ask writ.HandOffAsk) (writ.HandOffStatus, error) {
	return f.handOff(), f.called("hand off %v", ask)
}

func (f *fake) HandedOff(_ context.Context, _ writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	return f.handOff(), f.called("handed off %s", id)
}

func (f *fake) HandOffs(_ context.Context, _ writ.Principal, in writ.IncidentID) ([]writ.HandOffStatus, error) {
	return []writ.HandOffStatus{f.handOff()}, f.called("hand-offs %s", in)
}

func (f *fake) RevokeHandOff(_ context.Context, _ writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	return f.handOff(), f.called("revoke %s", id)
}

func (f *fake) TestNotice(_ context.Context, by writ.Principal, channel string) (writ.NoticeTrial, error) {
	return writ.NoticeTrial{Notice: "ntc_" + ulid, Channel: channel, By: by, State: writ.NoticeQueued, At: at}, f.called("test %s", channel)
}

func (f *fake) AddNote(_ context.Context, by writ.Principal, id writ.IncidentID, text string) (writ.Note, error) {
	return writ.Note{Index: 7, By: by, At: at, Text: text}, f.called("note %s %s", id, text)
}

func (f *fake) AskEvidence(_ context.Context, _ writ.Principal, id writ.PlanID, text string) (writ.PlanStatus, error) {
	return f.plan(writ.PlanWaiting), f.called("ask evidence %s %s", id, text)
}

func (f *fake) PlaybookVersions(_ context.Context, _ writ.Principal, name string) ([]writ.PlaybookVersion, error) {
	return []writ.PlaybookVersion{{PlaybookRef: writ.PlaybookRef{Name: "rollback", Version: 2, Digest: digest}, Since: at, Source: "v: 1\nname: rollback-deployment\n"}, {PlaybookRef: writ.PlaybookRef{Name: name, Version: 1, Digest: digest}, Since: at, Source: "v: 1\nname: rollback\n"}}, f.called("versions %s", name)
}

func (f *fake) RetirePlaybook(_ context.Context, _ writ.Principal, name, reason string) (writ.PlaybookSummary, error) {
	return writ.PlaybookSummary{PlaybookRef: writ.PlaybookRef{Name: "rollback", Version: 2, Digest: digest}}, f.called("retire %s %s", name, reason)
}

func (f *fake) SearchLedger(_ context.Context, _ writ.Principal, q writ.EntryFilter) ([]writ.Event, string, error) {
	return []writ.Event{{Index: 1, Time: at, Kind: writ.EntryGenesis, Summary: "ledger begins", OK: true}}, "", f.called("search %s %s %s", q.Kind, q.Incident, q.Actor)
}
