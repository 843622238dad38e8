package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/demo"
)

// How long breaking waits for the alert: rates are over some seconds, and the machine may be busy.
const (
	alertPatience = 90 * time.Second
	alertPause    = 250 * time.Millisecond
)

func runStorefront(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "storefront", "<dir>",
		"Opens a small storefront to practise on, on loopback, and writes an installation of Writ for it into a new directory. It runs until it is interrupted. docs/agents/ten-minutes.md goes through it.")
	logger := logFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	log, err := logger(a)
	if err != nil {
		return err
	}
	p, err := demo.OpenPractice(ctx, rest[0], log)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, `the storefront is open; Writ's installation is in %[1]s
  start     writ serve --dev -c %[1]s/writ.yaml
  break     writ storefront break %[1]s bad-release
  agents    MCP at %[2]s/mcp with the token in %[1]s/tokens/diagnose or %[1]s/tokens/repair
  you       %[2]s in a browser with the key in %[1]s/tokens/you; or writ inbox --config %[1]s/cli-you.yaml
`, rest[0], p.URL())
	return ended(ctx, p.Wait(ctx))
}

func runStorefrontBreak(ctx context.Context, a *app, args []string) error {
	var names []string
	for _, t := range demo.Troubles() {
		names = append(names, t.Name)
	}
	f := newFlags(a, "storefront break", "<dir> "+strings.Join(names, "|"), "Lets something go wrong in the storefront, and waits until Writ has the alert.")
	rest, err := f.parse(args, 2)
	if err != nil {
		return err
	}
	t, err := demo.FindTrouble(rest[1])
	if err != nil {
		return &usageError{err.Error(), "writ storefront break " + writ.Printable(rest[0], 60) + " bad-release"}
	}
	r := &remote{config: filepath.Join(rest[0], "cli-you.yaml"), format: "text"}
	if err := r.open(); err != nil {
		return err
	}
	if err := r.noneOpen(ctx, a, rest[0]); err != nil {
		return err
	}
	if err := demo.Break(ctx, rest[0], t); err != nil {
		return err
	}
	fmt.Fprintln(a.stderr, t.About)
	if t.Service == "" {
		return nil
	}
	in, err := r.awaitOpen(ctx, true, "Writ has not heard of the alert")
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s  %s, severity %d, %s in %s\n", in.ID, in.State, in.Severity, in.Service, in.Environment)
	return nil
}

// noneOpen puts the storefront right and waits until what was wrong before is over.
func (r *remote) noneOpen(ctx context.Context, a *app, dir string) error {
	in, err := r.anyOpen(ctx)
	if err != nil || in.ID == "" {
		return err
	}
	fmt.Fprintln(a.stderr, "waiting until the incident before is over …")
	none, err := demo.FindTrouble("none")
	if err != nil {
		return err
	}
	if err := demo.Break(ctx, dir, none); err != nil {
		return err
	}
	_, err = r.awaitOpen(ctx, false, "the incident before is not over")
	return err
}

// awaitOpen waits until there is an open incident, or until there is none.
func (r *remote) awaitOpen(ctx context.Context, want bool, otherwise string) (writ.Incident, error) {
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	for {
		in, err := r.anyOpen(ctx)
		if err != nil || (in.ID != "") == want {
			return in, err
		}
		select {
		case <-ctx.Done():
			return in, fmt.Errorf("%w: %s after %s", writ.ErrUnavailable, otherwise, alertPatience)
		case <-time.After(alertPause):
		}
	}
}

// anyOpen returns an open incident, or the zero one.
func (r *remote) anyOpen(ctx context.Context) (writ.Incident, error) {
	for in, err := range r.Incidents(ctx, writ.IncidentFilter{State: writ.IncidentOpen}) {
		return in, err
	}
	return writ.Incident{}, nil
}
