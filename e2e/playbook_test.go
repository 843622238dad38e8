package e2e_test

import (
	"bytes"
	"io/fs"
	"regexp"
	"testing"

	"github.com/writ-dev/writ/playbooks"
)

// Two more playbooks, made of the library's restart: one that gives up soon, one that waits while a test does something.
const (
	restartSoon = "restart-soon"
	restartLong = "restart-long"
)

var within = regexp.MustCompile(`within_seconds: \d+`)

// playbookSet is the library, and the two.
func playbookSet(t *testing.T) [][]byte {
	t.Helper()
	files, err := fs.Glob(playbooks.Library, "*.yaml")
	must(t, err)
	var out [][]byte
	for _, f := range files {
		b, err := playbooks.Library.ReadFile(f)
		must(t, err)
		out = append(out, b)
		if f != "restart-workload.yaml" {
			continue
		}
		for name, limit := range map[string]string{restartSoon: "within_seconds: 3", restartLong: "within_seconds: 120"} {
			v := bytes.Replace(b, []byte("name: restart-workload\n"), []byte("name: "+name+"\n"), 1)
			out = append(out, within.ReplaceAll(v, []byte(limit)))
		}
	}
	return out
}
