package control_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/playbooks"
	"github.com/writ-dev/writ/policies"
)

// services are the shop, one that keeps state, one in another environment, one whose target no runner serves, and some
// more like the shop.
func services(t testing.TB) catalogue.Catalogue {
	t.Helper()
	var b strings.Builder
	add := func(name, env, location, more string) {
		fmt.Fprintf(&b, "---\nkind: Component\nmetadata:\n  name: %s\n  annotations:\n    writ.dev/environment: %s\n    writ.dev/locations: %s\n%sspec: {owner: group:checkout}\n", name, env, location, more)
	}
	add("shop", "prod", "kubernetes://prod/shop/deployment", "")
	add("orders", "prod", "kubernetes://prod/orders", "    writ.dev/stateful: \"true\"\n")
	add("lab", "staging", "kubernetes://prod/lab", "")
	add("far", "prod", "kubernetes://elsewhere/far", "")
	c, err := catalogue.Parse([]byte(b.String()))
	must(t, err)
	return c
}

var kind = connector.Parameter{Name: "kind", Type: connector.TypeEnum, Title: "kind", Values: []string{"deployment", "statefulset", "daemonset"}}

func nameOf(p string) connector.Parameter {
	return connector.Parameter{Name: p, Type: connector.TypeName, Title: p}
}

// plane is what the runner of the tests can do: the operations and readers that the shipped playbooks below use.
var plane = connector.Catalogue{
	Plane: "kubernetes",
	Operations: []connector.Operation{
		{Name: "kubernetes/workload.restart", Title: "Restart", Tier: writ.T1, Inverse: writ.InverseReplace, Rights: []string{"patch one deployment"}, Parameters: []connector.Parameter{kind, nameOf("namespace"), nameOf("name")}},
		{Name: "kubernetes/workload.scale", Title: "Scale", Tier: writ.T1, Inverse: writ.InverseReplace, Rights: []string{"scale one deployment"}, Parameters: []connector.Parameter{
			kind, nameOf("namespace"), nameOf("name"), {Name: "replicas", Type: connector.TypeInteger, Title: "replicas", Min: 0, Max: 1000}}},
		{Name: "kubernetes/pod.delete", Title: "Delete", Tier: writ.T1, Inverse: writ.InverseRecreated, Rights: []string{"delete one pod"}, Parameters: []connector.Parameter{nameOf("namespace"), nameOf("name")}},
	},
	Readers: []connector.Reader{
		{Name: "kubernetes/workload.status", Title: "Status", Parameters: []connector.Parameter{kind, nameOf("namespace"), nameOf("name")}, Facts: []connector.Fact{
			{Name: "paused", Type: connector.TypeBool, Title: "paused"}, {Name: "complete", Type: connector.TypeBool, Title: "complete"},
			{Name: "replicas", Type: connector.TypeInteger, Title: "replicas"}, {Name: "ready_replicas", Type: connector.TypeInteger, Title: "ready"},
			{Name: "unavailable", Type: connector.TypeInteger, Title: "unavailable"},
		}},
		{Name: "kubernetes/pods.list", Title: "Pods", Parameters: []connector.Parameter{kind, nameOf("namespace"), nameOf("name")}, Facts: []connector.Fact{
			{Name: "pods", Type: connector.TypeInteger, Title: "pods"}, {Name: "waiting", Type: connector.TypeInteger, Title: "waiting"}, {Name: "unready", Type: connector.TypeInteger, Title: "not ready"},
		}},
		{Name: "kubernetes/object.get", Title: "Object", Parameters: []connector.Parameter{
			{Name: "kind", Type: connector.TypeEnum, Title: "kind", Values: []string{"pod"}}, nameOf("namespace"), nameOf("name")},
			Facts: []connector.Fact{{Name: "deleting", Type: connector.TypeBool, Title: "deleting"}}},
		{Name: "kubernetes/pod.logs", Title: "Logs", Parameters: []connector.Parameter{nameOf("namespace"), nameOf("name")}, Writable: true},
	},
}

// library is what Writ ships, as far as the plane above can do it: each of them passes lint against it.
func library(t testing.TB) control.Library {
	t.Helper()
	l, err := parsed()
	must(t, err)
	return maps.Clone(l)
}

// parsed is read once: nobody changes a playbook.
var parsed = sync.OnceValues(func() (control.Library, error) {
	out := control.Library{}
	for _, name := range []string{"restart-workload", "scale-workload", "scale-out-workload", "delete-stuck-pod"} {
		b, err := fs.ReadFile(playbooks.Library, name+".yaml")
		if err != nil {
			return nil, err
		}
		if found := playbook.LintSource(b, []connector.Catalogue{plane}); len(found) > 0 {
			return nil, fmt.Errorf("%s: %v", name, found)
		}
		if err := out.Add(b); err != nil {
			return nil, err
		}
	}
	return out, nil
})

func loadPolicy(t testing.TB, from fs.FS, l control.Library) *policy.Bundle {
	t.Helper()
	v := policy.Vocabulary{Planes: []string{plane.Plane}}
	for _, o := range plane.Operations {
		v.Operations = append(v.Operations, o.Name)
	}
	for _, r := range plane.Readers {
		v.Readers = append(v.Readers, r.Name)
	}
	for name := range l {
		v.Playbooks = append(v.Playbooks, policy.Playbook{Name: name, Plane: plane.Plane})
	}
	b, err := policy.Load(from, v)
	must(t, err)
	return b
}

// patched is the policy set of serve --dev with some texts replaced; each must occur in it.
func patched(t testing.TB, replace map[string]string) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	done := map[string]bool{}
	from := policies.Dev()
	must(t, fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "tests/") { // whose expectations are of the set as shipped
			return err
		}
		b, err := fs.ReadFile(from, name)
		for old, text := range replace {
			if bytes.Contains(b, []byte(old)) {
				done[old] = true
				b = bytes.ReplaceAll(b, []byte(old), []byte(text))
			}
		}
		out[name] = &fstest.MapFile{Data: b}
		return err
	}))
	for old := range replace {
		if !done[old] {
			t.Fatalf("the policy set does not contain %q", old)
		}
	}
	return out
}
