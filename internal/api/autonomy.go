package api

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// Autonomy is how playbooks and agents stand by their records, and people's signed decisions on it; people only. What
// DecideAutonomy returns has been recorded, whether or not it was enough for a move.
type Autonomy interface {
	PlaybookRecords(ctx context.Context, by writ.Principal, playbook, service string) ([]writ.PlaybookRecord, error)
	AgentRecords(ctx context.Context, by writ.Principal, name string) ([]writ.AgentRecord, error)
	BeginAutonomy(ctx context.Context, by writ.Principal, wish writ.AutonomyWish) (writ.AnswerAsk, error)
	DecideAutonomy(ctx context.Context, by writ.Principal, ask writ.AutonomyAsk) (writ.AutonomyOutcome, error)
}

// Reviews are the looks back at runs that grants demanded; people only.
type Reviews interface {
	Reviews(ctx context.Context, by writ.Principal, state writ.ReviewState, limit int, cursor string) (all []writ.Review, next string, err error)
	ReviewRun(ctx context.Context, by writ.Principal, run writ.RunID, verdict writ.ReviewVerdict, note string) (writ.Review, error)
}

// Reports are counted from the ledger; people only. They read it in pages, and may take seconds.
type Reports interface {
	Unused(ctx context.Context, by writ.Principal, window time.Duration) (writ.Unused, error)
}

type bookRecordsIn struct {
	Playbook string `query:"playbook" maxLength:"253" doc:"only of this playbook"`
	Service  string `query:"service" maxLength:"253" doc:"only on this service"`
}

type bookRecordsOut struct{ Body Page[writ.PlaybookRecord] }

type agentRecordsIn struct {
	Agent string `query:"agent" maxLength:"253" doc:"only of this agent, by name"`
}

type agentRecordsOut struct{ Body Page[writ.AgentRecord] }

type autonomyIn struct {
	Body struct {
		Statement []byte            `json:"statement" doc:"the canonical bytes that were signed"`
		Signature string            `json:"signature,omitempty" minLength:"1" maxLength:"16384" doc:"armored SSH signature in the namespace autonomy@writ.dev; this or passkey"`
		Passkey   *AssertionRequest `json:"passkey,omitempty" doc:"over the statement that begin-autonomy made"`
		Reason    string            `json:"reason" minLength:"1" maxLength:"4096" doc:"stays off the ledger"`
	} `nameHint:"AutonomyRequest"`
}

type autonomyBeginIn struct {
	Body struct {
		Playbook string      `json:"playbook,omitempty" maxLength:"253" doc:"with service"`
		Service  string      `json:"service,omitempty" maxLength:"253"`
		Agent    string      `json:"agent,omitempty" maxLength:"253" doc:"an agent's name, instead of both"`
		To       writ.Tier   `json:"to" doc:"one tier from where it stands; T1 for an agent"`
		Record   writ.Digest `json:"record" doc:"of the record that was shown"`
	} `nameHint:"AutonomyBeginRequest"`
}

type autonomyOut struct{ Body writ.AutonomyOutcome }

type reviewsIn struct {
	State  string `query:"state" enum:"owed,made"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200"`
	Cursor string `query:"cursor" maxLength:"512"`
}

type reviewsOut struct{ Body Page[writ.Review] }

type reviewRunIn struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Verdict writ.ReviewVerdict `json:"verdict" enum:"justified,not_justified"`
		Note    string             `json:"note" minLength:"1" maxLength:"4096" doc:"stays off the ledger"`
	} `nameHint:"RunReviewRequest"`
}

type reviewRunOut struct{ Body writ.Review }

type unusedIn struct {
	Days int `query:"days" minimum:"1" maximum:"366" default:"30" doc:"length of the window that ends now"`
}

type unusedOut struct{ Body writ.Unused }

func (d *door) registerAutonomy() {
	register(d, call{id: "list-playbook-records", method: http.MethodGet, path: "/v1/playbook-records", kinds: people,
		summary: "What became of each playbook on each service, where it stands, and what Writ proposes"},
		func(ctx context.Context, by writ.Principal, in *bookRecordsIn) (*bookRecordsOut, error) {
			for field, name := range map[string]string{"playbook": in.Playbook, "service": in.Service} {
				if name != "" && !writ.IsName(name) {
					return nil, notName(field)
				}
			}
			items, err := d.Autonomy.PlaybookRecords(ctx, by, in.Playbook, in.Service)
			return &bookRecordsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "list-agent-records", method: http.MethodGet, path: "/v1/agent-records", kinds: people,
		summary: "What became of what each agent asked for, and whether it may still make a change alone"},
		func(ctx context.Context, by writ.Principal, in *agentRecordsIn) (*agentRecordsOut, error) {
			if in.Agent != "" && !writ.IsName(in.Agent) {
				return nil, notName("agent")
			}
			items, err := d.Autonomy.AgentRecords(ctx, by, in.Agent)
			return &agentRecordsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "decide-autonomy", method: http.MethodPost, path: "/v1/autonomy", kinds: people, body: strict,
		summary: "Decide, by a signature, that a playbook moves by one tier on a service, or that an agent gets T1 back"},
		func(ctx context.Context, by writ.Principal, in *autonomyIn) (*autonomyOut, error) {
			b := in.Body
			if (b.Signature == "") == (b.Passkey == nil) {
				return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "a decision has a signature or a passkey, and not both"}
			}
			out, err := d.Autonomy.DecideAutonomy(ctx, by, writ.AutonomyAsk{Statement: b.Statement, Signature: b.Signature, Passkey: (*writ.Assertion)(b.Passkey), Reason: b.Reason})
			return &autonomyOut{out}, err
		})
	register(d, call{id: "begin-autonomy", method: http.MethodPost, path: "/v1/autonomy/begin", kinds: people, body: strict,
		summary: "Make the statement that the caller's passkey is to sign for a decision on autonomy"},
		func(ctx context.Context, by writ.Principal, in *autonomyBeginIn) (*answerBeginOut, error) {
			ask, err := d.Autonomy.BeginAutonomy(ctx, by, writ.AutonomyWish(in.Body))
			return &answerBeginOut{ask}, err
		})
	register(d, call{id: "list-reviews", method: http.MethodGet, path: "/v1/reviews", kinds: people, summary: "Looks back at runs that grants demanded, newest first"},
		func(ctx context.Context, by writ.Principal, in *reviewsIn) (*reviewsOut, error) {
			items, next, err := d.Reviews.Reviews(ctx, by, writ.ReviewState(in.State), in.Limit, in.Cursor)
			return &reviewsOut{pageOf(items, next)}, err
		})
	register(d, call{id: "review-run", method: http.MethodPost, path: "/v1/reviews/{id}", kinds: people, body: strict,
		summary: "Look back at one run; not by who asked for it, or answers for the agent that did"},
		func(ctx context.Context, by writ.Principal, in *reviewRunIn) (*reviewRunOut, error) {
			id, err := writ.ParseRunID(in.ID)
			if err != nil {
				return nil, err
			}
			r, err := d.Reviews.ReviewRun(ctx, by, id, in.Body.Verdict, in.Body.Note)
			return &reviewRunOut{r}, err
		})
	register(d, call{id: "report-unused", method: http.MethodGet, path: "/v1/reports/unused", kinds: people,
		summary: "Grants of the policy set, playbooks and roles of agents that nobody used within a window"},
		func(ctx context.Context, by writ.Principal, in *unusedIn) (*unusedOut, error) {
			r, err := d.Reports.Unused(ctx, by, time.Duration(in.Days)*24*time.Hour)
			return &unusedOut{r}, err
		})
}
