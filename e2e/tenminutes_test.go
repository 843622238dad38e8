package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tenMinutes is the page for builders, and each of its steps may take this long on a crowded machine.
const (
	tenMinutes  = "../docs/agents/ten-minutes.md"
	stepBound   = 3 * time.Minute
	windowsOpen = time.Minute // how long a terminal's process gets to end
)

// A step is one block of commands of the page with what stands below it as its output.
type step struct {
	terminal string // "" is the first
	commands string
	says     []string // lines, in order; … stands for anything within a line
}

// steps parses the page's blocks: sh with the terminal's name, and text.
func steps(t *testing.T, page string) (all []step) {
	t.Helper()
	for _, b := range regexp.MustCompile("(?ms)^```(\\w+) ?(\\w*)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		switch b[1] {
		case "sh":
			all = append(all, step{terminal: b[2], commands: b[3]})
		case "text":
			all[len(all)-1].says = strings.Split(strings.TrimSpace(b[3]), "\n")
		default:
			t.Fatalf("the page has a block of %s", b[1])
		}
	}
	return all
}

// missing returns the first line that what was printed does not have, in this order.
func missing(printed string, says []string) string {
	lines := strings.Split(printed, "\n")
	for _, want := range says {
		var parts []string
		for part := range strings.SplitSeq(want, "…") {
			parts = append(parts, regexp.QuoteMeta(strings.TrimSpace(part)))
		}
		form := regexp.MustCompile(strings.Join(parts, ".*"))
		i := 0
		for i < len(lines) && !form.MatchString(lines[i]) {
			i++
		}
		if i == len(lines) {
			return want
		}
		lines = lines[i+1:]
	}
	return ""
}

// A terminal is a shell, and what it printed so far.
type terminal struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

// opens starts a shell in a process group of its own, in the folder of the source. Everything in it ends with the test.
func opens(t *testing.T, home string) *terminal {
	t.Helper()
	x := &terminal{cmd: exec.Command("bash", "--norc", "--noprofile"), done: make(chan struct{})}
	x.cmd.Dir = ".."
	x.cmd.Env = append(os.Environ(), "HOME="+home)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} { // which would lie below the home
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		must(t, err)
		x.cmd.Env = append(x.cmd.Env, name+"="+strings.TrimSpace(string(out)))
	}
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	x.in, err = x.cmd.StdinPipe()
	must(t, err)
	out, write, err := os.Pipe()
	must(t, err)
	x.cmd.Stdout, x.cmd.Stderr = write, write
	must(t, x.cmd.Start())
	must(t, write.Close())
	go func() {
		defer close(x.done)
		defer out.Close()
		s := bufio.NewScanner(out)
		s.Buffer(nil, 1<<20) // a line of a reading is long
		for s.Scan() {
			x.mu.Lock()
			x.text.WriteString(s.Text() + "\n")
			x.mu.Unlock()
		}
	}()
	t.Cleanup(func() { x.closes(t) })
	return x
}

// closes ends everything of the terminal as Ctrl-C does, and then by force.
func (x *terminal) closes(t *testing.T) {
	_ = x.in.Close() // a shell that waits for commands ends with it
	_ = syscall.Kill(-x.cmd.Process.Pid, syscall.SIGINT)
	select {
	case <-x.done:
	case <-time.After(windowsOpen):
		t.Errorf("a terminal's processes did not end by themselves: %s", x.printed())
		_ = syscall.Kill(-x.cmd.Process.Pid, syscall.SIGKILL)
		<-x.done
	}
	_ = x.cmd.Wait() // it was interrupted
}

func (x *terminal) printed() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// until waits until what was printed since from is enough.
func (x *terminal) until(ctx context.Context, from int, enough func(string) bool) (string, bool) {
	for {
		got := x.printed()[from:]
		if enough(got) {
			return got, true
		}
		select {
		case <-ctx.Done():
			return got, false
		case <-x.done:
			got = x.printed()[from:]
			return got, enough(got)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// TestTheTenMinutesOfTheDocumentsAreAsPrinted types each command of the page into three terminals, and demands what the page
// shows below it.
func TestTheTenMinutesOfTheDocumentsAreAsPrinted(t *testing.T) {
	t.Parallel()
	all := steps(t, string(read(t, tenMinutes)))
	if len(all) < 12 {
		t.Fatalf("the page has %d steps", len(all))
	}
	home := t.TempDir()
	terminals := map[string]*terminal{"": opens(t, home)}
	began := time.Now()
	for i, s := range all {
		ctx, cancel := context.WithTimeout(t.Context(), stepBound)
		x := terminals[s.terminal]
		if x == nil {
			x = opens(t, home)
			terminals[s.terminal] = x
		}
		from := len(x.printed())
		file := filepath.Join(home, fmt.Sprintf("step-%d.sh", i))
		write(t, file, []byte(s.commands))
		mark := fmt.Sprintf("step %d has ended with", i)
		_, err := fmt.Fprintf(x.in, "source %s </dev/null; echo %s $?\n", file, mark)
		must(t, err)
		enough := func(got string) bool { return strings.Contains(got, mark) }
		if s.terminal != "" { // it goes on
			enough = func(got string) bool { return missing(got, s.says) == "" }
		}
		got, ok := x.until(ctx, from, enough)
		cancel()
		if want := missing(got, s.says); !ok || want != "" || s.terminal == "" && !strings.Contains(got, mark+" 0") {
			t.Errorf("step %d:\n%s\nprints\n%s", i, s.commands, got)
			if want != "" {
				t.Errorf("which lacks the line %q", want)
			}
			return // what follows rests on it
		}
	}
	t.Logf("%d steps in %s", len(all), time.Since(began).Round(time.Second))
}
