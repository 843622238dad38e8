package apitest

import (
	"encoding/json"
	"time"

	"github.com/writ-dev/writ"
)

// Identifiers of the one object of each kind that there is.
const (
	ULID         = "01JDB4A2Q7N5S3J8E6X0F4G1MB"
	PlanID       = writ.PlanID("pln_" + ULID)
	RunID        = writ.RunID("run_" + ULID)
	IncidentID   = writ.IncidentID("inc_" + ULID)
	EvidenceID   = writ.EvidenceID("ev_" + ULID)
	FreezeID     = writ.FreezeID("frz_" + ULID)
	HandOffID    = writ.HandOffID("hnd_" + ULID)
	SessionID    = writ.SessionID("ses_" + ULID)
	PasskeyID    = writ.PasskeyID("psk_" + ULID)
	BreakGlassID = writ.BreakGlassID("bgl_" + ULID)
	ChangeID     = writ.PolicyChangeID("pch_" + ULID)
	DelegationID = writ.DelegationID("dlg_" + ULID)
	RunnerID     = writ.RunnerID("spiffe://corp.example/runner/prod-eu1")
)

// Who calls, when all happened, and the digest of the plan.
var (
	Agent  = writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.example", Sub: "repair"}
	Human  = writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.example", Sub: "u-4821"}
	Source = writ.Principal{Kind: writ.KindService, Iss: "https://idp.example", Sub: "alertmanager"}
	Person = writ.Person{Iss: Human.Iss, Sub: Human.Sub}
	At     = time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)
	Digest = writ.DigestOf([]byte("plan"))
)

// Playbook is the one that the plan is of.
func Playbook() writ.PlaybookRef {
	return writ.PlaybookRef{Name: "rollback-deployment", Version: 5, Digest: writ.DigestOf([]byte("playbook"))}
}

// Summary is the playbook in a list.
func Summary() writ.PlaybookSummary {
	return writ.PlaybookSummary{PlaybookRef: Playbook(), Title: "Roll back", Owner: "payments", Plane: "kubernetes", Tier: writ.T2}
}

// Plan is the plan in one of its states. Its parameters are of all three types.
func Plan(state writ.PlanState) writ.PlanStatus {
	return writ.PlanStatus{
		ID: PlanID, Incident: IncidentID, State: state, Service: "payments", Environment: "prod", Requester: Agent, Playbook: Playbook(),
		Parameters: writ.Parameters{"replicas": writ.Int(3), "name": writ.String("api"), "force": writ.Bool(true)},
		Digest:     Digest, Bytes: []byte("{}"), CreatedAt: At, ExpiresAt: At.Add(time.Hour),
	}
}

// Run is the run of the plan in one of its states.
func Run(state writ.RunState) writ.RunStatus {
	return writ.RunStatus{Run: writ.Run{ID: RunID, Plan: PlanID, Incident: IncidentID, Grant: "gnt_" + ULID, Runner: RunnerID, State: state}, Title: "Roll back"}
}

// Incident is the incident, just opened.
func Incident() writ.Incident { return writ.Incident{ID: IncidentID, OpenedAt: At} }

// Evidence is what was read of the incident; Read are its bytes.
func Evidence() writ.Evidence {
	return writ.Evidence{
		ID: EvidenceID, Incident: IncidentID, AskedBy: Agent, Reader: RunnerID, At: At, Size: len(Read),
		Query:      writ.Query{Reader: "kubernetes/workload.status", Target: "kubernetes://prod-eu1", With: writ.Parameters{"name": writ.String("api")}},
		Commitment: writ.Commit([32]byte{1}, "evidence", nil), Facts: writ.Observation{"ready": writ.Int(6)},
	}
}

// Read are the bytes of the evidence.
const Read = "ready 6"

// Opened is the evidence with what opens its commitment.
func Opened() writ.EvidenceContent {
	return writ.EvidenceContent{Evidence: Evidence(), Bytes: []byte(Read), Salt: make([]byte, writ.SaltSize)}
}

// Undone is the undo of an incident: of its one run, by a plan of its own.
func Undone(id writ.IncidentID) writ.Undo {
	return writ.Undo{Incident: id, State: writ.UndoOpen, By: Human, At: At, Runs: []writ.UndoneRun{{Run: RunID, Title: "Roll back", Plan: PlanID, State: writ.PlanPlanning}}}
}

// Freeze is the freeze in force.
func Freeze() writ.Freeze {
	return writ.Freeze{ID: FreezeID, Scope: writ.FreezeService, Value: "payments", Reason: "drill", By: Human, At: At}
}

// Registration is the agent as it is registered.
func Registration() writ.Agent {
	return writ.Agent{
		Name: "repair", Iss: Agent.Iss, Sub: Agent.Sub, Team: "payments", Owner: writ.Person{Iss: "https://idp.example", Sub: "ana"},
		Roles: []writ.AgentRole{writ.RoleRepair}, State: writ.AgentActive,
	}
}

// HandOff is an open hand-off of the agent.
func HandOff() writ.HandOffStatus {
	return writ.HandOffStatus{
		HandOff: writ.HandOff{V: 1, ID: HandOffID, Incident: IncidentID, From: Agent, To: Agent, Lineage: []writ.Principal{Agent}, Playbooks: []string{"rollback-deployment"}, MaxTier: writ.T1},
		State:   writ.HandOffOpen,
	}
}

// Session is a login of the person.
func Session(id writ.SessionID) writ.Session {
	return writ.Session{ID: id, Person: Person, Way: "browser", Since: At, Seen: At, Expires: At}
}

// Delegation is the person's turn, handed over as asked.
func Delegation(ask writ.DelegationAsk) writ.Delegation {
	return writ.Delegation{ID: DelegationID, Group: ask.Group, From: Person, To: ask.To, At: At, Until: ask.Until}
}

// OnCall is a group whose turn the person has.
func OnCall() writ.OnCallGroup {
	asOf := At
	return writ.OnCallGroup{Group: "payments-oncall", Source: "ical", State: writ.OnCallKnown, AsOf: &asOf, Turns: []writ.Turn{{Person: Person}}}
}

// Passkey is the person's passkey in one of its states.
func Passkey(state writ.PasskeyState) writ.Passkey {
	return writ.Passkey{
		ID: PasskeyID, Person: Person, State: state, Fingerprint: "SHA256:key", Enrolled: At, Changed: At, By: Human,
		Credential: writ.Credential{ID: []byte("id"), Key: []byte("key"), RP: "approve.writ.example", Origin: "https://approve.writ.example", Level: writ.ProofB, Since: At},
	}
}

// BreakGlass is one that the person asked for.
func BreakGlass() writ.BreakGlass {
	return writ.BreakGlass{
		ID: BreakGlassID, State: writ.BreakGlassUsed, Incident: IncidentID, Service: "payments", Team: "payments", Playbook: Playbook(), Asker: Human, Plan: PlanID,
		AskedAt: At, Expires: At,
	}
}

// RunnerKey is the runner's key in one of its states.
func RunnerKey(state writ.RunnerKeyState) writ.RunnerKey {
	return writ.RunnerKey{Runner: RunnerID, State: state, Key: "sha256:1"}
}

// Invitation is one for the runner.
func Invitation() writ.RunnerInvitation {
	return writ.RunnerInvitation{Runner: RunnerID, Code: "code", Expires: At}
}

// Tool is an upstream's tool that is on.
func Tool() writ.UpstreamTool {
	return writ.UpstreamTool{Name: writ.UpstreamToolName{Upstream: "kube", Tool: "list_pods"}, State: writ.ToolOn, Definition: json.RawMessage(`{}`), Team: "ops"}
}

// PlaybookRecord is how the playbook did.
func PlaybookRecord() writ.PlaybookRecord {
	return writ.PlaybookRecord{
		Playbook: "restart-workload", Service: "payments", Owner: "payments", Own: writ.T1, Stands: writ.T2,
		Tally: writ.Tally{Runs: 3, Verified: 2, Undone: 1}, Digest: writ.DigestOf([]byte("record")),
	}
}

// AgentRecord is how the agent did.
func AgentRecord() writ.AgentRecord {
	return writ.AgentRecord{Name: "repair", Agent: Agent, Team: "payments", State: writ.AgentActive, Balance: 1}
}

// Review is one that the run's team owes.
func Review() writ.Review {
	return writ.Review{Run: RunID, Plan: PlanID, Incident: IncidentID, Service: "payments", Team: "payments", State: writ.ReviewOwed, RunState: writ.RunSucceeded, Asker: Human, Due: At}
}

// Change is a change of the policy set that waits.
func Change() writ.PolicyChangeStatus {
	d := writ.DigestOf(nil)
	name := writ.PolicyName{Version: 1, Manifest: d, Policy: d}
	return writ.PolicyChangeStatus{ID: ChangeID, State: writ.PolicyWaiting, Digest: d, Bytes: []byte("{}"), Change: writ.PolicyChange{ID: ChangeID, Base: name, Next: name}}
}

// Status is the control plane at a glance.
func Status() writ.Status { return writ.Status{Version: "test", LedgerSize: 7, Policy: Digest} }

// ToSign is a statement for a passkey, and what a browser needs to sign it.
func ToSign() writ.AnswerAsk {
	return writ.AnswerAsk{Statement: []byte("{}"), Options: writ.RequestOptions{Challenge: "AAAA", Allow: []writ.CredentialDescriptor{}}}
}
