package policy_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// No request is validated while it waits: the validator is asked once who may ask for an action. Its word counts.
func TestI05WhoMayAskForAnActionIsTheSchemasWord(t *testing.T) {
	src := sources(t)
	src["schema.cedarschema"] = []byte(strings.Replace(string(src["schema.cedarschema"]),
		`appliesTo { principal: [Agent, Human]`, `appliesTo { principal: [Human]`, 1))
	src["grants/x.cedar"] = []byte(`@id("grants/x") ` + head + ` permit (principal is Human, action == Action::"evidence.read", resource is Service);`)
	for name := range src { // rules about agents that read no longer fit such a schema
		if strings.HasSuffix(name, ".cedar") && name != "grants/x.cedar" {
			delete(src, name)
		}
	}
	b, err := policy.LoadSources(src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	q := lowRisk()
	q.Playbook, q.Operations = "", []string{policy.ObserveEvidence}
	for name, decide := range map[string]func(policy.Request) writ.Decision{
		"decide": b.Decide, "answer": b.Answer, "linear": func(q policy.Request) writ.Decision { return policy.DecideLinear(b, q) },
	} {
		q.Facts.Principal = writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.example", Sub: "repair"}
		if d := decide(q); d.Verdict != writ.Deny || d.Reason != writ.ReasonInvalidRequest {
			t.Errorf("%s: an agent: %s (%s)", name, d.Verdict, d.Reason)
		}
		q.Facts.Principal, q.Facts.Roles = writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.example", Sub: "grace"}, nil
		if d := decide(q); d.Verdict != writ.Allow {
			t.Errorf("%s: a person: %s (%s)", name, d.Verdict, d.Reason)
		}
	}
}

func TestTheValidatorIsShownEveryFactOnce(t *testing.T) {
	if missing := policy.FactsAbsentFromFullest(); len(missing) > 0 {
		t.Errorf("fullest lacks %v", missing)
	}
	if n := len(policy.ContextNames()); n > policy.MaxFacts {
		t.Errorf("%d facts do not fit a set of %d", n, policy.MaxFacts)
	}
}

// An agent is converted once, for as long as nothing that is known of it changes. Whatever changes counts at once.
func TestI05WhatChangesAboutAnAgentOrServiceCountsAtTheNextDecision(t *testing.T) {
	b := defaultBundle(t)
	for name, change := range map[string]func(*policy.Facts){
		"suspended":       func(f *policy.Facts) { f.Suspended = true },
		"without a role":  func(f *policy.Facts) { f.Roles = nil },
		"another role":    func(f *policy.Facts) { f.Roles[0] = "diagnose" }, // in place: the caller's slice is its own
		"another owner":   func(f *policy.Facts) { f.OwningTeam = "search" },
		"another team":    func(f *policy.Facts) { f.Team = f.OwningTeam },
		"a stateful one":  func(f *policy.Facts) { f.Stateful = true },
		"in development":  func(f *policy.Facts) { f.Env = "dev" },
		"a person's name": func(f *policy.Facts) { f.Principal.Kind, f.Roles, f.Oncall = writ.KindHuman, nil, true },
	} {
		q := lowRisk()
		if d := b.Decide(q); d.Verdict != writ.Allow {
			t.Fatalf("%s (%s)", d.Verdict, d.Reason)
		}
		change(&q.Facts)
		want := policy.DecideLinear(defaultBundle(t), q)
		if d := cmp.Diff(want, b.Decide(q), cmpDigest); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// What is remembered is bounded, holds nothing that was refused, and decides nothing: asked by many at once, of many agents,
// a bundle says what one says that has never been asked before.
func TestI05WhatABundleRemembersDecidesNothing(t *testing.T) {
	b := defaultBundle(t)
	bad := lowRisk()
	bad.Facts.Env = "production"
	for range 2 {
		if d := b.Decide(bad); d.Reason != writ.ReasonInvalidRequest {
			t.Errorf("%s (%s)", d.Verdict, d.Reason)
		}
	}
	if _, services := policy.Remembered(b); services != 0 {
		t.Error("a refused service is remembered")
	}
	asks := randomRequests(rand.New(rand.NewPCG(9, 10)), 200)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, q := range asks {
				q.Facts.Principal.Sub = fmt.Sprintf("agent-%d", i%7)
				if got, want := b.Decide(q), policy.DecideLinear(b, q); !reflect.DeepEqual(got, want) {
					t.Error(cmp.Diff(want, got, cmpDigest))
					return
				}
			}
		})
	}
	wg.Wait()
	q := lowRisk()
	for i := range policy.MaxMemo + 10 {
		q.Facts.Principal.Sub, q.Facts.Service = fmt.Sprintf("agent-%d", i), fmt.Sprintf("service-%d", i)
		b.Answer(q)
	}
	if p, s := policy.Remembered(b); p > policy.MaxMemo || s > policy.MaxMemo || p == 0 || s == 0 {
		t.Errorf("%d principals and %d services are remembered", p, s)
	}
}

// Rules see the facts that one of them reads by its name. Where a rule uses the context otherwise, all are there.
func TestI05ARuleThatReadsTheWholeContextSeesIt(t *testing.T) {
	files := map[string]string{
		"grants/a.cedar": `@id("grants/a")` + head + permitAll + ` when { context.tier == 1 };`,
		"limits/b.cedar": `@id("limits/b")` + head + forbidAll + ` when { context has permille && context.permille > 900 };`,
	}
	if got := policy.FactsSeenBy(loadOnly(t, files), "playbook/restart-workload"); !slices.Equal(got, []string{"tier", "permille"}) {
		t.Errorf("%v", got)
	}
	files["limits/c.cedar"] = `@id("limits/c")` + head + forbidAll + ` unless { [context].contains(context) };`
	b := loadOnly(t, files)
	if got := policy.FactsSeenBy(b, "playbook/restart-workload"); !slices.Equal(got, policy.ContextNames()) {
		t.Errorf("%v", got)
	}
	if d := b.Decide(lowRisk()); d.Verdict != writ.Allow {
		t.Errorf("%s (%s) %v", d.Verdict, d.Reason, d.Errors)
	}
}
