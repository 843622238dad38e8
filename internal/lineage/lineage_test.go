package lineage_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/lineage"
)

const incident = writ.IncidentID("inc_01JDB4A2Q7N5S3J8E6X0F4G1MB")

var at = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)

func agent(sub string) writ.Principal {
	return writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.test", Sub: sub}
}

// hop is a first hand-off from one agent to another.
func hop(from, to string, changes ...func(*writ.HandOff)) writ.HandOff {
	h := writ.HandOff{
		V: 1, ID: "hnd_01JDB4A2Q7N5S3J8E6X0F4G1MB", Incident: incident, From: agent(from), To: agent(to), Playbooks: []string{"restart", "rollback"}, MaxTier: writ.T2,
		At: at, Expires: at.Add(10 * time.Minute),
	}
	for _, f := range changes {
		f(&h)
	}
	return h
}

// after is a hop that goes on from another.
func after(t *testing.T, parent writ.HandOff, to string, changes ...func(*writ.HandOff)) (writ.HandOff, error) {
	t.Helper()
	h := hop(parent.To.Sub, to, append([]func(*writ.HandOff){func(h *writ.HandOff) {
		h.Parent, h.ID, h.Playbooks, h.MaxTier, h.Expires, h.At = parent.ID, "hnd_01JDB4A2Q7N5S3J8E6X0F4G1MC", slices.Clone(parent.Playbooks), parent.MaxTier, parent.Expires, parent.At.Add(time.Second)
	}}, changes...)...)
	var err error
	h.Lineage, err = lineage.Extend(&parent, h)
	return h, err
}

func first(t *testing.T) writ.HandOff {
	t.Helper()
	h := hop("diagnose", "repair")
	var err error
	if h.Lineage, err = lineage.Extend(nil, h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestI11AHopThatWidensAnyFieldIsRefused(t *testing.T) {
	for name, change := range map[string]func(*writ.HandOff){
		"a playbook more":        func(h *writ.HandOff) { h.Playbooks = []string{"restart", "rollback", "scale"} },
		"another playbook":       func(h *writ.HandOff) { h.Playbooks = []string{"scale"} },
		"a higher tier":          func(h *writ.HandOff) { h.MaxTier = writ.T3 },
		"a longer life":          func(h *writ.HandOff) { h.Expires = h.Expires.Add(time.Second) },
		"another incident":       func(h *writ.HandOff) { h.Incident = "inc_01JDB4A2Q7N5S3J8E6X0F4G1MC" },
		"somebody else's":        func(h *writ.HandOff) { h.From = agent("stranger") },
		"a sibling's":            func(h *writ.HandOff) { h.Parent = "hnd_01JDB4A2Q7N5S3J8E6X0F4G1MD" },
		"after it was over":      func(h *writ.HandOff) { h.At = at.Add(10 * time.Minute); h.Expires = h.At.Add(time.Second) },
		"back to the first":      func(h *writ.HandOff) { h.To = agent("diagnose") },
		"to itself":              func(h *writ.HandOff) { h.To = h.From },
		"to a person":            func(h *writ.HandOff) { h.To.Kind = writ.KindHuman },
		"nothing at all":         func(h *writ.HandOff) { h.Playbooks = nil },
		"a pattern":              func(h *writ.HandOff) { h.Playbooks = []string{"re*"} },
		"a playbook twice":       func(h *writ.HandOff) { h.Playbooks = []string{"restart", "restart"} },
		"tier 0":                 func(h *writ.HandOff) { h.MaxTier = writ.T0 },
		"over before it is made": func(h *writ.HandOff) { h.Expires = h.At },
	} {
		if _, err := after(t, first(t), "specialist", change); writ.ReasonOf(err) != writ.ReasonHandOff {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h, err := after(t, first(t), "specialist"); err != nil || h.Depth() != 2 || !h.Lineage[0].Same(agent("diagnose")) || !h.Lineage[1].Same(agent("repair")) {
		t.Errorf("%+v %v", h, err)
	}
}

func TestI11TheFourthHopIsRefused(t *testing.T) {
	h := first(t)
	for i := 2; i <= lineage.MaxDepth; i++ {
		var err error
		if h, err = after(t, h, fmt.Sprintf("agent-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := after(t, h, "one-more"); writ.ReasonOf(err) != writ.ReasonHandOff {
		t.Error(err)
	}
}

func TestI11AFirstHopCannotLastLongerThanItsLimit(t *testing.T) {
	h := hop("diagnose", "repair", func(h *writ.HandOff) { h.Expires = h.At.Add(lineage.MaxLife + time.Second) })
	if _, err := lineage.Extend(nil, h); writ.ReasonOf(err) != writ.ReasonHandOff {
		t.Error(err)
	}
}

// TestI11AlongAnyChainNothingGrows walks random chains: whatever Extend takes, each hop's power lies within the power of
// every hop before it, and nobody stands in it twice.
func TestI11AlongAnyChainNothingGrows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"restart", "rollback", "scale", "pause"}
	some := func() (out []string) {
		for _, n := range names {
			if r.IntN(2) == 0 {
				out = append(out, n)
			}
		}
		slices.Sort(out)
		return out
	}
	taken := 0
	for range 20_000 {
		var chain []writ.HandOff
		var parent *writ.HandOff
		from := fmt.Sprint("a", r.IntN(4))
		for i := range 5 {
			h := writ.HandOff{
				V: 1, ID: writ.HandOffID(fmt.Sprintf("hnd_%026d", i+1)), Incident: incident, From: agent(from), To: agent(fmt.Sprint("a", r.IntN(5))), Playbooks: some(),
				MaxTier: writ.Tier(r.IntN(6)), At: at.Add(time.Duration(i) * time.Second), Expires: at.Add(time.Duration(r.IntN(1200)) * time.Second),
			}
			if parent != nil {
				h.Parent = parent.ID
			}
			var err error
			if h.Lineage, err = lineage.Extend(parent, h); err != nil {
				break
			}
			taken++
			chain, parent, from = append(chain, h), &h, h.To.Sub
		}
		for i, h := range chain {
			if h.Depth() != i+1 || h.Depth() > lineage.MaxDepth || slices.ContainsFunc(h.Lineage, h.To.Same) {
				t.Fatalf("%+v", h)
			}
			for _, before := range chain[:i] {
				inside := h.MaxTier <= before.MaxTier && !h.Expires.After(before.Expires)
				for _, p := range h.Playbooks {
					inside = inside && slices.Contains(before.Playbooks, p)
				}
				if !inside {
					t.Fatalf("%+v\nwidens %+v", h, before)
				}
			}
		}
	}
	if taken < 1000 {
		t.Errorf("only %d hops were taken: the walk shows nothing", taken)
	}
}

func TestI11AnAskOutsideItsHandOffIsRefused(t *testing.T) {
	h := first(t)
	if err := lineage.Covers(h, agent("repair"), incident, "rollback", at); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another playbook": lineage.Covers(h, agent("repair"), incident, "scale", at),
		"another incident": lineage.Covers(h, agent("repair"), "inc_01JDB4A2Q7N5S3J8E6X0F4G1MC", "rollback", at),
		"too late":         lineage.Covers(h, agent("repair"), incident, "rollback", h.Expires),
		"a higher tier":    lineage.CoversTier(h, writ.T3),
	} {
		if writ.ReasonOf(err) != writ.ReasonHandOff {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := lineage.Covers(h, agent("stranger"), incident, "rollback", at); writ.ReasonOf(err) != writ.ReasonUnknownHandOff {
		t.Errorf("a stranger learns that it exists: %v", err)
	}
	if err := lineage.CoversTier(h, writ.T2); err != nil {
		t.Error(err)
	}
}
