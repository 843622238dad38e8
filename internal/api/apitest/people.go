package apitest

import (
	"context"

	"github.com/writ-dev/writ"
)

func (c *Control) Sessions(_ context.Context, _ writ.Principal, all bool) ([]writ.Session, error) {
	return []writ.Session{Session(SessionID)}, c.Called("sessions all=%t", all)
}

func (c *Control) RevokeSession(_ context.Context, _ writ.Principal, id writ.SessionID) (writ.Session, error) {
	return Session(id), c.Called("revoke %s", id)
}

func (c *Control) OnCalls(context.Context, writ.Principal) ([]writ.OnCallGroup, error) {
	return []writ.OnCallGroup{OnCall()}, c.Called("on call")
}

func (c *Control) Delegate(_ context.Context, _ writ.Principal, ask writ.DelegationAsk) (writ.Delegation, error) {
	return Delegation(ask), c.Called("delegate %s %s %s %d", ask.Group, ask.To.Iss, ask.To.Sub, ask.Until.Unix())
}

func (c *Control) EndDelegation(_ context.Context, _ writ.Principal, id writ.DelegationID) (writ.Delegation, error) {
	return Delegation(writ.DelegationAsk{Until: At}), c.Called("return %s", id)
}

func (c *Control) Passkeys(context.Context, writ.Principal) ([]writ.Passkey, error) {
	return []writ.Passkey{Passkey(writ.PasskeyActive)}, c.Called("passkeys")
}

func (c *Control) BeginPasskey(context.Context, writ.Principal) (writ.EnrolAsk, error) {
	return writ.EnrolAsk{Options: writ.CreationOptions{Challenge: "AAAA", Parameters: []writ.CredentialParameter{}, Exclude: []writ.CredentialDescriptor{}}}, c.Called("begin passkey")
}

func (c *Control) AddPasskey(_ context.Context, _ writ.Principal, r writ.Registration) (writ.Passkey, error) {
	return Passkey(writ.PasskeyPending), c.Called("add passkey %s %s %s", r.Credential, r.ClientData, r.Attestation)
}

func (c *Control) SetPasskey(_ context.Context, _ writ.Principal, id writ.PasskeyID, to writ.PasskeyState, fingerprint string) (writ.Passkey, error) {
	return Passkey(to), c.Called("set passkey %s %s %s", id, to, fingerprint)
}

func (c *Control) TestNotice(_ context.Context, by writ.Principal, channel string) (writ.NoticeTrial, error) {
	return writ.NoticeTrial{Notice: "ntc_" + ULID, Channel: channel, By: by, State: writ.NoticeQueued, At: At}, c.Called("test %s", channel)
}
