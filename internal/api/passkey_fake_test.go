package api_test

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

const passkeyID = writ.PasskeyID("psk_01JDB4A2Q7N5S3J8E6X0F4G1MB")

func (f *fake) passkey(state writ.PasskeyState) writ.Passkey {
	return writ.Passkey{ID: passkeyID, Person: writ.Person{Iss: human.Iss, Sub: human.Sub}, State: state, Fingerprint: "SHA256:key", Enrolled: at, Changed: at, By: human,
		Credential: writ.Credential{ID: []byte("id"), Key: []byte("key"), RP: "approve.writ.example", Origin: "https://approve.writ.example", Level: writ.ProofB, Since: at}}
}

func (f *fake) Passkeys(context.Context, writ.Principal) ([]writ.Passkey, error) {
	return []writ.Passkey{f.passkey(writ.PasskeyActive)}, f.called("passkeys")
}

func (f *fake) BeginPasskey(context.Context, writ.Principal) (writ.EnrolAsk, error) {
	return writ.EnrolAsk{Options: writ.CreationOptions{Challenge: "AAAA", Parameters: []writ.CredentialParameter{}, Exclude: []writ.CredentialDescriptor{}}}, f.called("begin passkey")
}

func (f *fake) AddPasskey(_ context.Context, _ writ.Principal, r writ.Registration) (writ.Passkey, error) {
	return f.passkey(writ.PasskeyPending), f.called(fmt.Sprintf("add passkey %s %s %s", r.Credential, r.ClientData, r.Attestation))
}

func (f *fake) SetPasskey(_ context.Context, _ writ.Principal, id writ.PasskeyID, to writ.PasskeyState, fingerprint string) (writ.Passkey, error) {
	return f.passkey(to), f.called(fmt.Sprintf("set passkey %s %s %s", id, to, fingerprint))
}

func (f *fake) BeginAnswer(_ context.Context, _ writ.Principal, id writ.PlanID, w writ.AnswerWish) (writ.AnswerAsk, error) {
	return writ.AnswerAsk{Statement: []byte("{}"), Options: writ.RequestOptions{Challenge: "AAAA", Allow: []writ.CredentialDescriptor{}}}, f.called(fmt.Sprintf("begin answer %s %s %s %s", id, w.Answer, w.Slot, w.Typed))
}

func (f *fake) AnswerByPasskey(_ context.Context, _ writ.Principal, id writ.PlanID, statement []byte, p writ.Assertion, reason string) (writ.PlanStatus, error) {
	return f.plan(), f.called(fmt.Sprintf("assert %s %s %s %s %s %s", statement, p.Credential, p.AuthenticatorData, p.ClientData, p.Signature, reason))
}
