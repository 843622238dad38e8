package grant_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

func TestR33AGrantNeverOutlivesWhatItRestsOn(t *testing.T) {
	approval := time.Date(2026, 11, 22, 3, 27, 0, 0, time.UTC) // exp of the vector
	for name, c := range map[string]struct {
		change func(*grant.Input)
		want   time.Time
	}{
		"the life asked for":   {func(in *grant.Input) { in.Life = time.Minute }, now.Add(time.Minute)},
		"ten minutes at most":  {func(in *grant.Input) { in.Life = time.Hour }, now.Add(writ.MaxGrantLife)},
		"the policy's bound":   {func(in *grant.Input) { in.Decision.Requirements.MaxTTL = 30 }, now.Add(30 * time.Second)},
		"the first approval":   {func(in *grant.Input) { in.Now = approval.Add(-90 * time.Second) }, approval},
		"the plan's window":    {func(in *grant.Input) { in.Approvals, in.Now = nil, in.Plan.Window.NotAfter.Add(-time.Minute) }, time.Date(2026, 11, 22, 3, 41, 0, 0, time.UTC)},
		"fractions cut it off": {func(in *grant.Input) { in.Life = 1500 * time.Millisecond }, now.Add(time.Second)},
	} {
		in := input(t)
		c.change(&in)
		if got := time.Unix(mint(t, in).Expires, 0); !got.Equal(c.want) {
			t.Errorf("%s: expires at %s, want %s", name, got.UTC(), c.want)
		}
	}
}

func TestI05NoGrantWithoutAPlainAllowOfThisPlan(t *testing.T) {
	other := writ.DigestOf([]byte("other"))
	for name, c := range map[string]struct {
		change func(*grant.Input)
		want   writ.Reason
	}{
		"no decision":              {func(in *grant.Input) { in.Decision = writ.Decision{} }, writ.ReasonPolicyError},
		"requires":                 {func(in *grant.Input) { in.Decision.Verdict = writ.Requires }, writ.ReasonPolicyError},
		"deny":                     {func(in *grant.Input) { in.Decision.Verdict = writ.Deny }, writ.ReasonPolicyError},
		"a decision on the asking": {func(in *grant.Input) { in.Decision.Phase = writ.PhasePlan }, writ.ReasonPolicyError},
		"a decision without id":    {func(in *grant.Input) { in.Decision.ID = "" }, writ.ReasonPolicyError},
		"on a plan of another id":  {func(in *grant.Input) { in.Decision.Plan = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC" }, writ.ReasonPlanDigest},
		"on another plan":          {func(in *grant.Input) { in.Decision.PlanDigest = other }, writ.ReasonPlanDigest},
		"under another policy":     {func(in *grant.Input) { in.Decision.Policy = other }, writ.ReasonPolicyAltered},
		"before the window":        {func(in *grant.Input) { in.Now = in.Plan.Window.NotBefore.Add(-1) }, writ.ReasonOutsideWindow},
		"after the window":         {func(in *grant.Input) { in.Now = in.Plan.Window.NotAfter }, writ.ReasonOutsideWindow},
		"an approval has expired":  {func(in *grant.Input) { in.Now = time.Date(2026, 11, 22, 3, 27, 0, 0, time.UTC) }, writ.ReasonExpired},
		"one approval twice":       {func(in *grant.Input) { in.Approvals = append(in.Approvals, in.Approvals[0]) }, writ.ReasonApprovalReplayed},
		"an approval of another plan": {func(in *grant.Input) {
			in.Approvals[0].Statement = []byte(strings.Replace(string(in.Approvals[0].Statement), "G1MB", "G1MC", 1))
		}, writ.ReasonApprovalMismatch},
		"an approval of another digest": {func(in *grant.Input) {
			in.Approvals[0].Statement = []byte(strings.Replace(string(in.Approvals[0].Statement), in.PlanDigest.String(), other.String(), 1))
		}, writ.ReasonApprovalMismatch},
		"a rejection": {func(in *grant.Input) {
			in.Approvals[0].Statement = []byte(strings.Replace(string(in.Approvals[0].Statement), `"approve"`, `"reject"`, 1))
		}, writ.ReasonRejected},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(t)
			c.change(&in)
			got, err := grant.Mint(in)
			wantReason(t, err, c.want)
			if got.ID != "" {
				t.Error("claims came with the refusal")
			}
		})
	}
	for name, change := range map[string]func(*grant.Input){
		"no id":                          func(in *grant.Input) { in.ID = "" },
		"no issuer":                      func(in *grant.Input) { in.Issuer = "" },
		"no digest":                      func(in *grant.Input) { in.PlanDigest = writ.Digest{} },
		"no time":                        func(in *grant.Input) { in.Now = time.Time{} },
		"no life":                        func(in *grant.Input) { in.Life = 0 },
		"no steps":                       func(in *grant.Input) { in.Plan.Steps = nil },
		"a holder that is no thumbprint": func(in *grant.Input) { in.Plan.Holder = "somebody" },
	} {
		in := input(t)
		change(&in)
		if _, err := grant.Mint(in); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: want ErrInvalid, got %v", name, err)
		}
	}
}

func TestTheSubjectNamesTheIncidentAsItsSourceDoes(t *testing.T) {
	in := input(t)
	in.Source = "INC-1\n\u202e"
	if got, want := mint(t, in).Subject, `incident:INC-1\u{a}\u{202e}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	in.Source = ""
	if got, want := mint(t, in).Subject, "incident:"+string(in.Plan.Incident); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
