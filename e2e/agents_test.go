package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
)

// TestNHI07AnAgentsLifeFromRegistrationToRemoval registers an agent with the command line at a running control plane
// without --dev, and ends it again: its token, still valid at its issuer, opens no door from that moment on, nor after a
// restart.
func TestNHI07AnAgentsLifeFromRegistrationToRemoval(t *testing.T) {
	t.Parallel()
	s := prepare(t, threeProcesses, nil, "agents")
	agents, people, sources := newIssuer(t), newIssuer(t), newIssuer(t)
	cert := s.harden(agents, people, sources)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(read(t, cert)) {
		t.Fatal("no certificate")
	}
	s.url = strings.Replace(s.url, "http://", "https://", 1)
	var err error
	s.person, err = client.New(s.url, client.Config{Token: client.Static(people.token(t, you, audience, time.Hour)), RootCAs: roots})
	must(t, err)
	s.startSigner()
	s.startServer("--log", "json")

	cli := filepath.Join(s.dir, "cli.yaml")
	write(t, filepath.Join(s.dir, "you.token"), []byte(people.token(t, you, audience, time.Hour)))
	write(t, cli, fmt.Appendf(nil, "server: %s\nca: %s\ntoken_file: you.token\nperson: {iss: %q, sub: %s}\n", s.url, cert, people.URL, you))
	says := func(code int, args ...string) result {
		t.Helper()
		got := s.run(t, s.dir, append(args, "--config", cli)...)
		if got.code != code {
			t.Fatalf("writ %s: status %d, want %d\n%s%s", strings.Join(args, " "), got.code, code, got.out, got.err)
		}
		return got
	}
	token := agents.token(t, "spare", audience, time.Hour)
	secure := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	opens := func(want int) {
		t.Helper()
		for path, body := range map[string]string{"/mcp": `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "/v1/incidents": "", "/v1/playbooks": ""} {
			method := http.MethodGet
			if body != "" {
				method = http.MethodPost
			}
			r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
			must(t, err)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json, text/event-stream")
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := secure.RoundTrip(r)
			must(t, err)
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s answers %s, want %d", path, resp.Status, want)
			}
		}
	}

	opens(http.StatusForbidden)
	got := says(0, "agent", "add", "spare", "--iss", agents.URL, "--sub", "spare", "--team", team, "--role", "diagnose", "--role", "repair", "-o", "claude")
	var mcp struct {
		MCPServers map[string]struct{ Type, URL string }
	}
	if err := json.Unmarshal([]byte(got.out), &mcp); err != nil || mcp.MCPServers["writ"].URL != s.url+"/mcp" || mcp.MCPServers["writ"].Type != "http" {
		t.Errorf("%v %s", err, got.out)
	}
	opens(http.StatusOK)
	for form, at := range map[string]string{"holmesgpt": "$.mcp_servers.writ.config.url", "kagent": "$.spec.url"} {
		text := says(0, "agent", "show", "spare", "-o", form).out
		path, err := yaml.PathString(at)
		must(t, err)
		var url string
		if err := path.Read(strings.NewReader(text), &url); err != nil || url != s.url+"/mcp" || strings.Contains(text, token) {
			t.Errorf("%s: %q %v\n%s", form, url, err, text)
		}
	}
	says(1, "agent", "add", "spare", "--iss", agents.URL, "--sub", "another", "--team", team)
	says(0, "agent", "suspend", "spare", "--reason", "it behaves oddly")
	opens(http.StatusForbidden)
	s.procs["server"].kill()
	s.startServer("--log", "json")
	opens(http.StatusForbidden)
	says(0, "agent", "resume", "spare", "--reason", "it was nothing")
	opens(http.StatusOK)
	says(0, "agent", "rotate", "spare", "--iss", agents.URL, "--sub", "spare-2", "--reason", "its token leaked")
	opens(http.StatusForbidden)
	token = agents.token(t, "spare-2", audience, time.Hour)
	opens(http.StatusOK)
	says(0, "agent", "remove", "spare", "--reason", "not needed any more")
	opens(http.StatusForbidden)
	if list := says(0, "agent", "list", "--state", "removed").out; strings.Count(list, "spare") < 2 || strings.Contains(list, "\n"+repairer) {
		t.Errorf("removed agents:\n%s", list)
	}
	n := 0
	for _, e := range s.entries(t) {
		if _, ok := e.Body.(*writ.AgentBody); ok {
			n++
		}
	}
	if n != 6 { // rotation is two: one identity ends, another begins
		t.Errorf("%d entries about agents", n)
	}
}
