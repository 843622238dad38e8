package testbed_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/writ-dev/writ/internal/testbed"
)

func TestStopLeavesNoProcess(t *testing.T) {
	c, err := testbed.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pids := c.PIDs()
	if len(pids) != 5 {
		t.Errorf("want five processes, got %v", pids)
	}
	for name, pid := range pids {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("%s: not running before Stop: %v", name, err)
		}
	}
	c.Stop()
	c.Stop() // again
	for name, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s, pid %d: still there after Stop: %v", name, pid, err)
		}
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(c.Host, "https://")); err == nil {
		conn.Close()
		t.Error("the API server's port still answers")
	}
}

func TestStartTakesOtherPortsWhenOnesAreTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	occupied := map[int]bool{} // by the number of ports asked for: etcd asks for two, the API server for one
	ports := func(n int) ([]int, error) {
		ports, err := testbed.FreePorts(n)
		if err == nil && !occupied[n] {
			occupied[n] = true
			ports[0] = taken.Addr().(*net.TCPAddr).Port
		}
		return ports, err
	}
	c, err := testbed.StartWithPorts(t.Context(), t.TempDir(), ports)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if !occupied[1] || !occupied[2] {
		t.Errorf("etcd and the API server were not both given a taken port: %v", occupied)
	}
}

func TestFailedStartSaysWhatWasTriedAndLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	_, err = testbed.StartWithPorts(t.Context(), t.TempDir(), func(n int) ([]int, error) {
		ports, err := testbed.FreePorts(n)
		ports[0] = taken.Addr().(*net.TCPAddr).Port
		return ports, err
	})
	if err == nil || !strings.Contains(err.Error(), "etcd: no free port in 5 attempts: ["+port) {
		t.Errorf("want an error that names the piece and the ports, got %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	ports := func(n int) ([]int, error) {
		if n == 1 { // etcd is up: the caller gives up during the API server's start
			cancel()
		}
		return testbed.FreePorts(n)
	}
	dir := t.TempDir()
	_, err = testbed.StartWithPorts(ctx, dir, ports)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "kube-apiserver") {
		t.Errorf("want the cancelled start of kube-apiserver, got %v", err)
	}
	if left := holding(t, dir); len(left) != 0 {
		t.Errorf("still running: %v", left)
	}
}

// holding lists the processes whose command line names dir.
func holding(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no /proc: cannot look for processes")
	}
	var left []string
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), dir) { // it may have ended meanwhile
			left = append(left, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return left
}
