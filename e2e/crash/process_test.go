package crash_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/fault"
)

// A process is one of a site's, started again whenever a fault has killed it.
type process struct {
	name   string
	binary string
	args   []string
	dir    string
	script string   // the file of its faults
	prefix []string // of the command: strace

	mu     sync.Mutex
	cmd    *exec.Cmd
	wanted bool // it is started again when it dies
	deaths int
	born   time.Time
	over   chan struct{} // closed when the current one has ended
	failed string        // it ended as it should not
}

func (s *site) process(name string, args ...string) *process {
	p := &process{name: name, binary: binary(s.t), args: args, dir: s.dir, script: filepath.Join(s.dir, name+".faults")}
	s.t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// start starts the process and keeps it alive.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	return p.launch()
}

// launch starts it once; mu is held.
func (p *process) launch() error {
	out, err := os.OpenFile(filepath.Join(p.dir, p.name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	words := append(append([]string{}, p.prefix...), p.binary)
	words = append(words, p.args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	cmd.Env = append(os.Environ(), fault.Variable+"="+p.script)
	if err := cmd.Start(); err != nil {
		out.Close()
		return err
	}
	over := make(chan struct{})
	p.cmd, p.over, p.born = cmd, over, time.Now()
	go func() {
		err := cmd.Wait()
		out.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		defer close(over)
		if !p.wanted {
			return
		}
		if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !w.Signaled() {
			p.failed = fmt.Sprintf("%s ended by itself: %v", p.name, err)
			return
		}
		p.deaths++
		// What has killed it does not kill it again.
		if err := p.write(""); err != nil {
			p.failed = err.Error()
			return
		}
		if err := p.launch(); err != nil {
			p.failed = err.Error()
		}
	}()
	return nil
}

// end ends the process for good.
func (p *process) end(how syscall.Signal) {
	p.mu.Lock()
	p.wanted = false
	cmd, over := p.cmd, p.over
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(how)
	if how == syscall.SIGKILL {
		_ = cmd.Process.Signal(syscall.SIGCONT)
	}
	<-over
}

// signal sends a signal to the process as it runs now.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(sig)
}

// stopped reports whether the process stands still after a SIGSTOP, by proc(5).
func (p *process) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, after, ok := strings.Cut(string(b), ") ")
	return err == nil && ok && strings.HasPrefix(after, "T")
}

// write gives the process other faults, at once.
func (p *process) write(script string) error {
	tmp := p.script + ".new"
	if err := os.WriteFile(tmp, []byte(script), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, p.script)
}

func (p *process) faults(t testing.TB, lines ...string) {
	t.Helper()
	must(t, p.write(strings.Join(lines, "\n")+"\n"))
}

// state returns how often a fault has killed the process, when it was last started, and why it can not go on.
func (p *process) state() (deaths int, born time.Time, failed string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deaths, p.born, p.failed
}

// A record of failures is the file to which a process appends what a fault has made fail.
type failures string

// forgetFailures begins a new record.
func (p *process) forgetFailures() failures {
	f := failures(p.script + ".failed")
	_ = os.Remove(string(f))
	return f
}

// happened reports whether something has failed, and when.
func (f failures) happened() (time.Time, bool) {
	info, err := os.Stat(string(f))
	if err != nil {
		return time.Time{}, false
	}
	return info.ModTime(), true
}

// restart kills the process once something has failed, as whoever runs a signer must do; it is started again. The
// returned function ends the wait.
func (f failures) restart(p *process) (end func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if _, ok := f.happened(); ok {
				p.signal(syscall.SIGKILL)
				return
			}
		}
	}()
	return func() { close(over); <-done }
}

// tail is the end of what the process printed.
func (p *process) tail() string {
	b, err := os.ReadFile(filepath.Join(p.dir, p.name+".log"))
	if err != nil {
		return err.Error()
	}
	const most = 3000
	return "--- " + p.name + "\n" + string(b[max(0, len(b)-most):])
}
