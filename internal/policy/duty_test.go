package policy_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// grants are two that speak for the same ask.
func twoGrants(first, second string) map[string]string {
	return map[string]string{
		"grants/a.cedar": `@id("grants/a") ` + first + head + permitAll + `;`,
		"grants/b.cedar": `@id("grants/b") ` + second + head + permitAll + `;`,
	}
}

func TestDutiesAreJoinedToTheMostDemanding(t *testing.T) {
	for _, c := range []struct {
		first, second string
		want          writ.Duties
	}{
		{"", "", writ.Duties{}},
		{`@verify_within("2m")`, "", writ.Duties{VerifyWithin: 120}},
		{`@verify_within("2m") @notify("b")`, `@verify_within("90s") @notify("a") @review_within("24h")`, writ.Duties{VerifyWithin: 90, Notify: []string{"a", "b"}, ReviewWithin: 86400}},
		{`@review_within("1h") @notify("a")`, `@review_within("2h") @notify("a")`, writ.Duties{Notify: []string{"a"}, ReviewWithin: 3600}},
	} {
		for _, files := range []map[string]string{twoGrants(c.first, c.second), twoGrants(c.second, c.first)} { // whichever stands first
			d := loadOnly(t, files).Decide(lowRisk())
			if !d.Allowed() || !d.Duties.Equal(c.want) {
				t.Errorf("%s and %s: %s with %+v", c.first, c.second, d.Verdict, d.Duties)
			}
		}
	}
}

func TestADutyThatNobodyCouldKeepIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no time":             `@verify_within("0s")`,
		"parts of a second":   `@verify_within("1500ms")`,
		"longer than an hour": `@verify_within("61m")`,
		"a year":              `@review_within("8760h")`,
		"no duration":         `@review_within("soon")`,
		"no channel":          `@notify("")`,
		"an address":          `@notify("https://chat.example")`,
	} {
		src := sources(t)
		src["grants/x.cedar"] = []byte(`@id("grants/x") ` + text + head + permitAll + `;`)
		if _, err := policy.LoadSources(src, vocabulary()); err == nil || !strings.Contains(err.Error(), "@") {
			t.Errorf("%s: %v", name, err)
		}
	}
	src := sources(t)
	src["limits/x.cedar"] = []byte(`@id("limits/x") @notify("a")` + head + forbidAll + `;`)
	if _, err := policy.LoadSources(src, vocabulary()); err == nil {
		t.Error("a limit with a duty was taken")
	}
}
