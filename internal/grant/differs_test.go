package grant_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

// A difference changes one part of an exchange that names everything as the plan has it, so that the part asks for more,
// for less or for something else. It has effect whatever the other parts say.
type difference struct {
	name   string
	part   string
	change func(*rand.Rand, *writ.Authorization)
	want   writ.Reason
}

// differences are in the order in which Narrow looks: of several, the first decides the code.
var differences = []difference{
	{"another type", "type", func(_ *rand.Rand, a *writ.Authorization) { a.Type += "x" }, writ.ReasonPlanMismatch},
	{"another plan", "plan", func(r *rand.Rand, a *writ.Authorization) {
		a.Plan = writ.PlanID("pln_01JDB4A2Q7N5S3J8E6X0F4G1M" + string("0123456789"[r.IntN(10)]))
	}, writ.ReasonPlanMismatch},
	{"another digest", "plan_digest", func(r *rand.Rand, a *writ.Authorization) {
		a.PlanDigest = writ.DigestOf([]byte{byte(r.IntN(256))})
	}, writ.ReasonPlanDigest},
	{"an action more", "actions", func(_ *rand.Rand, a *writ.Authorization) {
		a.Actions = append(slices.Clone(a.Actions), "kubernetes/pod.cordon")
	}, writ.ReasonPlanMismatch},
	{"an action less", "actions", func(r *rand.Rand, a *writ.Authorization) { a.Actions = without(r, a.Actions) }, writ.ReasonPlanMismatch},
	{"another action", "actions", func(r *rand.Rand, a *writ.Authorization) {
		a.Actions = append(without(r, a.Actions), "kubernetes/pod.cordon")
	}, writ.ReasonPlanMismatch},
	{"a location more", "locations", func(_ *rand.Rand, a *writ.Authorization) {
		a.Locations = append(slices.Clone(a.Locations), "kubernetes://other/a/pod/b")
	}, writ.ReasonPlanMismatch},
	{"a location less", "locations", func(r *rand.Rand, a *writ.Authorization) { a.Locations = without(r, a.Locations) }, writ.ReasonPlanMismatch},
	{"a wider location", "locations", func(r *rand.Rand, a *writ.Authorization) {
		a.Locations = append(without(r, a.Locations), "kubernetes://prod-eu1/payments")
	}, writ.ReasonPlanMismatch},
	{"a narrower location", "locations", func(r *rand.Rand, a *writ.Authorization) {
		a.Locations = append(without(r, a.Locations), a.Locations[0]+"/scale")
	}, writ.ReasonPlanMismatch},
	{"another playbook", "playbook", func(_ *rand.Rand, a *writ.Authorization) { a.Playbook.Name += "-2" }, writ.ReasonPlaybookAltered},
	{"another version", "playbook", func(r *rand.Rand, a *writ.Authorization) { a.Playbook.Version += 1 - 2*r.IntN(2) }, writ.ReasonPlaybookAltered},
	{"another content", "playbook", func(r *rand.Rand, a *writ.Authorization) {
		a.Playbook.Digest = writ.DigestOf([]byte{byte(r.IntN(256))})
	}, writ.ReasonPlaybookAltered},
	{"more or fewer objects", "limits", func(r *rand.Rand, a *writ.Authorization) { a.Limits.MaxObjects += other(r) }, writ.ReasonBudgetAltered},
	{"more or less capacity", "limits", func(r *rand.Rand, a *writ.Authorization) { a.Limits.MaxPermille += other(r) }, writ.ReasonBudgetAltered},
	{"more runs", "limits", func(r *rand.Rand, a *writ.Authorization) { a.Limits.MaxRuns += 1 + r.IntN(9) }, writ.ReasonBudgetAltered},
}

// other is any number but 0.
func other(r *rand.Rand) int { return (1 + r.IntN(1_000_000)) * (1 - 2*r.IntN(2)) }

func without[T any](r *rand.Rand, l []T) []T {
	i := r.IntN(len(l))
	return slices.Delete(slices.Clone(l), i, i+1)
}

// An exchange gets the plan's grant or nothing: one that differs from the plan in anything, towards more or towards less, in
// one part or in several, is refused under the code of the first, with a hint that names the nearest valid call.
func TestPitfall15AnExchangeThatDiffersInAnythingIsRefusedWithACodeAndAHint(t *testing.T) {
	p, digest := vector(t)
	whole := mint(t, input(t)).AuthorizationDetails[0]
	must(t, grant.Narrow(whole, p, digest))
	r := rand.New(rand.NewPCG(3, 4))
	seen := map[string]int{}
	for n := range 20_000 {
		first := n % len(differences)
		asked := whole
		picked := []int{first}
		for i := first + 1; i < len(differences); i++ {
			if r.IntN(4) == 0 && differences[i].part != differences[picked[len(picked)-1]].part { // two of one part could cancel out
				picked = append(picked, i)
			}
		}
		for _, i := range picked {
			differences[i].change(r, &asked)
		}
		refusal, ok := errors.AsType[*writ.Refusal](grant.Narrow(asked, p, digest))
		d := differences[first]
		switch {
		case !ok:
			t.Fatalf("%s: let through %+v", d.name, asked)
		case refusal.Code != d.want:
			t.Fatalf("%s: refused for %s, want %s", d.name, refusal.Code, d.want)
		case refusal.Hint == "" || refusal.Detail == "":
			t.Fatalf("%s: refused without a word: %+v", d.name, refusal)
		}
		if len(picked) == 1 {
			seen[d.name]++
		}
	}
	for _, d := range differences {
		if seen[d.name] == 0 {
			t.Errorf("%s was never tried alone", d.name)
		}
	}
}
