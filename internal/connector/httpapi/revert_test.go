package httpapi_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/storefront"
)

// TestI16AStackOfStepsIsPutBackInReverseOrder changes one service of the shop twice and puts both changes back, the newer
// one first; the other way round it is a conflict, and says which field.
func TestI16AStackOfStepsIsPutBackInReverseOrder(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	const name = "side-stack"
	if err := s.Open(name); err != nil {
		t.Fatal(err)
	}
	before, err := s.Look(name)
	if err != nil {
		t.Fatal(err)
	}
	scope := []writ.Location{writ.Location("httpapi://shop/services/" + name)}
	var done []connector.Reversal
	for _, d := range []connector.Draft{
		setRelease(name, "v3"),
		draft(name, "httpapi/replicas.set", writ.Parameters{"service": writ.String(name), "replicas": writ.Int(int64(before.Replicas) + 1)}),
	} {
		p := plan(t, x, d)
		out := lease(t, x, false, p).Do(t.Context(), p)
		if out.Effect != writ.Applied {
			t.Fatalf("%+v", out)
		}
		done = append(done, connector.Reversal{Key: d.Key + ".back", Of: p, After: out.After, Scope: scope})
	}
	if _, err := x.Revert(t.Context(), done[0]); writ.ReasonOf(err) != writ.ReasonUndoConflict || !strings.Contains(err.Error(), "replicas") {
		t.Errorf("the older change was put back below the newer: %v", err)
	}
	for _, r := range []connector.Reversal{done[1], done[0]} {
		p, err := x.Revert(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if out := lease(t, x, false, p).Do(t.Context(), p); out.Effect != writ.Applied {
			t.Fatalf("%+v", out)
		}
	}
	after, err := s.Look(name)
	if err != nil {
		t.Fatal(err)
	}
	if after.Release != before.Release || after.Replicas != before.Replicas {
		t.Errorf("release %s and %d replicas, before %s and %d", after.Release, after.Replicas, before.Release, before.Replicas)
	}
}

// Another call than the inverse, under the name of a step that reverts, is not taken.
func TestI03AStepThatRevertsMakesTheInverseCallAndNoOther(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	const name = "side-back"
	if err := s.Open(name); err != nil {
		t.Fatal(err)
	}
	p := plan(t, x, setRelease(name, "v3"))
	out := lease(t, x, false, p).Do(t.Context(), p)
	back, err := x.Revert(t.Context(), connector.Reversal{Key: "pln_x.1", Of: p, After: out.After, Scope: []writ.Location{"httpapi://shop/services/" + name}})
	if err != nil {
		t.Fatal(err)
	}
	back.Step.Call.Path = strings.Replace(back.Step.Call.Path, name, storefront.Payments, 1)
	if _, err := x.Lease(t.Context(), request(false, back), func([]byte) error { return nil }); writ.ReasonOf(err) != writ.ReasonCallAltered {
		t.Errorf("a lease for another call: %v", err)
	}
}
