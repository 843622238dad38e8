package kubernetes_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

type m = map[string]any
type l = []any

// asAdmin is a connector that reads and mints with the administrator's own credential.
func (w world) asAdmin(t *testing.T) *kubernetes.Connector {
	t.Helper()
	cfg, err := w.Config(w.AdminToken)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: cfg, Read: rest.CopyConfig(cfg), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// locate is the location of an object.
func locate(o m) writ.Location {
	ns, _ := at(o, "metadata", "namespace").(string)
	if ns == "" {
		ns = writ.ClusterScope
	}
	return target + writ.Location("/"+ns+"/"+strings.ToLower(o["kind"].(string))+"/"+at(o, "metadata", "name").(string))
}

func object(api, kind, ns, name string, rest m) m {
	o := m{"apiVersion": api, "kind": kind, "metadata": m{"name": name, "labels": m{"app": name}}}
	if ns != "" {
		o["metadata"].(m)["namespace"] = ns
	}
	for k, v := range rest {
		o[k] = v
	}
	return o
}

func aDeployment(ns, name string) m {
	return object("apps/v1", "Deployment", ns, name, m{"spec": m{
		"replicas": 1, "selector": m{"matchLabels": m{"app": name}},
		"template": m{"metadata": m{"labels": m{"app": name}}, "spec": m{"terminationGracePeriodSeconds": 0, "containers": l{m{
			"name": "app", "image": "app:1",
			"env":            l{m{"name": "LEVEL", "value": "info"}, m{"name": "REGION", "value": "eu1"}},
			"resources":      m{"limits": m{"cpu": "500m", "memory": "128Mi"}, "requests": m{"cpu": "100m", "memory": "64Mi"}},
			"readinessProbe": m{"httpGet": m{"path": "/ready", "port": 8080}},
		}}}},
	}})
}

func aService(ns, name string) m {
	return object("v1", "Service", ns, name, m{"spec": m{
		"selector": m{"app": name}, "ports": l{m{"name": "http", "port": 80, "targetPort": 8080}},
	}})
}

func aConfigMap(ns, name string) m {
	return object("v1", "ConfigMap", ns, name, m{"data": m{"mode": "fast", "level": "info"}})
}

func aQuota(ns, name string) m {
	return object("v1", "ResourceQuota", ns, name, m{"spec": m{"hard": m{"configmaps": "100"}}})
}

func aPolicy(ns, name string) m {
	return object("networking.k8s.io/v1", "NetworkPolicy", ns, name, m{"spec": m{
		"podSelector": m{"matchLabels": m{"app": name}}, "policyTypes": l{"Ingress"},
		"ingress": l{m{"ports": l{m{"port": 80, "protocol": "TCP"}}}},
	}})
}

func aNamespace(_, name string) m { return object("v1", "Namespace", "", name, nil) }

// aNode has no capacity until kwok gives it some, and a taint that keeps the pods of other tests away.
func aNode(_, name string) m {
	return object("v1", "Node", "", name, m{"spec": m{"taints": l{m{"key": "corpus", "value": "x", "effect": "NoSchedule"}}}})
}

// put sets v at path, in which a number picks an element of a list.
func put(v any, path ...any) func(m) m {
	return func(o m) m {
		var cur any = o
		for i, p := range path {
			last := i == len(path)-1
			switch p := p.(type) {
			case int:
				if last {
					cur.([]any)[p] = v
				} else {
					cur = cur.([]any)[p]
				}
			case string:
				parent := cur.(m)
				if last {
					if v == nil {
						delete(parent, p)
					} else {
						parent[p] = v
					}
					continue
				}
				if parent[p] == nil {
					parent[p] = m{}
				}
				cur = parent[p]
			}
		}
		return o
	}
}

// add appends v to the list at path.
func add(v any, path ...any) func(m) m {
	return func(o m) m {
		var cur any = o
		for _, p := range path {
			switch p := p.(type) {
			case int:
				cur = cur.([]any)[p]
			case string:
				cur = cur.(m)[p]
			}
		}
		list, _ := cur.([]any)
		return put(append(list[:len(list):len(list)], v), path...)(o)
	}
}

func both(edits ...func(m) m) func(m) m {
	return func(o m) m {
		for _, e := range edits {
			o = e(o)
		}
		return o
	}
}

func gone(m) m { return nil }

func pod(path ...any) []any { return append([]any{"spec", "template", "spec"}, path...) }
func box(path ...any) []any { return append(pod("containers", 0), path...) }

// mutations are those of the corpus, by its words.
var mutations = map[string]mutation{
	"set image":               {aDeployment, put("app:2", box("image")...)},
	"change env value":        {aDeployment, put("debug", box("env", 0, "value")...)},
	"add env var":             {aDeployment, add(m{"name": "EXTRA", "value": "1"}, box("env")...)},
	"remove env var":          {aDeployment, put(l{m{"name": "LEVEL", "value": "info"}}, box("env")...)},
	"change limits":           {aDeployment, put("256Mi", box("resources", "limits", "memory")...)},
	"remove limits":           {aDeployment, put(nil, box("resources", "limits")...)},
	"scale":                   {aDeployment, put(3, "spec", "replicas")},
	"add nodeSelector":        {aDeployment, put(m{"disk": "fast"}, pod("nodeSelector")...)},
	"add toleration":          {aDeployment, put(l{m{"key": "spot", "operator": "Exists"}}, pod("tolerations")...)},
	"add anti-affinity":       {aDeployment, put(m{"podAntiAffinity": m{"requiredDuringSchedulingIgnoredDuringExecution": l{m{"topologyKey": "kubernetes.io/hostname", "labelSelector": m{"matchLabels": m{"app": "x"}}}}}}, pod("affinity")...)},
	"add sidecar":             {aDeployment, add(m{"name": "proxy", "image": "proxy:1"}, pod("containers")...)},
	"add init container":      {aDeployment, put(l{m{"name": "init", "image": "init:1"}}, pod("initContainers")...)},
	"change probe path":       {aDeployment, put("/healthz", box("readinessProbe", "httpGet", "path")...)},
	"add liveness probe":      {aDeployment, put(m{"httpGet": m{"path": "/live", "port": 8080}}, box("livenessProbe")...)},
	"remove probe":            {aDeployment, put(nil, box("readinessProbe")...)},
	"set dnsPolicy None":      {aDeployment, both(put("None", pod("dnsPolicy")...), put(m{"nameservers": l{"10.0.0.53"}}, pod("dnsConfig")...))},
	"set priorityClass":       {aDeployment, put("corpus", pod("priorityClassName")...)},
	"add volume+mount":        {aDeployment, both(put(l{m{"name": "tmp", "emptyDir": m{}}}, pod("volumes")...), put(l{m{"name": "tmp", "mountPath": "/tmp"}}, box("volumeMounts")...))},
	"change strategy":         {aDeployment, put(m{"type": "Recreate"}, "spec", "strategy")},
	"pause rollout":           {aDeployment, put(true, "spec", "paused")},
	"delete deployment":       {aDeployment, gone},
	"label add on deployment": {aDeployment, put("blue", "metadata", "labels", "team")},
	"rollout restart (verb has no --dry-run, so the tool keeps no undo)": {aDeployment, put("2026-01-02T03:04:05Z", "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")},

	"service: change targetPort":     {aService, put(9090, "spec", "ports", 0, "targetPort")},
	"service: change selector value": {aService, put("other", "spec", "selector", "app")},
	"service: add selector key":      {aService, put("v2", "spec", "selector", "version")},
	"service: add port":              {aService, add(m{"name": "metrics", "port": 9100, "protocol": "TCP", "targetPort": 9100}, "spec", "ports")},
	"service: internalTrafficPolicy": {aService, put("Local", "spec", "internalTrafficPolicy")},
	"service: delete":                {aService, gone},

	"configmap: change key": {aConfigMap, put("slow", "data", "mode")},
	"configmap: add key":    {aConfigMap, put("1", "data", "extra")},
	"configmap: remove key": {aConfigMap, put(nil, "data", "mode")},
	"configmap: delete":     {aConfigMap, gone},

	"quota: raise":    {aQuota, put("200", "spec", "hard", "configmaps")},
	"quota: add item": {aQuota, put("50", "spec", "hard", "services")},

	"netpol: add rule": {aPolicy, add(m{"from": l{m{"podSelector": m{}}}}, "spec", "ingress")},
	"netpol: delete":   {aPolicy, gone},

	"namespace: PSA label": {aNamespace, put("restricted", "metadata", "labels", "pod-security.kubernetes.io/enforce")},
	"node: cordon":         {aNode, put(true, "spec", "unschedulable")},
	"node: taint":          {aNode, add(m{"key": "maintenance", "value": "x", "effect": "NoSchedule"}, "spec", "taints")},
	"node: label change":   {aNode, put("spare", "metadata", "labels", "app")},
}
