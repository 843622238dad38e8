package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// stopGrace is what a process gets between SIGTERM and SIGKILL. The API server takes a second when idle, and for
	// ever while it starts; what a kill would lose is thrown away anyway.
	stopGrace = 4 * time.Second
	// readyLimit bounds one piece's start. Idle it takes at most 4 s; a machine that compiles beside it needs more.
	readyLimit = 3 * time.Minute
	// tailBytes is how much of a dead process's log goes into the error.
	tailBytes = 2000
)

// process is one running program. It ends by stop, or with this process.
type process struct {
	name string
	pid  int
	log  string        // path of what it writes to stdout and stderr
	end  func()        // sends SIGTERM, and SIGKILL after stopGrace; returns at once
	done chan struct{} // closed when it has ended and was waited for
}

// launch starts bin with args. Its output goes to the file log, which it truncates.
func launch(name, log, bin string, args ...string) (*process, error) {
	return launchAs(name, log, func(*exec.Cmd) {}, bin, args...)
}

// launchAs is launch with a command that tweak has changed.
func launchAs(name, log string, tweak func(*exec.Cmd), bin string, args ...string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	cmd.Dir = filepath.Dir(log)
	dieWithParent(cmd)
	tweak(cmd)
	p := &process{name: name, log: log, end: cancel, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		defer out.Close()
		runtime.LockOSThread() // see dieWithParent: this goroutine keeps its thread until the process has ended
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit status says nothing that the log does not
		}
	}()
	if err := <-started; err != nil {
		cancel()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// stop ends the process and returns when it is gone. It may be called again.
func (p *process) stop() {
	p.end()
	<-p.done
}

func (p *process) dead() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// diedError says that a process ended by itself.
type diedError struct{ name, tail string }

func (e *diedError) Error() string { return e.name + " died; the end of its log:\n" + e.tail }

// portTaken reports whether the process died because somebody else took its port between our asking the kernel for a
// free one and the bind.
func portTaken(err error) bool {
	var died *diedError
	return errors.As(err, &died) && strings.Contains(died.tail, "address already in use")
}

// ready polls probe until it succeeds. It fails when the process dies, when ctx ends and after readyLimit.
func (p *process) ready(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	go func() { // a probe need not wait for an answer that a dead process cannot give
		select {
		case <-p.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		err := probe(ctx)
		if p.dead() {
			return &diedError{p.name, tail(p.log)}
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if p.dead() {
				continue
			}
			return fmt.Errorf("%s is not ready: %w; its last answer: %w; the end of its log:\n%s", p.name, ctx.Err(), err, tail(p.log))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tail returns the end of a log, for an error text.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(b[max(0, len(b)-tailBytes):]), "?")
}
