package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// maxText bounds the text that one caller writes for others to read, in characters: a claim that is longer is not read
// at 3 am.
const maxText = 4096

type proposeIn struct {
	Body struct {
		Incident   writ.IncidentID   `json:"incident"`
		Playbook   string            `json:"playbook" maxLength:"253"`
		Parameters writ.Parameters   `json:"parameters,omitempty" maxProperties:"64"`
		Evidence   []writ.EvidenceID `json:"evidence,omitempty" maxItems:"50" nullable:"false"`
		HandOff    string            `json:"hand_off,omitempty" maxLength:"40" doc:"the hand-off to the caller under which it asks"`
		Holder     string            `json:"holder,omitempty" maxLength:"43" doc:"agents only: the RFC 7638 thumbprint of a P-256 key of the agent, to which alone the plan's grant is then issued"`
		DryRun     bool              `json:"dry_run,omitempty" doc:"plan and decide only: nothing runs, nobody is asked, and the plan ends as withdrawn with what would have happened"`
		Because    string            `json:"because,omitempty" maxLength:"4096" doc:"the claim; shown to people as unverified"`
	} `nameHint:"ProposalRequest"`
}

type proposeOut struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag" doc:"the plan digest, once there is one"`
	Body     writ.PlanStatus
}

func (d *door) registerProposals() {
	register(d, call{id: "propose", method: http.MethodPost, path: "/v1/proposals", kinds: askers, creates: true,
		body: strict, status: http.StatusCreated, summary: "Ask for one repair; the answer is a plan to follow"},
		func(ctx context.Context, by writ.Principal, in *proposeIn) (*proposeOut, error) {
			b := in.Body
			if !writ.IsName(b.Playbook) {
				return nil, notName("playbook")
			}
			ask := writ.Ask{Incident: b.Incident, Playbook: b.Playbook, Parameters: b.Parameters, Evidence: b.Evidence, Because: b.Because, DryRun: b.DryRun}
			if ask.Holder = b.Holder; b.Holder != "" && !token.IsThumbprint(b.Holder) {
				return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "holder must be the RFC 7638 thumbprint of a P-256 key: 43 characters of base64url"}
			}
			if err := optional(&ask.HandOff, b.HandOff, writ.ParseHandOffID); err != nil {
				return nil, err
			}
			p, err := d.Proposals.Propose(ctx, by, ask)
			return &proposeOut{"/v1/plans/" + string(p.ID), etag(p.Digest), p}, err
		})
}
