package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// Every case of the shipped set, saved as a test and put beside the others, is taken by the set and passes; so does one
// whose facts are as no base has them.
func TestACaseThatIsSavedIsTakenBackAndPasses(t *testing.T) {
	b := defaultBundle(t)
	cases, err := policy.Cases(b)
	if err != nil || len(cases) < 50 {
		t.Fatal(len(cases), err)
	}
	files := sources(t)
	for i, c := range cases {
		q := c.Request
		if i%3 == 0 {
			q.Facts.Severity, q.Facts.Permille, q.Facts.Service = nil, new(77), `a "quoted": {service}`
		}
		src, err := policy.SaveCase(b, q, "it's \"saved\": #1")
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if i == 1 && strings.Count(string(src), "\n") > 5 {
			t.Errorf("a base is saved with more than its name:\n%s", src)
		}
		files[fmt.Sprintf("tests/saved-%d.yaml", i)] = src
	}
	again, err := policy.LoadSources(files, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	r, err := policy.Test(again)
	if err != nil || len(r.Failures) > 0 || r.Cases < 2*len(cases)-10 {
		t.Fatalf("%v, %d cases, %v", err, r.Cases, r.Failures)
	}
}

func TestWithoutASetOrItsBasesNothingIsSaved(t *testing.T) {
	bare := sources(t)
	for name := range bare {
		if strings.HasPrefix(name, "tests/") {
			delete(bare, name)
		}
	}
	b, err := policy.LoadSources(bare, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*policy.Bundle{nil, b} {
		if src, err := policy.SaveCase(b, lowRisk(), "x"); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s %v", src, err)
		}
	}
}
