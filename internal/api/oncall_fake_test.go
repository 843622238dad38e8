package api_test

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

const delegationID = writ.DelegationID("dlg_01JDB4A2Q7N5S3J8E6X0F4G1MB")

func (f *fake) delegation(ask writ.DelegationAsk) writ.Delegation {
	return writ.Delegation{ID: delegationID, Group: ask.Group, From: writ.Person{Iss: human.Iss, Sub: human.Sub}, To: ask.To, At: at, Until: ask.Until}
}

func (f *fake) Recall(_ context.Context, _ writ.Principal, id writ.PlanID) (writ.PlanStatus, error) {
	return f.plan(), f.called(fmt.Sprintf("recall %s", id))
}

func (f *fake) OnCalls(context.Context, writ.Principal) ([]writ.OnCallGroup, error) {
	return []writ.OnCallGroup{{Group: "payments-oncall", Source: "ical", State: writ.OnCallKnown, AsOf: &at, Turns: []writ.Turn{{Person: writ.Person{Iss: human.Iss, Sub: human.Sub}}}}}, f.called("on call")
}

func (f *fake) Delegate(_ context.Context, _ writ.Principal, ask writ.DelegationAsk) (writ.Delegation, error) {
	return f.delegation(ask), f.called(fmt.Sprintf("delegate %s %s %s %d", ask.Group, ask.To.Iss, ask.To.Sub, ask.Until.Unix()))
}

func (f *fake) EndDelegation(_ context.Context, _ writ.Principal, id writ.DelegationID) (writ.Delegation, error) {
	return f.delegation(writ.DelegationAsk{Until: at}), f.called(fmt.Sprintf("return %s", id))
}
