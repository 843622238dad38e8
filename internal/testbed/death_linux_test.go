package testbed_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/testbed"
)

// childVariable makes TestProcessesDieWithTheTestBinary, run in another process, play the test binary that is killed.
const childVariable = "WRIT_TESTBED_CHILD"

func TestProcessesDieWithTheTestBinary(t *testing.T) {
	if dir := os.Getenv(childVariable); dir != "" {
		pid, err := testbed.LaunchAndForget(dir, "/bin/sleep", "600")
		fmt.Println("started", pid, err)
		select {} // until it is killed
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessesDieWithTheTestBinary$")
	child.Env = append(os.Environ(), childVariable+"="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed, as it was told
	f := strings.Fields(line)
	if readErr != nil || len(f) != 3 || f[2] != "<nil>" {
		t.Fatalf("the child says %q, error %v", line, readErr)
	}
	pid, err := strconv.Atoi(f[1])
	if err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, "the death of the process", func(context.Context) (bool, string, error) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		gone := err != nil || strings.Contains(string(b), ") Z ") // an orphan may wait for its new parent to notice
		return gone, string(b), nil
	})
}
