package kubernetes

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// A right is what a lease may do with one object, or, if the object has no name, with the kind in its namespace.
type right struct {
	place place
	verbs []string
}

// rightsOf derives the rights of a lease from its steps: the verbs of these calls on these objects.
func rightsOf(target writ.Location, r connector.LeaseRequest) ([]right, error) {
	var out []right
	for _, p := range r.Steps {
		at, err := objectOf(target, p.Step)
		if err != nil {
			return nil, err
		}
		switch {
		case p.Step.Tier > r.Tier:
			return nil, fmt.Errorf("%w: step %s is %s, and the lease %s", writ.ErrInvalid, p.Step.Key, p.Step.Tier, r.Tier)
		case p.Step.Inverse.Kind == writ.InverseRecreated && r.Undo:
			above, err := recreator(p)
			if err != nil {
				return nil, err
			}
			out = append(out, right{at, []string{"get"}}, right{above, []string{"get"}})
		case p.Step.Call.Method == http.MethodPatch && r.Undo:
			out = append(out, right{at, []string{"get", "update"}}) // the pre-image is put back whole
		case p.Step.Call.Method == http.MethodPatch:
			out = append(out, right{at, []string{"get", "patch"}})
		case p.Step.Call.Method == http.MethodDelete && r.Undo:
			// Undoing a deletion makes the object again. Creating cannot be limited to a name (RBAC).
			out = append(out, right{at, []string{"get", "update"}}, right{place{kind: at.kind, namespace: at.namespace}, []string{"create"}})
		case p.Step.Call.Method == http.MethodDelete:
			out = append(out, right{at, []string{"get", "delete"}})
		default:
			return nil, fmt.Errorf("%w: step %s: a lease is for PATCH and DELETE", writ.ErrInvalid, p.Step.Key)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: a lease without steps", writ.ErrInvalid)
	}
	slices.SortFunc(out, func(a, b right) int { return cmp.Compare(a.String(), b.String()) })
	return slices.CompactFunc(out, func(a, b right) bool { return a.String() == b.String() }), nil
}

// objectOf is the object of a step, whose call must be on that object's own path.
func objectOf(target writ.Location, s writ.Step) (place, error) {
	at, ok := placeAt(s.Object.Location)
	if !ok || s.Object.Location.Target() != target || s.Call.Path != at.path() {
		return place{}, writ.Refuse(writ.ReasonCallAltered, fmt.Sprintf("step %s: the call is not on the object of the step", s.Key))
	}
	return at, nil
}

// recreator is the controller that makes a step's deleted pod again.
func recreator(p connector.Prepared) (place, error) {
	pod, err := parseObject(p.Preimage)
	if err != nil {
		return place{}, err
	}
	ref, ok := controllerOf(pod)
	if !ok {
		return place{}, writ.Refuse(writ.ReasonNoInverse, fmt.Sprintf("step %s: the pod has no controller", p.Step.Key))
	}
	return ref.place, nil
}

// String is the right in plain words: "get, update deployment checkout in shop".
func (r right) String() string {
	if r.place.name == "" {
		where := "the cluster"
		if !r.place.kind.cluster {
			where = r.place.namespace
		}
		return strings.Join(r.verbs, ", ") + " any " + r.place.kind.name + " in " + where
	}
	return strings.Join(r.verbs, ", ") + " " + r.place.String()
}

// rule is the right as RBAC writes it.
func (r right) rule() map[string]any {
	rule := map[string]any{"apiGroups": []any{r.place.kind.group}, "resources": []any{r.place.kind.plural}, "verbs": anys(r.verbs)}
	if r.place.name != "" {
		rule["resourceNames"] = []any{r.place.name}
	}
	return rule
}

func anys(ss []string) []any {
	out := make([]any, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}

// A realm is where roles hold: one namespace, or the cluster when it is empty.
type realm string

// realms lists where a lease's rights hold, sorted, the cluster first.
func realms(rights []right) []realm {
	var out []realm
	for _, r := range rights {
		out = append(out, r.realm())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (r right) realm() realm {
	if r.place.kind.cluster {
		return ""
	}
	return realm(r.place.namespace)
}

const rbac = "/apis/rbac.authorization.k8s.io/v1"

// roles and bindings are the paths of the lists in which a lease's role and binding stand.
func (m realm) roles() string {
	if m == "" {
		return rbac + "/clusterroles"
	}
	return rbac + "/namespaces/" + string(m) + "/roles"
}

func (m realm) bindings() string {
	if m == "" {
		return rbac + "/clusterrolebindings"
	}
	return rbac + "/namespaces/" + string(m) + "/rolebindings"
}

// roleKind is the kind of role in the realm.
func (m realm) roleKind() string {
	if m == "" {
		return "ClusterRole"
	}
	return "Role"
}
