package web_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/playbooks"
)

const glassID = apitest.BreakGlassID

// uses are one that is open, one whose review is overdue, one whose review is due, and one that was reviewed.
func uses() []writ.BreakGlass {
	of := func(n byte, state writ.BreakGlassState, hours time.Duration) writ.BreakGlass {
		g := writ.BreakGlass{
			ID: glassID[:len(glassID)-1] + writ.BreakGlassID(n), State: state, Incident: incident, Service: "payments-api", Team: "checkout", Asker: other.Principal(), Proof: writ.ProofB,
			Playbook: writ.PlaybookRef{Name: "emergency-restart", Version: 1, Digest: digest}, Justification: "the second owner cannot be reached", Plan: planID, PlanState: writ.PlanWaiting,
			AskedAt: at.Add(-hours * time.Hour), Expires: at.Add(-hours*time.Hour + writ.MaxBreakGlassLife),
		}
		if state != writ.BreakGlassAsked {
			due := g.AskedAt.Add(writ.ReviewLife)
			g.Run, g.RunState, g.PlanState, g.ReviewDue, g.Overdue = runID, writ.RunSucceeded, writ.PlanDone, &due, state == writ.BreakGlassUsed && due.Before(at)
		}
		return g
	}
	all := []writ.BreakGlass{of('A', writ.BreakGlassAsked, 0), of('B', writ.BreakGlassUsed, 3), of('C', writ.BreakGlassUsed, 30), of('D', writ.BreakGlassReviewed, 60)}
	all[3].Review = &writ.BreakGlassReview{By: human, At: at.Add(-40 * time.Hour), Verdict: writ.ReviewJustified, Note: "the rota had a hole"}
	return all
}

func (f *fake) BreakGlassOf(_ context.Context, _ writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error) {
	for _, g := range f.glass {
		if g.ID == id {
			return g, f.Err
		}
	}
	g := uses()[1]
	g.ID = id
	return g, f.Err
}

func (f *fake) BreakGlasses(_ context.Context, _ writ.Principal, state writ.BreakGlassState, _ int, _ string) ([]writ.BreakGlass, string, error) {
	var out []writ.BreakGlass
	for _, g := range f.glass {
		if state == "" || g.State == state {
			out = append(out, g)
		}
	}
	return out, "", f.Err
}

// shelf is a library with a playbook for emergencies beside another, as they are published.
type shelf struct {
	*fake
	source []byte
	ref    writ.PlaybookRef
}

func emergencies(t testing.TB, f *fake) shelf {
	t.Helper()
	b, err := fs.ReadFile(playbooks.Library, "emergency-restart.yaml")
	must(t, err)
	return shelf{f, b, writ.PlaybookRef{Name: "emergency-restart", Version: 1, Digest: writ.DigestOf(b)}}
}

func (s shelf) Playbooks(ctx context.Context, by writ.Principal, service string) ([]writ.PlaybookSummary, error) {
	all, err := s.fake.Playbooks(ctx, by, service)
	return append(all, writ.PlaybookSummary{PlaybookRef: s.ref, Title: "Emergency: restart {kind} {namespace}/{name}", Plane: "kubernetes", Tier: writ.T2, Emergency: true}), err
}

func (s shelf) Playbook(ctx context.Context, by writ.Principal, name string) (writ.PlaybookText, error) {
	if name != s.ref.Name {
		return s.fake.Playbook(ctx, by, name)
	}
	all, err := s.Playbooks(ctx, by, "")
	return writ.PlaybookText{PlaybookSummary: all[1], Text: "Does:\n- kubernetes/workload.restart\n", Source: strings.Clone(string(s.source))}, err
}
