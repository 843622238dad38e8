package web_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/web"
)

const (
	ulid          = apitest.ULID
	planID        = apitest.PlanID
	runID         = apitest.RunID
	incident      = apitest.IncidentID
	evidence      = apitest.EvidenceID
	evidenceAgain = writ.EvidenceID("ev_01JDB4A2Q7N5S3J8E6X0F4G1MC")
	freezeID      = apitest.FreezeID
	leaseID       = writ.LeaseID("lse_" + ulid)
	runnerID      = apitest.RunnerID
	target        = writ.Location("kubernetes://prod-eu1")
	origin        = "corp.example/ledger"
	external      = "https://writ.test"
	deployed      = target + "/payments/deployment/payments-api"
	plainKey      = "writdev_key"
	goodValue     = "writses_session"
)

var (
	at     = apitest.At
	agent  = apitest.Agent
	human  = apitest.Human
	other  = writ.Person{Iss: "https://idp.example", Sub: "u-1111"}
	digest = apitest.Digest
)

// fake is a control plane with one of each object that pages show, in full. It keeps what was asked that changes anything,
// and answers with Err, if that is set, to everything but the status.
type fake struct {
	apitest.Control
	mu     sync.Mutex
	now    time.Time
	by     writ.Principal // whose session the cookie is
	status writ.Status
	plan   writ.PlanStatus
	run    writ.RunStatus
	agents []writ.Agent
	tools  []writ.UpstreamTool

	another, hasT1 bool // a record is not the one of its digest; no agent has lost T1
	glass          []writ.BreakGlass
	bytes          []byte // of evidence
	note           []byte
	leaves         [][]byte
	logs           bytes.Buffer
	cookie         bool // Leave was asked

	notes   []writ.Note      // beside the one that is always there
	retired *writ.Retirement // the one playbook is
	source  string           // of it

	labText  string // in what the lab answers with
	manyWays int    // of the same kind, beside the others

	verifier ledger.Verifier
}

// did returns what was asked that changes anything.
func (f *fake) did() []string { return f.Calls() }

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{now: at, by: human, bytes: []byte("pod payments-api-7 OOMKilled\ntoken=[redacted]\n")}
	f.status = writ.Status{
		Version: "test", Incidents: 1, Waiting: 1, LedgerSize: 2, Signed: 2, Policy: writ.DigestOf([]byte("policy")),
		Runners:  []writ.RunnerStatus{{ID: runnerID, Targets: []writ.Location{target}, LastSeen: &at, Epoch: 3, Clock: &writ.ClockReading{OffMillis: -12, At: at}}},
		Replicas: []writ.ReplicaStatus{{Name: "cp-1/4711", Self: true, Clock: writ.ClockReading{OffMillis: 3, Within: 1, At: at}}, {Name: "cp-2/4711", Clock: writ.ClockReading{OffMillis: 1, Within: 1, At: at}}},
		Channels: []writ.ChannelStatus{{Name: "mail", Kind: "mail", Delivered: &at, Trial: &writ.NoticeTrial{Notice: "ntc_" + ulid, Channel: "mail", By: human, State: writ.NoticeDelivered, At: at}}},
		Services: []writ.ServiceLoad{{Service: "payments-api", Runs: 1, Permille: 166, Units: 1, Locks: []writ.Lock{{Object: deployed, Run: runID, Plan: planID, Playbook: "rollback-deployment", Since: at}}}},
	}
	f.plan = f.waiting()
	f.run = f.succeeded()
	f.agents = []writ.Agent{{Name: "repair", Iss: agent.Iss, Sub: agent.Sub, Team: "checkout", Owner: other, Roles: []writ.AgentRole{writ.RoleRepair}, State: writ.AgentActive},
		{Name: "old", Iss: agent.Iss, Sub: "old", Team: "checkout", Owner: other, Roles: []writ.AgentRole{writ.RoleDiagnose}, State: writ.AgentSuspended, Reason: "asked for nonsense"}}
	f.tools = usualTools()
	f.log(t)
	return f
}

// log makes a ledger of two entries, sealed and signed like any.
func (f *fake) log(t testing.TB) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	author, err := ledger.NewAuthor(key)
	must(t, err)
	var edge ledger.Edge
	for i := range 2 {
		leaf, err := ledger.Seal(writ.Record{
			V: 1, Log: origin, Kind: writ.EntryGenesis, Time: at, Actor: writ.Principal{Kind: writ.KindService, Iss: "https://writ.test", Sub: "control"},
			Nonce: fmt.Sprintf("AAAAAAAAAAAAAAAAAAAAA%d", i), Body: []byte(`{"origin":"` + origin + `","policy":"` + digest.String() + `"}`),
		}, author)
		must(t, err)
		f.leaves = append(f.leaves, leaf)
		edge.Append(ledger.LeafHash(leaf))
	}
	head := edge.Head()
	f.note, err = ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: head.Size, Root: head.Root}, key)
	must(t, err)
	vkey, err := ledger.VKey(origin, key.Public().(ed25519.PublicKey))
	must(t, err)
	f.verifier, err = ledger.ParseVerifier(vkey)
	must(t, err)
}

func (f *fake) waiting() writ.PlanStatus {
	p := writ.Plan{
		ID: planID, Tier: writ.T2, Title: "Roll back payments-api in prod-eu1 from revision 42 to 41", Runner: runnerID, Target: target, Requester: agent, Incident: incident, Parameters: writ.Parameters{"revision": writ.Int(41)},
		Budget: writ.Budget{MaxObjects: 1, MaxPermille: 250}, Undo: writ.UndoInverse, Blast: writ.Blast{Objects: 1, Replicas: 6, Permille: 166},
		Window: writ.Window{NotBefore: at, NotAfter: at.Add(8 * time.Minute)}, Holder: "thumbprint",
		Guards: []writ.Condition{{Name: "ready", Fact: "ready", Op: writ.AtLeast, Value: writ.Int(5)}},
		Verify: []writ.Condition{{Name: "back", Fact: "unavailable", Op: writ.AtMost, Value: writ.Int(0), WithinSeconds: 300}},
		Steps: []writ.Step{{
			Key: string(planID) + ".1", Operation: "kubernetes/workload.rollback", Tier: writ.T2, Title: "Set the image of deployment payments-api", TimeoutSeconds: 60,
			Object: writ.Object{Location: deployed, UID: "5b1e90aa", Version: "88121"}, Call: writ.Call{Method: "PATCH", Path: "/apis/apps/v1/namespaces/payments/deployments/payments-api"},
			Diff:    []writ.Change{{Path: "spec.template.spec.containers[0].image", Before: "payments-api@sha256:91c2", After: "payments-api@sha256:40fe"}},
			Inverse: writ.Inverse{Kind: writ.InverseCall, Title: "Set it back to payments-api@sha256:91c2"},
			Units:   []writ.Units{{Workload: deployed, Wanted: 6, Ready: 6, Down: 1, Floor: 5, By: writ.FloorBudget}},
		}},
	}
	return writ.PlanStatus{
		ID: planID, Incident: incident, State: writ.PlanWaiting, Title: p.Title, Service: "payments-api", Environment: "prod", Requester: agent, Digest: digest, Plan: &p,
		Playbook: writ.PlaybookRef{Name: "rollback-deployment", Version: 5, Digest: writ.DigestOf([]byte("playbook"))}, Parameters: writ.Parameters{"revision": writ.Int(41)},
		Decision: &writ.Decision{Tier: writ.T2, Verdict: writ.Requires, Phase: writ.PhasePlan, Reason: writ.ReasonNeedsApproval, Policies: []string{"requirements/one-oncall"}, Because: []string{"One on-call of payments must agree."}, At: at},
		Needs:    writ.Requirements{Approvals: map[string]int{"oncall": 1}, Proof: writ.ProofC},
		Claim:    "Errors started with revision 42.", CreatedAt: at, ExpiresAt: at.Add(8 * time.Minute),
		Evidence:  []writ.Evidence{f.reading()},
		Approvals: nil,
	}
}

func (f *fake) succeeded() writ.RunStatus {
	t := func(s int) *time.Time { v := at.Add(time.Duration(s) * time.Second); return &v }
	e := func(i int64, s int, k writ.EntryKind, what string, ok bool) writ.Event {
		return writ.Event{Index: i, Time: *t(s), Kind: k, Actor: runnerID.Principal(), Run: runID, Plan: planID, Summary: what, OK: ok}
	}
	return writ.RunStatus{
		Run: writ.Run{ID: runID, Plan: planID, Incident: incident, Runner: runnerID, State: writ.RunSucceeded, Started: t(0), Ended: t(34), Leases: []writ.Lease{{
			ID: leaseID, Run: runID, Target: target, Tier: writ.T2, Name: "writ-run-1", Rights: []string{"patch deployments/payments-api in payments"}, MintedAt: *t(1), Expires: *t(600), RevokedAt: t(34), PowerGone: t(34), IdentityGone: t(45),
		}}},
		Title:  "Roll back payments-api",
		Events: []writ.Event{e(10, 0, writ.EntryGrant, "grant for one run", true), e(11, 1, writ.EntryStepIntent, "about to roll back", true), e(12, 2, writ.EntryStepEffect, "applied in 212 ms", true), e(13, 34, writ.EntryVerify, "check back: unavailable is 0", true)},
	}
}

func (f *fake) reading() writ.Evidence {
	return writ.Evidence{ID: evidence, Incident: incident, AskedBy: agent, Reader: runnerID, Source: "kube-apiserver prod-eu1", Size: len(f.bytes), Redacted: 1, Writable: true,
		Query: writ.Query{Reader: "kubernetes/workload.status", Target: target, With: writ.Parameters{"name": writ.String("payments-api")}}, At: at.Add(-41 * time.Second),
		Commitment: writ.Commit([32]byte{1}, "evidence", nil), Facts: writ.Observation{"ready": writ.Int(6)}}
}

func (f *fake) Principal(_ context.Context, r *http.Request) (writ.Principal, error) {
	if r.Header.Get("Authorization") == "Bearer agent" {
		return agent, nil
	}
	if c, err := r.Cookie("session"); err == nil && c.Value == goodValue {
		return f.by, nil
	}
	return writ.Principal{}, writ.ErrUnknownUser
}

func (f *fake) DevLogin(_ context.Context, _ *http.Request, key string) (*http.Cookie, error) {
	if key != plainKey {
		return nil, writ.ErrUnknownUser
	}
	return &http.Cookie{Name: "session", Value: goodValue, Path: "/"}, nil
}

func (f *fake) Leave(context.Context, *http.Request) ([]*http.Cookie, error) {
	f.cookie = true
	return []*http.Cookie{{Name: "session", MaxAge: -1}}, nil
}

func (f *fake) Plan(context.Context, writ.Principal, writ.PlanID, time.Duration) (writ.PlanStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.plan, f.Err
}

func (f *fake) Plans(_ context.Context, _ writ.Principal, q writ.PlanFilter) ([]writ.PlanStatus, string, error) {
	p := f.plan
	p.Plan, p.Bytes = nil, nil
	if q.State != "" && q.State != p.State {
		return nil, "", f.Err
	}
	return []writ.PlanStatus{p}, "", f.Err
}

func (f *fake) Run(context.Context, writ.Principal, writ.RunID, time.Duration) (writ.RunStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.run, f.Err
}

func (f *fake) Runs(_ context.Context, _ writ.Principal, q writ.RunFilter) ([]writ.RunStatus, string, error) {
	if q.State != "" && q.State != f.run.State {
		return nil, "", f.Err
	}
	return []writ.RunStatus{f.run}, "", f.Err
}

func (f *fake) opened() writ.Incident {
	return writ.Incident{ID: incident, Title: "PaymentErrors of payments-api", Service: "payments-api", Environment: "prod", Owner: "checkout", Severity: 2, State: writ.IncidentOpen, OpenedAt: at.Add(-20 * time.Minute)}
}

func (f *fake) Incidents(context.Context, writ.Principal, writ.IncidentFilter) ([]writ.Incident, string, error) {
	return []writ.Incident{f.opened()}, "", f.Err
}

func (f *fake) Incident(context.Context, writ.Principal, writ.IncidentID) (writ.IncidentStatus, error) {
	p := f.plan
	p.Plan = nil
	opened := writ.Event{Index: 3, Time: at.Add(-20 * time.Minute), Kind: writ.EntryIncident, Actor: writ.Principal{Kind: writ.KindService, Iss: external, Sub: "control"}, Summary: "incident open: payments-api in prod", OK: true}
	return writ.IncidentStatus{Incident: f.opened(), Evidence: []writ.Evidence{f.reading()}, Plans: []writ.PlanStatus{p}, Timeline: append([]writ.Event{opened}, f.run.Events...),
		Notes: append([]writ.Note{{Index: 4, By: human, At: at, Text: "the cache was cold\nafter the deployment"}}, f.notes...)}, f.Err
}

func (f *fake) Evidence(_ context.Context, _ writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error) {
	e, b := f.reading(), f.bytes
	if id == evidenceAgain {
		e.ID, e.At, e.Facts, b = id, at, writ.Observation{"ready": writ.Int(5)}, append(bytes.Clone(f.bytes), "pod payments-api-8 Running\n"...)
	}
	return e, b, f.Err
}

func (f *fake) Observe(ctx context.Context, by writ.Principal, in writ.IncidentID, reader writ.OperationName, at writ.Location, with writ.Parameters) (writ.Evidence, []byte, error) {
	e, _, err := f.Control.Observe(ctx, by, in, reader, at, with)
	e.ID = evidenceAgain
	return e, f.bytes, err
}

func (f *fake) Freeze(_ context.Context, _ writ.Principal, scope writ.FreezeScope, value, reason string) (writ.Freeze, error) {
	z := writ.Freeze{ID: freezeID, Scope: scope, Value: value, Reason: reason, By: human, At: at}
	f.status.Freezes = append(f.status.Freezes, z)
	return z, f.Called("freeze %s %s %s", scope, value, reason)
}

func (f *fake) Agents(context.Context, writ.Principal) ([]writ.Agent, error) { return f.agents, f.Err }

func (f *fake) Playbooks(context.Context, writ.Principal, string) ([]writ.PlaybookSummary, error) {
	return []writ.PlaybookSummary{{PlaybookRef: f.plan.Playbook, Title: "Roll deployment {name} back", Owner: "platform", Plane: "kubernetes", Tier: writ.T1, Retired: f.retired}}, f.Err
}

func (f *fake) Playbook(context.Context, writ.Principal, string) (writ.PlaybookText, error) {
	return writ.PlaybookText{PlaybookSummary: writ.PlaybookSummary{PlaybookRef: f.plan.Playbook, Title: "Roll deployment {name} back", Owner: "platform", Plane: "kubernetes", Tier: writ.T1, Retired: f.retired}, Text: "Does:\n- kubernetes/workload.rollback\n", Source: cmp.Or(f.source, "v: 1\nname: rollback-deployment\n")}, f.Err
}

func (f *fake) Events(_ context.Context, _ writ.Principal, from int64, limit int, _ writ.IncidentID) ([]writ.Event, error) {
	var out []writ.Event
	for i := from; i < int64(len(f.leaves)) && len(out) < limit; i++ {
		out = append(out, writ.Event{Index: i, Time: at, Kind: writ.EntryGenesis, Summary: "ledger " + origin + " begins", OK: true})
	}
	return out, f.Err
}

func (f *fake) Entries(_ context.Context, _ writ.Principal, from int64, limit int) ([]writ.Entry, []byte, error) {
	if from >= int64(len(f.leaves)) {
		return nil, f.note, f.Err
	}
	return []writ.Entry{{Index: from, Leaf: f.leaves[from]}}, f.note, f.Err
}

func (f *fake) Prove(_ context.Context, _ writ.Principal, index int64) (ledger.Receipt, error) {
	return ledger.Receipt{Index: index, Leaf: ledger.LeafHash(f.leaves[index]), Proof: []writ.Digest{ledger.LeafHash(f.leaves[1-index])}, Checkpoint: f.note}, f.Err
}

func (f *fake) Status(context.Context, writ.Principal) (writ.Status, error) { return f.status, nil }

func (f *fake) Denied(_ context.Context, what string, by writ.Principal, reason writ.Reason, _ writ.PlanID) {
	f.Called("denied %s %s %s", what, by.Sub, reason)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site serves the pages of a fake.
func site(t testing.TB, f *fake, changes ...func(*web.Config)) http.Handler {
	t.Helper()
	c := web.Config{
		Auth: f, Browser: f, Plans: f, Runs: f, Incidents: f, Readings: f, Freezes: f, Agents: f, Playbooks: f, Ledger: f, Glasses: f, Overview: f, Denials: f, Turns: f, Lab: f, Policies: f, Autonomy: f, Upstreams: f,
		LoginPath: "/login", Verifier: f.verifier, ExternalURL: external, Now: func() time.Time { return f.now }, Log: slog.New(slog.NewTextHandler(&f.logs, nil)),
	}
	for _, change := range changes {
		change(&c)
	}
	h, err := web.Handler(c)
	must(t, err)
	return h
}

// An answer is what a browser got.
type answer struct {
	*http.Response
	body string
}

// ask sends a request with a session's cookie, unless the changes take it away.
func ask(t testing.TB, h http.Handler, method, path string, fields url.Values, changes ...func(*http.Request)) answer {
	t.Helper()
	var body io.Reader
	if fields != nil {
		body = strings.NewReader(fields.Encode())
	}
	r := httptest.NewRequest(method, external+path, body)
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.AddCookie(&http.Cookie{Name: "session", Value: goodValue})
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Result(), w.Body.String()}
}

// get is a page that must be there.
func get(t testing.TB, h http.Handler, path string) string {
	t.Helper()
	a := ask(t, h, "GET", path, nil)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", path, a.Status, a.body)
	}
	return a.body
}

// everyPage are the pages that a person with a session can open.
var everyPage = []string{
	"/", "/plans", "/plans/" + string(planID), "/runs", "/runs/" + string(runID), "/incidents", "/incidents/" + string(incident), "/evidence/" + string(evidence),
	"/ledger", "/ledger/1", "/playbooks", "/playbooks/rollback-deployment", "/agents", "/oncall", "/reach", "/gateway", "/policy/changes", "/policy/" + string(changeID), "/policy", labPage, "/policy?plan=" + string(planID), "/policy?replay=1", "/health", "/freeze", "/breakglass", "/breakglass/" + string(glassID),
}

func (f *fake) PlaybookVersions(_ context.Context, _ writ.Principal, name string) ([]writ.PlaybookVersion, error) {
	return []writ.PlaybookVersion{{PlaybookRef: f.plan.Playbook, Since: at, Source: "v: 1\nname: rollback-deployment\nversion: 5\n"}, {PlaybookRef: writ.PlaybookRef{Name: name, Version: 1, Digest: digest}, Since: at, Source: "v: 1\nname: rollback\n"}}, f.Err
}
