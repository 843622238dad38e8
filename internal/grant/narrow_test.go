package grant_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

func TestPitfall15AnExchangeThatIsNotThePlansIsRefusedUnderItsOwnCode(t *testing.T) {
	p, digest := vector(t)
	whole := mint(t, input(t)).AuthorizationDetails[0]
	least := writ.Authorization{Type: whole.Type, Plan: whole.Plan, PlanDigest: whole.PlanDigest}
	must(t, grant.Narrow(whole, p, digest))
	must(t, grant.Narrow(least, p, digest))
	for name, c := range map[string]struct {
		change func(*writ.Authorization)
		want   writ.Reason
	}{
		"no type":             {func(a *writ.Authorization) { a.Type = "" }, writ.ReasonPlanMismatch},
		"another type":        {func(a *writ.Authorization) { a.Type = "urn:writ:remediation:v2" }, writ.ReasonPlanMismatch},
		"no plan":             {func(a *writ.Authorization) { a.Plan = "" }, writ.ReasonPlanMismatch},
		"another plan":        {func(a *writ.Authorization) { a.Plan = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC" }, writ.ReasonPlanMismatch},
		"no digest":           {func(a *writ.Authorization) { a.PlanDigest = writ.Digest{} }, writ.ReasonPlanDigest},
		"another digest":      {func(a *writ.Authorization) { a.PlanDigest = writ.DigestOf([]byte("x")) }, writ.ReasonPlanDigest},
		"one more action":     {func(a *writ.Authorization) { a.Actions = append(slices.Clone(a.Actions), "kubernetes/pod.delete") }, writ.ReasonPlanMismatch},
		"an action twice":     {func(a *writ.Authorization) { a.Actions = append(slices.Clone(a.Actions), a.Actions...) }, writ.ReasonPlanMismatch},
		"no action":           {func(a *writ.Authorization) { a.Actions = []writ.OperationName{} }, writ.ReasonPlanMismatch},
		"a wider location":    {func(a *writ.Authorization) { a.Locations = []writ.Location{p.Target} }, writ.ReasonPlanMismatch},
		"no location":         {func(a *writ.Authorization) { a.Locations = []writ.Location{} }, writ.ReasonPlanMismatch},
		"another playbook":    {func(a *writ.Authorization) { a.Playbook.Version++ }, writ.ReasonPlaybookAltered},
		"a playbook's name":   {func(a *writ.Authorization) { a.Playbook = writ.PlaybookRef{Name: a.Playbook.Name} }, writ.ReasonPlaybookAltered},
		"more objects":        {func(a *writ.Authorization) { a.Limits.MaxObjects++ }, writ.ReasonBudgetAltered},
		"more capacity":       {func(a *writ.Authorization) { a.Limits.MaxPermille++ }, writ.ReasonBudgetAltered},
		"two runs":            {func(a *writ.Authorization) { a.Limits.MaxRuns = 2 }, writ.ReasonBudgetAltered},
		"fewer than it gets":  {func(a *writ.Authorization) { a.Limits.MaxPermille-- }, writ.ReasonBudgetAltered},
		"limits without runs": {func(a *writ.Authorization) { a.Limits.MaxRuns = 0 }, writ.ReasonBudgetAltered},
	} {
		t.Run(name, func(t *testing.T) {
			asked := whole
			c.change(&asked)
			wantReason(t, grant.Narrow(asked, p, digest), c.want)
		})
	}
	wantReason(t, grant.Narrow(whole, p, writ.Digest{}), writ.ReasonPlanDigest)
}

// Whatever parts of it an exchange names, in whatever order, and whatever else it puts into them: it is let through only
// if each part that it names is the plan's own, so that the grant neither broadens nor exceeds what was asked for.
func TestPitfall15NoExchangeBroadensAGrant(t *testing.T) {
	p, digest := vector(t)
	more := p.Steps[0]
	more.Operation, more.Object.Location = "kubernetes/pod.delete", p.Target+"/payments/pod/a"
	p.Steps = append(p.Steps, more)
	actions, locations := grant.Actions(p), grant.Locations(p)
	spare := []writ.OperationName{"kubernetes/workload.scale", "kubernetes/pod.delete", "kubernetes/workload.rollback", ""}
	places := []writ.Location{p.Target, p.Target + "/payments", p.Target + "/payments/pod/a", p.Steps[0].Object.Location, ""}
	r := rand.New(rand.NewPCG(1, 2))
	passed := 0
	for range 20_000 {
		asked := writ.Authorization{Type: writ.AuthorizationType, Plan: p.ID, PlanDigest: digest}
		if r.IntN(2) == 0 {
			asked.Actions = slices.Clone(actions)
			vary(r, &asked.Actions, spare)
		}
		if r.IntN(2) == 0 {
			asked.Locations = slices.Clone(locations)
			vary(r, &asked.Locations, places)
		}
		if r.IntN(2) == 0 {
			asked.Playbook = p.Playbook
			asked.Playbook.Version += r.IntN(3) - 1
		}
		if r.IntN(2) == 0 {
			asked.Limits = writ.GrantLimits{MaxObjects: p.Budget.MaxObjects + r.IntN(3) - 1, MaxRuns: 1 + r.IntN(4)/3, MaxPermille: p.Budget.MaxPermille + r.IntN(3) - 1}
		}
		if grant.Narrow(asked, p, digest) != nil {
			continue
		}
		passed++
		same := func(ok bool, what string) {
			if !ok {
				t.Fatalf("%s: let through %+v for a plan of %v on %v", what, asked, actions, locations)
			}
		}
		slices.Sort(asked.Actions)
		slices.Sort(asked.Locations)
		same(asked.Actions == nil || slices.Equal(asked.Actions, actions), "actions")
		same(asked.Locations == nil || slices.Equal(asked.Locations, locations), "locations")
		same(asked.Playbook == (writ.PlaybookRef{}) || asked.Playbook == p.Playbook, "playbook")
		same(asked.Limits == (writ.GrantLimits{}) || asked.Limits == writ.GrantLimits{MaxObjects: p.Budget.MaxObjects, MaxRuns: 1, MaxPermille: p.Budget.MaxPermille}, "limits")
	}
	if passed < 100 {
		t.Errorf("only %d of the exchanges were let through: the property was hardly tried", passed)
	}
}

// vary changes a list in one of the ways in which it can be told wrongly, or only its order, or nothing.
func vary[T comparable](r *rand.Rand, list *[]T, spare []T) {
	l := *list
	switch i := r.IntN(len(l)); r.IntN(5) {
	case 0:
		r.Shuffle(len(l), func(a, b int) { l[a], l[b] = l[b], l[a] })
	case 1:
		l = append(l, spare[r.IntN(len(spare))])
	case 2:
		l = slices.Delete(l, i, i+1)
	case 3:
		l[i] = spare[r.IntN(len(spare))]
	}
	*list = l
}
