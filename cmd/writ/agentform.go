package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// An agentForm is the configuration of one kind of MCP client.
type agentForm string

// tokenVariable is the environment variable that clients take the agent's short-lived token from; no form holds a token.
const tokenVariable = "WRIT_TOKEN"

// agentForms make the configuration of each client that is known. Sources: HolmesGPT's documentation of remote MCP
// servers; Claude Code's of .mcp.json; kagent's API v1alpha2, RemoteMCPServer.
var agentForms = map[agentForm]func(server string, g writ.Agent) string{
	"holmesgpt": func(server string, g writ.Agent) string {
		return fmt.Sprintf(`# HolmesGPT: merge into config.yaml, and start it with %[3]s set to a token of %[2]s.
mcp_servers:
  writ:
    description: "Writ: evidence and repairs under control"
    config:
      url: %[1]q
      mode: streamable-http
      headers:
        Authorization: "Bearer {{ env.%[3]s }}"
    llm_instructions: "See what can be read with list_readers, read evidence with read_evidence, and ask for a repair with propose_plan. A person approves it, and Writ executes it; follow it with get_plan and get_run. Never ask anybody for credentials of the target."
`, endpoint(server), quiet(g.Sub), tokenVariable)
	},
	"claude": func(server string, g writ.Agent) string {
		type entry struct {
			Type    string            `json:"type"`
			URL     string            `json:"url"`
			Headers map[string]string `json:"headers"`
		}
		b, err := json.MarshalIndent(map[string]any{"mcpServers": map[string]entry{
			"writ": {"http", endpoint(server), map[string]string{"Authorization": "Bearer ${" + tokenVariable + "}"}},
		}}, "", "  ")
		if err != nil {
			panic(err) // strings only
		}
		return string(b) + "\n"
	},
	"stdio": func(server string, _ writ.Agent) string {
		type entry struct {
			Command string            `json:"command"`
			Args    []string          `json:"args"`
			Env     map[string]string `json:"env"`
		}
		b, err := json.MarshalIndent(map[string]any{"mcpServers": map[string]entry{
			"writ": {"writ", []string{"mcp", "--server", strings.TrimRight(server, "/"), "--token-file", "env:" + tokenVariable}, map[string]string{tokenVariable: "${" + tokenVariable + "}"}},
		}}, "", "  ")
		if err != nil {
			panic(err) // strings only
		}
		return string(b) + "\n"
	},
	"kagent": func(server string, g writ.Agent) string {
		return fmt.Sprintf(`# kagent: the secret's key holds "Bearer " and a token of %[3]s, and whatever renews the token writes it there.
apiVersion: kagent.dev/v1alpha2
kind: RemoteMCPServer
metadata:
  name: writ-%[2]s
spec:
  description: "Writ: evidence and repairs under control"
  protocol: STREAMABLE_HTTP
  url: %[1]q
  timeout: 30s
  headersFrom:
    - name: Authorization
      valueFrom:
        type: Secret
        name: writ-%[2]s
        key: authorization
`, endpoint(server), strings.ReplaceAll(strings.ReplaceAll(g.Name, ".", "-"), "_", "-"), quiet(g.Sub))
	},
}

func endpoint(server string) string { return strings.TrimRight(server, "/") + "/mcp" }

// quiet is text for a comment: of one line, and of what can be seen.
func quiet(s string) string { return writ.Printable(strings.ReplaceAll(s, "\n", " "), 200) }
