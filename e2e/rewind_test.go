package e2e_test

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	_ "modernc.org/sqlite" // an attacker with the file needs no more

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
)

// rewind edits the stopped server's database: a finished run waits for its runner again, under an assignment that the
// runner has not seen.
func (s *site) rewind(done writ.RunStatus) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.in.Dir, "data", "ledger.db"))
	must(s.t, err)
	defer db.Close()
	now := time.Now().UnixMilli()
	replayed, err := ident.Make[writ.AssignmentID]("asg", time.Now(), rand.Reader)
	must(s.t, err)
	for _, q := range []string{
		fmt.Sprintf(`UPDATE runs SET state = 'granted', due = %d, doc = replace(doc, '"state":"succeeded"', '"state":"granted"') WHERE id = '%s'`, now+600_000, done.ID),
		fmt.Sprintf(`UPDATE plans SET state = 'granted' WHERE id = '%s'`, done.Plan),
		fmt.Sprintf(`UPDATE grants SET state = 'on' WHERE id = '%s'`, done.Grant),
		fmt.Sprintf(`UPDATE assignments SET state = 'open', due = %d, id = '%[2]s', doc = replace(replace(doc, '"Expires":"2', '"Expires":"3'), id, '%[2]s') WHERE doc LIKE '%%"Run":"%[3]s"%%'`,
			now, replayed, done.ID),
	} {
		r, err := db.Exec(q)
		must(s.t, err)
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			s.t.Fatalf("%d rows were changed by %s (%v)", n, q, err)
		}
	}
}

// handedOutAgain waits until the runner has answered the rewound assignment: the server itself keeps it open.
func (x *scene) handedOutAgain() {
	x.t.Helper()
	await(x.t, "the runner's answer to the replay", func() (bool, string) { return x.answered(), "still open" })
}

// answered reports whether no assignment of a run is open. It opens the live database for reading only.
func (x *scene) answered() bool {
	x.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(x.in.Dir, "data", "ledger.db")+"?mode=ro")
	must(x.t, err)
	defer db.Close()
	var open int
	must(x.t, db.QueryRow(`SELECT count(*) FROM assignments WHERE state = 'open' AND doc LIKE '%"Kind":"run"%'`).Scan(&open))
	return open == 0
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
