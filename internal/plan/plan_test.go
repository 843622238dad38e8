package plan_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/plan"
)

const vectors = "../../testdata/vectors/"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(vectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vector returns a fresh copy of the golden plan.
func vector(t testing.TB) (writ.Plan, writ.Digest) {
	t.Helper()
	p, d, err := writ.ParsePlan(read(t, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	return p, d
}

func TestI03EveryPartThatIsAlteredHasItsOwnReason(t *testing.T) {
	other := writ.DigestOf([]byte("other"))
	for name, c := range map[string]struct {
		alter func(*writ.Plan)
		want  writ.Reason
	}{
		"method":                 {func(p *writ.Plan) { p.Steps[0].Call.Method = "DELETE" }, writ.ReasonCallAltered},
		"path":                   {func(p *writ.Plan) { p.Steps[0].Call.Path += "/scale" }, writ.ReasonCallAltered},
		"query":                  {func(p *writ.Plan) { p.Steps[0].Call.Query = "" }, writ.ReasonCallAltered},
		"content type":           {func(p *writ.Plan) { p.Steps[0].Call.ContentType = "text/plain" }, writ.ReasonCallAltered},
		"body":                   {func(p *writ.Plan) { p.Steps[0].Call.Body = writ.Commit([32]byte{1}, "body", nil) }, writ.ReasonCallAltered},
		"one step more":          {func(p *writ.Plan) { p.Steps = append(p.Steps, p.Steps[0]) }, writ.ReasonCallAltered},
		"one step less":          {func(p *writ.Plan) { p.Steps = nil }, writ.ReasonCallAltered},
		"object version":         {func(p *writ.Plan) { p.Steps[0].Object.Version = "88122" }, writ.ReasonObjectAltered},
		"object uid":             {func(p *writ.Plan) { p.Steps[0].Object.UID = "x" }, writ.ReasonObjectAltered},
		"object location":        {func(p *writ.Plan) { p.Steps[0].Object.Location += "x" }, writ.ReasonObjectAltered},
		"diff":                   {func(p *writ.Plan) { p.Steps[0].Diff[0].After = "payments-api@sha256:91c2" }, writ.ReasonDiffAltered},
		"diff cut":               {func(p *writ.Plan) { p.Steps[0].Diff = p.Steps[0].Diff[:1] }, writ.ReasonDiffAltered},
		"playbook digest":        {func(p *writ.Plan) { p.Playbook.Digest = other }, writ.ReasonPlaybookAltered},
		"playbook version":       {func(p *writ.Plan) { p.Playbook.Version++ }, writ.ReasonPlaybookAltered},
		"parameter":              {func(p *writ.Plan) { p.Parameters["revision"] = writ.Int(40) }, writ.ReasonParametersAltered},
		"parameter of a step":    {func(p *writ.Plan) { p.Steps[0].With["revision"] = writ.Int(40) }, writ.ReasonParametersAltered},
		"type of a parameter":    {func(p *writ.Plan) { p.Parameters["revision"] = writ.String("41") }, writ.ReasonParametersAltered},
		"evidence":               {func(p *writ.Plan) { p.Evidence[0].Commitment = writ.Commit([32]byte{1}, "x", nil) }, writ.ReasonEvidenceAltered},
		"evidence left out":      {func(p *writ.Plan) { p.Evidence = nil }, writ.ReasonEvidenceAltered},
		"evidence out of order":  {func(p *writ.Plan) { p.Evidence[0], p.Evidence[1] = p.Evidence[1], p.Evidence[0] }, writ.ReasonEvidenceAltered},
		"policy":                 {func(p *writ.Plan) { p.Policy = other }, writ.ReasonPolicyAltered},
		"window":                 {func(p *writ.Plan) { p.Window.NotAfter = p.Window.NotAfter.Add(time.Minute) }, writ.ReasonWindowAltered},
		"budget":                 {func(p *writ.Plan) { p.Budget.MaxPermille++ }, writ.ReasonBudgetAltered},
		"holder":                 {func(p *writ.Plan) { p.Holder = strings.Repeat("A", 43) }, writ.ReasonHolderAltered},
		"title":                  {func(p *writ.Plan) { p.Title = "Read a pod" }, writ.ReasonPlanMismatch},
		"title of a step":        {func(p *writ.Plan) { p.Steps[0].Title = "Read a pod" }, writ.ReasonPlanMismatch},
		"requester":              {func(p *writ.Plan) { p.Requester.Sub = "other" }, writ.ReasonPlanMismatch},
		"runner":                 {func(p *writ.Plan) { p.Runner = "spiffe://example.com/runner/other" }, writ.ReasonPlanMismatch},
		"incident":               {func(p *writ.Plan) { p.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WE" }, writ.ReasonPlanMismatch},
		"tier":                   {func(p *writ.Plan) { p.Tier = writ.T1 }, writ.ReasonPlanMismatch},
		"guard":                  {func(p *writ.Plan) { p.Guards = nil }, writ.ReasonPlanMismatch},
		"check":                  {func(p *writ.Plan) { p.Verify[0].Value = writ.Int(0) }, writ.ReasonPlanMismatch},
		"undo":                   {func(p *writ.Plan) { p.Undo = writ.UndoNone }, writ.ReasonPlanMismatch},
		"inverse":                {func(p *writ.Plan) { p.Steps[0].Inverse.Kind = writ.InverseNone }, writ.ReasonPlanMismatch},
		"blast radius":           {func(p *writ.Plan) { p.Blast.Replicas = 1 }, writ.ReasonPlanMismatch},
		"operation":              {func(p *writ.Plan) { p.Steps[0].Operation = "kubernetes/workload.restart" }, writ.ReasonPlanMismatch},
		"time limit":             {func(p *writ.Plan) { p.Steps[0].TimeoutSeconds++ }, writ.ReasonPlanMismatch},
		"nonce":                  {func(p *writ.Plan) { p.Nonce += "x" }, writ.ReasonPlanMismatch},
		"a number beyond 2^53":   {func(p *writ.Plan) { p.Budget.MaxObjects = 1 << 60 }, writ.ReasonPlanForm},
		"a digest that is empty": {func(p *writ.Plan) { p.Playbook.Digest = writ.Digest{} }, writ.ReasonPlanForm},
	} {
		t.Run(name, func(t *testing.T) {
			mine, _ := vector(t)
			theirs, _ := vector(t)
			if err := plan.Compare(mine, theirs); err != nil {
				t.Fatalf("two copies differ: %v", err)
			}
			c.alter(&theirs)
			if got := writ.ReasonOf(plan.Compare(mine, theirs)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if plan.Compare(theirs, mine) == nil {
				t.Error("the other way round they are equal")
			}
		})
	}
}

func TestI03TheFirstAlteredPartIsNamedWhenSeveralAre(t *testing.T) {
	mine, _ := vector(t)
	theirs, _ := vector(t)
	theirs.Holder, theirs.Budget.MaxObjects, theirs.Steps[0].Object.Version = "x", 2, "2"
	if got := writ.ReasonOf(plan.Compare(mine, theirs)); got != writ.ReasonObjectAltered {
		t.Errorf("got %q", got)
	}
}

func TestI09RadiiAreJoinedOnTheConservativeSide(t *testing.T) {
	step := func(b writ.Blast) writ.Step { return writ.Step{Blast: b} }
	for name, c := range map[string]struct {
		in   []writ.Step
		want writ.Blast
	}{
		"nothing":                {nil, writ.Blast{}},
		"numbers are added":      {[]writ.Step{step(writ.Blast{Objects: 1, Replicas: 6, Permille: 200}), step(writ.Blast{Objects: 2, Replicas: 1, Permille: 300})}, writ.Blast{Objects: 3, Replicas: 7, Permille: 500}},
		"a share is at most all": {[]writ.Step{step(writ.Blast{Permille: 700}), step(writ.Blast{Permille: 700})}, writ.Blast{Permille: 1000}},
		"one reaches beyond":     {[]writ.Step{step(writ.Blast{Cluster: true}), step(writ.Blast{})}, writ.Blast{Cluster: true}},
		"not computed is all":    {[]writ.Step{step(writ.Blast{Objects: -1, Replicas: -1, Permille: -1})}, writ.Blast{Objects: canon.MaxInt, Replicas: canon.MaxInt, Permille: 1000}},
		"no overflow": {[]writ.Step{step(writ.Blast{Objects: canon.MaxInt}), step(writ.Blast{Objects: canon.MaxInt}), step(writ.Blast{Objects: 1})},
			writ.Blast{Objects: canon.MaxInt}},
	} {
		if got := plan.Blast(c.in); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestTheTierIsTheHighestAndAnUnknownOneIsTheWorst(t *testing.T) {
	steps := []writ.Step{{Tier: writ.T1}, {Tier: writ.T3}, {Tier: writ.T2}}
	if got := plan.Tier(writ.T1, steps); got != writ.T3 {
		t.Errorf("got %s", got)
	}
	if got := plan.Tier(writ.T4, steps); got != writ.T4 {
		t.Errorf("got %s", got)
	}
	if got := plan.Tier(writ.T1, []writ.Step{{Tier: 9}}); got != writ.T4 {
		t.Errorf("an unknown tier of a step gives %s", got)
	}
	if got := plan.Tier(-1, nil); got != writ.T4 {
		t.Errorf("an unknown tier of a playbook gives %s", got)
	}
}

func TestThePlanForPeopleIsTheGoldenText(t *testing.T) {
	p, digest := vector(t)
	for range 20 { // maps are walked in another order each time
		if diff := cmp.Diff(string(read(t, "plan.txt")), plan.Text(p, digest)); diff != "" {
			t.Fatalf("-golden +got:\n%s", diff)
		}
	}
}

func TestTextInAPlanCannotMoveTheCursorOrLookLikeAnotherLine(t *testing.T) {
	p, digest := vector(t)
	lines := strings.Count(plan.Text(p, digest), "\n")
	const evil = "x\x1b[2Ay\r\n  Digest     sha256:0\u202e\u200b\u2028"
	p.Title, p.Service, p.Environment, p.Holder, p.Requester.Sub = evil, evil, evil, evil, evil
	p.Runner, p.Target, p.Playbook.Name = writ.RunnerID(evil), writ.Location(evil), evil
	p.Parameters = writ.Parameters{"a" + evil: writ.String(evil)}
	p.Guards[0].Fact, p.Guards[0].Reader, p.Guards[0].Value, p.Guards[0].Op = evil, writ.OperationName(evil), writ.String(evil), writ.Comparison(evil)
	s := &p.Steps[0]
	s.Title, s.Operation, s.Inverse.Title, s.Inverse.Kind = evil, writ.OperationName(evil), evil, writ.InverseKind(evil)
	s.Object = writ.Object{Location: writ.Location(evil), UID: evil, Version: evil}
	s.Call.Method, s.Call.Path, s.Call.Query, s.Call.ContentType = evil, evil, evil, evil
	s.With = p.Parameters
	s.Diff = []writ.Change{{Path: evil, Before: evil, After: evil}, {Path: evil, After: evil}, {Path: evil, Before: evil}}
	got := plan.Text(p, digest)
	for _, r := range []string{"\x1b", "\r", "\u202e", "\u200b", "\u2028"} {
		if strings.Contains(got, r) {
			t.Errorf("%q comes through", r)
		}
	}
	if n := strings.Count(got, "\n"); n != lines+1 { // one change more than before
		t.Errorf("%d lines, want %d:\n%s", n, lines+1, got)
	}
}

func TestTextSaysWhatCannotBeUndoneAndWhatReachesBeyond(t *testing.T) {
	p, digest := vector(t)
	p.Undo, p.Steps[0].Inverse.Kind = writ.UndoNone, writ.InverseNone
	p.Blast = writ.Blast{Objects: 12345, Replicas: 1, Permille: 1000, Cluster: true}
	got := plan.Text(p, digest)
	for _, want := range []string{"12,345 objects, 1 replica, up to 1,000 permille", "reaching beyond the service.  Undo: none.", "     no undo\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
}

func FuzzTextAndCompare(f *testing.F) {
	f.Add(read(f, "plan.json"))
	f.Add([]byte(`{}`))
	mine, _ := vector(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, digest, err := writ.ParsePlan(b)
		if err != nil {
			return
		}
		again, err := p.Bytes()
		if err != nil || string(again) != string(b) {
			t.Fatalf("accepted %q, canonical %q, %v", b, again, err)
		}
		if plan.Compare(p, p) != nil {
			t.Fatal("a plan differs from itself")
		}
		if same := plan.Compare(mine, p) == nil; same != digest.Equal(writ.DigestOf(read(t, "plan.json"))) {
			t.Fatalf("equal: %v, with digest %s", same, digest)
		}
		for line := range strings.SplitSeq(plan.Text(p, digest), "\n") {
			if writ.Printable(line, 1<<20) != line {
				t.Fatalf("the line %q is not printable", line)
			}
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	mine, _ := vector(b)
	theirs, _ := vector(b)
	for b.Loop() {
		if err := plan.Compare(mine, theirs); err != nil {
			b.Fatal(err)
		}
	}
}
