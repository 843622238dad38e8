package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/authzen"
)

// decider wants an owner for whatever it is asked, and keeps the question.
type decider struct{ asked writ.AccessQuestion }

func (d *decider) Evaluate(_ context.Context, _ writ.Principal, q writ.AccessQuestion) (writ.Decision, error) {
	d.asked = q
	if q.Service == "theirs" {
		return writ.Decision{}, writ.Refuse(writ.ReasonNotYours, "an agent asks about itself only")
	}
	return writ.Decision{Verdict: writ.Requires, Reason: writ.ReasonNeedsApproval, Requirements: writ.Requirements{Approvals: map[string]int{"owner": 2}}}, nil
}

func (*decider) AccessNames(context.Context, writ.Principal) (writ.AccessNames, error) {
	return writ.AccessNames{}, nil
}

// Nothing of these tests requests anything.
func (*decider) Propose(context.Context, writ.Principal, writ.Ask) (writ.PlanStatus, error) {
	return writ.PlanStatus{}, writ.ErrDenied
}

func (*decider) Plan(context.Context, writ.Principal, writ.PlanID, time.Duration) (writ.PlanStatus, error) {
	return writ.PlanStatus{}, writ.ErrNotFound
}

func (*decider) Begin(context.Context, writ.Principal, string, writ.Digest) ([]byte, bool, error) {
	return nil, false, writ.ErrDenied
}

func (*decider) Finish(context.Context, writ.Principal, string, int, []byte) error {
	return writ.ErrDenied
}

type someone struct{}

func (someone) Principal(context.Context, *http.Request) (writ.Principal, error) { return human, nil }

func TestAQuestionAboutAccessArrivesAsItWasAsked(t *testing.T) {
	d := &decider{}
	h, err := authzen.Handler(authzen.Config{Authenticator: someone{}, Evaluator: d, Proposer: d, Idempotency: d, BindingKey: make([]byte, 32), ExternalURL: "https://writ.example", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	c, err := client.New(s.URL, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	q := writ.AccessQuestion{Subject: human, Action: "playbook/restart-workload", Service: "checkout", Incident: incident, Plan: apitest.PlanID, Playbook: "x"}
	got, err := c.Access(t.Context(), q)
	if err != nil || got.Allowed || got.Reason != writ.ReasonNeedsApproval || got.Needs["owner"] != 2 || d.asked != q {
		t.Errorf("%+v, %v; asked %+v", got, err, d.asked)
	}
	q.Service = "theirs"
	if _, err := c.Access(t.Context(), q); !errors.Is(err, writ.ErrDenied) {
		t.Errorf("%v", err)
	}
}
