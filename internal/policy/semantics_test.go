package policy_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// statements splits a source of the default set into its rules: each begins with @id at the start of a line.
func statements(src []byte) [][]byte {
	var out [][]byte
	for i, part := range bytes.Split(src, []byte("\n@id(")) {
		if i > 0 || bytes.HasPrefix(part, []byte("@id(")) {
			part = append([]byte("@id("), bytes.TrimPrefix(part, []byte("@id("))...)
		}
		if j := bytes.LastIndex(part, []byte(";")); j >= 0 {
			out = append(out, part[:j+1])
		}
	}
	return out
}

// The order of rules in a file, and the files they stand in, decide nothing.
func TestTheOrderOfRulesDecidesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	asks := randomRequests(r, 1000)
	before := defaultBundle(t)
	for range 5 {
		src := sources(t)
		for _, folder := range []string{"grants", "limits", "requirements"} {
			var all [][]byte
			for name := range src {
				if bytes.HasPrefix([]byte(name), []byte(folder+"/")) {
					all = append(all, statements(src[name])...)
					delete(src, name)
				}
			}
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for i, s := range all {
				name := fmt.Sprintf("%s/f%d.cedar", folder, i%3)
				src[name] = append(append(src[name], s...), '\n')
			}
		}
		b, err := policy.LoadSources(src, vocabulary())
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Rules()) != len(before.Rules()) {
			t.Fatalf("%d rules of %d", len(b.Rules()), len(before.Rules()))
		}
		for _, q := range asks {
			was, is := before.Decide(q), b.Decide(q)
			is.Policy = was.Policy
			if !reflect.DeepEqual(was, is) {
				t.Fatal(cmp.Diff(was, is, cmpDigest))
			}
		}
	}
}

// A forbid more never makes a decision kinder, whatever it says.
func TestAForbidMoreNeverWidens(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	asks := randomRequests(r, 600)
	before := defaultBundle(t)
	for i := range 12 {
		src := sources(t)
		condition := []string{"context.tainted", fmt.Sprintf("context.tier >= %d", r.IntN(5)), "resource.stateful", fmt.Sprintf("context.approvalsOwner > %d", r.IntN(3)), `principal is Agent`}[i%5]
		if i%2 == 0 {
			src["limits/more.cedar"] = []byte(`@id("limits/more")` + head + forbidAll + " when { " + condition + " };")
		} else {
			src["requirements/more.cedar"] = []byte(`@id("requirements/more")` + head + approve + forbidAll + " when { " + condition + " && context.approvalsOwner < 1 };")
		}
		b, err := policy.LoadSources(src, vocabulary())
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range asks {
			if was, is := before.Decide(q), b.Decide(q); hard(is) < hard(was) {
				t.Fatalf("with %q %s became %s", condition, was.Verdict, is.Verdict)
			}
		}
	}
}

// A simulation's decision is the decision: Answer leaves out only the record of the facts.
func TestAnswerIsDecideWithoutTheFacts(t *testing.T) {
	b := defaultBundle(t)
	for _, q := range randomRequests(rand.New(rand.NewPCG(15, 16)), 3000) {
		want, got := b.Decide(q), b.Answer(q)
		want.Facts = got.Facts
		for _, change := range []func(*policy.Facts){
			func(f *policy.Facts) { f.Env = "production" }, func(f *policy.Facts) { f.Planes = []string{"mainframe"} }, func(f *policy.Facts) { f.Service = "" },
		} {
			bad := q
			change(&bad.Facts)
			if d := b.Answer(bad); d.Reason != b.Decide(bad).Reason || d.Reason != writ.ReasonInvalidRequest {
				t.Fatalf("%s", d.Reason)
			}
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatal(cmp.Diff(want, got, cmpDigest))
		}
	}
}

// A rule that asks which action it is still gets each action by itself.
func TestARuleThatAsksForTheActionSeesEachOne(t *testing.T) {
	b := loadOnly(t, map[string]string{
		"grants/a.cedar": `@id("grants/a")` + head + permitAll + `;`,
		"limits/b.cedar": `@id("limits/b")` + head + forbidAll + ` when { action == Action::"kubernetes/workload.scale" && context.tier < 5 };`,
	})
	q := lowRisk()
	wantVerdict(t, b.Decide(q), writ.Allow, writ.ReasonAllowed, "grants/a")
	q.Operations = append(q.Operations, "kubernetes/workload.scale")
	wantVerdict(t, b.Decide(q), writ.Deny, writ.ReasonLimit, "limits/b")
}

// Rules of one form are validated once; one that differs in a name which must be declared, or in a type, is not of that form.
func TestARuleLikeAValidOneIsStillRefused(t *testing.T) {
	good := `@id("limits/a")` + head + forbidAll + ` when { resource.env == Env::"prod" && context.tier > 2 };`
	for name, text := range map[string]string{
		"an undeclared environment": `@id("limits/b")` + head + forbidAll + ` when { resource.env == Env::"prd" && context.tier > 2 };`,
		"an undeclared action":      `@id("limits/b")` + head + `forbid (principal, action == Action::"kubernetes/pod.exec", resource is Service);`,
		"another type":              `@id("limits/b")` + head + forbidAll + ` when { resource.env == Env::"prod" && context.tier > "2" };`,
		"a number too large":        `@id("limits/b")` + head + forbidAll + ` when { resource.env == Env::"prod" && context.tier > 99999999999999999999 };`,
	} {
		src := only(t, map[string]string{"limits/x.cedar": good + "\n" + text})
		if _, err := policy.LoadSources(src, vocabulary()); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := policy.LoadSources(only(t, map[string]string{"limits/x.cedar": good}), vocabulary()); err != nil {
		t.Error(err)
	}
}

func TestALimitThatStandsInEveryWayIsReported(t *testing.T) {
	src := sources(t)
	src["limits/more.cedar"] = []byte(`@id("limits/planted")` + head + forbidAll + ` when { context.tier >= 0 };`)
	b, err := policy.LoadSources(src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	r, err := policy.Test(b)
	if err != nil || r.OK() || !slices.Contains(r.NotAlone, "limits/planted") {
		t.Errorf("%+v, %v", r.NotAlone, err)
	}
}

func FuzzCases(f *testing.F) {
	f.Add("base: low-risk\ncases:\n  - {name: x, set: {tier: 2}, unset: [severity], want: {effect: deny, policies: [limits/x]}}\n")
	f.Add("base: low-risk\ncases:\n  - {name: x, set: {changeFreezeUntil: +2h}, want: {effect: requires, max_ttl: 5m}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		src := sources(t)
		src["tests/more.yaml"] = []byte(text)
		b, err := policy.LoadSources(src, vocabulary())
		if err != nil {
			return
		}
		if _, err := policy.Cases(b); err != nil && !errors.Is(err, writ.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
