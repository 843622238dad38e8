package e2e_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process is one running writ.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file with all that it prints
	done chan struct{}
}

// endWithin is how long a process may take to end in an orderly way: a runner waits up to 15 s for its leases to die.
const endWithin = 40 * time.Second

// launch starts the binary. It is killed when the test ends, if it still runs then.
func (b bed) launch(t testing.TB, dir, name string, args ...string) *process {
	t.Helper()
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	p.cmd = exec.Command(b.writ, args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = out, out, dir
	must(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		defer out.Close()
		_ = p.cmd.Wait() // the status is in ProcessState
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as kill -9 does, and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

// end asks the process to end and demands that it does so with status 0.
func (p *process) end(t testing.TB) {
	t.Helper()
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(endWithin):
		t.Fatalf("%s did not end within %s of SIGTERM\n%s", p.name, endWithin, p.tail())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("%s ended with status %d\n%s", p.name, code, p.tail())
	}
}

func (p *process) dead() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// tail is the end of what the process printed.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	const most = 4000
	return "--- " + p.name + "\n" + string(b[max(0, len(b)-most):])
}

// A result is how one command ended.
type result struct {
	out, err string
	code     int
}

// run runs the binary to its end.
func (b bed) run(t testing.TB, dir string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), b.writ, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatalf("writ %s: %v", strings.Join(args, " "), err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}
