package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACatalogueSaysWhatConnectorsCanDo(t *testing.T) {
	code, out, errs := cli(t, "catalogue", "list")
	if code != exitDone || !strings.Contains(out, "kubernetes/deployment.scale") && !strings.Contains(out, "kubernetes/workload.scale") {
		t.Fatalf("status %d\n%s%s", code, out, errs)
	}
	var all []capability
	if code, out, _ = cli(t, "catalogue", "list", "-o", "json"); code != exitDone || json.Unmarshal([]byte(out), &all) != nil || len(all) < 10 {
		t.Errorf("status %d, %d names", code, len(all))
	}
	for _, c := range all { // each can be described
		code, out, errs = cli(t, "catalogue", "show", string(c.Name))
		if code != exitDone || !strings.HasPrefix(out, string(c.Name)+"  ") {
			t.Errorf("%s: status %d\n%s%s", c.Name, code, out, errs)
		}
	}
	if code, _, errs = cli(t, "catalogue", "show", "kubernetes/nothing"); code != exitUsage || !strings.Contains(errs, "catalogue list") {
		t.Errorf("status %d\n%s", code, errs)
	}
}

func TestCoverageNamesThePlaybooksOfEachOperation(t *testing.T) {
	code, out, errs := cli(t, "catalogue", "coverage")
	if code != exitDone || !strings.Contains(out, "cordon-node") || !strings.Contains(out, "operations can be undone") {
		t.Errorf("status %d\n%s%s", code, out, errs)
	}
	dir := t.TempDir()
	if code, _, errs = cli(t, "catalogue", "coverage", "--playbooks", dir); code != exitUsage || !strings.Contains(errs, "--playbooks") {
		t.Errorf("an empty directory: status %d\n%s", code, errs)
	}
	file := filepath.Join(dir, "mine.yaml")
	if code, _, errs = cli(t, "playbook", "init", "keep-away", "--from", "cordon-node", "--owner", "shop", "-f", file); code != exitDone {
		t.Fatalf("status %d\n%s", code, errs)
	}
	var list []covered
	code, out, errs = cli(t, "catalogue", "coverage", "--playbooks", dir, "-o", "json")
	if code != exitDone || json.Unmarshal([]byte(out), &list) != nil {
		t.Fatalf("status %d\n%s%s", code, out, errs)
	}
	used := 0
	for _, c := range list {
		for _, p := range c.Playbooks {
			if p != "keep-away" || c.Name != "kubernetes/node.cordon" {
				t.Errorf("%s is used by %s", c.Name, p)
			}
			used++
		}
	}
	if used != 1 {
		t.Errorf("%d uses", used)
	}
}

// Whatever the library has can be begun from, and the new playbook is right as it stands.
func TestAPlaybookBegunFromTheLibraryIsRight(t *testing.T) {
	dir := t.TempDir()
	for _, from := range library() {
		file := filepath.Join(dir, from+".yaml")
		if code, out, errs := cli(t, "playbook", "init", "my-"+from, "--from", from, "--owner", "shop", "-f", file); code != exitDone || !strings.Contains(out, "my-"+from+"@1") {
			t.Errorf("%s: status %d\n%s%s", from, code, out, errs)
		}
		if code, out, errs := cli(t, "playbook", "lint", file); code != exitDone {
			t.Errorf("%s: status %d\n%s%s", from, code, out, errs)
		}
	}
	file := filepath.Join(dir, "cordon-node.yaml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		say  string
	}{
		"a file that is there":  {[]string{"other", "--from", "cordon-node", "--owner", "shop", "-f", file}, "left alone"},
		"no such playbook":      {[]string{"other", "--from", "nothing", "--owner", "shop"}, "cordon-node"},
		"a name with a newline": {[]string{"x\ntier: T0", "--from", "cordon-node", "--owner", "shop"}, "no name"},
		"an owner with a colon": {[]string{"other", "--from", "cordon-node", "--owner", "a: b"}, "--owner"},
		"no playbook to begin":  {[]string{"other", "--owner", "shop"}, "--from"},
	} {
		if code, _, errs := cli(t, append([]string{"playbook", "init"}, c.args...)...); code != exitUsage || !strings.Contains(errs, c.say) {
			t.Errorf("%s: status %d\n%s", name, code, errs)
		}
	}
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) {
		t.Errorf("the file that was there was changed: %v", err)
	}
}
