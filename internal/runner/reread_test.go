package runner_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/runner"
)

// D1: the runner reads what its own plan rests on when it is asked, and says which claim does not hold and why.
func TestD1TheRunnerReadsAgainWhatItsPlanRestsOn(t *testing.T) {
	for book, want := range map[string]writ.Reason{"claim": writ.ReasonEvidenceContradicted, "one": writ.ReasonGuard} {
		t.Run(book, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				p := w.planned(book)
				b, err := p.Bytes()
				must(t, err)
				ask := func(digest writ.Digest) assignment.Answer {
					return w.ask(assignment.Assignment{Kind: assignment.KindReread, Reread: &assignment.Reread{Plan: p.ID, Digest: digest}}, 0)
				}
				if a := ask(writ.DigestOf(b)); a.Reread == nil || len(a.Reread.Claims) != 1 || a.Reread.Claims[0] != (assignment.Claimed{Name: "may-touch", Holds: true}) {
					t.Fatalf("%+v %+v", a.Reread, a.Refused)
				}
				w.target.GuardFact = false
				a := ask(writ.DigestOf(b))
				if a.Reread == nil || a.Reread.Claims[0].Holds || a.Reread.Claims[0].Code != want || !strings.Contains(a.Reread.Claims[0].Detail, "may-touch: ok is false") {
					t.Errorf("contradicted: %+v %+v", a.Reread, a.Refused)
				}
				w.target.GuardFact, w.target.Unreachable = true, true
				if a := ask(writ.DigestOf(b)); a.Reread == nil || a.Reread.Claims[0].Holds || a.Reread.Claims[0].Code == "" {
					t.Errorf("unreachable: %+v %+v", a.Reread, a.Refused)
				}
				if a := ask(writ.DigestOf([]byte("another"))); a.Refused == nil || a.Refused.Code != writ.ReasonPlanUnknown {
					t.Errorf("of another plan: %+v", a.Refused)
				}
			})
		})
	}
}

// D1: what was contradicted between the grant and the run ends the run before anything is minted.
func TestD1AClaimThatFailsAfterTheGrantMintsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		p := w.planned("claim")
		g := w.grant(p)
		w.target.GuardFact = false
		if end := w.execute(g); end.Reason != writ.ReasonEvidenceContradicted {
			t.Errorf("%s %s", end.State, end.Reason)
		}
		if got := w.target.values(); !strings.HasPrefix(got, "old") {
			t.Errorf("it wrote: %s", got)
		}
	})
}

// A metrics is a target that can only be read, of a plane of its own.
type metrics struct {
	connector.Connector
	low bool
}

const metricsName = writ.Location("gauge://lab")

func (m *metrics) Target() writ.Location { return metricsName }

func (m *metrics) Catalogue() connector.Catalogue {
	return connector.Catalogue{Plane: "gauge", Readers: []connector.Reader{{Name: "gauge/errors.now", Title: "errors", Facts: []connector.Fact{{Name: "low", Type: connector.TypeBool, Title: "low"}}}}}
}

func (m *metrics) Observe(context.Context, connector.Query) (connector.Reading, error) {
	return connector.Reading{Source: "gauge", At: time.Now(), Facts: writ.Observation{"low": writ.Bool(m.low)}}, nil
}

// D1: a claim may rest on another plane than the one that is written to; without exactly one target of it, it is missing.
func TestD1AClaimIsReadOnThePlaneOfItsReader(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := &metrics{low: true}
		w.change = func(c *runner.Config) { c.Connectors = append(c.Connectors, m) }
		w.start()
		both := func(p *assignment.Planning) {
			p.Scope = append(append([]writ.Location{}, scope...), metricsName+"/errors")
		}
		if a := w.propose("gauge", both); a.Planned == nil {
			t.Fatalf("%+v", a.Refused)
		}
		m.low = false
		if a := w.propose("gauge", both); a.Refused == nil || a.Refused.Code != writ.ReasonEvidenceContradicted {
			t.Errorf("contradicted there: %+v", a.Refused)
		}
		if a := w.propose("gauge"); a.Refused == nil || a.Refused.Code != writ.ReasonEvidenceMissing {
			t.Errorf("of a service without metrics: %+v", a.Refused)
		}
	})
}
