package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/storefront"
)

func TestI03APlanIsTheExactCallOnTheObjectAsItIs(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	p := plan(t, x, setRelease("checkout", "v40"))
	if p.Step.Object.UID == "" || !strings.HasPrefix(p.Step.Object.Version, `"`) {
		t.Errorf("object %+v", p.Step.Object)
	}
	want := writ.Step{
		Key: p.Step.Key, Operation: "httpapi/release.set", With: writ.Parameters{"service": writ.String("checkout"), "release": writ.String("v40")},
		Tier: writ.T1, Title: "set release of checkout to v40",
		Object:         writ.Object{Location: "httpapi://shop/services/checkout", UID: p.Step.Object.UID, Version: p.Step.Object.Version},
		Call:           writ.Call{Method: "PUT", Path: "/services/checkout/release", ContentType: "application/json", Body: writ.Commit(p.Salt, connector.BlobBody, []byte(`{"release":"v40"}`))},
		Diff:           []writ.Change{{Path: "/release", Before: "v41", After: "v40"}},
		Inverse:        writ.Inverse{Kind: writ.InverseCall, Title: "set release of checkout back to v41", Preimage: writ.Commit(p.Salt, connector.BlobPreimage, p.Preimage)},
		Blast:          writ.Blast{Objects: 1, Replicas: 3, Permille: 333},
		Units:          []writ.Units{{Workload: "httpapi://shop/services/checkout", Wanted: 3, Ready: 3, Down: 1, Floor: 1, By: writ.FloorBudget}},
		TimeoutSeconds: 20,
	}
	if d := cmp.Diff(asJSON(t, want), asJSON(t, p.Step)); d != "" {
		t.Error(d)
	}
	if got := string(p.Body); got != `{"release":"v40"}` {
		t.Errorf("body %s", got)
	}
	if got := s.WriteRequests(); got != 0 {
		t.Errorf("planning sent %d writes", got)
	}
	if release(t, x, "checkout") != "v41" {
		t.Error("planning changed the release")
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPlanRefusesWhatCannotBeDoneOrUndone(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	foreign := setRelease("checkout", "v40")
	foreign.Scope = []writ.Location{"httpapi://shop/services/payments", "httpapi://shop/services/check"}
	nobody := setRelease("checkout", "v40")
	nobody.Scope = nil
	many := draft("checkout", "httpapi/replicas.set", writ.Parameters{"service": writ.String("checkout"), "replicas": writ.Int(7)})
	for what, c := range map[string]struct {
		draft connector.Draft
		want  writ.Reason
	}{
		"no change":            {setRelease("checkout", "v41"), writ.ReasonNoChange},
		"no object":            {setRelease("nothing", "v41"), writ.ReasonNoObject},
		"another's object":     {foreign, writ.ReasonOutOfScope},
		"no scope":             {nobody, writ.ReasonOutOfScope},
		"off the allow-list":   {draft("checkout", "httpapi/service.delete", nil), writ.ReasonForm},
		"above our own bound":  {many, writ.ReasonParameterBound},
		"missing":              {draft("checkout", "httpapi/release.set", writ.Parameters{"service": writ.String("checkout")}), writ.ReasonMissingParameter},
		"not of the operation": {draft("checkout", "httpapi/service.restart", writ.Parameters{"service": writ.String("checkout"), "force": writ.Bool(true)}), writ.ReasonUnknownParameter},
		"not of the type":      {draft("checkout", "httpapi/replicas.set", writ.Parameters{"service": writ.String("checkout"), "replicas": writ.String("3")}), writ.ReasonParameterType},
	} {
		_, err := x.Plan(t.Context(), c.draft)
		wantReason(t, what, err, c.want)
	}
	if got := s.WriteRequests(); got != 0 {
		t.Errorf("refused plans sent %d writes", got)
	}
}

// A value reaches the path, the query, the scope or the body only if it is a plain name, whatever the target's own
// pattern allows.
func TestI07NoParameterCarriesTextForAnInterpreter(t *testing.T) {
	s := shop(t)
	c := config(t, s, s.AdminURL())
	c.Document = []byte(strings.ReplaceAll(string(c.Document), `"^v[0-9]{1,4}$"`, `"^.*$"`)) // a careless document
	c.Document = []byte(strings.ReplaceAll(string(c.Document), `"maxLength": 5`, `"maxLength": 500`))
	x := connect(t, c)
	for _, evil := range []string{
		"", "..", "../payments", "v41/../../oauth", "v41%2f..", "v41?x=y", "v41#", "$(id)", "`id`", "v41; rm", "{{7*7}}", "' or 1=1", "v41\r\nX: y",
		"v41\u202e", "V41", "a b", strings.Repeat("v", 300),
	} {
		_, err := x.Plan(t.Context(), setRelease("checkout", evil))
		wantReason(t, "release "+evil, err, writ.ReasonParameterBound)
		d := setRelease("checkout", "v40")
		d.With["service"] = writ.String(evil)
		_, err = x.Plan(t.Context(), d)
		wantReason(t, "service "+evil, err, writ.ReasonParameterBound)
	}
	// The document's own pattern counts as well.
	x = connect(t, config(t, s, s.AdminURL()))
	_, err := x.Plan(t.Context(), setRelease("checkout", "latest"))
	wantReason(t, "a name outside the pattern", err, writ.ReasonParameterBound)
}

func TestPlanNeedsAnInverseWithinItsOwnBounds(t *testing.T) {
	s := shop(t)
	c := config(t, s, s.AdminURL())
	c.Operations[0].Fields = map[string]string{"release": "/changed_by"} // "start" is no release
	x := connect(t, c)
	_, err := x.Plan(t.Context(), setRelease("checkout", "v40"))
	wantReason(t, "a state that the inverse could not put back", err, writ.ReasonNoInverse)
	c = config(t, s, s.AdminURL())
	c.Operations[0].Fields = map[string]string{"release": "/nothing"}
	_, err = connect(t, c).Plan(t.Context(), setRelease("checkout", "v40"))
	wantReason(t, "a state without the field", err, writ.ReasonNoInverse)
}

func TestI20SecretsLeaveReadings(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	const secret = "AKIAIOSFODNN7EXAMPLE"
	if err := s.Plant(t.Context(), storefront.Checkout, "curl password=hunter2secret "+secret); err != nil {
		t.Fatal(err)
	}
	q := connector.Query{
		Reader: "httpapi/service.logs", With: writ.Parameters{"service": writ.String("checkout"), "lines": writ.Int(20)},
		Scope: []writ.Location{"httpapi://shop/services/checkout"}, Limit: 10_000,
	}
	r, err := x.Observe(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(r.Bytes), secret) || strings.Contains(string(r.Bytes), "hunter2") || r.Redacted < 2 {
		t.Errorf("%d removed: %s", r.Redacted, r.Bytes)
	}
	if !r.Writable || r.Source != "GET /services/checkout/logs?lines=20" {
		t.Errorf("source %q, writable %v", r.Source, r.Writable)
	}
	q.Limit = 10
	if r, err = x.Observe(t.Context(), q); err != nil || len(r.Bytes) > 10 || !r.Truncated {
		t.Errorf("%d bytes, truncated %v, %v", len(r.Bytes), r.Truncated, err)
	}
	q.Scope = []writ.Location{"httpapi://shop/services/payments"}
	_, err = x.Observe(t.Context(), q)
	wantReason(t, "a reading out of scope", err, writ.ReasonOutOfScope)
	q.Reader = "httpapi/service.secrets"
	_, err = x.Observe(t.Context(), q)
	wantReason(t, "an unknown reader", err, writ.ReasonUnknownReader)
}
