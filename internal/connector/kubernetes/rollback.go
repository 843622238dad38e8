package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"

	"github.com/writ-dev/writ"
)

// Annotations and labels of the deployment controller.
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	templateHash       = "pod-template-hash"
)

// maxRevisions bounds how many revisions are looked at: a deployment keeps ten unless it is told otherwise.
const maxRevisions = 200

// A revision is one ReplicaSet of a deployment.
type revision struct {
	number   int64
	replicas int64
	set      object
	template object // without the controller's label
}

// rollback puts back the pod template of an earlier revision and nothing else: the number of replicas stays.
func rollback(ctx context.Context, c *Connector, p place, o object, with writ.Parameters) (change, error) {
	if o.truth("spec", "paused") {
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s is paused: nothing rolls out until it is resumed", p))
	}
	all, cut, err := c.revisions(ctx, p, o)
	if err != nil {
		return change{}, err
	}
	if cut { // the newest may be among those that were not looked at
		return change{}, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("more than %d ReplicaSets carry the labels of %s, so nobody knows to which one to go back", maxRevisions, p))
	}
	want, _ := with["revision"].Int64()
	now, to := inUse(o, all), revision{}
	for _, r := range all { // newest first
		if want == 0 && !sameTemplate(r, o) || want != 0 && r.number == want {
			to = r
			break
		}
	}
	switch {
	case to.set == nil && want == 0:
		return change{}, writ.Refuse(writ.ReasonNoObject, fmt.Sprintf("%s has no earlier revision", p))
	case to.set == nil:
		return change{}, &writ.Refusal{
			Code: writ.ReasonNoObject, Detail: fmt.Sprintf("%s keeps no revision %d", p, want), Hint: "kept: " + numbers(all),
		}
	case sameTemplate(to, o):
		return change{}, writ.Refuse(writ.ReasonNoChange, fmt.Sprintf("%s already runs revision %d", p, to.number))
	}
	ch, err := c.rollout(ctx, p, o)
	if err != nil {
		return ch, err
	}
	o.set(cloned(map[string]any(to.template)), "spec", "template")
	ch.after, ch.title, ch.detail = o, "Roll back", fmt.Sprintf(" from revision %d to %d", now, to.number)
	ch.undo = fmt.Sprintf("Put %s back as it is at revision %d", p.titled(), now)
	return ch, nil
}

// revisions lists what a deployment keeps, newest first, and says whether there are more than it looked at.
func (c *Connector) revisions(ctx context.Context, p place, o object) (out []revision, cut bool, err error) {
	sets, _ := kindNamed("replicaset")
	q := url.Values{"limit": {strconv.Itoa(maxRevisions)}}
	if s := selector(o); s != "" {
		q.Set("labelSelector", s)
	}
	list, _, err := c.read.read(ctx, place{kind: sets, namespace: p.namespace}.collection(), q.Encode())
	if err != nil {
		return nil, false, err
	}
	for _, set := range objects(list.list("items")) {
		if owner, ok := controllerOf(set); !ok || owner.uid != o.uid() {
			continue
		}
		n, err := strconv.ParseInt(set.annotation(revisionAnnotation), 10, 64)
		if err != nil {
			continue // the controller has not numbered it yet
		}
		t := set.sub("spec", "template").clone()
		t.drop("metadata", "labels", templateHash)
		out = append(out, revision{number: n, replicas: set.num(0, "status", "replicas"), set: set, template: t})
	}
	slices.SortFunc(out, func(a, b revision) int { return cmp.Compare(b.number, a.number) })
	return out, list.str("metadata", "continue") != "", nil
}

// sameTemplate compares as the deployment controller does: without its own label, and without what is empty.
func sameTemplate(r revision, deployment object) bool {
	tidy := func(t object) object {
		t = t.clone()
		t.drop("metadata", "creationTimestamp")
		t.dropEmpty("metadata")
		return t
	}
	return reflect.DeepEqual(tidy(r.template), tidy(deployment.sub("spec", "template")))
}

// inUse is the number of the revision whose template the deployment has; what its annotation says if there is none.
func inUse(o object, all []revision) int64 {
	for _, r := range all {
		if sameTemplate(r, o) {
			return r.number
		}
	}
	n, _ := strconv.ParseInt(o.annotation(revisionAnnotation), 10, 64)
	return n
}

func numbers(all []revision) string {
	s := ""
	for i, r := range all {
		if i > 0 {
			s += ", "
		}
		s += strconv.FormatInt(r.number, 10)
	}
	return cmp.Or(s, "none")
}
