package kubernetes_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// TestROB07WhatIsOlderThanTheRevisionInUse: what began before the revision in use was made is told apart from what began
// with it, and where it cannot be known there is no fact, on which no condition holds.
func TestROB07WhatIsOlderThanTheRevisionInUse(t *testing.T) {
	t.Parallel()
	const older, made, newer = "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", "2026-01-02T03:04:07Z"
	deployment := func(available, since, seen, managed string) string {
		return fmt.Sprintf(`{"metadata":{"generation":3,"managedFields":[%s]},"spec":{"template":{"spec":{"v":2}}},
			"status":{"observedGeneration":%s,"conditions":[{"type":"Available","status":%q,"lastTransitionTime":%q}]}}`, managed, seen, available, since)
	}
	set := func(template int, at, history string) string {
		return fmt.Sprintf(`{"metadata":{"creationTimestamp":%q,"annotations":{%s}},"spec":{"template":{"spec":{"v":%d}}}}`, at, history, template)
	}
	pod := func(ready, since, more string) string {
		return fmt.Sprintf(`{"metadata":{"creationTimestamp":%q%s},"status":{"phase":"Running","conditions":[{"type":"Ready","status":%q,"lastTransitionTime":%q}]}}`, older, more, ready, since)
	}
	wrote := func(at, more string) string {
		return fmt.Sprintf(`{"time":%q%s,"fieldsV1":{"f:spec":{"f:template":{"f:spec":{}}}}}`, at, more)
	}
	const again = `"deployment.kubernetes.io/revision-history":"1"`
	facts := func(unavailable bool, unready int64) writ.Observation {
		return writ.Observation{"unavailable_before_revision": writ.Bool(unavailable), "unready_before_revision": writ.Int(unready)}
	}
	for name, x := range map[string]struct {
		deployment string
		sets, pods []string
		want       writ.Observation
	}{
		"all is well": {deployment("True", older, "3", ""), []string{set(2, made, "")}, []string{pod("True", older, "")}, facts(false, 0)},
		"it was away before, and is": {deployment("False", older, "3", ""), []string{set(2, made, ""), set(1, older, "")},
			[]string{pod("False", older, ""), pod("False", newer, "")}, facts(true, 1)},
		"it went with the revision":                                  {deployment("False", newer, "3", ""), []string{set(2, made, "")}, []string{pod("False", newer, "")}, facts(false, 0)},
		"it went in the same second":                                 {deployment("False", made, "3", ""), []string{set(2, made, "")}, []string{pod("False", made, "")}, facts(false, 0)},
		"a pod that has no node":                                     {deployment("True", older, "3", ""), []string{set(2, made, "")}, []string{`{"metadata":{"creationTimestamp":"` + older + `"},"status":{"phase":"Pending"}}`}, facts(false, 1)},
		"a pod that goes or has ended":                               {deployment("True", older, "3", ""), []string{set(2, made, "")}, []string{pod("False", older, `,"deletionTimestamp":"`+newer+`"`), `{"metadata":{"creationTimestamp":"` + older + `"},"status":{"phase":"Failed"}}`}, facts(false, 0)},
		"a time that is none":                                        {deployment("False", "yesterday", "3", ""), []string{set(2, made, "")}, []string{pod("False", "", "")}, facts(false, 0)},
		"the controller is behind":                                   {deployment("False", older, "2", ""), []string{set(2, made, "")}, nil, nil},
		"no ReplicaSet has the template":                             {deployment("False", older, "3", ""), []string{set(1, made, "")}, nil, nil},
		"a revision that is used again, and nobody knows since when": {deployment("False", made, "3", ""), []string{set(2, older, again)}, nil, nil},
		"a revision that is used again, since its template was written": {deployment("False", made, "3", wrote(older, "")+","+wrote(newer, "")+","+wrote("2027-01-02T03:04:05Z", `,"subresource":"status"`)),
			[]string{set(2, older, again)}, nil, facts(true, 0)},
		"used again, and away after that": {deployment("False", newer, "3", wrote(made, "")), []string{set(2, older, again)}, nil, facts(false, 0)},
		"no condition": {`{"metadata":{"generation":1},"spec":{"template":{"spec":{"v":2}}},"status":{"observedGeneration":1}}`, []string{set(2, made, "")}, nil,
			writ.Observation{"unready_before_revision": writ.Int(0)}},
	} {
		got, err := kubernetes.Before([]byte(x.deployment), many(x.sets), many(x.pods))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(x.want, got, cmp.AllowUnexported(writ.Value{})); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func many(texts []string) (out [][]byte) {
	for _, s := range texts {
		out = append(out, []byte(s))
	}
	return out
}

// TestROB07ARealDeploymentTellsWhatIsOlder reads a real one: away before its revision, away since its revision, and with a
// revision that is used for the second time.
func TestROB07ARealDeploymentTellsWhatIsOlder(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	history := func(name, what string, unavailable, unready bool) {
		t.Helper()
		testbed.Await(t, name+", "+what, func(context.Context) (bool, string, error) {
			got, err := observe(t, c, namespaced(ns), kubernetes.WorkloadHistory, workload("deployment", ns, name))
			if err != nil {
				return false, "", err
			}
			n, known := got.Facts["unready_before_revision"].Int64()
			return known && got.Facts["unavailable_before_revision"] == writ.Bool(unavailable) && (n > 0) == unready, fmt.Sprint(got.Facts), nil
		})
	}
	w.Deployment(t, ns, "young", "api:1", 2)
	history("young", "well", false, false)
	w.RollOut(t, ns, "young", "api:broken")
	history("young", "broken by its revision", false, false)
	w.RollOut(t, ns, "young", "api:1")
	history("young", "well again, with a revision that was used before", false, false)

	w.Deployment(t, ns, "old", "api:broken", 2)
	history("old", "broken from its beginning", false, false) // its controller has said since when
	w.nextSecond()
	w.RollOut(t, ns, "old", "api:broken-too")
	history("old", "broken before", true, true)
	w.RollOut(t, ns, "old", "api:1")
	history("old", "well", false, false)
}

// nextSecond returns when the API server's times, which are whole seconds, are others than now.
func (w *world) nextSecond() {
	begun := time.Now().Truncate(time.Second)
	for !time.Now().Truncate(time.Second).After(begun) {
		time.Sleep(10 * time.Millisecond)
	}
}
