package e2e_test

import (
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
)

// rewind edits the stopped server's database: a finished run waits for its runner again.
func (s *site) rewind(done writ.RunStatus) {
	s.t.Helper()
	install.Rewind(s.t, filepath.Join(s.in.Dir, "data", "ledger.db"), done)
}

// handedOutAgain waits until the runner has answered the rewound assignment: the server itself keeps it open.
func (x *scene) handedOutAgain() {
	x.t.Helper()
	await(x.t, "the runner's answer to the replay", func() (bool, string) { return x.answered(), "still open" })
}

// answered reports whether no assignment of a run is open.
func (x *scene) answered() bool {
	x.t.Helper()
	return install.HandedOut(x.t, filepath.Join(x.in.Dir, "data", "ledger.db"))
}

// pods are the names of the scene's pods.
func (x *scene) pods() []string {
	x.t.Helper()
	list, err := x.kube.CoreV1().Pods(x.ns).List(x.t.Context(), metav1.ListOptions{})
	must(x.t, err)
	var out []string
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil && strings.HasPrefix(p.Name, deployment) {
			out = append(out, p.Name)
		}
	}
	slices.Sort(out)
	return out
}
