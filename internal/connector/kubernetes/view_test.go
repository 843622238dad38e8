package kubernetes_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/testbed"
)

// state renders an object without status and without the API server's and the controllers' own fields. It is written
// apart from the connector's own idea of these, to judge it.
func (w world) state(t testing.TB, path string) string {
	t.Helper()
	status, o := w.call(t, http.MethodGet, path, "", nil)
	if status == http.StatusNotFound {
		return "absent"
	}
	delete(o, "status")
	meta := o["metadata"].(map[string]any)
	for _, k := range []string{"resourceVersion", "generation", "managedFields", "uid", "creationTimestamp"} {
		delete(meta, k)
	}
	if a, ok := meta["annotations"].(map[string]any); ok {
		delete(a, "deployment.kubernetes.io/revision")
		delete(a, "deprecated.daemonset.template.generation")
		delete(a, "node.alpha.kubernetes.io/ttl")
		if len(a) == 0 {
			delete(meta, "annotations")
		}
	}
	if spec, ok := o["spec"].(map[string]any); ok && o["kind"] == "Node" {
		var keep []any
		taints, _ := spec["taints"].([]any)
		for _, x := range taints {
			if !strings.HasPrefix(at(x, "key").(string), "node.kubernetes.io/") {
				keep = append(keep, x)
			}
		}
		delete(spec, "taints")
		if len(keep) > 0 {
			spec["taints"] = keep
		}
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rest waits until nobody writes the object any more, and its controller has seen the last change.
func (w world) rest(t testing.TB, path string) {
	t.Helper()
	last, same := "", 0
	testbed.Await(t, path+" at rest", func(context.Context) (bool, string, error) {
		_, o := w.call(t, http.MethodGet, path, "", nil)
		v, _ := at(o, "metadata", "resourceVersion").(string)
		if v == "" {
			return false, "", errors.New("absent")
		}
		seen, counts := at(o, "status", "observedGeneration").(float64)
		if want, _ := at(o, "metadata", "generation").(float64); v != last || counts && seen < want {
			last, same = v, 0
			return false, v, nil
		}
		same++
		return same >= 8, v, nil
	})
}
