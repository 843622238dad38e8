package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/runner"
)

// A console is the runner's socket for break-glass while the control plane is down. Only the runner's own account can open
// it; nothing of it reaches a network.
type console struct {
	l   net.Listener
	srv *http.Server
}

// consoleTime bounds one call of the console: resolving a plan reads its target a few times for each step.
const consoleTime = 2 * time.Minute

// newConsole listens; nil when the configuration names no socket. A socket that an earlier process left is replaced: the
// journal, which is open by now, says that there is no other process.
func newConsole(c config.Runner, r *runner.Runner, log *slog.Logger) (*console, error) {
	if c.BreakGlass == nil {
		return nil, nil
	}
	path := c.Path(c.BreakGlass.Socket)
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%w: breakglass.socket: %s is there already and is no socket", writ.ErrInvalid, path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("%w: breakglass.socket: %w", writ.ErrUnavailable, err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w: breakglass.socket: %w", writ.ErrUnavailable, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: breakglass.socket: %w", writ.ErrUnavailable, err), l.Close())
	}
	log.Info("listening", "door", "the runner's console", "socket", path)
	return &console{l, &http.Server{Handler: r.Console(), ReadTimeout: consoleTime, WriteTimeout: consoleTime, MaxHeaderBytes: 8 << 10}}, nil
}

// serve serves until the returned function is called.
func (c *console) serve() (end func()) {
	if c == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.srv.Serve(c.l)
	}()
	return func() {
		_ = c.srv.Close()
		<-done
	}
}

// emergencies reads a runner's own copies of the emergency playbooks. The trust file pins their content when one is used.
func emergencies(c config.Runner) (map[string][]byte, error) {
	if c.BreakGlass == nil {
		return nil, nil
	}
	out := map[string][]byte{}
	for _, p := range c.BreakGlass.Playbooks {
		files, err := yamlFiles(c.Path(p))
		if err != nil {
			return nil, fmt.Errorf("%w: breakglass.playbooks: %w", writ.ErrInvalid, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return nil, fmt.Errorf("%w: breakglass.playbooks: %w", writ.ErrInvalid, err)
			}
			pb, _, err := playbook.Parse(b)
			if err != nil {
				return nil, fmt.Errorf("breakglass.playbooks: %s: %w", f, err)
			}
			if pb.Emergency {
				out[pb.Name] = b
			}
		}
	}
	return out, nil
}
