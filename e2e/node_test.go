package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/writ-dev/writ"
)

// nodeTools is where ./test has put what e2e/agents/package-lock.json names.
func nodeTools(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("whole processes are not for -short")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not installed")
	}
	lock, err := os.ReadFile(filepath.Join("agents", "package-lock.json"))
	must(t, err)
	cache, err := os.UserCacheDir()
	must(t, err)
	sum := sha256.Sum256(lock)
	tools := filepath.Join(cache, "writ-agents", hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(filepath.Join(tools, "node_modules")); err != nil {
		t.Skip("./test installs the test tools of the agents' door")
	}
	return tools
}

// A typescript is an agent on the official TypeScript SDK, in a process of its own.
type typescript struct {
	s   *site
	in  io.WriteCloser
	out *bufio.Reader
}

// typescript connects an agent to the site. Its token goes over a pipe.
func (s *site) typescript(t testing.TB, name string) *typescript {
	t.Helper()
	tools := nodeTools(t)
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("agents", "agent.mjs"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	a := &typescript{s, in, bufio.NewReader(out)}
	a.say(t, map[string]string{"tools": tools, "url": s.url + "/mcp", "token": s.tokenOf(name)})
	return a
}

func (a *typescript) say(t testing.TB, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	_, err = a.in.Write(append(b, '\n'))
	must(t, err)
}

func (a *typescript) call(t testing.TB, tool string, args map[string]any) answer {
	t.Helper()
	a.say(t, map[string]any{"tool": tool, "args": args})
	line, err := a.out.ReadBytes('\n')
	must(t, err)
	var said struct {
		Text, Failed string
		Refuse       bool
		Structured   json.RawMessage
	}
	must(t, json.Unmarshal(line, &said))
	if said.Failed != "" {
		t.Fatalf("%s: %s", tool, said.Failed)
	}
	out := answer{text: said.Text, refuse: said.Refuse}
	must(t, json.Unmarshal(said.Structured, &out))
	a.s.heard(said.Text + string(said.Structured))
	return out
}

// propose asks for a repair and waits until it is decided.
func (a *typescript) propose(t testing.TB, ask map[string]any) answer {
	t.Helper()
	out := a.call(t, "propose_plan", ask)
	for !out.refuse && out.State == string(writ.PlanPlanning) {
		out = a.call(t, "get_plan", map[string]any{"plan_id": string(out.Plan), "wait_seconds": 20})
	}
	return out
}
