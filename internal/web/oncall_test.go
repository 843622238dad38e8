package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api/apitest"
)

const delegationID = apitest.DelegationID

func (f *fake) OnCalls(_ context.Context, by writ.Principal) ([]writ.OnCallGroup, error) {
	me, bob := writ.Person{Iss: by.Iss, Sub: by.Sub}, writ.Person{Iss: by.Iss, Sub: "bob <script>"}
	until := f.now.Add(time.Hour)
	return []writ.OnCallGroup{
		{Group: "payments-oncall", Source: "ical", State: writ.OnCallKnown, AsOf: &f.now, Turns: []writ.Turn{{Person: me, Until: &until}}, Members: []writ.Person{me, bob}},
		{Group: "search-oncall", Source: "pagerduty", State: writ.OnCallFallback, Problem: "status 500", Fallback: "leads", Turns: []writ.Turn{{Person: bob, Until: &until, For: &me, Delegation: delegationID}}, Members: []writ.Person{me, bob}},
		{Group: "ads-oncall", Source: "roster", State: writ.OnCallRoster, Turns: []writ.Turn{{Person: me}}},
		{Group: "mail-oncall", Source: "ical", State: writ.OnCallNobody, Problem: "it names nobody of the group now"},
	}, f.Err
}

func TestThePageOfTurnsSaysWhoIsOnCallAndHandsOnlyOnesOwnTurnOver(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	page := get(t, h, "/oncall")
	if n := strings.Count(page, "Hand my turn over"); n != 1 {
		t.Errorf("%d turns can be handed over; one is this person's own and by a source", n)
	}
	if strings.Contains(page, "<script>") || !strings.Contains(page, "No approval as on call is possible") {
		t.Error("the page shows a name raw, or does not say that nobody is on call")
	}
	for path, fields := range map[string]url.Values{
		"/oncall/payments-oncall/delegate":                        {"to": {"https://idp.example bob"}, "hours": {"4"}},
		"/oncall/delegations/" + string(delegationID) + "/return": {},
		"/plans/" + string(planID) + "/recall":                    {},
	} {
		if a := ask(t, h, "POST", path, fields); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
		}
	}
	for _, want := range []string{fmt.Sprint("delegate payments-oncall https://idp.example bob ", at.Add(4*time.Hour).Unix()), "return " + string(delegationID), "recall " + string(planID)} {
		if !slices.Contains(f.did(), want) {
			t.Errorf("nobody asked the control plane to %s", want)
		}
	}
	for name, fields := range map[string]url.Values{
		"to nobody": {"to": {"bob"}, "hours": {"4"}}, "for no time": {"to": {"i bob"}, "hours": {"0"}}, "for ever": {"to": {"i bob"}, "hours": {"73"}}, "for a word": {"to": {"i bob"}, "hours": {"x"}},
	} {
		if a := ask(t, h, "POST", "/oncall/payments-oncall/delegate", fields); a.StatusCode != http.StatusUnprocessableEntity && a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
}

func TestThePlanPageShowsWhoIsOnCallWhatWasTakenBackAndHowMuchOneHasAnswered(t *testing.T) {
	f := newFake(t)
	me := writ.Person{Iss: human.Iss, Sub: human.Sub}
	at := f.now
	f.plan.OnCall = &writ.OnCallGroup{Group: "payments-oncall", State: writ.OnCallKnown, Turns: []writ.Turn{{Person: me, For: &writ.Person{Iss: me.Iss, Sub: "bob"}}}}
	f.plan.Fatigue = &writ.Fatigue{Answered: 21, Limit: 20, Beyond: true, Warning: "You have answered 21 plans in this shift; the limit is 20.", Second: true, Same: 7, Suggest: true}
	f.plan.Approvals = []writ.ApprovalStatus{{Approver: writ.Person{Iss: me.Iss, Sub: "eve"}, Answer: writ.Approve, Slot: "oncall", Proof: writ.ProofB, At: at, Recalled: &at}, {Approver: me, Answer: writ.Approve, Slot: "oncall", Proof: writ.ProofB, At: at}}
	page := get(t, site(t, f), "/plans/"+string(planID))
	for _, want := range []string{"in place of", "taken back", "Before you answer", "the limit is 20", "one more person", "Take my approval back", "approved 7 times", "1 given"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	f.plan.Approvals = f.plan.Approvals[:1] // somebody else's, and taken back
	if page := get(t, site(t, f), "/plans/"+string(planID)); strings.Contains(page, "Take my approval back") || !strings.Contains(page, "0 given") {
		t.Error("an approval that was taken back is counted, or may be taken back again by somebody else")
	}
}
