package playbook_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/playbooks"
)

func parse(t *testing.T, src string) playbook.Playbook {
	t.Helper()
	p, digest, err := playbook.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if !digest.Equal(writ.DigestOf([]byte(src))) {
		t.Fatal("the digest is not that of the source")
	}
	return p
}

func TestAPlaybookWithoutFaultsHasNoFindings(t *testing.T) {
	parse(t, good)
	if found := playbook.LintSource([]byte(good), catalogue()); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func edit(t *testing.T, old, new string) []byte {
	t.Helper()
	if !strings.Contains(good, old) {
		t.Fatalf("the playbook has no %q", old)
	}
	return []byte(strings.Replace(good, old, new, 1))
}

// R56, R69, I08: what can be seen without a catalogue is refused by Parse, so that no unlinted playbook is ever run.
func TestR69ParseRefusesWhatHasNoOwnerInverseOrLimit(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"no owner":                   {"owner: platform\n", "", "there is no owner"},
		"no version":                 {"version: 3", "version: 0", "version must be"},
		"another format":             {"v: 1", "v: 2", "v must be 1"},
		"no verification":            {good[strings.Index(good, "verify:"):strings.Index(good, "undo:")], "", "nothing verifies"},
		"no steps":                   {good[strings.Index(good, "steps:"):strings.Index(good, "verify:")], "", "1 to 20 steps"},
		"no limits":                  {"limits: {max_objects: 1, max_permille: 500}\n", "", "limits must bound"},
		"a limit beyond the service": {"max_permille: 500", "max_permille: 1001", "limits must bound"},
		"no undo said":               {"undo: inverse\n", "", "undo must be"},
		"T1 without an undo":         {"undo: inverse", "undo: none", "cannot be T1"},
		"a tier that reads":          {"tier: T1", "tier: T0", "T1 to T4"},
		"a tier that is none":        {"tier: T1", "tier: high", "tier must be"},
		"an unknown parameter":       {"with: {name: $name, kind", "with: {name: $nam, kind", `no parameter "nam"`},
		"an unused parameter":        {", cpu: $cpu", "", `"cpu" is not used`},
		"a parameter twice":          {"{name: cpu, type", "{name: kind, type", "stands twice"},
		"a number without bounds":    {", min: 3, max: 20", "", "no bounds"},
		"a free text parameter":      {"type: name, title: name of", "type: text, title: name of", "unknown type"},
		"a default out of bounds":    {"min: 3, max: 20", "min: 3, max: 20, default: 2", "the default"},
		"text around a parameter":    {"with: {name: $name, kind", "with: {name: app-$name, kind", "inside other text"},
		"a template":                 {"with: {name: $name, kind", "with: {name: '{{.name}}', kind", "inside other text"},
		"a title of unknown parts":   {"{replicas}", "{replica}", "{replica}"},
		"a title of optional parts":  {"{replicas}", "{cpu}", "{cpu}"},
		"a guard that waits":         {"    value: $replicas\n", "    value: $replicas\n    within_seconds: 5\n", "does not wait"},
		"a check that waits long":    {"within_seconds: 300", "within_seconds: 36000", "0 to 3600"},
		"a condition twice":          {"- name: all", "- name: some", "name of its own"},
		"an unknown operator":        {"op: at_most", "op: matches", "op must be"},
		"an optional value":          {"value: $replicas", "value: $cpu", "may have no value"},
		"a value that is a list":     {"value: true", "value: [true]", "a value must be"},
		"a fraction":                 {"value: true", "value: 1.5", "a value must be"},
		"an operation that is none":  {"kubernetes/workload.scale", "kubectl scale", "no name of an operation"},
		"an unknown key":             {"owner: platform", "owner: platform\nscript: reboot", "script"},
		"a wide parameter name":      {"{name: cpu, type", "{name: c.pu, type", "must be plain"},
		"enum without values":        {", values: [deployment], default: deployment", "", "must list its values"},
		"bounds on a name":           {"title: name of the workload", "title: name of the workload, max: 3", "go with integer"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := playbook.Parse(edit(t, c.old, c.new))
			if !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestLintComparesWithTheCatalogueAndNamesTheLine(t *testing.T) {
	for name, c := range map[string]struct {
		old, new, want string
		line           int
	}{
		"an unknown plane":                  {"plane: kubernetes", "plane: postgres", "no connector serves", 8},
		"an unknown operation":              {"kubernetes/workload.scale", "kubernetes/workload.explode", "no operation", 23},
		"an unknown reader":                 {"reader: kubernetes/workload.status", "reader: kubernetes/workload.mood", "no reader", 17},
		"unknown evidence":                  {"evidence: [kubernetes/workload.status]", "evidence: [kubernetes/workload.mood]", "no reader", 14},
		"an unknown fact":                   {"fact: complete", "fact: completed", `no fact "completed"`, 29},
		"bounds wider than the operation":   {"max: 20", "max: 51", "takes only a whole number from 1 to 50", 24},
		"a value the operation has not":     {"values: [deployment]", "values: [deployment, daemonset]", `may be "daemonset"`, 24},
		"an argument the operation has not": {"cpu: $cpu}", "gpu: $cpu}", `no parameter "gpu"`, 24},
		"a missing argument":                {"replicas: $replicas, cpu", "cpu", `needs "replicas"`, 24},
		"an optional value that is needed":  {"title: replicas afterwards, min", "title: replicas afterwards, optional: true, min", "kubernetes/workload.scale needs", 24},
		"another type":                      {"name: $name, kind", "name: $replicas, kind", "is integer, and", 24},
		"a literal out of bounds":           {"replicas: $replicas, cpu", "replicas: 51, cpu", `as "replicas" only`, 24},
		"T1 with an operation of T3":        {"kubernetes/workload.scale", "kubernetes/workload.purge", "step kubernetes/workload.purge is T3", 7},
		"T1 without an inverse":             {"kubernetes/workload.scale", "kubernetes/workload.purge", "cannot be T1", 23},
		"an undo of what has none":          {"kubernetes/workload.scale", "kubernetes/workload.purge", "cannot be undone", 33},
		"more or less of a truth":           {"op: equals\n    value: true", "op: at_least\n    value: true", "compares whole numbers", 30},
		"a number that is text":             {"value: $replicas", "value: $name", "the value is text", 21},
		"a word that is a number":           {"fact: complete", "fact: phase", "the value is true or false", 31},
		"a fault of form":                   {"owner: platform", "owner: ''", "no owner", 4},
		"bytes that are no playbook":        {"v: 1", "v: [", "YAML", 0},
	} {
		t.Run(name, func(t *testing.T) {
			found := playbook.LintSource(edit(t, c.old, c.new), catalogue())
			for _, f := range found {
				if strings.Contains(f.Problem, c.want) {
					if f.Line != c.line {
						t.Errorf("line %d, want %d: %s", f.Line, c.line, f)
					}
					return
				}
			}
			t.Errorf("found %v, want one with %q", found, c.want)
		})
	}
}

func TestBindFillsInWholeValues(t *testing.T) {
	got, err := parse(t, good).Bind(writ.Parameters{"name": writ.String("checkout"), "replicas": writ.Int(5)})
	if err != nil {
		t.Fatal(err)
	}
	name := writ.Parameters{"name": writ.String("checkout")}
	want := playbook.Bound{
		Parameters: writ.Parameters{"name": writ.String("checkout"), "kind": writ.String("deployment"), "replicas": writ.Int(5)},
		Title:      "Scale checkout to 5", Tier: writ.T1, Undo: writ.UndoInverse, Limits: writ.Budget{MaxObjects: 1, MaxPermille: 500},
		Guards: []writ.Condition{{Name: "some", Reader: "kubernetes/workload.status", With: name, Fact: "ready", Op: writ.AtMost, Value: writ.Int(5)}},
		Steps: []playbook.BoundStep{{
			Operation: "kubernetes/workload.scale",
			With:      writ.Parameters{"name": writ.String("checkout"), "kind": writ.String("deployment"), "replicas": writ.Int(5)},
		}},
		Verify: []writ.Condition{{
			Name: "all", Reader: "kubernetes/workload.status", With: name, Fact: "complete", Op: writ.Equals, Value: writ.Bool(true), WithinSeconds: 300,
		}},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b writ.Value) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

func TestBindRefusesWithTheNearestAllowedValue(t *testing.T) {
	p := parse(t, good)
	name := writ.String("checkout")
	for what, c := range map[string]struct {
		given writ.Parameters
		code  writ.Reason
		hint  string
	}{
		"an unknown one":   {writ.Parameters{"name": name, "replicas": writ.Int(3), "force": writ.Bool(true)}, writ.ReasonUnknownParameter, "allowed: name, kind"},
		"a missing one":    {writ.Parameters{"name": name}, writ.ReasonMissingParameter, ""},
		"a number as text": {writ.Parameters{"name": name, "replicas": writ.String("3")}, writ.ReasonParameterType, ""},
		"too few":          {writ.Parameters{"name": name, "replicas": writ.Int(2)}, writ.ReasonParameterBound, "replicas=3"},
		"too many":         {writ.Parameters{"name": name, "replicas": writ.Int(21)}, writ.ReasonParameterBound, "replicas=20"},
		"no plain name":    {writ.Parameters{"name": writ.String("a;reboot"), "replicas": writ.Int(3)}, writ.ReasonParameterBound, ""},
		"no known value":   {writ.Parameters{"name": name, "kind": writ.String("job"), "replicas": writ.Int(3)}, writ.ReasonParameterBound, ""},
		"no quantity":      {writ.Parameters{"name": name, "replicas": writ.Int(3), "cpu": writ.String("$(id)")}, writ.ReasonParameterBound, ""},
	} {
		t.Run(what, func(t *testing.T) {
			b, err := p.Bind(c.given)
			r, ok := errors.AsType[*writ.Refusal](err)
			if !ok || r.Code != c.code || !strings.Contains(r.Hint, c.hint) || len(b.Steps) > 0 {
				t.Errorf("got %v (%+v)", err, r)
			}
		})
	}
}

// I07: a value never becomes part of other text, except of the title, and there only as people may see it.
func TestI07AValueIsNeverFilledInTwice(t *testing.T) {
	src := strings.Replace(good, "{name: name, type: name,", "{name: name, type: enum, values: [replicas],", 1)
	b, err := parse(t, src).Bind(writ.Parameters{"name": writ.String("replicas"), "replicas": writ.Int(3)})
	if err != nil {
		t.Fatal(err)
	}
	if b.Title != "Scale replicas to 3" {
		t.Errorf("title %q", b.Title)
	}
}

func library(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	files, err := fs.Glob(playbooks.Library, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := playbooks.Library.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(f, ".yaml")] = src
	}
	return out
}

func TestTheLibraryFitsTheCatalogueOfKubernetes(t *testing.T) {
	offered := []connector.Catalogue{kubernetes.Catalogue()}
	if err := offered[0].Check(); err != nil {
		t.Fatal(err)
	}
	used := map[writ.OperationName]bool{}
	for name, src := range library(t) {
		p := parse(t, string(src))
		if p.Name != name || p.Owner != "platform" {
			t.Errorf("%s is named %s, owned by %s", name, p.Name, p.Owner)
		}
		for _, f := range playbook.LintSource(src, offered) {
			t.Errorf("%s: %s", name, f)
		}
		for _, s := range p.Steps {
			used[s.Operation] = true
		}
		if text := p.Describe(); utf8.RuneCountInString(text) > playbook.MaxDescription || !strings.Contains(text, "undone") {
			t.Errorf("%s: %d characters: %s", name, utf8.RuneCountInString(text), text)
		}
	}
	for _, o := range offered[0].Operations {
		if !used[o.Name] {
			t.Errorf("no playbook uses %s", o.Name)
		}
	}
}

func TestDescribeStaysWithinItsLimit(t *testing.T) {
	long := strings.Replace(good, "title: name of the workload", "title: "+strings.Repeat("x", 200), 1)
	var more strings.Builder
	for _, c := range "abcdefghij" {
		more.WriteString("  - name: check-" + string(c) + strings.Repeat("y", 40) + "\n    reader: kubernetes/workload.status\n    with: {name: $name}\n    fact: complete\n    op: equals\n    value: true\n    within_seconds: 300\n")
	}
	long = strings.Replace(long, "undo: inverse", more.String()+"undo: inverse", 1)
	p := parse(t, long)
	if n := utf8.RuneCountInString(p.Describe()); n > playbook.MaxDescription || n < 1000 {
		t.Errorf("%d characters", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	files, _ := fs.Glob(playbooks.Library, "*.yaml")
	for _, name := range files {
		src, _ := playbooks.Library.ReadFile(name)
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		playbook.LintSource(src, catalogue())
		p, digest, err := playbook.Parse(src)
		if err != nil {
			if !errors.Is(err, writ.ErrInvalid) || !digest.IsZero() {
				t.Fatalf("%v, %v", err, digest)
			}
			return
		}
		if p.Owner == "" || len(p.Verify) == 0 || len(p.Steps) == 0 || !p.Tier.Valid() || p.Tier == writ.T0 {
			t.Fatalf("taken: %+v", p)
		}
		_, _ = p.Bind(nil)
		if utf8.RuneCountInString(p.Describe()) > playbook.MaxDescription {
			t.Fatal("the description is too long")
		}
	})
}
