package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

const secret = "hunter2-secret-value"

func TestI20HumaDefault1NoProblemRepeatsASubmittedValue(t *testing.T) {
	h := handler(t, &fake{})
	for name, body := range map[string]string{
		"unknown member":      `{"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"x","password":"` + secret + `"}`,
		"wrong type":          `{"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"x","because":{"a":"` + secret + `"}}`,
		"bad id":              `{"incident":"` + secret + `","playbook":"x"}`,
		"bad name":            `{"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"` + secret + `!"}`,
		"not JSON":            `{"password":"` + secret + `"`,
		"not JSON at all":     secret,
		"a list in parameter": `{"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"x","parameters":{"a":["` + secret + `"]}}`,
		"missing member":      `{"because":"` + secret + `"}`,
	} {
		w := request(h, "agent", "POST", "/v1/proposals", body, key)
		wantProblem(t, w, 422, writ.ReasonForm)
		if strings.Contains(w.Body.String(), secret) || !strings.Contains(w.Body.String(), `"hint":"correct the call`) {
			t.Errorf("%s: %s", name, w.Body)
		}
		if says := "body.parameters.a: must be text, a whole number, true or false"; name == "a list in parameter" && !strings.Contains(w.Body.String(), says) {
			t.Errorf("it does not say %q: %s", says, w.Body)
		}
	}
	w := request(h, "human", "GET", "/v1/plans?limit="+secret, "")
	wantProblem(t, w, 422, writ.ReasonForm)
	if strings.Contains(w.Body.String(), secret) {
		t.Errorf("query: %s", w.Body)
	}
}

func TestHumaDefault2NoLinkIsBuiltFromForwardedHeaders(t *testing.T) {
	w := request(handler(t, &fake{}), "human", "GET", "/v1/status", "", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example")
	if w.Code != 200 || strings.Contains(w.Body.String(), "evil.example") || strings.Contains(w.Body.String(), "$schema") || w.Header().Get("Link") != "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestHumaDefault3NoPageLoadsAForeignScript(t *testing.T) {
	h := handler(t, &fake{})
	for _, path := range []string{"/docs", "/openapi.yaml", "/openapi-3.0.json", "/schemas/PlanStatus.json", "/"} {
		wantProblem(t, request(h, "human", "GET", path, ""), 404, "not_found")
	}
	w := request(h, "", "GET", "/openapi.json", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("%d %v %q", w.Code, err, doc.OpenAPI)
	}
}
