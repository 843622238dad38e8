package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/policytest"
)

// fifteen is the size of a small deployment: 15 rules that all have to be looked at.
func fifteen() map[string]string {
	files := map[string]string{}
	add := func(folder, notes, effect, condition string) {
		var w strings.Builder
		for i := range 5 {
			fmt.Fprintf(&w, "@id(\"%s/r%d\") %s %s %s (principal is Agent, action in Action::\"mutate\", resource is Service) when { %s };\n",
				folder, i, head, notes, effect, strings.ReplaceAll(condition, "#", fmt.Sprint(i)))
		}
		files[folder+"/x.cedar"] = w.String()
	}
	add("grants", "", "permit", `context.tier >= 1 && context.tier <= # && principal.roles.contains(Role::"repair") && context.evidenceFresh`)
	add("limits", "", "forbid", `context has concurrent && context.concurrent > # || context.tier > 3 && resource.env == Env::"prod"`)
	add("requirements", approve+` @proof("tier")`, "forbid", `context.tier == # + 2 && (context.approvalsOwner < 1 || context.proof < context.tierProof)`)
	return files
}

// scoped adds rules for other services, as a large deployment has them.
func scoped(n int) map[string]string {
	files := fifteen()
	var w strings.Builder
	for i := range n - 15 {
		fmt.Fprintf(&w, "@id(\"limits/s%d\") %s forbid (principal, action in Action::\"mutate\", resource == Service::\"service-%d\") when { context.tier > 2 && context.now > 5 };\n", i, head, i)
		if i%500 == 499 {
			files[fmt.Sprintf("limits/s%d.cedar", i)] = w.String()
			w.Reset()
		}
	}
	files["limits/rest.cedar"] = w.String()
	if n == 15 {
		delete(files, "limits/rest.cedar")
	}
	return files
}

func BenchmarkDecide(b *testing.B) {
	one := lowRisk()
	one.Operations = nil
	waiting := at(2)
	run := func(name string, bundle *policy.Bundle, q policy.Request, want writ.Verdict) {
		b.Run(name, func(b *testing.B) {
			if d := bundle.Decide(q); d.Verdict != want {
				b.Fatalf("%s (%s) by %v", d.Verdict, d.Reason, d.Policies)
			}
			took := make([]time.Duration, 0, 1<<16)
			b.ReportAllocs()
			before := policytest.Processor(b)
			for b.Loop() {
				start := time.Now()
				bundle.Decide(q)
				if len(took) < cap(took) {
					took = append(took, time.Since(start))
				}
			}
			policytest.ReportProcessor(b, before, b.N, "op")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-µs")
		})
	}
	for _, n := range []int{15, 150, 1500, 15000} {
		bundle := loadOnly(b, scoped(n))
		run(fmt.Sprintf("rules=%d/action", n), bundle, one, writ.Allow)
		run(fmt.Sprintf("rules=%d/plan", n), bundle, lowRisk(), writ.Allow)
	}
	run("default/action", defaultBundle(b), one, writ.Allow)
	run("default/plan", defaultBundle(b), lowRisk(), writ.Allow)
	run("default/plan-requires", defaultBundle(b), waiting, writ.Requires)
}

// BenchmarkDecideOnAll decides on all processors at once, as a busy server does: agents and services of a hundred teams.
func BenchmarkDecideOnAll(b *testing.B) {
	asks := make([]policy.Request, 400)
	for i := range asks {
		q := lowRisk()
		q.Facts.Principal.Sub, q.Facts.Service = fmt.Sprintf("agent-%d", i%100), fmt.Sprintf("service-%d", i)
		asks[i] = q
	}
	for _, set := range []struct {
		name   string
		bundle *policy.Bundle
	}{{"rules=15", loadOnly(b, scoped(15))}, {"rules=15000", loadOnly(b, scoped(15000))}, {"default", defaultBundle(b)}} {
		b.Run(set.name, func(b *testing.B) {
			if d := set.bundle.Decide(asks[0]); d.Verdict != writ.Allow {
				b.Fatalf("%s (%s) by %v", d.Verdict, d.Reason, d.Policies)
			}
			b.ReportAllocs()
			before := policytest.Processor(b)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					set.bundle.Decide(asks[i%len(asks)])
				}
			})
			policytest.ReportProcessor(b, before, b.N, "op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{15, 150, 1500, 15000} {
		src := only(b, scoped(n))
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			before := policytest.Processor(b)
			for b.Loop() {
				if _, err := policy.LoadSources(src, vocabulary()); err != nil {
					b.Fatal(err)
				}
			}
			policytest.ReportProcessor(b, before, b.N, "op")
		})
	}
}
