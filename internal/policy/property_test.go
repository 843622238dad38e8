package policy_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

var annotation = regexp.MustCompile(`@(discharge|approvals|approvers|proof)\("([^"]*)"\)`)

// Pitfall 9: whichever annotation of the bundle is lost, misspelt or changed, the bundle is refused or decides no
// request more kindly than before.
func TestLosingAnAnnotationNeverMakesADecisionWeaker(t *testing.T) {
	asks := randomRequests(rand.New(rand.NewPCG(1, 2)), 400)
	before := defaultBundle(t)
	tried, loaded := 0, 0
	for name, text := range sources(t) {
		for _, m := range annotation.FindAllSubmatchIndex(text, -1) {
			key, value := string(text[m[2]:m[3]]), string(text[m[4]:m[5]])
			for _, with := range []string{"", "@x" + key + `("` + value + `")`, "@" + key + `("")`, "@" + key + `("1")`, "@" + key + `("3")`, "@" + key + `("D")`, "@" + key + `("oncall")`, "@" + key + `("clamp")`} {
				tried++
				src := sources(t)
				src[name] = slices.Concat(text[:m[0]], []byte(with), text[m[1]:])
				b, err := policy.LoadSources(src, vocabulary())
				if err != nil {
					continue
				}
				loaded++
				for _, q := range asks {
					was, is := before.Decide(q), b.Decide(q)
					if hard(is) < hard(was) {
						t.Fatalf("%s with %q for @%s: %s became %s", name, with, key, was.Verdict, is.Verdict)
					}
				}
			}
		}
	}
	if tried < 100 || loaded < 10 {
		t.Errorf("%d tried, %d loaded", tried, loaded)
	}
}

func hard(d writ.Decision) int {
	return map[writ.Verdict]int{writ.Allow: 0, writ.Requires: 1, writ.Deny: 2}[d.Verdict]
}

// Pitfall 21.
func TestReplayOfRecordedFactsIsByteForByteTheSame(t *testing.T) {
	b := defaultBundle(t)
	for _, q := range randomRequests(rand.New(rand.NewPCG(3, 4)), 500) {
		first := b.Decide(q)
		if first.Reason == writ.ReasonInvalidRequest {
			continue
		}
		facts, err := policy.ParseFacts(first.Facts)
		if err != nil {
			t.Fatalf("%s: %v", first.Facts, err)
		}
		again := b.Decide(policy.Request{Playbook: q.Playbook, Operations: q.Operations, Facts: facts})
		x, _ := json.Marshal(withIDs(first))
		y, _ := json.Marshal(withIDs(again))
		if !bytes.Equal(x, y) {
			t.Fatalf("%s\n%s", x, y)
		}
	}
}

// withIDs fills what Decide leaves to the caller, so that the record can be written.
func withIDs(d writ.Decision) writ.Decision {
	d.ID, d.Plan, d.PlanDigest = "dec_01JZZZZZZZZZZZZZZZZZZZZZZZ", "pln_01JZZZZZZZZZZZZZZZZZZZZZZZ", writ.DigestOf(nil)
	return d
}

// randomRequests makes asks around the values that the default policies compare with.
func randomRequests(r *rand.Rand, n int) []policy.Request {
	pick := func(max int) *int {
		if v := r.IntN(max + 2); v <= max {
			return &v
		}
		return nil
	}
	out := make([]policy.Request, n)
	books := []string{"rollback-deployment", "restart-workload", "cordon-node", "set-flag", ""}
	operations := []string{"kubernetes/workload.rollback", "kubernetes/workload.restart", "kubernetes/node.cordon", "httpapi/flag.set", "evidence.read"}
	for i := range out {
		q := at(r.IntN(5))
		f := &q.Facts
		q.Playbook, q.Operations = books[r.IntN(len(books))], []string{operations[r.IntN(len(operations))]}
		if q.Playbook == "" {
			q.Operations = operations[4:]
		}
		f.Registered, f.Suspended, f.IncidentOpen = r.IntN(20) > 0, r.IntN(20) == 0, r.IntN(20) > 0
		f.Roles = [][]string{{"repair"}, {"diagnose", "repair"}, {"diagnose"}, nil}[r.IntN(4)]
		if r.IntN(5) == 0 {
			f.Principal, f.Roles, f.Oncall = writ.Principal{Kind: writ.KindHuman, Iss: "https://login.example", Sub: "grace"}, nil, r.IntN(2) == 0
		}
		f.Team = []string{"platform", "payments", ""}[r.IntN(3)]
		f.Service = []string{"checkout", "search", "s1", "s2"}[r.IntN(4)]
		f.OwningTeam = []string{"payments", "t1", "t2"}[r.IntN(3)]
		f.Env, f.Stateful = []string{"dev", "staging", "prod"}[r.IntN(3)], r.IntN(4) == 0
		f.Severity, f.Tainted, f.SelfDiagnosed = new(1+r.IntN(4)), r.IntN(8) == 0, r.IntN(4) == 0
		f.Permille, f.Failures, f.SameFixRepeated, f.PlanesAfter = new(r.IntN(1100)), pick(2), new(r.IntN(4)), new(r.IntN(4))
		f.Concurrent, f.Unsettled = new(r.IntN(8)/7), new(r.IntN(6)/5)
		f.ApprovalsOwner, f.ApprovalsOncall, f.Proof = r.IntN(3), r.IntN(2), r.IntN(5)
		f.Cluster = r.IntN(10) == 0
		if r.IntN(10) == 0 {
			f.ChangeFreezeUntil = new(f.Now + int64(r.IntN(3)) - 1)
		}
		out[i] = q
	}
	return out
}

func TestRandomRequestsReachEveryVerdict(t *testing.T) {
	b, seen := defaultBundle(t), map[writ.Reason]int{}
	for _, q := range randomRequests(rand.New(rand.NewPCG(5, 6)), 2000) {
		seen[b.Decide(q).Reason]++
	}
	for _, why := range []writ.Reason{writ.ReasonAllowed, writ.ReasonNeedsApproval, writ.ReasonLimit, writ.ReasonNoGrantRule} {
		if seen[why] < 20 {
			t.Errorf("%s came %d times: %v", why, seen[why], slices.Sorted(maps.Keys(seen)))
		}
	}
}
