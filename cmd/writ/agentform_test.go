package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
)

// TestThePagesOfAgentsShowTheConfigurationThatTheCommandPrints keeps each page's block, letter by letter, what writ agent show prints, and
// demands that it parses as what it is, and names the door and no token.
func TestThePagesOfAgentsShowTheConfigurationThatTheCommandPrints(t *testing.T) {
	agent := writ.Agent{Name: "repair", Sub: "agents/repair"}
	for form, page := range map[agentForm]string{"holmesgpt": "holmesgpt.md", "kagent": "kagent.md", "claude": "claude-code.md", "stdio": "mcp-client.md"} {
		printed := agentForms[form]("https://writ.example/", agent)
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "agents", page))
		if err != nil {
			t.Fatal(err)
		}
		kind, parse := "yaml", func(b []byte, to any) error { return yaml.UnmarshalWithOptions(b, to, yaml.Strict()) }
		if strings.HasPrefix(printed, "{") {
			kind, parse = "json", json.Unmarshal
		}
		if !strings.Contains(string(text), "```"+kind+"\n"+printed+"```\n") {
			t.Errorf("docs/agents/%s does not show what -o %s prints:\n%s", page, form, printed)
		}
		var v map[string]any
		if err := parse([]byte(printed), &v); err != nil || len(v) == 0 {
			t.Errorf("-o %s: %v\n%s", form, err, printed)
		}
		if !strings.Contains(printed, "https://writ.example") || strings.Contains(printed, "example//") {
			t.Errorf("-o %s does not name the server: %s", form, printed)
		}
	}
	if len(agentForms) != 4 {
		t.Error("a form has no page")
	}
}
