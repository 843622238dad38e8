package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
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
	sessionID = writ.SessionID("ses_" + ulid)
)

var (
	digest = writ.DigestOf([]byte("plan"))
	at     = time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)
	agent  = writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.example", Sub: "repair"}
	human  = writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.example", Sub: "u-4821"}
	source = writ.Principal{Kind: writ.KindService, Iss: "https://idp.example", Sub: "alertmanager"}
)

// fake is a control plane that answers with fixed objects and remembers what it was asked.
type fake struct {
	mu       sync.Mutex
	calls    []string
	denied   []string
	err      error         // answered to everything, if set
	slow     time.Duration // how long Observe takes
	panics   bool
	group    writ.AlertGroup
	ask      writ.Ask
	wait     time.Duration
	events   []writ.Event
	kept     map[string]*keptCall
	playbook writ.PlaybookRef
}

type keptCall struct {
	call   writ.Digest
	answer []byte
	done   bool
}

func newFake() *fake {
	return &fake{kept: map[string]*keptCall{}, playbook: writ.PlaybookRef{Name: "rollback-deployment", Version: 5, Digest: writ.DigestOf([]byte("playbook"))}}
}

func (f *fake) called(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, what)
	return f.err
}

func (f *fake) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == what {
			n++
		}
	}
	return n
}

func (f *fake) plan() writ.PlanStatus {
	return writ.PlanStatus{ID: planID, Incident: incident, State: writ.PlanWaiting, Service: "payments", Environment: "prod",
		Playbook: f.playbook, Parameters: writ.Parameters{"replicas": writ.Int(3)}, Requester: agent, Digest: digest, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
}

func (f *fake) run() writ.RunStatus {
	return writ.RunStatus{Run: writ.Run{ID: runID, Plan: planID, Incident: incident, Grant: "gnt_" + ulid, Runner: "spiffe://corp.example/runner/prod-eu1", State: writ.RunRunning}, Title: "Roll back"}
}

func (f *fake) reading() writ.Evidence {
	return writ.Evidence{ID: evidence, Incident: incident, AskedBy: agent, Reader: "spiffe://corp.example/runner/prod-eu1",
		Query: writ.Query{Reader: "kubernetes/workload.status", Target: "kubernetes://prod-eu1"}, At: at,
		Commitment: writ.Commit([32]byte{1}, "evidence", nil), Facts: writ.Observation{"ready": writ.Int(6)}}
}

func (f *fake) freeze() writ.Freeze {
	return writ.Freeze{ID: freezeID, Scope: writ.FreezeAll, Reason: "because", By: human, At: at}
}

func (f *fake) Playbooks(context.Context, writ.Principal, string) ([]writ.PlaybookSummary, error) {
	return []writ.PlaybookSummary{{PlaybookRef: f.playbook, Title: "Roll back", Owner: "payments", Plane: "kubernetes", Tier: writ.T1}}, f.called("playbooks")
}

func (f *fake) Playbook(context.Context, writ.Principal, string) (writ.PlaybookText, error) {
	return writ.PlaybookText{PlaybookSummary: writ.PlaybookSummary{PlaybookRef: f.playbook, Tier: writ.T1}, Text: "…"}, f.called("playbook")
}

func (f *fake) Observe(ctx context.Context, _ writ.Principal, _ writ.IncidentID, _ writ.OperationName, _ writ.Location, _ writ.Parameters) (writ.Evidence, []byte, error) {
	select {
	case <-ctx.Done():
		return writ.Evidence{}, nil, ctx.Err()
	case <-time.After(f.slow):
	}
	return f.reading(), []byte("ready 6"), f.called("observe")
}

func (f *fake) Evidence(context.Context, writ.Principal, writ.EvidenceID) (writ.Evidence, []byte, error) {
	return f.reading(), []byte("ready 6"), f.called("evidence")
}

func (f *fake) OpenedEvidence(context.Context, writ.Principal, writ.EvidenceID) (writ.EvidenceContent, error) {
	return writ.EvidenceContent{Evidence: f.reading(), Bytes: []byte("ready 6"), Salt: make([]byte, writ.SaltSize)}, f.called("opened")
}

func (f *fake) Propose(_ context.Context, _ writ.Principal, ask writ.Ask) (writ.PlanStatus, error) {
	if f.panics {
		panic("in propose")
	}
	f.ask = ask
	return f.plan(), f.called("propose")
}

func (f *fake) Plan(_ context.Context, _ writ.Principal, _ writ.PlanID, wait time.Duration) (writ.PlanStatus, error) {
	f.wait = wait
	return f.plan(), f.called("plan")
}

func (f *fake) Plans(_ context.Context, _ writ.Principal, q writ.PlanFilter) ([]writ.PlanStatus, string, error) {
	return []writ.PlanStatus{f.plan()}, "more", f.called(fmt.Sprintf("plans %s %s %d %s", q.State, q.Incident, q.Limit, q.Cursor))
}

func (f *fake) Withdraw(context.Context, writ.Principal, writ.PlanID, string) (writ.PlanStatus, error) {
	return f.plan(), f.called("withdraw")
}

func (f *fake) Answer(_ context.Context, _ writ.Principal, _ writ.PlanID, statement []byte, signature, reason string) (writ.PlanStatus, error) {
	return f.plan(), f.called(fmt.Sprintf("answer %s %s %s", statement, signature, reason))
}

func (f *fake) Run(_ context.Context, _ writ.Principal, _ writ.RunID, wait time.Duration) (writ.RunStatus, error) {
	f.wait = wait
	return f.run(), f.called("run")
}

func (f *fake) Runs(context.Context, writ.Principal, writ.RunFilter) ([]writ.RunStatus, string, error) {
	return nil, "", f.called("runs")
}

func (f *fake) Stop(context.Context, writ.Principal, writ.RunID, string) (writ.RunStatus, error) {
	return f.run(), f.called("stop")
}

func (f *fake) Present(_ context.Context, _ writ.Principal, grant, proof string) (writ.RunStatus, error) {
	return f.run(), f.called("present " + grant + " " + proof)
}

func (f *fake) Settle(_ context.Context, _ writ.Principal, _ writ.RunID, step int, as writ.Effect, reason string) (writ.RunStatus, error) {
	return f.run(), f.called(fmt.Sprintf("settle %d %s %s", step, as, reason))
}

func (f *fake) Undo(_ context.Context, _ writ.Principal, id writ.IncidentID, ask writ.UndoAsk) (writ.Undo, error) {
	return writ.Undo{Incident: id, State: writ.UndoOpen, By: human, At: at, Runs: []writ.UndoneRun{{Run: runID, Title: "Roll back", Plan: planID, State: writ.PlanPlanning}}},
		f.called(fmt.Sprintf("undo %s %s", ask.Run, ask.Because))
}

func (f *fake) Incidents(context.Context, writ.Principal, writ.IncidentFilter) ([]writ.Incident, string, error) {
	return []writ.Incident{{ID: incident}}, "", f.called("incidents")
}

func (f *fake) Incident(context.Context, writ.Principal, writ.IncidentID) (writ.IncidentStatus, error) {
	return writ.IncidentStatus{Incident: writ.Incident{ID: incident}}, f.called("incident")
}

func (f *fake) Alert(_ context.Context, _ writ.Principal, g writ.AlertGroup) (writ.Incident, error) {
	f.group = g
	return writ.Incident{ID: incident, GroupKey: g.GroupKey}, f.called("alert")
}

func (f *fake) Freeze(context.Context, writ.Principal, writ.FreezeScope, string, string) (writ.Freeze, error) {
	return f.freeze(), f.called("freeze")
}

func (f *fake) Unfreeze(context.Context, writ.Principal, writ.FreezeID, string) (writ.Freeze, error) {
	return f.freeze(), f.called("unfreeze")
}

func (f *fake) Freezes(context.Context, writ.Principal) ([]writ.Freeze, error) {
	return []writ.Freeze{f.freeze()}, f.called("freezes")
}

func (f *fake) Events(_ context.Context, _ writ.Principal, from int64, limit int, _ writ.IncidentID) ([]writ.Event, error) {
	err := f.called(fmt.Sprintf("events %d", from))
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []writ.Event
	for _, e := range f.events {
		if e.Index >= from && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, err
}

func (f *fake) Entries(context.Context, writ.Principal, int64, int) ([]writ.Entry, []byte, error) {
	return []writ.Entry{{Index: 7, Leaf: []byte("leaf")}}, []byte("note"), f.called("entries")
}

func (f *fake) Export(context.Context, writ.Principal, writ.IncidentID) ([]byte, error) {
	return []byte("bundle"), f.called("export")
}

func (f *fake) Status(context.Context, writ.Principal) (writ.Status, error) {
	return writ.Status{Version: "test", Policy: digest}, f.called("status")
}

func (f *fake) Denied(_ context.Context, what string, by writ.Principal, reason writ.Reason, plan writ.PlanID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied = append(f.denied, fmt.Sprintf("%s %s %s %s", what, by, reason, plan))
}

func (f *fake) Begin(_ context.Context, by writ.Principal, key string, call writ.Digest) ([]byte, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.kept[by.String()+key]
	switch {
	case k == nil:
		f.kept[by.String()+key] = &keptCall{call: call}
		return nil, false, nil
	case !k.call.Equal(call):
		return nil, false, &writ.Refusal{Code: writ.ReasonIdempotency, Detail: "this key was used for another call", Kind: writ.ErrInvalid}
	case !k.done:
		return nil, false, writ.ErrBusy
	}
	return k.answer, true, nil
}

func (f *fake) Finish(_ context.Context, by writ.Principal, key string, status int, answer []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if status/100 != 2 {
		delete(f.kept, by.String()+key)
		return nil
	}
	f.kept[by.String()+key].answer, f.kept[by.String()+key].done = answer, true
	return nil
}

func (f *fake) Sessions(_ context.Context, _ writ.Principal, all bool) ([]writ.Session, error) {
	return []writ.Session{{ID: sessionID, Person: writ.Person{Iss: human.Iss, Sub: human.Sub}, Way: "browser", Since: at, Seen: at, Expires: at}}, f.called(fmt.Sprintf("sessions all=%t", all))
}

func (f *fake) RevokeSession(_ context.Context, _ writ.Principal, id writ.SessionID) (writ.Session, error) {
	return writ.Session{ID: id, Person: writ.Person{Iss: human.Iss, Sub: human.Sub}, Way: "browser", Since: at, Seen: at, Expires: at}, f.called("revoke")
}

// Principal takes the words agent, human and source for tokens.
func (f *fake) Principal(_ context.Context, r *http.Request) (writ.Principal, error) {
	switch r.Header.Get("Authorization") {
	case "Bearer agent":
		return agent, nil
	case "Bearer human":
		return human, nil
	case "Bearer source":
		return source, nil
	}
	return writ.Principal{}, writ.ErrUnknownUser
}

func config(f *fake) api.Config {
	return api.Config{Auth: f, Playbooks: f, Readings: f, Proposals: f, Approvals: f, Runs: f, Presents: f, Incidents: f, Alerts: f, Freezes: f, Agents: f, HandOffs: f,
		Ledger: f, Overview: f, Idempotency: f, Denials: f, Sessions: f, Fleet: f, Upstreams: f, BreakGlass: f, Passkeys: f, Assertions: f, Recalls: f, OnCall: f, Policies: f, PolicyAnswers: f, Simulations: f, Autonomy: f, Reviews: f, Reports: f, ExternalURL: "https://writ.example", Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

func handler(t testing.TB, f *fake) http.Handler {
	t.Helper()
	h, err := api.Handler(config(f))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// request is one call: headers are "Name: value" lines.
func request(h http.Handler, who, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, b)
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func logged(f *fake) (api.Config, *bytes.Buffer) {
	var b bytes.Buffer
	c := config(f)
	c.Log = slog.New(slog.NewTextHandler(&b, nil))
	return c, &b
}

func (f *fake) agent() writ.Agent {
	return writ.Agent{Name: "repair", Iss: "https://idp.example", Sub: "repair", Team: "payments", Owner: writ.Person{Iss: "https://idp.example", Sub: "ana"}, Roles: []writ.AgentRole{writ.RoleRepair}, State: writ.AgentActive}
}

func (f *fake) Agents(context.Context, writ.Principal) ([]writ.Agent, error) {
	return []writ.Agent{f.agent()}, f.called("agents")
}

func (f *fake) Agent(_ context.Context, _ writ.Principal, name string) (writ.Agent, error) {
	return f.agent(), f.called("agent " + name)
}

func (f *fake) AddAgent(_ context.Context, _ writ.Principal, a writ.Agent) (writ.Agent, error) {
	return f.agent(), f.called(fmt.Sprint("add ", a.Name, a.Iss, a.Sub, a.Team, a.Roles, a.Classes))
}

func (f *fake) SetAgent(_ context.Context, _ writ.Principal, name string, to writ.AgentState, reason string) (writ.Agent, error) {
	return f.agent(), f.called(fmt.Sprint(to, " ", name, " ", reason))
}

func (f *fake) RotateAgent(_ context.Context, _ writ.Principal, name, iss, sub, reason string) (writ.Agent, error) {
	return f.agent(), f.called(fmt.Sprint("rotate ", name, " ", iss, " ", sub, " ", reason))
}

func (f *fake) handOff() writ.HandOffStatus {
	return writ.HandOffStatus{HandOff: writ.HandOff{V: 1, ID: handOffID, Incident: incident, From: agent, To: agent, Lineage: []writ.Principal{agent}, Playbooks: []string{"rollback-deployment"}, MaxTier: 1}, State: writ.HandOffOpen}
}

func (f *fake) HandOff(_ context.Context, _ writ.Principal, ask writ.HandOffAsk) (writ.HandOffStatus, error) {
	return f.handOff(), f.called(fmt.Sprint("hand off ", ask))
}

func (f *fake) HandedOff(_ context.Context, _ writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	return f.handOff(), f.called("handed off " + string(id))
}

func (f *fake) HandOffs(_ context.Context, _ writ.Principal, in writ.IncidentID) ([]writ.HandOffStatus, error) {
	return []writ.HandOffStatus{f.handOff()}, f.called("hand-offs " + string(in))
}

func (f *fake) RevokeHandOff(_ context.Context, _ writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	return f.handOff(), f.called("revoke " + string(id))
}

const someRunner = writ.RunnerID("spiffe://writ.example/runner/prod-eu1")

func (f *fake) InviteRunner(_ context.Context, _ writ.Principal, name string) (writ.RunnerInvitation, error) {
	return writ.RunnerInvitation{Runner: someRunner, Code: "code", Expires: at}, f.called("invite runner " + name)
}

func (f *fake) RunnerKeys(context.Context, writ.Principal) ([]writ.RunnerKey, error) {
	return []writ.RunnerKey{{Runner: someRunner, State: writ.RunnerDeclared, Key: "sha256:1"}}, f.called("runner keys")
}

func (f *fake) RemoveRunner(_ context.Context, _ writ.Principal, name, key, reason string) ([]writ.RunnerKey, error) {
	return []writ.RunnerKey{{Runner: someRunner, State: writ.RunnerRemoved, Key: "sha256:1"}}, f.called("remove runner " + name + key + reason)
}

func (f *fake) TestNotice(_ context.Context, by writ.Principal, channel string) (writ.NoticeTrial, error) {
	return writ.NoticeTrial{Notice: "ntc_" + ulid, Channel: channel, By: by, State: writ.NoticeQueued, At: at}, f.called("test " + channel)
}

func (f *fake) AddNote(_ context.Context, by writ.Principal, id writ.IncidentID, text string) (writ.Note, error) {
	return writ.Note{Index: 7, By: by, At: at, Text: text}, f.called(fmt.Sprintf("note %s %s", id, text))
}

func (f *fake) AskEvidence(_ context.Context, _ writ.Principal, id writ.PlanID, text string) (writ.PlanStatus, error) {
	return f.plan(), f.called(fmt.Sprintf("ask evidence %s %s", id, text))
}

func (f *fake) PlaybookVersions(_ context.Context, _ writ.Principal, name string) ([]writ.PlaybookVersion, error) {
	return []writ.PlaybookVersion{{PlaybookRef: f.playbook, Since: at, Source: "v: 1\nname: rollback-deployment\n"}, {PlaybookRef: writ.PlaybookRef{Name: name, Version: 1, Digest: digest}, Since: at, Source: "v: 1\nname: rollback\n"}}, f.called(fmt.Sprintf("versions %s", name))
}

func (f *fake) RetirePlaybook(_ context.Context, _ writ.Principal, name, reason string) (writ.PlaybookSummary, error) {
	return writ.PlaybookSummary{PlaybookRef: f.playbook}, f.called(fmt.Sprintf("retire %s %s", name, reason))
}

func (f *fake) SearchLedger(_ context.Context, _ writ.Principal, q writ.EntryFilter) ([]writ.Event, string, error) {
	return []writ.Event{{Index: 1, Time: at, Kind: writ.EntryGenesis, Summary: "ledger begins", OK: true}}, "", f.called(fmt.Sprintf("search %s %s %s", q.Kind, q.Incident, q.Actor))
}
