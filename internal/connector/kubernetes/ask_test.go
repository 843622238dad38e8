package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// rules are a token's rights in a namespace, apart from those that everybody has.
func (w world) rules(t testing.TB, token, ns string) []string {
	t.Helper()
	b := w.post(t, token, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", fmt.Sprintf(`{"kind":"SelfSubjectRulesReview","apiVersion":"authorization.k8s.io/v1","spec":{"namespace":%q}}`, ns))
	var review struct {
		Status struct {
			ResourceRules []struct{ Verbs, APIGroups, Resources, ResourceNames []string }
		}
	}
	if err := json.Unmarshal(b, &review); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range review.Status.ResourceRules {
		if slices.Contains(r.APIGroups, "authorization.k8s.io") || slices.Contains(r.APIGroups, "authentication.k8s.io") || slices.Contains(r.APIGroups, "certificates.k8s.io") {
			continue
		}
		slices.Sort(r.Verbs)
		out = append(out, fmt.Sprintf("%s %s/%s/%s", strings.Join(r.Verbs, ","), strings.Join(r.APIGroups, ","), strings.Join(r.Resources, ","), strings.Join(r.ResourceNames, ",")))
	}
	slices.Sort(out)
	return out
}

func (w world) post(t testing.TB, token, path, body string) []byte {
	t.Helper()
	_, b := w.send(t, token, "POST", path, body)
	return b
}

// as is the status that a token gets on a path.
func (w world) as(t testing.TB, token, path string) int {
	t.Helper()
	status, _ := w.send(t, token, "GET", path, "")
	return status
}

func (w world) send(t testing.TB, token, method, path, body string) (int, []byte) {
	t.Helper()
	cfg, err := w.Config(token)
	if err != nil {
		t.Fatal(err)
	}
	h, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, w.Host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := h.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.Bytes()
}
