package api

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// The interfaces below are all that this door can do. Implementations are safe for concurrent use, return before ctx
// ends, wrap one of the root's error kinds or a *writ.Refusal, and check themselves what the caller may see and do: the
// door only checks its kind. What a method reports as done is durable.

// An Authenticator finds out who sends a request, or returns writ.ErrUnknownUser.
type Authenticator interface {
	Principal(ctx context.Context, r *http.Request) (writ.Principal, error)
}

// Playbooks are those that the caller may ask for; an empty service means any.
type Playbooks interface {
	Playbooks(ctx context.Context, by writ.Principal, service string) ([]writ.PlaybookSummary, error)
	Playbook(ctx context.Context, by writ.Principal, name string) (writ.PlaybookText, error)
	PlaybookVersions(ctx context.Context, by writ.Principal, name string) ([]writ.PlaybookVersion, error)
	RetirePlaybook(ctx context.Context, by writ.Principal, name, reason string) (writ.PlaybookSummary, error)
}

// Readings are evidence. Observe waits up to 20 s for the runner; Readers are what it can be asked.
type Readings interface {
	Readers(ctx context.Context, by writ.Principal, incident writ.IncidentID, target writ.Location) ([]writ.ReaderText, error)
	Observe(ctx context.Context, by writ.Principal, incident writ.IncidentID, reader writ.OperationName, target writ.Location, with writ.Parameters) (writ.Evidence, []byte, error)
	Evidence(ctx context.Context, by writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error)
	OpenedEvidence(ctx context.Context, by writ.Principal, id writ.EvidenceID) (writ.EvidenceContent, error)
}

// Proposals become plans. Plan returns when the state has moved on or the wait is over, whichever is first.
type Proposals interface {
	Propose(ctx context.Context, by writ.Principal, ask writ.Ask) (writ.PlanStatus, error)
	Plan(ctx context.Context, by writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error)
	Plans(ctx context.Context, by writ.Principal, f writ.PlanFilter) (plans []writ.PlanStatus, next string, err error)
	Withdraw(ctx context.Context, by writ.Principal, id writ.PlanID, because string) (writ.PlanStatus, error)
}

// Approvals takes a person's signed answer; approve or reject, as the statement says.
type Approvals interface {
	Answer(ctx context.Context, by writ.Principal, id writ.PlanID, statement []byte, signature, reason string) (writ.PlanStatus, error)
}

// Passkeys are enrolments; people only. What AddPasskey enrols counts once another person has set it to active.
type Passkeys interface {
	Passkeys(ctx context.Context, by writ.Principal) ([]writ.Passkey, error)
	BeginPasskey(ctx context.Context, by writ.Principal) (writ.EnrolAsk, error)
	AddPasskey(ctx context.Context, by writ.Principal, r writ.Registration) (writ.Passkey, error)
	SetPasskey(ctx context.Context, by writ.Principal, id writ.PasskeyID, to writ.PasskeyState, fingerprint string) (writ.Passkey, error)
}

// Assertions makes the statement that a person's passkey signs, and takes the answer once.
type Assertions interface {
	BeginAnswer(ctx context.Context, by writ.Principal, id writ.PlanID, wish writ.AnswerWish) (writ.AnswerAsk, error)
	AnswerByPasskey(ctx context.Context, by writ.Principal, id writ.PlanID, statement []byte, proof writ.Assertion, reason string) (writ.PlanStatus, error)
}

// Runs are executions. Run waits as Plan does.
type Runs interface {
	Run(ctx context.Context, by writ.Principal, id writ.RunID, wait time.Duration) (writ.RunStatus, error)
	Runs(ctx context.Context, by writ.Principal, f writ.RunFilter) (runs []writ.RunStatus, next string, err error)
	Stop(ctx context.Context, by writ.Principal, id writ.RunID, because string) (writ.RunStatus, error)
	Settle(ctx context.Context, by writ.Principal, id writ.RunID, step int, as writ.Effect, reason string) (writ.RunStatus, error)
}

// Presentations hand on a grant that its agent holds, with the agent's proof of its key, to the runner that judges both.
// Neither may come into a log or an error.
type Presentations interface {
	Present(ctx context.Context, by writ.Principal, grant, proof string) (writ.RunStatus, error)
}

// Incidents are opened by alerts; see Alerts.
type Incidents interface {
	Incidents(ctx context.Context, by writ.Principal, f writ.IncidentFilter) (incidents []writ.Incident, next string, err error)
	Incident(ctx context.Context, by writ.Principal, id writ.IncidentID) (writ.IncidentStatus, error)
	Undo(ctx context.Context, by writ.Principal, id writ.IncidentID, ask writ.UndoAsk) (writ.Undo, error)
	AddNote(ctx context.Context, by writ.Principal, id writ.IncidentID, text string) (writ.Note, error)
}

// Alerts takes one checked webhook call. It deduplicates by group key.
type Alerts interface {
	Alert(ctx context.Context, by writ.Principal, group writ.AlertGroup) (writ.Incident, error)
}

// Freezes stop, and release again. Unfreeze returns the freeze that it lifted.
type Freezes interface {
	Freeze(ctx context.Context, by writ.Principal, scope writ.FreezeScope, value, reason string) (writ.Freeze, error)
	Unfreeze(ctx context.Context, by writ.Principal, id writ.FreezeID, reason string) (writ.Freeze, error)
	Freezes(ctx context.Context, by writ.Principal) ([]writ.Freeze, error)
}

// Agents are the registrations; people only. SetAgent and RotateAgent end what the agent has before they return.
type Agents interface {
	Agents(ctx context.Context, by writ.Principal) ([]writ.Agent, error)
	Agent(ctx context.Context, by writ.Principal, name string) (writ.Agent, error)
	AddAgent(ctx context.Context, by writ.Principal, a writ.Agent) (writ.Agent, error)
	SetAgent(ctx context.Context, by writ.Principal, name string, to writ.AgentState, reason string) (writ.Agent, error)
	RotateAgent(ctx context.Context, by writ.Principal, name, iss, sub, reason string) (writ.Agent, error)
}

// HandOffs pass an incident on from one agent to another. RevokeHandOff ends what was asked for under it before it
// returns.
type HandOffs interface {
	HandOff(ctx context.Context, by writ.Principal, ask writ.HandOffAsk) (writ.HandOffStatus, error)
	HandedOff(ctx context.Context, by writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error)
	HandOffs(ctx context.Context, by writ.Principal, incident writ.IncidentID) ([]writ.HandOffStatus, error)
	RevokeHandOff(ctx context.Context, by writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error)
}

// Ledger reads the log: as sentences, as entries with the newest signed checkpoint, and as a bundle for offline
// verification. Events and Entries begin at index from; an empty incident means all.
type Ledger interface {
	Events(ctx context.Context, by writ.Principal, from int64, limit int, incident writ.IncidentID) ([]writ.Event, error)
	Entries(ctx context.Context, by writ.Principal, from int64, limit int) (entries []writ.Entry, checkpoint []byte, err error)
	SearchLedger(ctx context.Context, by writ.Principal, f writ.EntryFilter) (found []writ.Event, next string, err error)
	Export(ctx context.Context, by writ.Principal, incident writ.IncidentID) ([]byte, error)
}

// Sessions are the caller's own logins; all are everybody's, for operators.
type Sessions interface {
	Sessions(ctx context.Context, by writ.Principal, all bool) ([]writ.Session, error)
	RevokeSession(ctx context.Context, by writ.Principal, id writ.SessionID) (writ.Session, error)
}

// BreakGlass is asked for by people, with a signed proof; its plan is then like any other. People only. BeginBreakGlass makes
// the statement that a passkey signs, and opens nothing.
type BreakGlass interface {
	BeginBreakGlass(ctx context.Context, by writ.Principal, wish writ.BreakGlassWish) (writ.BreakGlassBegun, error)
	AskBreakGlass(ctx context.Context, by writ.Principal, ask writ.BreakGlassAsk) (writ.BreakGlass, error)
	BreakGlassOf(ctx context.Context, by writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error)
	BreakGlasses(ctx context.Context, by writ.Principal, state writ.BreakGlassState, limit int, cursor string) (all []writ.BreakGlass, next string, err error)
	ReviewBreakGlass(ctx context.Context, by writ.Principal, id writ.BreakGlassID, verdict writ.ReviewVerdict, note string) (writ.BreakGlass, error)
}

// Overview is the control plane at a glance. TestNotice sends the caller a test; people only.
type Overview interface {
	Status(ctx context.Context, by writ.Principal) (writ.Status, error)
	TestNotice(ctx context.Context, by writ.Principal, channel string) (writ.NoticeTrial, error)
}

// Idempotency remembers the answers to creating calls for 24 hours, per caller and key. It must survive restarts.
//
// Begin takes the key. It returns replay and the kept answer when the same call has succeeded before; a
// *writ.Refusal with writ.ReasonIdempotency and kind writ.ErrInvalid when the key was used with another digest; and
// writ.ErrBusy while the first call is still under way. A call that never finished (the process died) frees its key
// after a minute.
//
// Finish ends what Begin began: with a status of 2xx the answer is kept, with any other the key is forgotten, since
// nothing was done.
type Idempotency interface {
	Begin(ctx context.Context, by writ.Principal, key string, call writ.Digest) (answer []byte, replay bool, err error)
	Finish(ctx context.Context, by writ.Principal, key string, status int, answer []byte) error
}

// Denials records that the door refused a call because of the kind of its caller. What is the call's name, such as
// approve; plan is empty when the call names none. The call is refused whether or not that could be recorded.
type Denials interface {
	Denied(ctx context.Context, what string, by writ.Principal, reason writ.Reason, plan writ.PlanID)
}
