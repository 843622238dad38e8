package bench_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/bench"
)

// manyPlans is how many plans are stored when the page of one is measured; with -short a hundredth of it.
const manyPlans = 100_000

// firstPaint is the goal for a plan's page, in milliseconds of the server's time: a browser paints it without waiting for more.
const firstPaint = 100

// BenchmarkPagesOfManyPlans is the server's time for a page with 100,000 plans stored, all of which wait.
func BenchmarkPagesOfManyPlans(b *testing.B) {
	ctx, n := b.Context(), manyPlans
	if testing.Short() {
		n /= 100
	}
	w, err := bench.Open(ctx, bench.Place{Dir: b.TempDir()}, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	if err := w.OpenProposals(ctx, n); err != nil {
		b.Fatal(err)
	}
	h := pagesOf(b, w)
	by, _ := visitor{}.Principal(ctx, nil)
	plans, _, err := w.Control().Plans(ctx, by, writ.PlanFilter{State: writ.PlanWaiting, Limit: 1})
	if err != nil || len(plans) != 1 {
		b.Fatal(len(plans), err)
	}
	for name, path := range map[string]string{
		"plan": "/plans/" + string(plans[0].ID), "inbox": "/", "plans": "/plans", "reach": "/reach", "lab of a plan": "/policy?plan=" + string(plans[0].ID), "replay": "/policy?replay=1",
	} {
		b.Run(fmt.Sprintf("%s/plans=%d", name, n), func(b *testing.B) {
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
			if name == "plan" {
				b.ReportMetric(firstPaint, "ms-goal")
			}
		})
	}
}
