package control_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/control"
)

// An instruction that a tenant hides in one field of a reading, an annotation or a message, is not
// vouched for by the other fields; the same name in a field that only the cluster writes is.
func TestI04AFieldThatOthersWriteVouchesForNothing(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		want  writ.PlanState
	}{
		"in an annotation alone":     {`{"metadata":{"name":"checkout","annotations":{"fix":"restart payments"}}}`, writ.PlanWaiting},
		"in the object's own name":   {`{"metadata":{"name":"payments","annotations":{"fix":"restart payments"}}}`, writ.PlanGranted},
		"as a part of another name":  {`{"metadata":{"name":"payments-old","annotations":{"fix":"restart payments"}}}`, writ.PlanWaiting},
		"under a name stated twice":  {`{"metadata":{"name":"payments","name":"checkout"}}`, writ.PlanWaiting},
		"in what was cut":            {`{"metadata":{"name":"payments"`, writ.PlanWaiting},
		"nowhere, as any other name": {`{"metadata":{"name":"checkout"}}`, writ.PlanGranted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *control.Config) {
				cat := c.Targets[0].Catalogue
				cat.Readers = append([]connector.Reader{}, cat.Readers...)
				for i := range cat.Readers {
					if cat.Readers[i].Name == "kubernetes/object.get" {
						cat.Readers[i].Writable, cat.Readers[i].Fields = true, []string{"metadata.annotations"}
					}
				}
				c.Targets[0].Catalogue = cat
			})
			in := w.incident("shop").ID
			ask := w.restart(in)
			ask.Parameters = with(workload, "name", writ.String("payments"))
			w.runner.script(func(o assignment.Observe) assignment.Answer {
				a := w.runner.read(o)
				a.Observed.Bytes = []byte(c.bytes)
				return a
			}, nil)
			ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/object.get", target, with(workload, "kind", writ.String("pod")))
			must(t, err)
			if len(ev.Fields) != 1 || !ev.Writable {
				t.Errorf("it is not marked: %v %v", ev.Writable, ev.Fields)
			}
			ask.Evidence = append(ask.Evidence, ev.ID)
			if s := w.propose(repair, ask); s.State != c.want {
				t.Errorf("%s %s %s, want %s", s.State, s.Reason, s.Detail, c.want)
			}
		})
	}
}
