package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/policy"
)

// full sets every field, each to another value, so that none can be forgotten or taken for another.
func full(t *testing.T) policy.Facts {
	t.Helper()
	var f policy.Facts
	n := 10
	fill := func(v reflect.Value) {
		n++
		switch v.Kind() {
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(n))
		case reflect.Bool:
			v.SetBool(true)
		case reflect.String:
			v.SetString(strings.Repeat("x", n))
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			if v.Elem().Kind() == reflect.Bool {
				v.Elem().SetBool(true)
				break
			}
			v.Elem().SetInt(int64(n))
		case reflect.Slice:
			v.Set(reflect.ValueOf([]string{"a", "b" + strings.Repeat("x", n)}))
		case reflect.Struct:
			for i := range v.NumField() {
				v.Field(i).SetString(v.Type().Field(i).Name + strings.Repeat("y", n))
			}
		default:
			t.Fatalf("facts hold a %s", v.Kind())
		}
	}
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		fill(v.Field(i))
	}
	f.Incident = "inc_01JZZZZZZZZZZZZZZZZZZZZZZZ"
	return f
}

func TestFactsAreWrittenAsCanonicalJSON(t *testing.T) {
	odd := full(t)
	odd.Team, odd.Service, odd.Owner.Sub = "a\"b\\c\u00e9\u2028\n", "<&>\x7f", "\U0001f600"
	empty := policy.Facts{Planes: []string{}, Incident: "inc_01JZZZZZZZZZZZZZZZZZZZZZZZ"}
	for name, f := range map[string]policy.Facts{"full": full(t), "odd": odd, "empty": empty, "ask": lowRisk().Facts} {
		want, err := canon.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := policy.Canonical(f)
		if err != nil || got != string(want) {
			t.Errorf("%s:\n%s\n%s\n%v", name, got, want, err)
		}
		back, err := policy.ParseFacts([]byte(got))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(f, back); d != "" {
			t.Error(d)
		}
		if short, ok := policy.ReadFacts([]byte(got)); ok != (name != "odd") || ok && !cmp.Equal(f, short) { // a fact without a case of its own is read slowly
			t.Errorf("%s: read by hand: %t %+v", name, ok, short)
		}
	}
}

// I05: facts are read back only if they are what is written for them. The short way sees it by itself, as the long one does.
func TestI05FactsThatWouldBeWrittenOtherwiseAreNotRead(t *testing.T) {
	good, err := policy.Canonical(lowRisk().Facts)
	if err != nil {
		t.Fatal(err)
	}
	var r policy.FactsReader
	for name, text := range map[string]string{
		"as they are":             good,
		"a zero that is left out": strings.Replace(good, `"registered":true`, `"reach":0,"registered":true`, 1),
		"an empty list":           strings.Replace(good, `"certified":true`, `"certified":true,"chain":[]`, 1),
		"a fact is missing":       strings.Replace(good, `"undo":true,`, ``, 1),
		"an unknown fact":         strings.Replace(good, `"undo":true`, `"undo":true,"undone":true`, 1),
		"a kind of person":        strings.Replace(good, `"sub":"ada"`, `"kind":"human","sub":"ada"`, 1),
		"another word":            strings.Replace(good, `"undo":true`, `"undo":"true"`, 1),
		"white space":             good + " ",
		"a list":                  "[]",
		"nothing":                 "",
	} {
		if name != "as they are" && text == good {
			t.Fatalf("%s changes nothing", name)
		}
		var split canon.Text
		var f policy.Facts
		short := split.Split([]byte(text)) && r.ReadValue(split.Root(), &f)
		_, err := policy.ParseFacts([]byte(text))
		if want := text == good; short != want || (err == nil) != want {
			t.Errorf("%s: the short way %t, %v", name, short, err)
		}
	}
}

// What rules read has the name under which it is recorded; what is recorded and not read is listed here.
func TestRulesReadFactsUnderTheNameOfTheRecord(t *testing.T) {
	elsewhere := []string{
		"principal", "team", "roles", "suspended", "oncall", // of the asker's entity
		"service", "owningTeam", "env", "stateful", // of the service's entity
		"owner", "incident", "calendars", "veto", "claims", "claimsTrue", "claimsAge", "claimFailed", // recorded only
		"chain", "reach", "reachBy", "autonomyTier", "autonomyLost", "tierBecause", // seen as the tier that they raise, and as principal.autonomy
	}
	names := policy.ContextNames()
	var recorded []string
	for f := range reflect.TypeFor[policy.Facts]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		recorded = append(recorded, name)
		if !slices.Contains(names, name) && !slices.Contains(elsewhere, name) {
			t.Errorf("no rule can read %s", name)
		}
	}
	for _, n := range names {
		if !slices.Contains(recorded, n) {
			t.Errorf("%s is not recorded", n)
		}
	}
}

// The same subject from two issuers is two principals.
func TestTwoIssuersAreTwoPrincipals(t *testing.T) {
	b := loadOnly(t, map[string]string{"grants/a.cedar": `@id("grants/a")` + head +
		`permit (principal == Agent::"https://issuer.example|repair-agent", action in Action::"mutate", resource is Service);`})
	wantVerdict(t, b.Decide(lowRisk()), writ.Allow, writ.ReasonAllowed, "grants/a")
	q := lowRisk()
	q.Facts.Principal.Iss = "https://other.example"
	wantVerdict(t, b.Decide(q), writ.Deny, writ.ReasonNoGrantRule)
	q = lowRisk()
	q.Facts.Principal.Kind = writ.KindHuman
	wantVerdict(t, b.Decide(q), writ.Deny, writ.ReasonNoGrantRule)
}

func FuzzParseFacts(f *testing.F) {
	b := defaultBundle(f)
	f.Add([]byte(b.Decide(lowRisk()).Facts))
	f.Fuzz(func(t *testing.T, raw []byte) {
		facts, err := policy.ParseFacts(raw)
		if err != nil {
			return
		}
		if got, err := policy.Canonical(facts); err != nil || got != string(raw) {
			t.Fatalf("%s became %s, %v", raw, got, err)
		}
		if d := b.Decide(policy.Request{Playbook: "rollback-deployment", Facts: facts}); d.Verdict == "" || d.Reason == "" {
			t.Fatalf("no verdict on %s", raw)
		}
	})
}
