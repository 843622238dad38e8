package bench_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/bench"
	"github.com/writ-dev/writ/internal/web"
)

// pastPlans is how many plans are stored when pages are measured.
const pastPlans = 10_000

// visitor is a person whose session costs nothing: the pages are measured, not the login.
type visitor struct{}

func (visitor) Principal(context.Context, *http.Request) (writ.Principal, error) {
	return writ.Principal{Kind: writ.KindHuman, Iss: "https://bench.writ", Sub: "reader"}, nil
}

func (visitor) DevLogin(context.Context, *http.Request, string) (*http.Cookie, error) {
	return nil, writ.ErrUnknownUser
}

func (visitor) Leave(context.Context, *http.Request) ([]*http.Cookie, error) { return nil, nil }

// pagesOf are the pages in front of a world.
func pagesOf(b *testing.B, w *bench.World) http.Handler {
	b.Helper()
	ctl := w.Control()
	h, err := web.Handler(web.Config{
		Auth: visitor{}, Browser: visitor{}, Plans: ctl, Runs: ctl, Incidents: ctl, Readings: ctl, Freezes: ctl, Agents: ctl, Playbooks: ctl, Ledger: ctl, Overview: ctl,
		Glasses: ctl, Turns: ctl, Policies: ctl, Autonomy: ctl, Upstreams: ctl, Denials: ctl, Lab: ctl, Verifier: ctl.Verifier, ExternalURL: "https://bench.writ", Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// BenchmarkPages is the server's time for one page, with many plans and runs stored.
func BenchmarkPages(b *testing.B) {
	ctx := b.Context()
	w, err := bench.Open(ctx, bench.Place{Dir: b.TempDir()}, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	if err := w.Past(ctx, pastPlans); err != nil {
		b.Fatal(err)
	}
	ctl := w.Control()
	h := pagesOf(b, w)
	by, _ := visitor{}.Principal(ctx, nil)
	plans, _, err := ctl.Plans(ctx, by, writ.PlanFilter{Limit: 1})
	if err != nil || len(plans) != 1 {
		b.Fatal(len(plans), err)
	}
	for name, path := range map[string]string{
		"inbox": "/", "plan": "/plans/" + string(plans[0].ID), "run": "/runs/" + string(plans[0].Run), "incident": "/incidents/" + string(plans[0].Incident),
		"health": "/health", "ledger": "/ledger", "entry": "/ledger/5000",
	} {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
				if rec.Code != http.StatusOK {
					b.Fatal(path, rec.Code, rec.Body)
				}
				size = rec.Body.Len()
			}
			b.ReportMetric(float64(size), "B/page")
		})
	}
}
