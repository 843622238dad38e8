package policy

import (
	"sync"

	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// A fact of the context: its name and type as the schema must declare them, and its value, if it is there.
type contextFact struct {
	name     cedarx.Name
	kind     string
	optional bool
	get      func(*Facts) cedarx.Value // nil when absent
}

// contextFacts is the closed list. The loader refuses a schema that differs from it in any name, type or optionality.
var contextFacts = []contextFact{
	truth("registered", func(f *Facts) bool { return f.Registered }),
	truth("incidentOpen", func(f *Facts) bool { return f.IncidentOpen }),
	optional("severity", func(f *Facts) *int { return f.Severity }),
	number("tier", func(f *Facts) int { return f.Tier }),
	number("tierProof", func(f *Facts) int { return f.TierProof }),
	{name: "planes", kind: "Set<Plane>", get: func(f *Facts) cedarx.Value { return uidSet(typePlane, f.Planes) }},
	truth("undo", func(f *Facts) bool { return f.Undo }),
	truth("certified", func(f *Facts) bool { return f.Certified }),
	optional("targets", func(f *Facts) *int { return f.Targets }),
	optional("permille", func(f *Facts) *int { return f.Permille }),
	truth("cluster", func(f *Facts) bool { return f.Cluster }),
	optional("concurrent", func(f *Facts) *int { return f.Concurrent }),
	optional("previousRuns", func(f *Facts) *int { return f.PreviousRuns }),
	optional("failures", func(f *Facts) *int { return f.Failures }),
	optional("unsettled", func(f *Facts) *int { return f.Unsettled }),
	optional("hops", func(f *Facts) *int { return f.Hops }),
	optional("sameFixRepeated", func(f *Facts) *int { return f.SameFixRepeated }),
	optional("planesAfter", func(f *Facts) *int { return f.PlanesAfter }),
	truth("emergency", func(f *Facts) bool { return f.Emergency }),
	truth("newPlane", func(f *Facts) bool { return f.NewPlane }),
	number("evidenceCount", func(f *Facts) int { return f.EvidenceCount }),
	truth("evidenceFresh", func(f *Facts) bool { return f.EvidenceFresh }),
	optional("evidenceAgeSeconds", func(f *Facts) *int { return f.EvidenceAgeSeconds }),
	truth("tainted", func(f *Facts) bool { return f.Tainted }),
	truth("selfDiagnosed", func(f *Facts) bool { return f.SelfDiagnosed }),
	number("approvalsOwner", func(f *Facts) int { return f.ApprovalsOwner }),
	number("approvalsOncall", func(f *Facts) int { return f.ApprovalsOncall }),
	number("proof", func(f *Facts) int { return f.Proof }),
	{name: "now", kind: "Long", get: func(f *Facts) cedarx.Value { return cedarx.Long(f.Now) }},
	{name: "changeFreezeUntil", kind: "Long", optional: true, get: func(f *Facts) cedarx.Value {
		if f.ChangeFreezeUntil == nil {
			return nil
		}
		return cedarx.Long(*f.ChangeFreezeUntil)
	}},
	{name: "inWindow", kind: "Bool", optional: true, get: func(f *Facts) cedarx.Value {
		if f.InWindow == nil {
			return nil
		}
		return cedarx.Bool(*f.InWindow)
	}},
	optional("ttl", func(f *Facts) *int { return f.TTL }),
	optional("maxObjects", func(f *Facts) *int { return f.MaxObjects }),
	optional("maxPermille", func(f *Facts) *int { return f.MaxPermille }),
	{name: "arguments", kind: "Set<String>", optional: true, get: func(f *Facts) cedarx.Value {
		if f.Arguments == nil {
			return nil
		}
		return stringSet(f.Arguments)
	}},
}

func truth(name cedarx.Name, get func(*Facts) bool) contextFact {
	return contextFact{name: name, kind: "Bool", get: func(f *Facts) cedarx.Value { return cedarx.Bool(get(f)) }}
}

func number(name cedarx.Name, get func(*Facts) int) contextFact {
	return contextFact{name: name, kind: "Long", get: func(f *Facts) cedarx.Value { return cedarx.Long(int64(get(f))) }}
}

func optional(name cedarx.Name, get func(*Facts) *int) contextFact {
	return contextFact{name: name, kind: "Long", optional: true, get: func(f *Facts) cedarx.Value {
		if n := get(f); n != nil {
			return cedarx.Long(int64(*n))
		}
		return nil
	}}
}

// contextOf is context with some of the facts only, by their place in contextFacts; nil means all.
func (f *Facts) contextOf(some []int) cedarx.Record {
	if some == nil {
		return f.context()
	}
	m := contexts.Get().(cedarx.Members)
	for _, i := range some {
		if v := contextFacts[i].get(f); v != nil {
			m[contextFacts[i].name] = v
		}
	}
	r := cedarx.NewRecord(m) // it copies m
	clear(m)
	contexts.Put(m)
	return r
}

// contexts are empty maps that contexts are put together in.
var contexts = sync.Pool{New: func() any { return make(cedarx.Members, len(contextFacts)) }}

// A factSet says which of contextFacts are meant: bit i for the i-th.
type factSet uint64

// allFacts stands for whatever a condition may read of the context when it does not read it by its members.
const allFacts factSet = 1<<maxFacts - 1

// maxFacts bounds contextFacts, which a test checks: one bit each.
const maxFacts = 63

// factAt is the place of each fact in contextFacts.
var factAt = func() map[string]int {
	out := make(map[string]int, len(contextFacts))
	for i, f := range contextFacts {
		out[string(f.name)] = i
	}
	return out
}()

// reading notes what the conditions of a rule read.
func (r *rule) reading() {
	whole := false
	r.readsAction, whole = r.policy.Touches(func(variable, member string) {
		if i, known := factAt[member]; known && variable == "context" {
			r.reads |= 1 << i
		}
	})
	if whole {
		r.reads = allFacts
	}
}

// places are those of the set in contextFacts; nil for allFacts.
func (s factSet) places() []int {
	if s == allFacts {
		return nil
	}
	out := []int{}
	for i := range contextFacts {
		if s&(1<<i) != 0 {
			out = append(out, i)
		}
	}
	return out
}

// context converts the facts. Absent facts are absent members.
func (f *Facts) context() cedarx.Record {
	m := make(cedarx.Members, len(contextFacts))
	for i := range contextFacts {
		if v := contextFacts[i].get(f); v != nil {
			m[contextFacts[i].name] = v
		}
	}
	return cedarx.NewRecord(m)
}

// fullest are facts of which none is absent.
func fullest() *Facts {
	n, at, yes := 1, int64(1), true
	return &Facts{
		Severity: &n, Targets: &n, Permille: &n, Concurrent: &n, PreviousRuns: &n, Failures: &n, Unsettled: &n, Hops: &n,
		SameFixRepeated: &n, PlanesAfter: &n, EvidenceAgeSeconds: &n, ChangeFreezeUntil: &at, InWindow: &yes, TTL: &n,
		MaxObjects: &n, MaxPermille: &n, Planes: []string{"x"}, Arguments: []string{"x=x"},
	}
}
