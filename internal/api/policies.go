package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

// Policies are changes of the policy set, and the sets that were in force; people only. ProposePolicy puts nothing in
// force.
type Policies interface {
	ProposePolicy(ctx context.Context, by writ.Principal, files writ.PolicyFiles, because string) (writ.PolicyChangeStatus, error)
	PolicyChange(ctx context.Context, by writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error)
	PolicyChanges(ctx context.Context, by writ.Principal, state writ.PolicyChangeState, limit int, cursor string) (all []writ.PolicyChangeStatus, next string, err error)
	WithdrawPolicy(ctx context.Context, by writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error)
	PolicySet(ctx context.Context, by writ.Principal, name string) (writ.PolicySet, error)
}

// PolicyAnswers takes people's signed answers to changes. The last approval that one needs puts its set in force.
type PolicyAnswers interface {
	BeginPolicyAnswer(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, shown writ.Digest, answer writ.Answer) (writ.AnswerAsk, error)
	AnswerPolicy(ctx context.Context, by writ.Principal, id writ.PolicyChangeID, a writ.Approval) (writ.PolicyChangeStatus, error)
}

// Simulations ask policy what would be: recorded decisions again under another set, which is recorded itself, and a plan's
// newest decision under the set in force, which is not.
type Simulations interface {
	SimulatePolicy(ctx context.Context, by writ.Principal, files writ.PolicyFiles) (study.Simulation, error)
	ExplainPlan(ctx context.Context, by writ.Principal, id writ.PlanID) (study.Explanation, error)
}

type policyProposalIn struct {
	Body struct {
		Files     map[string][]byte `json:"files" maxProperties:"1000" doc:"sources of the set by path, with '/' between folders"`
		Signature []byte            `json:"signature" doc:"bundle.sig: its owners' signatures on exactly these files"`
		Because   string            `json:"because,omitempty" maxLength:"4096" doc:"stays off the ledger"`
	} `nameHint:"PolicyProposalRequest"`
}

type policySimulationIn struct {
	Body struct {
		Files map[string][]byte `json:"files" maxProperties:"1000" doc:"sources of the set by path, signed or not"`
	} `nameHint:"PolicySimulationRequest"`
}

type policyChangeOut struct{ Body writ.PolicyChangeStatus }

type planExplainIn struct {
	ID string `path:"id" maxLength:"30"`
}

type planExplainOut struct{ Body study.Explanation }

type policySimulationOut struct{ Body study.Simulation }

type policyChangesIn struct {
	State  string `query:"state" enum:"waiting,in_force,rejected,withdrawn,expired,stale"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200"`
	Cursor string `query:"cursor" maxLength:"512"`
}

type policyChangesOut struct {
	Body Page[writ.PolicyChangeStatus]
}

type policyChangeOf struct {
	ID string `path:"id"`
}

type policyAnswerIn struct {
	ID   string `path:"id"`
	Body struct {
		Statement []byte            `json:"statement" doc:"the canonical bytes that were signed; approve or reject, as they say"`
		Signature string            `json:"signature,omitempty" minLength:"1" maxLength:"16384" doc:"armored SSH signature in the namespace policy@writ.dev; this or passkey"`
		Passkey   *AssertionRequest `json:"passkey,omitempty" doc:"over the statement that begin-policy-answer made"`
	} `nameHint:"PolicyAnswerRequest"`
}

type policyAnswerBeginIn struct {
	ID   string `path:"id"`
	Body struct {
		ChangeDigest writ.Digest `json:"change_digest" doc:"of the change that was shown"`
		Decision     writ.Answer `json:"decision" enum:"approve,reject"`
	} `nameHint:"PolicyAnswerBeginRequest"`
}

type policySetIn struct {
	Name string `path:"name" maxLength:"40" doc:"a version that was in force, the id of a change that proposes it, or current"`
}

type policySetOut struct{ Body writ.PolicySet }

func (d *door) registerPolicies() {
	register(d, call{id: "propose-policy", method: http.MethodPost, path: "/v1/policy/changes", kinds: people, creates: true, body: strict, large: true, status: http.StatusCreated,
		summary: "Propose to put a signed policy set in force; two other people approve it"},
		func(ctx context.Context, by writ.Principal, in *policyProposalIn) (*policyChangeOut, error) {
			s, err := d.Policies.ProposePolicy(ctx, by, writ.PolicyFiles{Files: in.Body.Files, Signature: in.Body.Signature}, in.Body.Because)
			return &policyChangeOut{s}, err
		})
	register(d, call{id: "list-policy-changes", method: http.MethodGet, path: "/v1/policy/changes", kinds: people, summary: "Changes of the policy set, newest first"},
		func(ctx context.Context, by writ.Principal, in *policyChangesIn) (*policyChangesOut, error) {
			items, next, err := d.Policies.PolicyChanges(ctx, by, writ.PolicyChangeState(in.State), in.Limit, in.Cursor)
			return &policyChangesOut{pageOf(items, next)}, err
		})
	one := func(do func(context.Context, writ.Principal, writ.PolicyChangeID) (writ.PolicyChangeStatus, error)) func(context.Context, writ.Principal, *policyChangeOf) (*policyChangeOut, error) {
		return func(ctx context.Context, by writ.Principal, in *policyChangeOf) (*policyChangeOut, error) {
			id, err := writ.ParsePolicyChangeID(in.ID)
			if err != nil {
				return nil, err
			}
			s, err := do(ctx, by, id)
			return &policyChangeOut{s}, err
		}
	}
	register(d, call{id: "get-policy-change", method: http.MethodGet, path: "/v1/policy/changes/{id}", kinds: people, summary: "One change, with the exact bytes that are approved"}, one(d.Policies.PolicyChange))
	register(d, call{id: "withdraw-policy-change", method: http.MethodPost, path: "/v1/policy/changes/{id}/withdraw", kinds: people, summary: "Take a change back"}, one(d.Policies.WithdrawPolicy))
	register(d, call{id: "begin-policy-answer", method: http.MethodPost, path: "/v1/policy/changes/{id}/answers/begin", kinds: people, body: strict,
		summary: "Make the statement that the caller's passkey is to sign for a change"},
		func(ctx context.Context, by writ.Principal, in *policyAnswerBeginIn) (*answerBeginOut, error) {
			id, err := writ.ParsePolicyChangeID(in.ID)
			if err != nil {
				return nil, err
			}
			ask, err := d.PolicyAnswers.BeginPolicyAnswer(ctx, by, id, in.Body.ChangeDigest, in.Body.Decision)
			return &answerBeginOut{ask}, err
		})
	register(d, call{id: "answer-policy-change", method: http.MethodPost, path: "/v1/policy/changes/{id}/answers", kinds: people, creates: true, body: strict,
		summary: "Approve or reject a change with a signed statement; the last approval puts the set in force"},
		func(ctx context.Context, by writ.Principal, in *policyAnswerIn) (*policyChangeOut, error) {
			id, err := writ.ParsePolicyChangeID(in.ID)
			if err != nil {
				return nil, err
			}
			b := in.Body
			if (b.Signature == "") == (b.Passkey == nil) {
				return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "an answer has a signature or a passkey, and not both"}
			}
			s, err := d.PolicyAnswers.AnswerPolicy(ctx, by, id, writ.Approval{Statement: b.Statement, Signature: b.Signature, Passkey: (*writ.Assertion)(b.Passkey)})
			return &policyChangeOut{s}, err
		})
	register(d, call{id: "get-policy-set", method: http.MethodGet, path: "/v1/policy/sets/{name}", kinds: people, summary: "A policy set that was in force or is proposed, with its files"},
		func(ctx context.Context, by writ.Principal, in *policySetIn) (*policySetOut, error) {
			s, err := d.Policies.PolicySet(ctx, by, in.Name)
			return &policySetOut{s}, err
		})
	register(d, call{id: "explain-plan", method: http.MethodGet, path: "/v1/plans/{id}/explanation", kinds: people,
		summary: "Why a plan's newest decision would be made by the set in force, and the smallest changes that lead elsewhere"},
		func(ctx context.Context, by writ.Principal, in *planExplainIn) (*planExplainOut, error) {
			id, err := writ.ParsePlanID(in.ID)
			if err != nil {
				return nil, err
			}
			x, err := d.Simulations.ExplainPlan(ctx, by, id)
			return &planExplainOut{x}, err
		})
	register(d, call{id: "simulate-policy", method: http.MethodPost, path: "/v1/policy/simulations", kinds: people, body: strict, large: true,
		summary: "Decide recorded decisions again under another set; that this was done is recorded, too"},
		func(ctx context.Context, by writ.Principal, in *policySimulationIn) (*policySimulationOut, error) {
			s, err := d.Simulations.SimulatePolicy(ctx, by, writ.PolicyFiles{Files: in.Body.Files})
			return &policySimulationOut{s}, err
		})
}
