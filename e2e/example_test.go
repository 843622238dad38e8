package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/storefront"
)

// TestTheExampleAgentsOfTheDocumentsRepair runs the programs that docs/agents shows, as they stand there, against running installations with a
// release that fails.
func TestTheExampleAgentsOfTheDocumentsRepair(t *testing.T) {
	t.Parallel()
	tools := nodeTools(t)
	for page, says := range map[string]string{"mcp-client.md": "SUCCEEDED run_", "http-agent.md": "succeeded"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			block := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(read(t, filepath.Join("..", "docs", "agents", page)))
			if block == nil {
				t.Fatal("the page shows no program")
			}
			x := openShop(t).fails()
			file := filepath.Join(x.dir, "agent.mjs")
			write(t, file, block[1])
			must(t, os.Symlink(filepath.Join(tools, "node_modules"), filepath.Join(x.dir, "node_modules")))
			cmd := exec.CommandContext(t.Context(), "node", file)
			cmd.Env = append(os.Environ(), "WRIT_URL="+x.url, "WRIT_TOKEN="+x.tokenOf(repairer))
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), says) {
				t.Fatalf("%v\n%s", err, out)
			}
			x.heard(string(out))
			if v, err := x.shop.Look(storefront.Checkout); err != nil || v.Release != "v41" {
				t.Errorf("checkout runs %s, %v", v.Release, err)
			}
		})
	}
}
