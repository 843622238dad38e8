package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server"
)

// logFlags adds the flags of a process that logs.
func logFlags(f *flags) func(a *app) (*slog.Logger, error) {
	format := f.String("log", "text", "log `format`: text or json")
	level := f.String("log-level", "info", "log `level`: debug, info, warn or error")
	return func(a *app) (*slog.Logger, error) {
		var l slog.Level
		if err := l.UnmarshalText([]byte(*level)); err != nil {
			return nil, &usageError{fmt.Sprintf("--log-level %s is unknown", writ.Printable(*level, 20)), "use debug, info, warn or error"}
		}
		o := &slog.HandlerOptions{Level: l}
		switch *format {
		case "text":
			return slog.New(slog.NewTextHandler(a.stderr, o)), nil
		case "json":
			return slog.New(slog.NewJSONHandler(a.stderr, o)), nil
		}
		return nil, &usageError{fmt.Sprintf("--log %s is unknown", writ.Printable(*format, 20)), "use text or json"}
	}
}

func runServe(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "serve", "-c writ.yaml [--dev]", "Runs the control plane. With --dev the runner and the signer that the configuration names run in the same process, over the same interfaces.")
	file := f.String("c", "writ.yaml", "configuration `file`")
	dev := f.Bool("dev", false, "development: accept generated keys and start runner and signer too")
	logger := logFlags(f)
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	log, err := logger(a)
	if err != nil {
		return err
	}
	c, err := config.LoadServer(*file, *dev)
	if err != nil {
		return err
	}
	if *dev {
		log.Warn("development mode: generated keys are accepted; do not use this with a real production")
	}
	p, err := server.Start(ctx, c, buildVersion(), *dev, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "writ %s serves %s (agents: %s/mcp)\n", buildVersion(), c.ExternalURL, c.ExternalURL)
	return ended(ctx, p.Wait())
}

// ended takes the end that a signal asked for as success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

func runRunner(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "runner", "-c runner.yaml", "Runs a runner: it pulls work from the control plane and listens on no network.")
	file := f.String("c", "runner.yaml", "configuration `file`")
	logger := logFlags(f)
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	log, err := logger(a)
	if err != nil {
		return err
	}
	c, err := config.LoadRunner(*file)
	if err != nil {
		return err
	}
	r, err := server.NewRunner(ctx, c, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "runner %s pulls from %s\n", c.ID, c.Control.URL)
	return ended(ctx, r.Serve(ctx))
}

func runCatalogue(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "runner catalogue", "-c runner.yaml [--target plane://name]", "Prints what a runner can do on a target, for the control plane's targets[].catalogue.")
	file := f.String("c", "runner.yaml", "configuration `file`")
	target := f.String("target", "", "only this `target`; needed when the runner has several")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	c, err := config.LoadRunner(*file)
	if err != nil {
		return err
	}
	conns, err := server.Connectors(c)
	if err != nil {
		return err
	}
	var names []string
	for _, conn := range conns {
		names = append(names, string(conn.Target()))
		if string(conn.Target()) == *target || *target == "" && len(conns) == 1 {
			return a.print("json", conn.Catalogue(), nil)
		}
	}
	return &usageError{"name one of the runner's targets with --target", strings.Join(names, ", ")}
}

func runSigner(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "signer", "-c signer.yaml", "Runs the process that signs checkpoints, and only such as extend the last one it signed.")
	file := f.String("c", "signer.yaml", "configuration `file`")
	logger := logFlags(f)
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	log, err := logger(a)
	if err != nil {
		return err
	}
	c, err := config.LoadSigner(*file)
	if err != nil {
		return err
	}
	s, err := server.NewSigner(c, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "signer of %s listens on %s\n", c.Origin, c.Listen)
	return ended(ctx, s.Serve(ctx))
}
