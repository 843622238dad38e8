package crash_test

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/reliability.md")

const page = "../../docs/reliability.md"

// publish puts a table between its two marks in docs/reliability.md, with -update.
func publish(t *testing.T, name, table string) {
	t.Helper()
	if !*update {
		return
	}
	b, err := os.ReadFile(page)
	must(t, err)
	begin, end := "<!-- "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s has no marks for %s", page, name)
	}
	must(t, os.WriteFile(page, []byte(before+begin+table+"\n"+end+after), 0o644))
}
