package control_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway"
	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
	"github.com/writ-dev/writ/internal/policy/policytest"
)

// perIncident is how many readings of one incident are measured before the next one is opened. It may have 500, and each costs a
// little more than the one before, since they are counted; most have some dozens.
const perIncident = 100

// BenchmarkFrontedCall compares the same call made directly, through the gateway alone, and as agents make it: decided by policy,
// recorded in the ledger before it is answered, on SQLite. The first line is a bare fsync of as many bytes as such a call writes;
// the last is a whole call when the list of tools is asked for before each one, not once a second. The upstream is a process of its own, as in
// life. What a call costs beyond the direct one is the difference of two lines of one run; on a busy machine p10 is nearest to
// what a quiet one shows at the median. go test ./internal/control -run - -bench FrontedCall -benchtime 2000x
func BenchmarkFrontedCall(b *testing.B) {
	for _, c := range []struct {
		name string
		life time.Duration
		call func(b *testing.B, x *fronting) func(i int) error
	}{
		{"disk", 0, syncing},
		{"direct", 0, direct},
		{"gateway", gateway.DefaultListLife, throughGateway},
		{"whole", gateway.DefaultListLife, whole},
		{"asked", 0, whole},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := frontOf(b, apart(b), c.life, nil, gatewaytest.Pods()).pinned(pods)
			call := c.call(b, x)
			must(b, call(0)) // connections
			took := make([]time.Duration, b.N)
			commits, used := x.store.Commits(), policytest.Processor(b)
			b.ResetTimer()
			for i := range took {
				if i%perIncident == 0 { // the clock of the benchmark stops the world, so it is stopped seldom
					b.StopTimer()
					x.incident = x.world.incident("shop").ID
					b.StartTimer()
				}
				began := time.Now()
				must(b, call(i))
				took[i] = time.Since(began)
			}
			b.StopTimer()
			policytest.ReportProcessor(b, used, b.N, "op") // without the upstream
			b.ReportMetric(float64(x.store.Commits()-commits)/float64(b.N), "commits/op")
			slices.Sort(took)
			for name, at := range map[string]int{"p10-µs": b.N / 10, "p50-µs": b.N / 2, "p99-µs": b.N * 99 / 100} {
				b.ReportMetric(float64(took[at].Nanoseconds())/1e3, name)
			}
		})
	}
}

// apart starts this test binary once more, as an upstream, and returns its address.
func apart(b *testing.B) string {
	self, err := os.Executable()
	must(b, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), upstreamVariable+"=1")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe() // it ends when this closes
	must(b, err)
	out, err := c.StdoutPipe()
	must(b, err)
	must(b, c.Start())
	b.Cleanup(func() { in.Close(); must(b, c.Wait()) })
	url, err := bufio.NewReader(out).ReadString('\n')
	must(b, err)
	return strings.TrimSpace(url)
}

// upstreamVariable tells this test binary to be the upstream of a benchmark.
const upstreamVariable = "WRIT_BENCH_UPSTREAM"

func TestMain(m *testing.M) {
	if os.Getenv(upstreamVariable) == "" {
		os.Exit(m.Run())
	}
	u := gatewaytest.New(gatewaytest.Pods())
	fmt.Println(u.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	u.Stop()
}

// syncing writes 48 KiB over what is there and waits for the disk.
func syncing(b *testing.B, _ *fronting) func(int) error {
	f, err := os.Create(filepath.Join(b.TempDir(), "disk"))
	must(b, err)
	b.Cleanup(func() { f.Close() })
	page := make([]byte, 48<<10)
	return func(int) error {
		_, err := f.WriteAt(page, 0)
		return errors.Join(err, f.Sync())
	}
}

func direct(b *testing.B, x *fronting) func(int) error {
	s, err := mcp.NewClient(&mcp.Implementation{Name: "direct", Version: "1"}, nil).Connect(b.Context(), &mcp.StreamableClientTransport{Endpoint: x.url, MaxRetries: -1}, nil)
	must(b, err)
	b.Cleanup(func() { s.Close() })
	return func(int) error {
		_, err := s.CallTool(b.Context(), &mcp.CallToolParams{Name: "list_pods", Arguments: map[string]any{"namespace": "shop"}})
		return err
	}
}

func throughGateway(b *testing.B, x *fronting) func(int) error {
	g, err := gateway.New([]gateway.Upstream{{Name: "kube", URL: x.url, Team: "checkout", Tools: map[string][]string{"list_pods": nil}, ListLife: gateway.DefaultListLife}}, "bench", slog.New(slog.DiscardHandler), nil)
	must(b, err)
	b.Cleanup(g.Close)
	all, err := g.Discover(b.Context(), "kube")
	must(b, err)
	pinned := all[0].Digest()
	return func(int) error {
		_, err := g.Call(b.Context(), pods, func(func()) (writ.Digest, []byte, error) { return pinned, []byte(shopPods), nil })
		return err
	}
}

func whole(_ *testing.B, x *fronting) func(int) error {
	return func(i int) error {
		r, err := x.read(diagnose, shopPods)
		if err == nil && r.Evidence == (writ.EvidenceID("")) {
			err = fmt.Errorf("call %d has no record", i)
		}
		return err
	}
}
