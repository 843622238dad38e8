package kubernetes_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// A mutation is one row's change, on an object of its own.
type mutation struct {
	object func(ns, name string) map[string]any
	edit   func(o map[string]any) map[string]any // nil deletes
}

// TestI16WholeObjectReplaceUndoesEveryMutation makes each change of the corpus with a lease, on a real API server with
// its controllers at work, undoes it with another lease and compares all of the object.
func TestI16WholeObjectReplaceUndoesEveryMutation(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c := w.asAdmin(t)
	w.create(t, map[string]any{
		"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": map[string]any{"name": "corpus"}, "value": 1000,
	})
	rows := corpus(t)
	for _, made := range []string{"apply", "create"} {
		ns := w.Namespace(t)
		var names []string
		var steps []connector.Prepared
		for i, m := range rows[made] {
			o := mutations[m].object(ns, fmt.Sprintf("m%02d-%s", i, fresh(made)))
			if made == "apply" {
				w.apply(t, o)
			} else {
				w.create(t, o)
			}
			l := locate(o)
			if at(o, "metadata", "namespace") == nil {
				t.Cleanup(func() { w.call(t, http.MethodDelete, kubernetes.PathOf(l), "application/json", nil) })
			}
			p, err := c.PrepareEdit(t.Context(), l, mutations[m].edit)
			if err != nil {
				t.Fatalf("%s: %v", m, err)
			}
			names, steps = append(names, m), append(steps, p)
		}
		forward, back := lease(t, c, false, steps...), lease(t, c, true, steps...)
		for i, m := range names {
			t.Run(made+"/"+m, func(t *testing.T) {
				l := steps[i].Step.Object.Location
				path := kubernetes.PathOf(l)
				before := w.state(t, path)
				p, out := settled(t, c, forward, l, mutations[m].edit)
				if out.Effect != writ.Applied {
					t.Fatalf("do: %+v", out)
				}
				if w.state(t, path) == before {
					t.Fatal("the mutation changed nothing")
				}
				byRevert(t, w, c, forward, p, out, before)
				if u := back.Undo(t.Context(), p, out.After); !u.Restored || u.Effect != writ.Applied {
					t.Errorf("undo: %+v", u)
				}
				if diff := cmp.Diff(tree(t, before), tree(t, w.state(t, path))); diff != "" {
					t.Errorf("left behind:\n%s", diff)
				}
			})
		}
	}
}

// byRevert puts a change back by a plan of its own, compares all of the object, and makes the change once more by undoing
// that. A deletion is refused: what is deleted does not come back as it was.
func byRevert(t *testing.T, w world, c *kubernetes.Connector, l connector.Lease, p connector.Prepared, out connector.Outcome, before string) {
	t.Helper()
	at := p.Step.Object.Location
	path := kubernetes.PathOf(at)
	ask := connector.Reversal{Key: "back", Of: p, After: out.After, Scope: []writ.Location{at}}
	if p.Step.Call.Method == http.MethodDelete {
		if _, err := c.Revert(t.Context(), ask); writ.ReasonOf(err) != writ.ReasonNoInverse {
			t.Errorf("a deletion is put back: %v", err)
		}
		return
	}
	for range 20 {
		r, err := c.Revert(t.Context(), ask)
		if err != nil {
			t.Fatalf("revert: %v", err)
		}
		o := l.Do(t.Context(), r)
		if o.Reason == writ.ReasonWorldMoved {
			continue // a controller wrote in between
		}
		if o.Effect != writ.Applied {
			t.Fatalf("revert: %+v", o)
		}
		if diff := cmp.Diff(tree(t, before), tree(t, w.state(t, path))); diff != "" {
			t.Errorf("put back by a plan, left behind:\n%s", diff)
		}
		again, err := c.Revert(t.Context(), connector.Reversal{Key: "again", Of: r, After: o.After, Scope: ask.Scope})
		if err != nil {
			t.Fatalf("revert of the revert: %v", err)
		}
		if o := l.Do(t.Context(), again); o.Effect != writ.Applied {
			t.Fatalf("revert of the revert: %+v", o)
		}
		return
	}
	t.Fatal("the object does not come to rest")
}

// settled plans and makes a change, again when a controller wrote the object's status in between.
func settled(t *testing.T, c *kubernetes.Connector, l connector.Lease, at writ.Location, edit func(map[string]any) map[string]any) (connector.Prepared, connector.Outcome) {
	t.Helper()
	for range 20 {
		p, err := c.PrepareEdit(t.Context(), at, edit)
		if err != nil {
			t.Fatal(err)
		}
		if out := l.Do(t.Context(), p); out.Reason != writ.ReasonWorldMoved {
			return p, out
		}
	}
	t.Fatal("the object does not come to rest")
	panic("unreachable")
}

// corpus reads which mutations are to be tried on objects made by apply and by create.
func corpus(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open("../../../testdata/corpus/undo-mutations.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var row struct {
			By       string `json:"object_created_by"`
			Mutation string `json:"mutation"`
		}
		if err := json.Unmarshal(s.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if mutations[row.Mutation].object == nil {
			t.Errorf("nobody knows how to make the mutation %q", row.Mutation)
			continue
		}
		out[row.By] = append(out[row.By], row.Mutation)
	}
	if len(out["apply"]) != 41 || len(out["create"]) != 41 {
		t.Fatalf("%d and %d mutations", len(out["apply"]), len(out["create"]))
	}
	return out
}

func tree(t *testing.T, state string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(state), &v); err != nil {
		t.Fatalf("%v in %s", err, state)
	}
	return v
}
