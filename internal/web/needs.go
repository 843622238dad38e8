package web

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// The interfaces below are all that this door can do. Implementations are safe for concurrent use, return before ctx
// ends, wrap one of the root's error kinds or a *writ.Refusal, and check themselves what the caller may see and do. What
// a method reports as done is durable. Nothing in this file answers a plan: approving.go has what does, for its own origin.

// An Authenticator finds out whose session a request comes with, or returns writ.ErrUnknownUser.
type Authenticator interface {
	Principal(ctx context.Context, r *http.Request) (writ.Principal, error)
}

// A Browser begins and ends sessions that live in cookies. DevLogin takes the key of writ init, under --dev only.
type Browser interface {
	DevLogin(ctx context.Context, r *http.Request, key string) (*http.Cookie, error)
	Leave(ctx context.Context, r *http.Request) ([]*http.Cookie, error)
}

// Plans are read, taken back by whoever may, asked about, and asked for anew: a person who does is who asks then, and approves nothing.
type Plans interface {
	Propose(ctx context.Context, by writ.Principal, ask writ.Ask) (writ.PlanStatus, error)
	Plan(ctx context.Context, by writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error)
	Plans(ctx context.Context, by writ.Principal, f writ.PlanFilter) (plans []writ.PlanStatus, next string, err error)
	Withdraw(ctx context.Context, by writ.Principal, id writ.PlanID, because string) (writ.PlanStatus, error)
	AskEvidence(ctx context.Context, by writ.Principal, id writ.PlanID, text string) (writ.PlanStatus, error)
}

// Runs are executions.
type Runs interface {
	Run(ctx context.Context, by writ.Principal, id writ.RunID, wait time.Duration) (writ.RunStatus, error)
	Runs(ctx context.Context, by writ.Principal, f writ.RunFilter) (runs []writ.RunStatus, next string, err error)
	Stop(ctx context.Context, by writ.Principal, id writ.RunID, because string) (writ.RunStatus, error)
	Settle(ctx context.Context, by writ.Principal, id writ.RunID, step int, as writ.Effect, reason string) (writ.RunStatus, error)
}

// Incidents are opened by alerts. Undo puts their runs back, each by a plan of its own.
type Incidents interface {
	Incidents(ctx context.Context, by writ.Principal, f writ.IncidentFilter) (incidents []writ.Incident, next string, err error)
	Incident(ctx context.Context, by writ.Principal, id writ.IncidentID) (writ.IncidentStatus, error)
	Undo(ctx context.Context, by writ.Principal, id writ.IncidentID, ask writ.UndoAsk) (writ.Undo, error)
	AddNote(ctx context.Context, by writ.Principal, id writ.IncidentID, text string) (writ.Note, error)
}

// Readings are evidence. Observe has the runner read, and waits for it, some 20 seconds at most.
type Readings interface {
	Observe(ctx context.Context, by writ.Principal, incident writ.IncidentID, reader writ.OperationName, at writ.Location, with writ.Parameters) (writ.Evidence, []byte, error)
	Evidence(ctx context.Context, by writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error)
}

// Freezes stop, and release again.
type Freezes interface {
	Freeze(ctx context.Context, by writ.Principal, scope writ.FreezeScope, value, reason string) (writ.Freeze, error)
	Unfreeze(ctx context.Context, by writ.Principal, id writ.FreezeID, reason string) (writ.Freeze, error)
}

// Agents are the registrations.
type Agents interface {
	Agents(ctx context.Context, by writ.Principal) ([]writ.Agent, error)
	SetAgent(ctx context.Context, by writ.Principal, name string, to writ.AgentState, reason string) (writ.Agent, error)
}

// Playbooks are what can be asked for; an empty service means any.
type Playbooks interface {
	Playbooks(ctx context.Context, by writ.Principal, service string) ([]writ.PlaybookSummary, error)
	Playbook(ctx context.Context, by writ.Principal, name string) (writ.PlaybookText, error)
	PlaybookVersions(ctx context.Context, by writ.Principal, name string) ([]writ.PlaybookVersion, error)
	RetirePlaybook(ctx context.Context, by writ.Principal, name, reason string) (writ.PlaybookSummary, error)
}

// Autonomy is how playbooks and agents stand by their records. Decisions on it are signed: see Decisions, and writ playbook autonomy.
type Autonomy interface {
	PlaybookRecords(ctx context.Context, by writ.Principal, playbook, service string) ([]writ.PlaybookRecord, error)
	AgentRecords(ctx context.Context, by writ.Principal, name string) ([]writ.AgentRecord, error)
}

// Ledger reads the log. Prove waits, while ctx lasts, for a signed checkpoint that covers the entry.
type Ledger interface {
	Events(ctx context.Context, by writ.Principal, from int64, limit int, incident writ.IncidentID) ([]writ.Event, error)
	Entries(ctx context.Context, by writ.Principal, from int64, limit int) (entries []writ.Entry, checkpoint []byte, err error)
	SearchLedger(ctx context.Context, by writ.Principal, f writ.EntryFilter) (found []writ.Event, next string, err error)
	Prove(ctx context.Context, by writ.Principal, index int64) (ledger.Receipt, error)
}

// Overview is the control plane at a glance. TestNotice sends the caller a notice that is marked as a test.
type Overview interface {
	Status(ctx context.Context, by writ.Principal) (writ.Status, error)
	TestNotice(ctx context.Context, by writ.Principal, channel string) (writ.NoticeTrial, error)
}

// Denials records that the door refused a call because of the kind of its caller.
type Denials interface {
	Denied(ctx context.Context, what string, by writ.Principal, reason writ.Reason, plan writ.PlanID)
}
