package kubernetes

import (
	"net/url"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
)

// A kind is one sort of object that the connector may address. Its name is the one in locations and parameters.
type kind struct {
	name    string // deployment
	kind    string // Deployment
	group   string // apps; empty for the core group
	version string // v1
	plural  string // deployments
	cluster bool   // has no namespace
}

// kinds are all that exist for this connector. Secrets are not among them.
var kinds = []kind{
	{name: "deployment", kind: "Deployment", group: "apps", version: "v1", plural: "deployments"},
	{name: "statefulset", kind: "StatefulSet", group: "apps", version: "v1", plural: "statefulsets"},
	{name: "daemonset", kind: "DaemonSet", group: "apps", version: "v1", plural: "daemonsets"},
	{name: "replicaset", kind: "ReplicaSet", group: "apps", version: "v1", plural: "replicasets"},
	{name: "pod", kind: "Pod", version: "v1", plural: "pods"},
	{name: "service", kind: "Service", version: "v1", plural: "services"},
	{name: "configmap", kind: "ConfigMap", version: "v1", plural: "configmaps"},
	{name: "resourcequota", kind: "ResourceQuota", version: "v1", plural: "resourcequotas"},
	{name: "event", kind: "Event", version: "v1", plural: "events"},
	{name: "networkpolicy", kind: "NetworkPolicy", group: "networking.k8s.io", version: "v1", plural: "networkpolicies"},
	{name: "horizontalpodautoscaler", kind: "HorizontalPodAutoscaler", group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers"},
	{name: "poddisruptionbudget", kind: "PodDisruptionBudget", group: "policy", version: "v1", plural: "poddisruptionbudgets"},
	{name: "node", kind: "Node", version: "v1", plural: "nodes", cluster: true},
	{name: "namespace", kind: "Namespace", version: "v1", plural: "namespaces", cluster: true},
}

// readable are the kinds that kubernetes/object.get shows. Config maps are not: people keep secrets in them under
// names that tell nothing.
var readable = []string{
	"deployment", "statefulset", "daemonset", "replicaset", "pod", "service", "horizontalpodautoscaler", "poddisruptionbudget",
	"networkpolicy", "resourcequota", "node",
}

// workloads are the kinds that run a number of equal pods.
var workloads = []string{"deployment", "statefulset", "daemonset"}

func kindNamed(name string) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// apiVersion is group/version, or the version alone in the core group.
func (k kind) apiVersion() string {
	if k.group == "" {
		return k.version
	}
	return k.group + "/" + k.version
}

// A place is one object's address.
type place struct {
	kind      kind
	namespace string // empty for cluster-scoped kinds
	name      string
}

// placeAt reads a location of the form <plane>://<target>/<namespace>/<kind>/<name>.
func placeAt(l writ.Location) (place, bool) {
	s := l.Segments()
	if len(s) != 3 {
		return place{}, false
	}
	k, ok := kindNamed(s[1])
	if !ok || k.cluster != (s[0] == writ.ClusterScope) || !isName(s[2]) {
		return place{}, false
	}
	if k.cluster {
		return place{kind: k, name: s[2]}, true
	}
	return place{kind: k, namespace: s[0], name: s[2]}, isLabel(s[0])
}

// location is the inverse of placeAt.
func (p place) location(target writ.Location) writ.Location {
	namespace := p.namespace
	if p.kind.cluster {
		namespace = writ.ClusterScope
	}
	return target + writ.Location("/"+namespace+"/"+p.kind.name+"/"+p.name)
}

// collection is the path of the list that the object is in.
func (p place) collection() string {
	path := "/apis/" + p.kind.group + "/" + p.kind.version
	if p.kind.group == "" {
		path = "/api/" + p.kind.version
	}
	if !p.kind.cluster {
		path += "/namespaces/" + url.PathEscape(p.namespace)
	}
	return path + "/" + p.kind.plural
}

// path is the object's own path.
func (p place) path() string { return p.collection() + "/" + url.PathEscape(p.name) }

// String names the object for people: "deployment checkout in shop".
func (p place) String() string {
	if p.kind.cluster {
		return p.kind.name + " " + p.name
	}
	return p.kind.name + " " + p.name + " in " + p.namespace
}

// isName reports whether s is a Kubernetes object name (RFC 1123 subdomain): a plain name without underscores.
func isName(s string) bool { return writ.IsName(s) && !strings.Contains(s, "_") }

// isLabel reports whether s is a DNS label (RFC 1123 section 2.1).
func isLabel(s string) bool { return isName(s) && len(s) <= 63 && !strings.Contains(s, ".") }
