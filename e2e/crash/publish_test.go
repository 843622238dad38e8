package crash_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

var update = flag.Bool("update", false, "write testdata/matrix.json and the table of docs/reliability.md; only what is played whole is written")

const (
	page   = "../../docs/reliability.md"
	record = "testdata/matrix.json"
)

// The columns of the table: ways of playing the matrix. Each is written by the test that plays it.
const (
	columnSQLite     = "killed, SQLite"
	columnPostgres   = "killed, PostgreSQL"
	columnFailing    = "a write fails once, SQLite"
	columnKubernetes = "killed, Kubernetes"
)

var columns = []string{columnSQLite, columnPostgres, columnFailing, columnKubernetes}

// A played column is what came of it.
type played struct {
	Cases int                       `json:"cases"`
	Rows  map[string]map[string]int `json:"rows"` // "scenario/process" -> how it ended -> how often
	P50   float64                   `json:"p50"`  // seconds until all was over
	P99   float64                   `json:"p99"`
}

// Words for what is no state of a run.
const (
	notReached = "not reached"
	broken     = "broken"
	notGranted = "not granted"
)

// words are how a case can end, in the order of the table.
var words = []string{
	string(writ.RunSucceeded), string(writ.RunUndone), string(writ.RunFailed), string(writ.RunRefused), string(writ.RunExpired), notGranted, string(writ.RunUncertain),
	notReached, broken,
}

// report counts how cases ended, fails for what was never reached, and writes the column down with -update.
func report(t *testing.T, column string, results []result) {
	t.Helper()
	p := played{Cases: len(results), Rows: map[string]map[string]int{}}
	var times []time.Duration
	for _, r := range results {
		process := r.process
		if r.how == oneProcess {
			process = "all in one"
		}
		at := r.scenario + "/" + process
		if p.Rows[at] == nil {
			p.Rows[at] = map[string]int{}
		}
		word := string(r.ended)
		switch {
		case r.failed:
			word = broken
		case !r.fired:
			word = notReached
			if r.n == 1 {
				t.Errorf("%s was never passed", r.kill)
			}
		case r.ended == noRun:
			word = notGranted
		}
		p.Rows[at][word]++
		if r.fired && !r.failed {
			times = append(times, r.recover)
		}
	}
	slices.Sort(times)
	if len(times) > 0 {
		p.P50, p.P99 = times[len(times)/2].Seconds(), times[len(times)*99/100].Seconds()
	}
	t.Logf("%d cases\n%s", len(results), table(map[string]played{column: p}))
	if !*update || !full() || t.Failed() {
		return
	}
	all := recorded(t)
	all[column] = p
	b, err := json.MarshalIndent(all, "", "\t")
	must(t, err)
	must(t, os.WriteFile(record, append(b, '\n'), 0o644))
	before, _, after := marked(t)
	must(t, os.WriteFile(page, []byte(before+table(all)+after), 0o644))
}

// recorded are the columns as they were last played.
func recorded(t *testing.T) map[string]played {
	t.Helper()
	all := map[string]played{}
	b, err := os.ReadFile(record)
	if !os.IsNotExist(err) {
		must(t, err)
		must(t, json.Unmarshal(b, &all))
	}
	return all
}

// marked cuts docs/reliability.md around its table.
func marked(t *testing.T) (before, table, after string) {
	t.Helper()
	b, err := os.ReadFile(page)
	must(t, err)
	const begin, end = "<!-- matrix -->\n", "<!-- end matrix -->"
	before, rest, ok := strings.Cut(string(b), begin)
	table, after, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s has no marks for the matrix", page)
	}
	return before + begin, table, end + after
}

// table renders columns.
func table(all map[string]played) string {
	var b, rule, cases, times strings.Builder
	b.WriteString("| kind of repair | process |")
	rule.WriteString("|---|---|")
	cases.WriteString("| all | cases |")
	times.WriteString("| | seconds, p50 and p99 |")
	var shown []string
	rows := map[string]bool{}
	for _, c := range columns {
		p, ok := all[c]
		if !ok {
			continue
		}
		shown = append(shown, c)
		fmt.Fprintf(&b, " %s |", c)
		rule.WriteString("---|")
		fmt.Fprintf(&cases, " %d |", p.Cases)
		fmt.Fprintf(&times, " %.1f, %.1f |", p.P50, p.P99)
		for r := range p.Rows {
			rows[r] = true
		}
	}
	b.WriteString("\n" + rule.String() + "\n")
	for _, sc := range scenarios {
		for _, process := range []string{"signer", "server", "runner", "all in one"} {
			at := sc.name + "/" + process
			if !rows[at] {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s |", sc.name, process)
			for _, c := range shown {
				fmt.Fprintf(&b, " %s |", cell(all[c].Rows[at]))
			}
			b.WriteByte('\n')
		}
	}
	return b.String() + cases.String() + "\n" + times.String() + "\n"
}

func cell(ended map[string]int) string {
	var out []string
	for _, word := range words {
		if n := ended[word]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, word))
		}
	}
	return strings.Join(out, ", ")
}

// TestTheTableIsWhatWasPlayed compares docs/reliability.md with the record, in which nothing may be broken or uncertain.
func TestTheTableIsWhatWasPlayed(t *testing.T) {
	all := recorded(t)
	if _, shown, _ := marked(t); shown != table(all) {
		t.Errorf("%s does not show what %s holds", page, record)
	}
	for _, c := range columns {
		if all[c].Cases == 0 {
			t.Errorf("%q was never played", c)
		}
		for row, ended := range all[c].Rows {
			if ended[broken]+ended[string(writ.RunUncertain)] > 0 {
				t.Errorf("%q: %s: %v", c, row, ended)
			}
		}
	}
}
