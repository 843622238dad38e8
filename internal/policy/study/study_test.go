package study_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/policytest"
	"github.com/writ-dev/writ/policies"
)

func vocabulary() policy.Vocabulary {
	return policy.Vocabulary{
		Planes:     []string{"kubernetes"},
		Operations: []writ.OperationName{"kubernetes/workload.rollback", "kubernetes/workload.restart", "kubernetes/workload.scale"},
		Playbooks:  []policy.Playbook{{Name: "rollback-deployment", Plane: "kubernetes"}, {Name: "restart-workload", Plane: "kubernetes"}},
	}
}

func sources(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := fs.WalkDir(policies.Default(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out[name], err = fs.ReadFile(policies.Default(), name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// changed is the default set with one text replaced in one file, or a file added when was is empty.
func changed(t testing.TB, file, was, is string) *policy.Bundle {
	t.Helper()
	src := sources(t)
	if was != "" && !strings.Contains(string(src[file]), was) {
		t.Fatalf("%s does not hold %q", file, was)
	}
	if was == "" {
		src[file] = []byte(is)
	} else {
		src[file] = []byte(strings.Replace(string(src[file]), was, is, 1))
	}
	b, err := policy.LoadSources(src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func defaults(t testing.TB) *policy.Bundle {
	return changed(t, "limits/none.cedar", "", "// nothing\n")
}

func lowRisk() policy.Request { return policytest.LowRisk() }

func at(tier int) policy.Request { q := lowRisk(); q.Facts.Tier = tier; return q }
