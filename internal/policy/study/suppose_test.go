package study_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

func TestSupposingChangesTheNamedFactsAndNoOther(t *testing.T) {
	b, q := defaults(t), lowRisk()
	got, err := study.Suppose(b, q, "severity = 1\r\n\n  permille=absent\nroles = diagnose, repair\nenv = dev\nundo = false\ninWindow = true\nchangeFreezeUntil = +2h\nteam = a b\n")
	if err != nil {
		t.Fatal(err)
	}
	f := got.Facts
	if *f.Severity != 1 || f.Permille != nil || len(f.Roles) != 2 || f.Env != "dev" || f.Undo || !*f.InWindow || *f.ChangeFreezeUntil != f.Now+7200 || f.Team != "a b" {
		t.Errorf("%+v", f)
	}
	if *q.Facts.Severity != 2 || q.Facts.Permille == nil || len(q.Facts.Roles) != 1 {
		t.Errorf("the request that was given has changed: %+v", q.Facts)
	}
	if got.Facts.Service != q.Facts.Service || got.Facts.Tier != q.Facts.Tier {
		t.Error("another fact has changed")
	}
}

func TestWhatCannotBeSupposedIsNamedWithItsLine(t *testing.T) {
	b := defaults(t)
	for text, want := range map[string]string{
		"severity = 1\nseverity = 5":      "line 2: severity is a number from 1 to 4",
		"tier = 5":                        "tier is a number from 0 to 4",
		"tier":                            "line 1: write name = value",
		"tier =":                          "line 1: write name = value",
		"principal = me":                  "there is no fact \"principal\"; there are approvalsOncall, ",
		"roles = king":                    "roles is of ",
		"planes = mars":                   "planes is of host, ",
		"changeFreezeUntil = tomorrow":    "a duration from now on",
		"changeFreezeUntil = 99999h":      "a duration from now on",
		"stateful = 1":                    "stateful is true or false",
		strings.Repeat("tier = 1\n", 100): "at most 60 lines",
		"service = " + strings.Repeat("x", 10_000): "write name = value",
	} {
		if _, err := study.Suppose(b, lowRisk(), text); !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// Whatever is typed, the answer is an error or a request that policy can be asked about without a panic.
func FuzzSuppose(f *testing.F) {
	for _, name := range study.Facts() {
		f.Add(name + " = 1\n" + name + " = absent")
		f.Add(name + " = true")
	}
	f.Add("=\n==\n\x00 = \xff\nroles = ,,")
	b := defaults(f)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := study.Suppose(b, lowRisk(), text)
		if err != nil {
			if !errors.Is(err, writ.ErrInvalid) || len(err.Error()) > 2000 {
				t.Fatalf("%v", err)
			}
			return
		}
		b.Decide(q)
	})
}
