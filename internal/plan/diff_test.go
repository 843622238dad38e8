package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/plan"
)

// A person sees what is otherwise than last time, and nothing that always is.
func TestDifferencesNameWhatIsOtherwise(t *testing.T) {
	t.Parallel()
	step := func(title, to string) writ.Step {
		return writ.Step{Title: title, Object: writ.Object{Location: "kubernetes://prod/shop/deployment/api"}, Diff: []writ.Change{{Path: "spec.replicas", Before: "3", After: to}}}
	}
	agent := writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.test", Sub: "repair"}
	then := writ.Plan{ID: "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB", Requester: agent, Tier: writ.T1, Parameters: writ.Parameters{"replicas": writ.Int(5)}, Steps: []writ.Step{step("Run 5 of api", "5")}, Nonce: "a"}
	now := then
	now.ID, now.Nonce = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC", "b"
	if got := append(plan.Differences(writ.PlanStatus{Plan: &then}, writ.PlanStatus{Plan: &now}), plan.StepDifferences(then, now)...); len(got) != 0 {
		t.Errorf("the same asked for twice differs in %v", got)
	}
	now.Tier, now.Parameters = writ.T2, writ.Parameters{"replicas": writ.Int(6), "hush\u202e": writ.Bool(true)}
	now.Steps = []writ.Step{step("Run 6 of api", "6"), step("Run 6 of web", "6")}
	want := []writ.Change{
		{Path: `hush\u{202e}`, After: "true"}, {Path: "replicas", Before: "5", After: "6"}, {Path: "tier", Before: "T1", After: "T2"}, {Path: "steps", Before: "1", After: "2"},
	}
	if diff := cmp.Diff(want, plan.Differences(writ.PlanStatus{Plan: &then}, writ.PlanStatus{Plan: &now})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = []writ.Change{
		{Path: "step 1", Before: "Run 5 of api", After: "Run 6 of api"}, {Path: "step 1, spec.replicas to", Before: "5", After: "6"},
		{Path: "step 2", After: "Run 6 of web"}, {Path: "step 2, the object", After: "kubernetes://prod/shop/deployment/api"},
		{Path: "step 2, spec.replicas from", After: "3"}, {Path: "step 2, spec.replicas to", After: "6"},
	}
	if diff := cmp.Diff(want, plan.StepDifferences(then, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
