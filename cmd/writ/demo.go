package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/writ-dev/writ/internal/demo"
)

func runDemo(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "demo", "[--yes] [--json] [--kubeconfig FILE]",
		"Plays an incident end to end on a small storefront that it starts: a repair that runs by itself, one that a person approves, one that is undone, and attacks that are refused. With --kubeconfig it plays on a real cluster, in a namespace of its own that it removes after.")
	yes := f.Bool("yes", false, "answer for the person with the demo's own key")
	asJSON := f.Bool("json", false, "print one JSON object on standard output; the story goes to standard error")
	kubeconfig := f.String("kubeconfig", "", "play on this cluster, `file`")
	verbose := f.Bool("v", false, "show the logs of server, runner and signer on standard error")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if *verbose {
		log = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	o := demo.Options{Kubeconfig: *kubeconfig, Yes: *yes, Command: commandName(), Version: buildVersion(), Progress: a.stdout, Log: log}
	if *asJSON {
		o.Progress = a.stderr
	}
	if in, ok := a.stdin.(*os.File); ok {
		o.Terminal = term.IsTerminal(int(in.Fd()))
	}
	report, err := demo.Play(ctx, o)
	if *asJSON {
		if perr := a.print("json", report, nil); perr != nil {
			return perr
		}
	} else if err == nil {
		printReport(a.stdout, report)
	}
	if err == nil && !report.OK() {
		err = &exitError{exitFailed, "not every scene ended as it should"}
	}
	return err
}

func printReport(w io.Writer, r demo.Report) {
	good := 0
	for _, s := range r.Scenes {
		if s.OK {
			good++
		}
	}
	fmt.Fprintf(w, "\n%d of %d scenes ended as they should, in %.1f s (of these %.1f s until every lease's identity was refused)\n", good, len(r.Scenes), r.Seconds, r.DeathSeconds)
}

// commandName is how this program was called, for commands that people are to type.
func commandName() string {
	if exe, err := os.Executable(); err == nil && strings.Contains(exe, "go-build") {
		return "go run ./cmd/writ"
	}
	return os.Args[0]
}
