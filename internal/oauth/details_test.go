package oauth_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/oauth"
)

const whole = `[{"type":"urn:writ:remediation:v1","actions":["kubernetes/workload.rollback"],"locations":["kubernetes://prod-eu1/payments/deployment/api"],` +
	`"playbook":{"name":"rollback","version":5,"digest":"sha256:%D"},"plan":"pln_` + ulid + `","plan_digest":"sha256:%D","limits":{"max_objects":1,"max_runs":1,"max_permille":1000}}]`

func wholeDetails() string { return strings.ReplaceAll(whole, "sha256:%D", digest.String()) }

func TestPitfall13DetailsAreAClosedForm(t *testing.T) {
	got, err := oauth.ParseDetails(wholeDetails())
	if err != nil || got.Plan != planID || got.Playbook.Version != 5 || got.Limits.MaxPermille != 1000 || len(got.Actions) != 1 || len(got.Locations) != 1 {
		t.Fatalf("the whole form: %+v %v", got, err)
	}
	if got, err := oauth.ParseDetails(" " + theDetails() + "\n"); err != nil || got.Plan != planID || !got.PlanDigest.Equal(digest) {
		t.Fatalf("the least form: %+v %v", got, err)
	}
	swap := func(old, new string) string {
		out := strings.Replace(wholeDetails(), old, new, 1)
		if out == wholeDetails() {
			t.Fatalf("%q is not there", old)
		}
		return out
	}
	element := strings.TrimSuffix(strings.TrimPrefix(theDetails(), "["), "]")
	w, key := newWorld(t), newKey(t)
	raw := w.tokenOf("repair", key)
	for name, text := range map[string]string{
		"nothing":                  "",
		"no element":               "[]",
		"two elements":             "[" + element + "," + element + "]",
		"an object":                element,
		"null":                     "null",
		"a null element":           "[null]",
		"an unknown type":          swap("remediation:v1", "remediation:v2"),
		"an unknown field":         swap(`"actions"`, `"admin":true,"actions"`),
		"a nested unknown field":   swap(`"max_runs"`, `"max_days":1,"max_runs"`),
		"a standard field":         swap(`"actions"`, `"privileges":["all"],"actions"`),
		"a repeated field":         swap(`"plan":`, `"plan":"pln_`+ulid+`","plan":`),
		"a repeated nested field":  swap(`"max_runs":1`, `"max_runs":1,"max_runs":1`),
		"a look-alike field":       swap(`"plan":`, `"Plan":`),
		"a field in Cyrillic":      swap(`"plan":`, `"рlan":`),
		"an escaped look-alike":    swap(`"plan":`, `"pla\u006e":"pln_`+ulid+`","plan":`),
		"a null field":             swap(`["kubernetes/workload.rollback"]`, "null"),
		"a null limit":             swap(`{"max_objects":1,"max_runs":1,"max_permille":1000}`, "null"),
		"an empty list":            swap(`["kubernetes/workload.rollback"]`, "[]"),
		"a float":                  swap(`"max_objects":1`, `"max_objects":1.0`),
		"an exponent":              swap(`"max_objects":1`, `"max_objects":1e0`),
		"minus zero":               swap(`"max_objects":1`, `"max_objects":-0`),
		"a negative number":        swap(`"max_objects":1`, `"max_objects":-1`),
		"2^53":                     swap(`"max_permille":1000`, `"max_permille":9007199254740992`),
		"beyond 2^53":              swap(`"max_permille":1000`, `"max_permille":9007199254740993`),
		"two runs":                 swap(`"max_runs":1`, `"max_runs":2`),
		"a number as text":         swap(`"max_runs":1`, `"max_runs":"1"`),
		"a control character":      swap("workload.rollback", `workload.roll\u0000back`),
		"a bidi character":         swap("workload.rollback", "workload.roll\u202eback"),
		"an escaped bidi one":      swap("payments", `pay\u202ements`),
		"a bidi one in a playbook": swap(`"rollback"`, `"roll\u2066back"`),
		"no plan":                  swap(`"plan":"pln_`+ulid+`",`, ""),
		"no digest of the plan":    swap(`,"plan_digest":"`+digest.String()+`"`, ""),
		"half a playbook":          swap(`"version":5,`, ""),
		"another kind of id":       swap("pln_", "run_"),
		"a path":                   swap("kubernetes://prod-eu1/payments", "kubernetes://prod-eu1/../payments"),
		"trailing text":            wholeDetails() + "x",
		"too long":                 wholeDetails() + strings.Repeat(" ", 16<<10),
	} {
		if a, err := oauth.ParseDetails(text); err == nil || a.Plan != "" {
			t.Errorf("%s: %+v", name, a)
		}
		if got := w.exchanged(raw, key, func(f url.Values) { f.Set("authorization_details", text) }); got.status != 400 || got.text("error") != "invalid_authorization_details" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if len(w.ctl.asked) != 0 {
		t.Errorf("the control plane was asked for %v", w.ctl.asked)
	}
}

func FuzzParseDetails(f *testing.F) {
	f.Add(theDetails())
	f.Add(wholeDetails())
	f.Add(`[{"type":"urn:writ:remediation:v1","plan":null}]`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := oauth.ParseDetails(text)
		if err != nil {
			return
		}
		var all []map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &all) != nil || len(all) != 1 || a.Type != writ.AuthorizationType || a.Plan == "" || a.PlanDigest.IsZero() {
			t.Fatalf("took %q as %+v", text, a)
		}
		for name := range all[0] {
			switch name {
			case "type", "actions", "locations", "playbook", "plan", "plan_digest", "limits":
			default:
				t.Fatalf("took %q with %q", text, name)
			}
		}
	})
}
