package playbook_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/playbook"
)

func diffText(before, after string) string {
	var b strings.Builder
	for _, l := range playbook.Diff(before, after) {
		b.WriteByte(l.Sign)
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

func TestADiffShowsWhatChangedAndALittleAround(t *testing.T) {
	before := "v: 1\nname: restart\nversion: 1\na\nb\nc\nd\ne\nmax: 3\n"
	after := "v: 1\nname: restart\nversion: 2\na\nb\nc\nd\ne\nmax: 5\n"
	want := " v: 1\n name: restart\n-version: 1\n+version: 2\n a\n b\n c\n d\n e\n-max: 3\n+max: 5\n"
	if got := diffText(before, after); strings.ReplaceAll(got, " …\n", "") != want {
		t.Errorf("%s", got)
	}
	if got := diffText(before, before); got != "" {
		t.Errorf("no difference: %q", got)
	}
	long := strings.Repeat("x\n", 40)
	if got := diffText(long+"old\n", long+"new\n"); got != " x\n x\n x\n-old\n+new\n" {
		t.Errorf("%q", got)
	}
}

func FuzzDiff(f *testing.F) {
	f.Add("a\nb\n", "a\nc\n")
	f.Add("", "\n\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if len(before)+len(after) > 1<<12 {
			return
		}
		changed := strings.TrimRight(before, "\n") != strings.TrimRight(after, "\n")
		if got := diffText(before, after); changed != strings.ContainsAny(signs(got), "+-") {
			t.Errorf("%q and %q: %q", before, after, got)
		}
	})
}

// signs are the first characters of the lines.
func signs(s string) string {
	var b strings.Builder
	for l := range strings.Lines(s) {
		b.WriteByte(l[0])
	}
	return b.String()
}
