package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type passkeysOut struct{ Body Page[writ.Passkey] }

type enrolOut struct{ Body writ.EnrolAsk }

type passkeyAddIn struct {
	Body struct {
		Credential  []byte `json:"credential" doc:"rawId"`
		ClientData  []byte `json:"client_data" doc:"response.clientDataJSON"`
		Attestation []byte `json:"attestation" doc:"response.attestationObject"`
	} `nameHint:"PasskeyRequest"`
}

// An AssertionRequest is a writ.Assertion in a request.
type AssertionRequest struct {
	Credential        []byte `json:"credential" doc:"rawId"`
	AuthenticatorData []byte `json:"authenticator_data" doc:"response.authenticatorData"`
	ClientData        []byte `json:"client_data" doc:"response.clientDataJSON"`
	Signature         []byte `json:"signature" doc:"response.signature"`
}

type passkeyOut struct{ Body writ.Passkey }

type passkeyIn struct {
	ID string `path:"id"`
}

type passkeyConfirmIn struct {
	ID   string `path:"id"`
	Body struct {
		Fingerprint string `json:"fingerprint" minLength:"1" maxLength:"100" doc:"as the passkey's owner told it; never read off the list alone"`
	} `nameHint:"PasskeyConfirmRequest"`
}

type answerBeginIn struct {
	ID   string `path:"id"`
	Body struct {
		PlanDigest writ.Digest `json:"plan_digest" doc:"of the plan that was shown"`
		Decision   writ.Answer `json:"decision" enum:"approve,reject"`
		Slot       string      `json:"slot" minLength:"1" maxLength:"253" doc:"in whose name: owner or oncall"`
		Typed      string      `json:"typed,omitempty" maxLength:"1024" doc:"tier 4: the name of the first object, as the person typed it"`
	} `nameHint:"AnswerBeginRequest"`
}

type answerBeginOut struct{ Body writ.AnswerAsk }

func (d *door) registerPasskeys() {
	register(d, call{id: "list-passkeys", method: http.MethodGet, path: "/v1/passkeys", kinds: people, summary: "Enrolled passkeys of all people, past ones too"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*passkeysOut, error) {
			items, err := d.Passkeys.Passkeys(ctx, by)
			return &passkeysOut{pageOf(items, "")}, err
		})
	register(d, call{id: "begin-passkey", method: http.MethodPost, path: "/v1/passkeys/begin", kinds: people,
		summary: "Begin to enrol a passkey of the caller's; the answer is for navigator.credentials.create, at the origin for approving"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*enrolOut, error) {
			ask, err := d.Passkeys.BeginPasskey(ctx, by)
			return &enrolOut{ask}, err
		})
	register(d, call{id: "add-passkey", method: http.MethodPost, path: "/v1/passkeys", kinds: people, creates: true, body: strict, status: http.StatusCreated,
		summary: "Enrol the passkey that the browser made; it counts once another person has confirmed it"},
		func(ctx context.Context, by writ.Principal, in *passkeyAddIn) (*passkeyOut, error) {
			p, err := d.Passkeys.AddPasskey(ctx, by, writ.Registration(in.Body))
			return &passkeyOut{p}, err
		})
	set := func(ctx context.Context, by writ.Principal, id string, to writ.PasskeyState, fingerprint string) (*passkeyOut, error) {
		psk, err := writ.ParsePasskeyID(id)
		if err != nil {
			return nil, err
		}
		p, err := d.Passkeys.SetPasskey(ctx, by, psk, to, fingerprint)
		return &passkeyOut{p}, err
	}
	register(d, call{id: "confirm-passkey", method: http.MethodPost, path: "/v1/passkeys/{id}/confirm", kinds: people, body: strict,
		summary: "Confirm another person's passkey, whose fingerprint they told the caller; it may answer plans made from now on"},
		func(ctx context.Context, by writ.Principal, in *passkeyConfirmIn) (*passkeyOut, error) {
			return set(ctx, by, in.ID, writ.PasskeyActive, in.Body.Fingerprint)
		})
	register(d, call{id: "remove-passkey", method: http.MethodPost, path: "/v1/passkeys/{id}/remove", kinds: people,
		summary: "Remove a passkey for good; its answers no longer count"},
		func(ctx context.Context, by writ.Principal, in *passkeyIn) (*passkeyOut, error) {
			return set(ctx, by, in.ID, writ.PasskeyRemoved, "")
		})
	register(d, call{id: "begin-approval", method: http.MethodPost, path: "/v1/plans/{id}/approvals/begin", kinds: people, body: strict,
		summary: "Make the statement that the caller's passkey is to sign; the answer is for navigator.credentials.get, at the origin for approving"},
		func(ctx context.Context, by writ.Principal, in *answerBeginIn) (*answerBeginOut, error) {
			id, err := writ.ParsePlanID(in.ID)
			if err != nil {
				return nil, err
			}
			b := in.Body
			ask, err := d.Assertions.BeginAnswer(ctx, by, id, writ.AnswerWish{PlanDigest: b.PlanDigest, Answer: b.Decision, Slot: b.Slot, Typed: b.Typed})
			return &answerBeginOut{ask}, err
		})
}
