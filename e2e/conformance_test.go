package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// revisions are those of the protocol that the suite has scenarios for.
var revisions = []string{"2025-06-18", "2025-11-25", "2026-07-28"}

// schema is the check that whatever was sent is valid by the protocol's schema. It applies to every scenario.
const schema = "wire-schema-valid"

// whole stands in docs/mcp.md for all checks of a scenario.
const whole = "all"

// TestTheConformanceSuiteOfTheProtocolPasses runs the suite that the protocol's makers publish against a running server. What
// of it does not apply is listed in docs/mcp.md, one line each with the reason: every other check passes, a line whose check
// does not fail is wrong, and a scenario that is neither run nor listed is noticed.
func TestTheConformanceSuiteOfTheProtocolPasses(t *testing.T) {
	t.Parallel()
	s := suite{t, nodeTools(t), openShop(t)}
	offered := s.offered()
	listed := s.listed()
	found := map[string]map[string]string{} // scenario, check, complaint
	door := s.door()
	for _, revision := range revisions {
		s.run(found, door, "--suite", "all", "--spec-version", revision)
	}
	for _, name := range slices.Sorted(maps.Keys(offered)) {
		if offered[name] == "extension" {
			s.run(found, door, "--scenario", name)
		}
	}
	for name := range offered {
		if _, ok := found[name]; !ok {
			t.Errorf("the suite offers %s, and it was not run", name)
		}
	}
	for name, complaints := range found {
		if _, ok := offered[name]; !ok {
			t.Errorf("%s was run, and the suite does not offer it", name)
		}
		for check, complaint := range complaints {
			if listed[name][check] == "" && (listed[name][whole] == "" || check == schema) {
				t.Errorf("%s fails, and docs/mcp.md does not say why it need not pass: %s: %s", name, check, complaint)
			}
		}
	}
	for name, checks := range listed {
		for check := range checks {
			if _, fails := found[name][check]; !fails && (check != whole || len(found[name]) == 0) {
				t.Errorf("docs/mcp.md lists %s (%s) as not applicable, and it passes or is not offered", name, check)
			}
		}
	}
	var passed []string
	for name := range offered {
		if len(listed[name]) == 0 {
			passed = append(passed, "`"+name+"`")
		}
	}
	slices.Sort(passed)
	if line := "Pass whole: " + strings.Join(passed, ", ") + "."; !strings.Contains(string(read(t, filepath.Join("..", "docs", "mcp.md"))), line) {
		t.Errorf("docs/mcp.md does not say: %s", line)
	}
}

type suite struct {
	t     *testing.T
	tools string
	x     *counter
}

// offered lists the suite's scenarios for servers, each with its revisions or "extension".
func (s suite) offered() map[string]string {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "node", filepath.Join("agents", "conformance.mjs"), s.tools, "list", "--server").CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^  - (\S+) \[([^\]]*)\]`).FindAllStringSubmatch(string(out), -1) {
		all[m[1]] = m[2]
	}
	if len(all) < 50 {
		s.t.Fatalf("the suite offers %d scenarios:\n%s", len(all), out)
	}
	return all
}

// listed reads the table of what does not apply: scenario, check, reason.
func (s suite) listed() map[string]map[string]string {
	s.t.Helper()
	all := map[string]map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (?:`([a-z0-9-]+)`|(all)) \\| (.+) \\|$").FindAllStringSubmatch(string(read(s.t, filepath.Join("..", "docs", "mcp.md"))), -1) {
		if all[m[1]] == nil {
			all[m[1]] = map[string]string{}
		}
		all[m[1]][m[2]+m[3]] = m[4]
	}
	return all
}

// door is the server's, with an agent's token added to each request: the suite brings none.
func (s suite) door() string {
	to, err := url.Parse(s.x.url)
	must(s.t, err)
	token := s.x.tokenOf(repairer)
	p := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { // the Host and Origin that came stay
		r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
		r.Out.Header.Set("Authorization", "Bearer "+token)
	}, FlushInterval: -1, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }})
	s.t.Cleanup(p.Close)
	return p.URL + "/mcp"
}

// run runs scenarios and notes each check that does not pass.
func (s suite) run(found map[string]map[string]string, door string, args ...string) {
	s.t.Helper()
	dir := s.t.TempDir()
	out, err := exec.CommandContext(s.t.Context(), "node", append([]string{filepath.Join("agents", "conformance.mjs"), s.tools, "server", "--url", door, "-o", dir}, args...)...).CombinedOutput()
	results, globErr := filepath.Glob(filepath.Join(dir, "server-*", "checks.json"))
	must(s.t, globErr)
	if len(results) == 0 { // its status says only that some scenario failed
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	for _, file := range results {
		name := regexp.MustCompile(`-\d{4}-\d\d-\d\dT[0-9-]+Z$`).ReplaceAllString(strings.TrimPrefix(filepath.Base(filepath.Dir(file)), "server-"), "")
		b, err := os.ReadFile(file)
		must(s.t, err)
		var checks []struct{ ID, Status, ErrorMessage string }
		must(s.t, json.Unmarshal(b, &checks))
		if found[name] == nil {
			found[name] = map[string]string{}
		}
		for _, c := range checks {
			if !slices.Contains([]string{"SUCCESS", "INFO", "SKIPPED"}, c.Status) {
				found[name][c.ID] = fmt.Sprintf("%s (%v) %s", c.Status, args, c.ErrorMessage)
			}
		}
	}
}
