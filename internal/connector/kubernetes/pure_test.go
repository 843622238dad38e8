package kubernetes_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

func TestI09BlastIsWhatTheStrategyAllows(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		kind, object string
		replicas     int
		permille     int
	}{
		"a quarter of eight":              {"deployment", `{"spec":{"replicas":8,"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}}},"status":{"readyReplicas":8}}`, 8, 250},
		"a quarter of three rounds down":  {"deployment", `{"spec":{"replicas":3,"strategy":{"rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}}},"status":{"readyReplicas":3}}`, 3, 0},
		"no strategy given":               {"deployment", `{"spec":{"replicas":8},"status":{"readyReplicas":8}}`, 8, 250},
		"a number":                        {"deployment", `{"spec":{"replicas":3,"strategy":{"rollingUpdate":{"maxUnavailable":2}}},"status":{"readyReplicas":3}}`, 3, 667},
		"neither may move, so one must":   {"deployment", `{"spec":{"replicas":2,"strategy":{"rollingUpdate":{"maxUnavailable":0,"maxSurge":0}}},"status":{"readyReplicas":2}}`, 2, 500},
		"some are missing already":        {"deployment", `{"spec":{"replicas":8,"strategy":{"rollingUpdate":{"maxUnavailable":2}}},"status":{"readyReplicas":7}}`, 8, 143},
		"nothing is ready":                {"deployment", `{"spec":{"replicas":8},"status":{}}`, 8, 0},
		"recreate":                        {"deployment", `{"spec":{"replicas":2,"strategy":{"type":"Recreate"}},"status":{"readyReplicas":2}}`, 2, 1000},
		"a stateful set goes one by one":  {"statefulset", `{"spec":{"replicas":4},"status":{"readyReplicas":4}}`, 4, 250},
		"a stateful set in twos":          {"statefulset", `{"spec":{"replicas":4,"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}}},"status":{"readyReplicas":4}}`, 4, 500},
		"a stateful set left to people":   {"statefulset", `{"spec":{"replicas":4,"updateStrategy":{"type":"OnDelete"}},"status":{"readyReplicas":4}}`, 4, 0},
		"a daemon set goes one by one":    {"daemonset", `{"status":{"desiredNumberScheduled":5,"numberReady":5}}`, 5, 200},
		"a daemon set in tenths of three": {"daemonset", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":"10%"}}},"status":{"desiredNumberScheduled":3,"numberReady":3}}`, 3, 334},
		"a daemon set left to people":     {"daemonset", `{"spec":{"updateStrategy":{"type":"OnDelete"}},"status":{"desiredNumberScheduled":3,"numberReady":3}}`, 3, 0},
	} {
		got, err := kubernetes.BlastOf(x.kind, []byte(x.object))
		if err != nil || got.Replicas != x.replicas || got.Permille != x.permille {
			t.Errorf("%s: %+v, %v; want %d replicas, %d permille", name, got, err, x.replicas, x.permille)
		}
	}
}

func TestFactsOfARollout(t *testing.T) {
	t.Parallel()
	facts := func(want, ready, permille, updated, unavailable int64, complete bool, revision int64, observed, paused bool) writ.Observation {
		return writ.Observation{
			"replicas": writ.Int(want), "ready_replicas": writ.Int(ready), "ready_permille": writ.Int(permille), "updated_replicas": writ.Int(updated),
			"unavailable": writ.Int(unavailable), "complete": writ.Bool(complete), "revision": writ.Int(revision),
			"generation_observed": writ.Bool(observed), "paused": writ.Bool(paused),
		}
	}
	for name, x := range map[string]struct {
		kind, object string
		want         writ.Observation
	}{
		"complete": {"deployment", `{"metadata":{"generation":4,"annotations":{"deployment.kubernetes.io/revision":"3"}},"spec":{"replicas":3},"status":{"observedGeneration":4,"replicas":3,"readyReplicas":3,"updatedReplicas":3,"availableReplicas":3}}`,
			facts(3, 3, 1000, 3, 0, true, 3, true, false)},
		"not observed yet, so not complete": {"deployment", `{"metadata":{"generation":5},"spec":{"replicas":3},"status":{"observedGeneration":4,"replicas":3,"readyReplicas":3,"updatedReplicas":3,"availableReplicas":3}}`,
			facts(3, 3, 1000, 3, 0, false, 0, false, false)},
		"an old pod still counts": {"deployment", `{"metadata":{"generation":1},"spec":{"replicas":3},"status":{"observedGeneration":1,"replicas":4,"readyReplicas":3,"updatedReplicas":3,"availableReplicas":3}}`,
			facts(3, 3, 1000, 3, 0, false, 0, true, false)},
		"paused and short": {"deployment", `{"metadata":{"generation":1},"spec":{"replicas":3,"paused":true},"status":{"observedGeneration":1,"replicas":3,"readyReplicas":2,"updatedReplicas":1,"availableReplicas":2}}`,
			facts(3, 2, 666, 1, 1, false, 0, true, true)},
		"scaled to nothing": {"deployment", `{"metadata":{"generation":1},"spec":{"replicas":0},"status":{"observedGeneration":1}}`,
			facts(0, 0, 1000, 0, 0, true, 0, true, false)},
		"a daemon set": {"daemonset", `{"metadata":{"generation":1},"status":{"observedGeneration":1,"desiredNumberScheduled":3,"numberReady":2,"updatedNumberScheduled":3,"numberAvailable":2}}`,
			facts(3, 2, 666, 3, 1, false, 0, true, false)},
		"a stateful set at rest": {"statefulset", `{"metadata":{"generation":1},"spec":{"replicas":2},"status":{"observedGeneration":1,"replicas":2,"readyReplicas":2,"availableReplicas":2,"currentReplicas":2,"currentRevision":"a","updateRevision":"a"}}`,
			facts(2, 2, 1000, 2, 0, true, 0, true, false)},
		"a stateful set half-way": {"statefulset", `{"metadata":{"generation":2},"spec":{"replicas":2},"status":{"observedGeneration":2,"replicas":2,"readyReplicas":2,"availableReplicas":2,"updatedReplicas":1,"currentReplicas":1,"currentRevision":"a","updateRevision":"b"}}`,
			facts(2, 2, 1000, 1, 0, false, 0, true, false)},
	} {
		got, err := kubernetes.FactsOf(x.kind, []byte(x.object))
		if diff := cmp.Diff(x.want, got, cmp.Comparer(func(a, b writ.Value) bool { return a == b })); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestDiffIsFieldByField(t *testing.T) {
	t.Parallel()
	got, err := kubernetes.DiffOf("node", []byte(`{
		"metadata": {"name": "n", "resourceVersion": "1", "annotations": {"a": "1"}}, "status": {"x": 1},
		"spec": {"a": 1, "gone": {"x": {"y": "z"}}, "list": [1, 2], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
			"taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}}`),
		[]byte(`{"metadata": {"name": "n", "resourceVersion": "2", "annotations": {"a": "2\u001b[31m"}},
		"spec": {"a": 1, "list": [1, 3, 4], "env": [{"name": "B", "value": "2"}, {"name": "A", "value": ""}, {"name": "token", "value": "hunter2"}]}}`))
	want := []writ.Change{
		{Path: "metadata.annotations.a", Before: "1", After: `2\u{1b}[31m`},
		{Path: "spec.env", Before: "order [A B]", After: "order [B A]"},
		{Path: "spec.env[A].value", Before: "1", After: `""`},
		{Path: "spec.env[token].name", After: "token"},
		{Path: "spec.env[token].value", After: "[redacted]"},
		{Path: "spec.gone.x.y", Before: "z"},
		{Path: "spec.list[1]", Before: "2", After: "3"},
		{Path: "spec.list[2]", After: "4"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	many := []byte(`{"spec":{"list":[` + strings.TrimSuffix(strings.Repeat(`{"a":1},`, writ.MaxChanges+1), ",") + `]}}`)
	if _, err := kubernetes.DiffOf("deployment", []byte(`{}`), many); writ.ReasonOf(err) != writ.ReasonTooLarge {
		t.Errorf("a diff without end: %v", err)
	}
}

func TestManagedFieldsFindTheirPath(t *testing.T) {
	t.Parallel()
	fields := []byte(`{"f:metadata":{"f:annotations":{"f:example.com/x":{}}},"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{}}}}}}}`)
	for path, want := range map[string]bool{
		"spec.replicas":                                 true,
		"spec.paused":                                   false,
		"metadata.annotations.example.com/x":            true,
		"metadata.annotations.example.com/y":            false,
		"spec.template.spec.containers[app].image":      true,
		"spec.template.spec.containers[app].image.deep": true,
		"spec.template.spec.containers[other].image":    false,
		"": true,
	} {
		if got := kubernetes.Covers(fields, path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}

// TestI20SecretsCannotBeNamed: there is no place for the kind in the catalogue, nor in a location.
func TestI20SecretsCannotBeNamed(t *testing.T) {
	t.Parallel()
	for _, l := range []writ.Location{"kubernetes://t/shop/secret/x", "kubernetes://t/shop/secrets/x", "kubernetes://t/shop/Secret/x"} {
		if _, ok := kubernetes.PlaceOf(l); ok {
			t.Errorf("%s is an object", l)
		}
	}
	b, err := json.Marshal(kubernetes.Catalogue())
	if err != nil || strings.Contains(string(b), `"secret"`) || strings.Contains(string(b), `"configmap"`) {
		t.Errorf("the catalogue offers secrets or config maps: %v", err)
	}
	if err := kubernetes.Catalogue().Check(); err != nil {
		t.Error(err)
	}
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"kubernetes://t/shop/deployment/api", "kubernetes://t/_cluster/node/n1", "kubernetes://t/_cluster/deployment/x", "kubernetes://t/a/pod/b_c", "kubernetes://t/../pod/x", "://"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := kubernetes.PlaceOf(writ.Location(s))
		if !ok {
			return
		}
		if again, ok := kubernetes.PlaceOf(got); !ok || again != got {
			t.Errorf("%q becomes %q, then %q", s, got, again)
		}
		if path := kubernetes.PathOf(got); strings.ContainsAny(path, "%?#\\ ") || strings.Contains(path, "..") || strings.Contains(path, "//") {
			t.Errorf("%q leads to the path %q", s, path)
		}
	})
}

func FuzzObject(f *testing.F) {
	f.Add([]byte(sickObject))
	f.Add([]byte(`{"metadata":{"annotations":null},"spec":{"taints":[1,{"key":2}]}}`))
	f.Add([]byte(`{"a":1}{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		once, err := kubernetes.Reencode(b)
		if err != nil {
			return
		}
		twice, err := kubernetes.Reencode(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q: %v", once, twice, err)
		}
		for _, kind := range []string{"deployment", "statefulset", "daemonset", "node"} {
			if same, err := kubernetes.DiffOf(kind, b, once); err != nil || len(same) > 0 {
				t.Errorf("an object differs from itself: %v %v", same, err)
			}
			if _, err := kubernetes.DiffOf(kind, []byte(`{"spec":{"taints":[{"key":"x"}]}}`), b); err != nil && writ.ReasonOf(err) != writ.ReasonTooLarge {
				t.Error(err)
			}
			if x, err := kubernetes.BlastOf(kind, b); err != nil || x.Permille < 0 || x.Permille > 1000 {
				t.Errorf("%+v %v", x, err)
			}
			if _, err := kubernetes.FactsOf(kind, b); err != nil {
				t.Error(err)
			}
		}
	})
}
