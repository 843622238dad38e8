package install

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"testing"
	"time"

	_ "modernc.org/sqlite" // an attacker with the file needs no more

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
)

// Rewind edits a stopped server's database, as whoever has the file can: a run that succeeded waits for its runner again,
// under an assignment that the runner has not seen.
func Rewind(t testing.TB, file string, done writ.RunStatus) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	must(t, err)
	defer db.Close()
	now := time.Now().UnixMilli()
	replayed, err := ident.Make[writ.AssignmentID]("asg", time.Now(), rand.Reader)
	must(t, err)
	for _, q := range []string{
		fmt.Sprintf(`UPDATE runs SET state = 'granted', due = %d, doc = replace(doc, '"state":"succeeded"', '"state":"granted"') WHERE id = '%s'`, now+600_000, done.ID),
		fmt.Sprintf(`UPDATE plans SET state = 'granted' WHERE id = '%s'`, done.Plan),
		fmt.Sprintf(`UPDATE grants SET state = 'on' WHERE id = '%s'`, done.Grant),
		fmt.Sprintf(`UPDATE assignments SET state = 'open', due = %d, id = '%[2]s', doc = replace(replace(doc, '"Expires":"2', '"Expires":"3'), id, '%[2]s') WHERE doc LIKE '%%"Run":"%[3]s"%%'`,
			now, replayed, done.ID),
	} {
		r, err := db.Exec(q)
		must(t, err)
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			t.Fatalf("%d rows were changed by %s (%v)", n, q, err)
		}
	}
}

// HandedOut reports whether no assignment of a run is open. It opens the live database for reading only.
func HandedOut(t testing.TB, file string) bool {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)")
	must(t, err)
	defer db.Close()
	var open int
	must(t, db.QueryRow(`SELECT count(*) FROM assignments WHERE state = 'open' AND doc LIKE '%"Kind":"run"%'`).Scan(&open))
	return open == 0
}
