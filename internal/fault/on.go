//go:build faults

package fault

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// On says whether this program was built with the tag faults.
const On = true

// Verbs of the file. A line is `verb op side n`: what to do at the n-th passage of a point since the file was written,
// or with n+ from the n-th on; op may be * for every one. `clock 1h` puts the process's clock forward, `trace` appends
// each passage to the file's name with .trace at its end, and what failed is appended to the one with .failed. A line that cannot be read ends the process with status 70,
// since a fault that does not happen would prove nothing.
const (
	verbKill  = "kill"  // SIGKILL to the own process
	verbStop  = "stop"  // SIGSTOP, until somebody sends SIGCONT
	verbSleep = "sleep" // sleep=200ms
	verbFail  = "fail"  // fail=EIO: the operation is not done and returns that error, where it can; side is before
	verbClock = "clock"
	verbTrace = "trace"
)

const (
	sideBefore = "before"
	sideAfter  = "after"
)

// failures are what an operation can fail with: like a broken or a full disk, they are nothing that the caller knows by
// name.
var failures = map[string]error{
	"EIO":    fmt.Errorf("injected fault: %w", syscall.EIO),
	"ENOSPC": fmt.Errorf("injected fault: %w", syscall.ENOSPC),
}

type rule struct {
	verb, op, side string
	pause          time.Duration
	err            error // of an operation that fails
	n              int
	on             bool // and every later passage
}

type point struct {
	op   Op
	side string
}

// A script is what the file says, and how often each point was passed since.
type script struct {
	path string

	mu     sync.Mutex
	file   os.FileInfo // as it was read
	rules  []rule
	offset time.Duration
	trace  bool
	passed map[point]int
}

// theScript is the one per process: faults are the process's, as its environment is.
var theScript = &script{path: os.Getenv(Variable)}

// Before marks the point before an operation.
func Before(o Op) { theScript.pass(o, sideBefore) }

// After marks the point after an operation.
func After(o Op) { theScript.pass(o, sideAfter) }

// Fail returns the error that a test has asked for instead of the operation; nil to go on. It counts with Before, which
// comes first.
func Fail(o Op) error { return theScript.fail(o) }

// Clock returns the clock of the processes.
func Clock() func() time.Time { return theScript.now }

// read reads the file again when it is another one.
func (s *script) read() {
	if s.path == "" {
		return
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return // not there yet, or any more: what was read last holds
	}
	if s.file != nil && os.SameFile(info, s.file) && info.ModTime().Equal(s.file.ModTime()) {
		return
	}
	b, err := os.ReadFile(s.path)
	if err != nil {
		return
	}
	s.file, s.rules, s.offset, s.trace, s.passed = info, nil, 0, false, map[point]int{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if err := s.line(strings.Fields(lines.Text())); err != nil {
			fmt.Fprintf(os.Stderr, "faults: %q: %v\n", lines.Text(), err)
			os.Exit(70)
		}
	}
}

func (s *script) line(words []string) (err error) {
	switch {
	case len(words) == 0:
		return nil
	case words[0] == verbTrace && len(words) == 1:
		s.trace = true
		return nil
	case words[0] == verbClock && len(words) == 2:
		s.offset, err = time.ParseDuration(words[1])
		return err
	case len(words) != 4:
		return fmt.Errorf("a line is: verb op side n")
	}
	r := rule{op: words[1], side: words[2]}
	verb, with, _ := strings.Cut(words[0], "=")
	switch r.verb = verb; verb {
	case verbKill, verbStop:
	case verbFail:
		if r.err = failures[with]; r.err == nil || r.side != sideBefore {
			return fmt.Errorf("an operation fails before it, with EIO or ENOSPC")
		}
	case verbSleep:
		if r.pause, err = time.ParseDuration(with); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no such verb")
	}
	known := r.op == "*"
	for _, o := range Ops() {
		known = known || o.String() == r.op
	}
	if !known || r.side != sideBefore && r.side != sideAfter {
		return fmt.Errorf("no such point")
	}
	n, on := strings.CutSuffix(words[3], "+")
	r.on = on
	if r.n, err = strconv.Atoi(n); err != nil || r.n < 1 {
		return fmt.Errorf("passages count from 1")
	}
	s.rules = append(s.rules, r)
	return nil
}

func (r rule) at(o Op, side string, n int) bool {
	return (r.op == "*" || r.op == o.String()) && r.side == side && (r.n == n || r.on && n > r.n)
}

func (s *script) pass(o Op, side string) {
	if s.path == "" {
		return
	}
	var pause time.Duration
	s.mu.Lock()
	s.read()
	if s.passed == nil {
		s.mu.Unlock()
		return
	}
	s.passed[point{o, side}]++
	n := s.passed[point{o, side}]
	if s.trace {
		s.write(".trace", fmt.Sprintf("%s %s\n", o, side))
	}
	for _, r := range s.rules {
		if !r.at(o, side, n) {
			continue
		}
		switch r.verb {
		case verbKill:
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way; nothing more happens here
		case verbStop:
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			pause = max(pause, stopMargin)
		case verbSleep:
			pause = max(pause, r.pause)
		}
	}
	s.mu.Unlock()
	time.Sleep(pause)
}

// stopMargin lets the signal arrive before the operation goes on: other threads run until it does.
const stopMargin = 50 * time.Millisecond

func (s *script) write(ending, line string) {
	f, err := os.OpenFile(s.path+ending, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = f.WriteString(line)
	_ = f.Close()
}

func (s *script) fail(o Op) error {
	if s.path == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read()
	for _, r := range s.rules {
		if r.verb == verbFail && r.at(o, sideBefore, s.passed[point{o, sideBefore}]) {
			s.write(".failed", o.String()+"\n")
			return r.err
		}
	}
	return nil
}

func (s *script) now() time.Time {
	if s.path == "" {
		return time.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read()
	return time.Now().Add(s.offset)
}
