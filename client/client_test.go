package client_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/api/apitest"
)

// values of the root's closed types are compared by ==.
var same = cmp.Options{
	cmp.Comparer(func(a, b writ.Value) bool { return a == b }),
	cmp.Comparer(func(a, b writ.Digest) bool { return a == b }),
	cmp.Comparer(func(a, b writ.Commitment) bool { return a == b }),
}

func all[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var found []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, v)
	}
	return found
}

func TestEveryCallArrivesAndComesBackWhole(t *testing.T) {
	f := &fake{PlanStates: []writ.PlanState{writ.PlanWaiting}, RunStates: []writ.RunState{writ.RunRunning}}
	c := start(t, f, nil)
	ctx := t.Context()
	plan, run, reading := apitest.Plan(writ.PlanWaiting), apitest.Run(writ.RunRunning), apitest.Evidence()
	with := writ.Parameters{"name": writ.String("api")}
	const parameters = `{"force":true,"name":"api","replicas":3}` // of the plan, as they arrive
	for _, call := range []struct {
		do   func() (any, error)
		want any
		call string
	}{
		{func() (any, error) { return all(t, c.Readers(ctx, apitest.IncidentID, "kubernetes://prod-eu1")), nil }, []writ.ReaderText{apitest.Reader()}, "readers " + string(apitest.IncidentID) + " kubernetes://prod-eu1"},
		{func() (any, error) { return all(t, c.Playbooks(ctx, "payments")), nil }, []writ.PlaybookSummary{apitest.Summary()}, "playbooks payments"},
		{func() (any, error) { p, err := c.Playbook(ctx, "rollback"); return p.Text, err }, "words", "playbook rollback"},
		{func() (any, error) { i, err := c.Incident(ctx, incident); return i.ID, err }, incident, "incident " + string(incident)},
		{func() (any, error) {
			return all(t, c.Incidents(ctx, writ.IncidentFilter{State: writ.IncidentOpen, Service: "payments", Limit: 7})), nil
		}, []writ.Incident{apitest.Incident()}, "incidents open payments 7"},
		{func() (any, error) {
			e, b, err := c.Observe(ctx, incident, "kubernetes/workload.status", "kubernetes://prod-eu1", with)
			return []any{e, string(b)}, err
		}, []any{reading, "ready 6"}, "observe " + string(incident) + ` kubernetes/workload.status kubernetes://prod-eu1 {"name":"api"}`},
		{func() (any, error) { e, b, err := c.Evidence(ctx, evidence); return []any{e, string(b)}, err }, []any{reading, "ready 6"}, "evidence " + string(evidence)},
		{func() (any, error) { return c.OpenedEvidence(ctx, evidence) }, apitest.Opened(), "opened " + string(evidence)},
		{func() (any, error) {
			return c.Propose(ctx, writ.Ask{Incident: incident, Playbook: "rollback", Parameters: plan.Parameters, Evidence: []writ.EvidenceID{evidence}, Because: "errors"})
		}, apitest.Plan(writ.PlanPlanning), fmt.Sprintf("propose %s rollback %s [%s] errors", incident, parameters, evidence)},
		{func() (any, error) { return c.Plan(ctx, apitest.PlanID) }, plan, "plan " + string(apitest.PlanID) + " 0s"},
		{func() (any, error) { return c.Withdraw(ctx, apitest.PlanID, "wrong") }, apitest.Plan(writ.PlanWithdrawn), "withdraw " + string(apitest.PlanID) + " wrong"},
		{func() (any, error) { return c.Approve(ctx, apitest.PlanID, digest, []byte("{}"), "sig", "yes") }, apitest.Plan(writ.PlanGranted), "answer " + string(apitest.PlanID) + " {} sig yes"},
		{func() (any, error) { return c.Run(ctx, apitest.RunID) }, run, "run " + string(apitest.RunID) + " 0s"},
		{func() (any, error) {
			return all(t, c.Runs(ctx, writ.RunFilter{State: writ.RunRunning, Incident: incident, Plan: apitest.PlanID})), nil
		}, []writ.RunStatus{run}, fmt.Sprintf("runs running %s %s 50", incident, apitest.PlanID)},
		{func() (any, error) { return c.Stop(ctx, apitest.RunID, "wrong") }, run, "stop " + string(apitest.RunID) + " wrong"},
		{func() (any, error) { return c.Freeze(ctx, writ.FreezeService, "payments", "drill") }, apitest.Freeze(), "freeze service payments drill"},
		{func() (any, error) { return nil, c.Unfreeze(ctx, apitest.FreezeID, "over") }, nil, "unfreeze " + string(apitest.FreezeID) + " over"},
		{func() (any, error) { return all(t, c.Freezes(ctx)), nil }, []writ.Freeze{apitest.Freeze()}, "freezes"},
		{func() (any, error) {
			return c.HandOff(ctx, writ.HandOffAsk{Incident: incident, To: "repair", Playbooks: []string{"rollback"}, MaxTier: 1, Because: "errors"})
		}, apitest.HandOff(), fmt.Sprintf("hand off %v", writ.HandOffAsk{Incident: incident, To: "repair", Playbooks: []string{"rollback"}, MaxTier: 1, Because: "errors"})},
		{func() (any, error) { return all(t, c.HandOffs(ctx, incident)), nil }, []writ.HandOffStatus{apitest.HandOff()}, "hand-offs " + string(incident)},
		{func() (any, error) { return c.HandedOff(ctx, apitest.HandOffID) }, apitest.HandOff(), "handed off " + string(apitest.HandOffID)},
		{func() (any, error) { return c.RevokeHandOff(ctx, apitest.HandOffID) }, apitest.HandOff(), "revoke " + string(apitest.HandOffID)},
		{func() (any, error) { return all(t, c.Agents(ctx)), nil }, []writ.Agent{apitest.Registration()}, "agents"},
		{func() (any, error) { return c.Agent(ctx, "repair") }, apitest.Registration(), "agent repair"},
		{func() (any, error) {
			return c.AddAgent(ctx, writ.Agent{Name: "new", Iss: "https://idp.example", Sub: "new", Team: "payments", Roles: []writ.AgentRole{writ.RoleRepair}, Classes: []string{"restart"}})
		}, apitest.Registration(), "add new https://idp.example new payments [repair] [restart]"},
		{func() (any, error) { return c.SuspendAgent(ctx, "repair", "odd") }, apitest.Registration(), "agent repair suspended odd"},
		{func() (any, error) { return c.ResumeAgent(ctx, "repair", "fine") }, apitest.Registration(), "agent repair active fine"},
		{func() (any, error) { return c.RemoveAgent(ctx, "repair", "gone") }, apitest.Registration(), "agent repair removed gone"},
		{func() (any, error) { return c.RotateAgent(ctx, "repair", "https://idp.example", "r2", "leaked") }, apitest.Registration(), "rotate repair https://idp.example r2 leaked"},
		{func() (any, error) { return all(t, c.Sessions(ctx)), nil }, []writ.Session{apitest.Session(apitest.SessionID)}, "sessions all=false"},
		{func() (any, error) { return all(t, c.AllSessions(ctx)), nil }, []writ.Session{apitest.Session(apitest.SessionID)}, "sessions all=true"},
		{func() (any, error) { return all(t, c.RunnerKeys(ctx)), nil }, []writ.RunnerKey{apitest.RunnerKey(writ.RunnerDeclared)}, "runner keys"},
		{func() (any, error) { return c.InviteRunner(ctx, "prod-eu1") }, apitest.Invitation(), "invite runner prod-eu1"},
		{func() (any, error) { return c.RemoveRunner(ctx, "prod-eu1", "sha256:1", "gone") }, []writ.RunnerKey{apitest.RunnerKey(writ.RunnerRemoved)}, "remove runner prod-eu1 sha256:1 gone"},
		{func() (any, error) { return c.RevokeSession(ctx, apitest.SessionID) }, apitest.Session(apitest.SessionID), "revoke " + string(apitest.SessionID)},
		{func() (any, error) {
			return c.AskBreakGlass(ctx, writ.BreakGlassAsk{Statement: []byte("{}"), Signature: "sig", Parameters: plan.Parameters, Evidence: []writ.EvidenceID{evidence}, Justification: "down"})
		}, apitest.BreakGlass(), fmt.Sprintf("ask break-glass {} sig %s [%s] down", parameters, evidence)},
		{func() (any, error) {
			b, err := c.BeginBreakGlass(ctx, writ.BreakGlassWish{Incident: incident, Service: "payments", Playbook: plan.Playbook, Parameters: plan.Parameters})
			return b.Options.Challenge, err
		}, "AAAA", fmt.Sprintf("begin break-glass %s payments %s %s", incident, plan.Playbook.Name, parameters)},
		{func() (any, error) {
			return c.AskBreakGlass(ctx, writ.BreakGlassAsk{Statement: []byte("{}"), Passkey: &writ.Assertion{Credential: []byte("id"), AuthenticatorData: []byte("auth"), ClientData: []byte("client"), Signature: []byte("sig")}, Justification: "down"})
		}, apitest.BreakGlass(), "ask break-glass {} by passkey id auth client sig null [] down"},
		{func() (any, error) { return c.BreakGlass(ctx, apitest.BreakGlassID) }, apitest.BreakGlass(), "break-glass " + string(apitest.BreakGlassID)},
		{func() (any, error) { return all(t, c.BreakGlasses(ctx, writ.BreakGlassUsed)), nil }, []writ.BreakGlass{apitest.BreakGlass()}, "break-glasses used"},
		{func() (any, error) {
			return c.ReviewBreakGlass(ctx, apitest.BreakGlassID, writ.ReviewJustified, "fine")
		}, apitest.BreakGlass(), "review " + string(apitest.BreakGlassID) + " justified fine"},
		{func() (any, error) { return all(t, c.PlaybookRecords(ctx, "restart-workload", "payments")), nil }, []writ.PlaybookRecord{apitest.PlaybookRecord()}, "playbook records restart-workload payments"},
		{func() (any, error) { return all(t, c.AgentRecords(ctx, "repair")), nil }, []writ.AgentRecord{apitest.AgentRecord()}, "agent records repair"},
		{func() (any, error) {
			o, err := c.DecideAutonomy(ctx, writ.AutonomyAsk{Statement: []byte("{}"), Signature: "sig", Reason: "earned"})
			return *o.Playbook, err
		}, apitest.PlaybookRecord(), "decide autonomy {} sig earned"},
		{func() (any, error) {
			a, err := c.BeginAutonomy(ctx, writ.AutonomyWish{Playbook: "restart-workload", Service: "payments", To: writ.T1, Record: digest})
			return string(a.Statement), err
		}, "{}", "begin autonomy restart-workload T1"},
		{func() (any, error) {
			o, err := c.DecideAutonomy(ctx, writ.AutonomyAsk{Statement: []byte("{}"), Passkey: &writ.Assertion{Credential: []byte("id"), AuthenticatorData: []byte("auth"), ClientData: []byte("client"), Signature: []byte("sig")}, Reason: "earned"})
			return *o.Playbook, err
		}, apitest.PlaybookRecord(), "decide autonomy {} by passkey id auth client sig earned"},
		{func() (any, error) { return all(t, c.Reviews(ctx, writ.ReviewOwed)), nil }, []writ.Review{apitest.Review()}, "reviews owed"},
		{func() (any, error) { return c.ReviewRun(ctx, apitest.RunID, writ.ReviewJustified, "fine") }, apitest.Review(), "review run " + string(apitest.RunID) + " justified fine"},
		{func() (any, error) { r, err := c.Unused(ctx, 30); return r.Complete, err }, true, "unused 720h0m0s"},
		{func() (any, error) { return all(t, c.Passkeys(ctx)), nil }, []writ.Passkey{apitest.Passkey(writ.PasskeyActive)}, "passkeys"},
		{func() (any, error) { e, err := c.BeginPasskey(ctx); return e.Options.Challenge, err }, "AAAA", "begin passkey"},
		{func() (any, error) {
			return c.AddPasskey(ctx, writ.Registration{Credential: []byte("id"), ClientData: []byte("{}"), Attestation: []byte("att")})
		}, apitest.Passkey(writ.PasskeyPending), "add passkey id {} att"},
		{func() (any, error) { return c.ConfirmPasskey(ctx, apitest.PasskeyID, "SHA256:key") }, apitest.Passkey(writ.PasskeyActive), "set passkey " + string(apitest.PasskeyID) + " active SHA256:key"},
		{func() (any, error) { return c.RemovePasskey(ctx, apitest.PasskeyID) }, apitest.Passkey(writ.PasskeyRemoved), "set passkey " + string(apitest.PasskeyID) + " removed "},
		{func() (any, error) {
			a, err := c.BeginApproval(ctx, apitest.PlanID, writ.AnswerWish{PlanDigest: digest, Answer: writ.Approve, Slot: "owner", Typed: "api"})
			return string(a.Statement), err
		}, "{}", "begin answer " + string(apitest.PlanID) + " approve owner api"},
		{func() (any, error) {
			p, err := c.ApproveByPasskey(ctx, apitest.PlanID, digest, []byte("{}"), writ.Assertion{Credential: []byte("id"), AuthenticatorData: []byte("auth"), ClientData: []byte("client"), Signature: []byte("sig")}, "yes")
			return p.State, err
		}, writ.PlanGranted, "answer " + string(apitest.PlanID) + " {} by passkey id auth client sig yes"},
		{func() (any, error) { return c.Recall(ctx, apitest.PlanID) }, apitest.Plan(writ.PlanWaiting), "recall " + string(apitest.PlanID)},
		{func() (any, error) { g := all(t, c.OnCalls(ctx)); return g[0].Group, nil }, "payments-oncall", "on call"},
		{func() (any, error) {
			return c.Delegate(ctx, writ.DelegationAsk{Group: "payments-oncall", To: writ.Person{Iss: "https://idp.example", Sub: "bob"}, Until: at})
		}, apitest.Delegation(writ.DelegationAsk{Group: "payments-oncall", To: writ.Person{Iss: "https://idp.example", Sub: "bob"}, Until: at}),
			fmt.Sprintf("delegate payments-oncall https://idp.example bob %d", at.Unix())},
		{func() (any, error) { d, err := c.EndDelegation(ctx, apitest.DelegationID); return d.ID, err }, apitest.DelegationID, "return " + string(apitest.DelegationID)},
		{func() (any, error) { n, err := c.AddNote(ctx, incident, "cold"); return n.Text, err }, "cold", "note " + string(incident) + " cold"},
		{func() (any, error) { return c.AskEvidence(ctx, apitest.PlanID, "errors") }, apitest.Plan(writ.PlanWaiting), "ask evidence " + string(apitest.PlanID) + " errors"},
		{func() (any, error) { return len(all(t, c.PlaybookVersions(ctx, "rollback"))), nil }, 2, "versions rollback"},
		{func() (any, error) { p, err := c.RetirePlaybook(ctx, "rollback", "old"); return p.Version, err }, 5, "retire rollback old"},
		{func() (any, error) {
			return len(all(t, c.SearchLedger(ctx, writ.EntryFilter{Kind: writ.EntryApproval, Incident: incident, Actor: "ann", Since: at}))), nil
		}, 2, "search approval " + string(incident) + " ann 2026-11-22T03:11:00Z"},
		{func() (any, error) { t, err := c.TestNotice(ctx, "mail"); return t.State, err }, writ.NoticeQueued, "test mail"},
		{func() (any, error) { return c.Status(ctx) }, apitest.Status(), "status"},
		{func() (any, error) { e, n, err := c.Entries(ctx, 3, 9); return []any{e, string(n)}, err }, []any{[]writ.Entry{{Index: 3, Leaf: []byte("leaf")}}, "note"}, "entries 3 9"},
		{func() (any, error) { b, err := c.Export(ctx, incident); return string(b), err }, "bundle\x00", "export " + string(incident)},
	} {
		got, err := call.do()
		if err != nil {
			t.Errorf("%s: %v", call.call, err)
			continue
		}
		if d := cmp.Diff(call.want, got, same); d != "" {
			t.Errorf("%s: %s", call.call, d)
		}
		if calls := f.Calls(); calls[len(calls)-1] != call.call {
			t.Errorf("the control plane saw %q, want %q", calls[len(calls)-1], call.call)
		}
	}
	if len(f.Seen()) != 14 {
		t.Errorf("%d idempotency keys for 14 creating calls", len(f.Seen()))
	}
}

func TestAListIsReadPageByPageAndOnlyAsFarAsNeeded(t *testing.T) {
	f := &fake{}
	c := start(t, f, nil)
	if got := len(all(t, c.Plans(t.Context(), writ.PlanFilter{State: writ.PlanWaiting, Incident: incident, Limit: 2}))); got != 6 {
		t.Errorf("%d plans of 3 pages", got)
	}
	want := []string{"", "second", "third"}
	for i, call := range f.Calls() {
		if call != fmt.Sprintf("plans waiting %s 2 %s", incident, want[i]) {
			t.Errorf("call %d: %q", i, call)
		}
	}
	f.Forget()
	for range c.Plans(t.Context(), writ.PlanFilter{}) {
		break
	}
	if len(f.Calls()) != 1 {
		t.Errorf("calls for one plan: %v", f.Calls())
	}
	f.Errs = []error{nil, writ.ErrConflict}
	var errs int
	for _, err := range c.Plans(t.Context(), writ.PlanFilter{}) {
		if err != nil {
			errs++
		}
	}
	if errs != 1 {
		t.Errorf("%d errors from a list whose second page fails", errs)
	}
}

func TestRefusalsKeepKindCodeDetailAndHint(t *testing.T) {
	for _, kind := range []error{writ.ErrInvalid, writ.ErrNotFound, writ.ErrUnknownUser, writ.ErrDenied, writ.ErrConflict,
		writ.ErrStale, writ.ErrFrozen, writ.ErrBusy, writ.ErrUnavailable} {
		f := failing(&writ.Refusal{Code: writ.ReasonParameterBound, Detail: "replicas must be at least 3", Hint: "replicas=3", Kind: kind})
		_, err := start(t, f, nil).Plan(t.Context(), apitest.PlanID)
		r, ok := errors.AsType[*writ.Refusal](err)
		if !ok || !errors.Is(err, kind) || r.Code != writ.ReasonParameterBound || r.Detail != "replicas must be at least 3" || r.Hint != "replicas=3" {
			t.Errorf("%v became %#v", kind, err)
		}
	}
	f := failing(errors.New("boom"))
	_, err := start(t, f, nil).Plan(t.Context(), apitest.PlanID)
	if errors.Is(err, writ.ErrUnavailable) || errors.Is(err, writ.ErrDenied) || writ.ReasonOf(err) != "internal" {
		t.Errorf("a failure inside the server became %v", err)
	}
}

func TestAnApprovalOfAnotherPlanIsStale(t *testing.T) {
	f := &fake{PlanStates: []writ.PlanState{writ.PlanWaiting}}
	_, err := start(t, f, nil).Approve(t.Context(), apitest.PlanID, writ.DigestOf([]byte("as it was")), []byte("{}"), "sig", "")
	if !errors.Is(err, writ.ErrStale) {
		t.Errorf("got %v", err)
	}
	if _, err := start(t, f, nil).Approve(t.Context(), apitest.PlanID, writ.Digest{}, []byte("{}"), "sig", ""); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("without a digest: %v", err)
	}
}

func TestACreatingCallThatGotLostIsRepeatedUnderTheSameKey(t *testing.T) {
	f := failing(writ.ErrUnavailable)
	lost := 1
	c := start(t, f, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(httptest.NewRecorder(), r.Clone(context.WithoutCancel(r.Context())))
			if lost--; lost >= 0 {
				panic(http.ErrAbortHandler) // the answer never arrives
			}
			w.WriteHeader(201)
			fmt.Fprintf(w, `{"id":%q,"incident":%q,"playbook":{"name":"x","version":1,"digest":%q},"members_to_come":[1.5]}`, apitest.PlanID, incident, digest)
		})
	})
	p, err := c.Propose(t.Context(), writ.Ask{Incident: incident, Playbook: "rollback"})
	if err != nil || p.ID != apitest.PlanID {
		t.Errorf("got %v, %v", p, err)
	}
	if len(f.Calls()) != 2 || len(f.Seen()) != 1 {
		t.Errorf("%d calls with %d keys", len(f.Calls()), len(f.Seen()))
	}
}

func TestARefusedCreatingCallIsNotRepeated(t *testing.T) {
	f := failing(writ.ErrDenied)
	if _, err := start(t, f, nil).Freeze(t.Context(), writ.FreezeAll, "", "drill"); !errors.Is(err, writ.ErrDenied) || len(f.Calls()) != 1 {
		t.Errorf("%v after %d calls", err, len(f.Calls()))
	}
}

func TestWaitPlanAsksUntilTheStateMovedOn(t *testing.T) {
	f := &fake{PlanStates: []writ.PlanState{writ.PlanPlanning, writ.PlanWaiting, writ.PlanWaiting, writ.PlanDone}}
	c := start(t, f, nil)
	p, err := c.WaitPlan(t.Context(), apitest.PlanID, writ.PlanPlanning)
	if err != nil || p.State != writ.PlanWaiting {
		t.Errorf("while planning: %v %v", p.State, err)
	}
	f.Errs = []error{writ.ErrUnavailable} // lost once
	p, err = c.WaitPlan(t.Context(), apitest.PlanID)
	if err != nil || p.State != writ.PlanDone {
		t.Errorf("to its end: %v %v", p.State, err)
	}
	calls := f.Calls()
	if calls[0] != "plan "+string(apitest.PlanID)+" 0s" || calls[1] != "plan "+string(apitest.PlanID)+" 20s" {
		t.Errorf("calls %v", calls)
	}
}

func TestWaitRunEndsWithTheRunOrTheContext(t *testing.T) {
	f := &fake{RunStates: []writ.RunState{writ.RunGranted, writ.RunUncertain}}
	c := start(t, f, nil)
	if r, err := c.WaitRun(t.Context(), apitest.RunID); err != nil || r.State != writ.RunUncertain {
		t.Errorf("%v %v", r.State, err)
	}
	f.RunStates = []writ.RunState{writ.RunRunning}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.WaitRun(ctx, apitest.RunID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	f.Errs = []error{writ.ErrNotFound}
	if _, err := c.WaitRun(t.Context(), apitest.RunID); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestTokensAreNotSentInTheClearNorToAnotherServer(t *testing.T) {
	for _, bad := range []string{"http://writ.corp.example", "writ.corp.example", "", "ftp://x", "https://user:pw@writ.corp.example", "https://x?y=z"} {
		if _, err := client.New(bad, client.Config{}); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	var leaked string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked = "yes " + r.Header.Get("Authorization") }))
	defer other.Close()
	c := start(t, &fake{}, func(http.Handler) http.Handler { return http.RedirectHandler(other.URL, http.StatusTemporaryRedirect) })
	if _, err := c.Status(t.Context()); err == nil || leaked != "" {
		t.Errorf("followed a redirect: %v, %s", err, leaked)
	}
}

func TestTheServersCertificateIsChecked(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"version":"x","policy":"` + digest.String() + `"}`))
	}))
	defer s.Close()
	s.Config.ErrorLog = nil
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c, err := client.New(s.URL, client.Config{RootCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := c.Status(t.Context()); err != nil || st.Version != "x" {
		t.Errorf("with its root: %v", err)
	}
	if c, _ = client.New(s.URL, client.Config{}); true {
		if _, err := c.Status(t.Context()); !errors.Is(err, writ.ErrUnavailable) {
			t.Errorf("without its root: %v", err)
		}
	}
}

func TestAnAnswerOfSomethingElseIsNotTakenForWrits(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a proxy's page": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>\x1b[31mno", http.StatusForbidden) },
		"not JSON":       func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) },
		"a broken answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			w.Write([]byte("{"))
		},
	} {
		c := start(t, &fake{}, func(http.Handler) http.Handler { return h })
		if _, err := c.Status(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAnAlertIsHandedIn(t *testing.T) {
	f := &fake{}
	c := start(t, f, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Authorization", "Bearer source")
			h.ServeHTTP(w, r)
		})
	})
	i, err := c.Alert(t.Context(), []byte(`{"version":"4","groupKey":"k","status":"firing","alerts":[{"status":"firing","startsAt":"2026-11-22T03:00:00Z","fingerprint":"a1"}],"truncatedAlerts":0.5}`))
	if err != nil || i.ID != incident || i.GroupKey != "k" {
		t.Errorf("%v %v", i, err)
	}
}
