package study

import (
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/policy"
)

// numberFact is a fact that always has a number, from 0 to most.
type numberFact struct {
	name string
	most int
	of   func(*policy.Facts) *int
}

var numbers = []numberFact{
	{"tier", int(writ.T4), func(f *policy.Facts) *int { return &f.Tier }},
	{"evidenceCount", canon.MaxInt, func(f *policy.Facts) *int { return &f.EvidenceCount }},
	{"approvalsOwner", canon.MaxInt, func(f *policy.Facts) *int { return &f.ApprovalsOwner }},
	{"approvalsOncall", canon.MaxInt, func(f *policy.Facts) *int { return &f.ApprovalsOncall }},
	{"proof", writ.ProofA.Strength(), func(f *policy.Facts) *int { return &f.Proof }},
}

// optionalFact is one that may be absent.
type optionalFact struct {
	name        string
	least, most int
	of          func(*policy.Facts) **int
}

var optionals = []optionalFact{
	{"severity", writ.SeverityMin, writ.SeverityMax, func(f *policy.Facts) **int { return &f.Severity }},
	{"targets", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.Targets }},
	{"permille", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.Permille }},
	{"concurrent", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.Concurrent }},
	{"previousRuns", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.PreviousRuns }},
	{"failures", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.Failures }},
	{"unsettled", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.Unsettled }},
	{"hops", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.Hops }},
	{"sameFixRepeated", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.SameFixRepeated }},
	{"planesAfter", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.PlanesAfter }},
	{"evidenceAgeSeconds", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.EvidenceAgeSeconds }},
	{"ttl", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.TTL }},
	{"maxObjects", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.MaxObjects }},
	{"maxPermille", 0, canon.MaxInt, func(f *policy.Facts) **int { return &f.MaxPermille }},
}

// truthFact is one that is true or false.
type truthFact struct {
	name, rule string
	of         func(*policy.Facts) *bool
}

var truths = []truthFact{
	{"registered", "context.registered", func(f *policy.Facts) *bool { return &f.Registered }},
	{"suspended", "principal.suspended", func(f *policy.Facts) *bool { return &f.Suspended }},
	{"oncall", "principal.oncall", func(f *policy.Facts) *bool { return &f.Oncall }},
	{"incidentOpen", "context.incidentOpen", func(f *policy.Facts) *bool { return &f.IncidentOpen }},
	{"stateful", "resource.stateful", func(f *policy.Facts) *bool { return &f.Stateful }},
	{"undo", "context.undo", func(f *policy.Facts) *bool { return &f.Undo }},
	{"certified", "context.certified", func(f *policy.Facts) *bool { return &f.Certified }},
	{"cluster", "context.cluster", func(f *policy.Facts) *bool { return &f.Cluster }},
	{"newPlane", "context.newPlane", func(f *policy.Facts) *bool { return &f.NewPlane }},
	{"evidenceFresh", "context.evidenceFresh", func(f *policy.Facts) *bool { return &f.EvidenceFresh }},
	{"tainted", "context.tainted", func(f *policy.Facts) *bool { return &f.Tainted }},
	{"autonomyLost", "principal.autonomy", func(f *policy.Facts) *bool { return &f.AutonomyLost }},
	{"selfDiagnosed", "context.selfDiagnosed", func(f *policy.Facts) *bool { return &f.SelfDiagnosed }},
}

// valueOf is a number of the facts by its name in rules, if it is there.
func valueOf(f *policy.Facts, name string) (int, bool) {
	if name == "tierProof" {
		return f.TierProof, true
	}
	if i := slices.IndexFunc(numbers, func(n numberFact) bool { return n.name == name }); i >= 0 {
		return *numbers[i].of(f), true
	}
	if i := slices.IndexFunc(optionals, func(n optionalFact) bool { return n.name == name }); i >= 0 {
		if p := *optionals[i].of(f); p != nil {
			return *p, true
		}
	}
	return 0, false
}

// spans are distances from a fact that another is compared with.
var spans = []int{-1, 0, 1}

func (g *gathered) numberChanges(n numberFact) []func(*policy.Request) {
	var out []func(*policy.Request)
	for _, v := range g.around(n.name, n.most) {
		out = append(out, func(q *policy.Request) { *n.of(&q.Facts) = v })
	}
	if n.most == int(writ.T4) || n.most == writ.ProofA.Strength() { // few enough to try them all
		for v := range n.most + 1 {
			out = append(out, func(q *policy.Request) { *n.of(&q.Facts) = v })
		}
	}
	for _, other := range g.beside(n.name) {
		for _, by := range spans {
			out = append(out, func(q *policy.Request) {
				if v, ok := valueOf(&q.Facts, other); ok && v+by >= 0 && v+by <= n.most {
					*n.of(&q.Facts) = v + by
				}
			})
		}
	}
	return out
}

func (g *gathered) optionalChanges(n optionalFact) []func(*policy.Request) {
	out := []func(*policy.Request){func(q *policy.Request) { *n.of(&q.Facts) = nil }}
	set := func(v int) { out = append(out, func(q *policy.Request) { *n.of(&q.Facts) = &v }) }
	tried := g.around(n.name, n.most)
	if !slices.Contains(tried, n.least) {
		set(n.least)
	}
	for _, v := range tried {
		if v >= n.least {
			set(v)
		}
	}
	for _, other := range g.beside(n.name) {
		for _, by := range spans {
			out = append(out, func(q *policy.Request) {
				if v, ok := valueOf(&q.Facts, other); ok && v+by >= n.least && v+by <= n.most {
					*n.of(&q.Facts) = new(v + by)
				}
			})
		}
	}
	return out
}

func (g *gathered) nowChanges() []func(*policy.Request) {
	var out []func(*policy.Request)
	for _, v := range g.around("now", canon.MaxInt) {
		if v > 0 {
			out = append(out, func(q *policy.Request) { q.Facts.Now = int64(v) })
		}
	}
	return append(out, func(q *policy.Request) {
		if u := q.Facts.ChangeFreezeUntil; u != nil {
			q.Facts.Now = *u
		}
	})
}
