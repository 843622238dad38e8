package e2e_test

import (
	"bytes"
	"io/fs"
	"regexp"
	"testing"

	"github.com/writ-dev/writ/playbooks"
)

// More playbooks, made of the library's, beside scaleGated: a restart that gives up soon, one that waits while a test does something, and a
// restart and a deletion, of pods that are well too, that may run as often as anybody likes.
const (
	restartSoon  = "restart-soon"
	restartLong  = "restart-long"
	restartOften = "restart-often"
	deleteOften  = "delete-often"
)

var (
	within  = regexp.MustCompile(`within_seconds: \d+`)
	whatFor = regexp.MustCompile(`(?s)observe:\n.*?guards:\n`)
	howOnce = regexp.MustCompile(`, cooldown_seconds: \d+, max_attempts: \d+, attempts_window_seconds: \d+`)
)

// playbookSet is the library, and those.
func playbookSet(t testing.TB) [][]byte {
	t.Helper()
	files, err := fs.Glob(playbooks.Library, "*.yaml")
	must(t, err)
	var out [][]byte
	for _, f := range files {
		b, err := playbooks.Library.ReadFile(f)
		must(t, err)
		out = append(out, b)
		if f == "delete-stuck-pod.yaml" {
			v := bytes.Replace(b, []byte("name: delete-stuck-pod\n"), []byte("name: "+deleteOften+"\n"), 1)
			out = append(out, howOnce.ReplaceAll(whatFor.ReplaceAll(v, []byte("guards:\n")), nil))
		}
		if f == "scale-workload.yaml" {
			v := bytes.Replace(b, []byte("name: scale-workload\n"), []byte("name: "+scaleGated+"\n"), 1)
			out = append(out, bytes.Replace(v, []byte("guards:\n"), []byte(gatedBlock), 1))
		}
		if f == "rollback-deployment.yaml" {
			v := bytes.Replace(b, []byte("name: rollback-deployment\n"), []byte("name: "+rollbackYoung+"\n"), 1)
			out = append(out, bytes.Replace(v, []byte("guards:\n"), []byte(youngBlock), 1))
		}
		if f != "restart-workload.yaml" {
			continue
		}
		v := bytes.Replace(b, []byte("name: restart-workload\n"), []byte("name: "+restartOften+"\n"), 1)
		out = append(out, howOnce.ReplaceAll(v, nil))
		for name, limit := range map[string]string{restartSoon: "within_seconds: 3", restartLong: "within_seconds: 120"} {
			v := bytes.Replace(b, []byte("name: restart-workload\n"), []byte("name: "+name+"\n"), 1)
			out = append(out, within.ReplaceAll(v, []byte(limit)))
		}
	}
	return out
}
