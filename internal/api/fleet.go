package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// Fleet is who may act for the runners that the configuration names. A code is answered once and kept nowhere.
type Fleet interface {
	InviteRunner(ctx context.Context, by writ.Principal, name string) (writ.RunnerInvitation, error)
	RunnerKeys(ctx context.Context, by writ.Principal) ([]writ.RunnerKey, error)
	RemoveRunner(ctx context.Context, by writ.Principal, name, key, reason string) ([]writ.RunnerKey, error)
}

type runnerKeysOut struct{ Body Page[writ.RunnerKey] }

type runnerInviteIn struct {
	Body struct {
		Runner string `json:"runner" minLength:"1" maxLength:"400" doc:"its id, or its name where only one runner has it"`
	} `nameHint:"RunnerInvitationRequest"`
}

type runnerInviteOut struct{ Body writ.RunnerInvitation }

type runnerRemoveIn struct {
	Body struct {
		Runner string `json:"runner" minLength:"1" maxLength:"400"`
		Key    string `json:"key,omitempty" maxLength:"80" doc:"fingerprint of one key; without it all are removed, and what the runner has in hand ends"`
		Reason string `json:"reason" minLength:"1" maxLength:"4096"`
	} `nameHint:"RunnerRemovalRequest"`
}

func (d *door) registerFleet() {
	register(d, call{id: "list-runner-keys", method: http.MethodGet, path: "/v1/runners", kinds: people, summary: "Keys and open invitations of runners, past keys too"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*runnerKeysOut, error) {
			items, err := d.Fleet.RunnerKeys(ctx, by)
			return &runnerKeysOut{pageOf(items, "")}, err
		})
	register(d, call{id: "invite-runner", method: http.MethodPost, path: "/v1/runners/invite", kinds: people, body: strict,
		summary: "Make a code with which a runner can enrol once; the answer holds it, and nothing else ever does"},
		func(ctx context.Context, by writ.Principal, in *runnerInviteIn) (*runnerInviteOut, error) {
			inv, err := d.Fleet.InviteRunner(ctx, by, in.Body.Runner)
			return &runnerInviteOut{inv}, err
		})
	register(d, call{id: "remove-runner", method: http.MethodPost, path: "/v1/runners/remove", kinds: people, body: strict,
		summary: "Take a runner's keys away; when none is left, what it has in hand ends as a lost runner's"},
		func(ctx context.Context, by writ.Principal, in *runnerRemoveIn) (*runnerKeysOut, error) {
			items, err := d.Fleet.RemoveRunner(ctx, by, in.Body.Runner, in.Body.Key, in.Body.Reason)
			return &runnerKeysOut{pageOf(items, "")}, err
		})
}
