package kubernetes

import (
	"time"

	"github.com/writ-dev/writ"
)

// historyAnnotation is on a ReplicaSet that its deployment has used more than once: the revisions that it was before
// (RevisionHistoryAnnotation of k8s.io/kubernetes/pkg/controller/deployment/util).
const historyAnnotation = "deployment.kubernetes.io/revision-history"

// before says what was wrong with a deployment already before the revision that it now uses: whether it lacked available
// replicas all the time since, and how many of its pods have not been ready since. A symptom that is older than a change is
// not that change's doing. All times are the API server's, in whole seconds: within one second nothing counts as older.
// Where it cannot be known since when the revision is in use, there are no facts, and no condition on them holds.
func before(o object, all []revision, pods []object) writ.Observation {
	since, ok := usedSince(o, all)
	if !ok {
		return nil
	}
	var unready int64
	for _, p := range pods {
		if phase := p.str("status", "phase"); phase == "Succeeded" || phase == "Failed" || p.has("metadata", "deletionTimestamp") {
			continue // it has ended and another has its place
		}
		at := p.str("metadata", "creationTimestamp")
		if c := conditionOf(p, "Ready"); c != nil { // none before it has a node
			at = c.str("lastTransitionTime")
		}
		if !isReady(p) && earlierThan(at, since) {
			unready++
		}
	}
	facts := writ.Observation{"unready_before_revision": writ.Int(unready)}
	if c := conditionOf(o, "Available"); c != nil {
		facts["unavailable_before_revision"] = writ.Bool(c.str("status") == "False" && earlierThan(c.str("lastTransitionTime"), since))
	}
	return facts
}

// usedSince is when a deployment began to use its revision: when its ReplicaSet was made (metadata.creationTimestamp is the
// API server's). One that was used before is older than its newest use; then it is when the pod template was last written.
func usedSince(o object, all []revision) (time.Time, bool) {
	if o.num(0, "status", "observedGeneration") < o.num(1, "metadata", "generation") {
		return time.Time{}, false // the controller has not seen the newest template
	}
	for _, r := range all {
		switch {
		case !sameTemplate(r, o):
		case r.set.annotation(historyAnnotation) != "":
			return templateWritten(o)
		default:
			return instant(r.set.str("metadata", "creationTimestamp"))
		}
	}
	return time.Time{}, false
}

// templateWritten is when somebody last wrote the pod template, by metadata.managedFields. The API server renews the time of
// a manager with any field that it changes, so it may be later than the template's change: then more counts as older, and
// less is put back without a person (kubernetes.io/docs/reference/using-api/server-side-apply, field management).
func templateWritten(o object) (newest time.Time, ok bool) {
	for _, m := range objects(o.list("metadata", "managedFields")) {
		if m.str("subresource") != "" || !m.has("fieldsV1", "f:spec", "f:template") {
			continue
		}
		if at, known := instant(m.str("time")); known && at.After(newest) {
			newest, ok = at, true
		}
	}
	return newest, ok
}

// earlierThan reports whether a time of the API server is known and lies before another.
func earlierThan(at string, than time.Time) bool {
	t, ok := instant(at)
	return ok && t.Before(than)
}

// instant reads a time as the API server writes it.
func instant(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}
