package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

const golden = "../../docs/openapi.json"

func TestTheDocumentInDocsIsTheOneThatIsServed(t *testing.T) {
	served := request(handler(t, &fake{}), "", "GET", "/openapi.json", "").Body.Bytes()
	if *update {
		if err := os.WriteFile(golden, served, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, served) {
		t.Errorf("docs/openapi.json is not current; run go test ./internal/api -run Document -update and look at the difference\n%s",
			cmp.Diff(strings.Split(string(kept), "\n"), strings.Split(string(served), "\n")))
	}
}

func TestTheDocumentNamesEveryCallAndNoOther(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Security   []map[string][]string `json:"security"`
			Parameters []struct{ Name string }
			Responses  map[string]any
		}
	}
	b := request(handler(t, &fake{}), "", "GET", "/openapi.json", "").Body.Bytes()
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	var found, want []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			found = append(found, strings.ToUpper(method)+" "+path)
			if len(op.Security) == 0 || op.Responses["default"] == nil {
				t.Errorf("%s %s documents no security or no problem", method, path)
			}
		}
	}
	for _, c := range every {
		path, _, _ := strings.Cut(c.path, "?")
		for _, id := range []string{string(planID), string(runID), string(incident), string(evidence), string(freezeID), string(handOffID), string(sessionID), string(glassID), string(passkeyID), string(delegationID), string(changeID)} {
			path = strings.Replace(path, id, "{id}", 1)
		}
		path = strings.Replace(path, "/upstreams/kube/", "/upstreams/{upstream}/", 1)
		want = append(want, c.method+" "+strings.Replace(strings.Replace(strings.Replace(path, "rollback-deployment", "{name}", 1), "/agents/repair", "/agents/{name}", 1), "/sets/current", "/sets/{name}", 1))
	}
	slices.Sort(found)
	slices.Sort(want)
	if d := cmp.Diff(want, found); d != "" {
		t.Error(d)
	}
}

func TestRequestsAreClosedAndRepliesMayGrow(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]struct{ AdditionalProperties bool }
		}
	}
	b := request(handler(t, &fake{}), "", "GET", "/openapi.json", "").Body.Bytes()
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for name, s := range doc.Components.Schemas {
		closed := strings.HasSuffix(name, "Request") || name == "Because"
		if closed == s.AdditionalProperties {
			t.Errorf("%s: additionalProperties %v", name, s.AdditionalProperties)
		}
	}
}
