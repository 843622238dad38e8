package main

import (
	"context"
	"fmt"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook"
)

func runPlaybookLint(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook lint", "<file …> [--catalogue file …]", "Checks playbooks against what connectors can do: the Kubernetes connector's catalogue, and those named (see writ runner catalogue).")
	format := f.String("o", "text", "output: text or json")
	files := catalogueFlag(f)
	rest, err := f.parse(args, -1)
	if err != nil {
		return err
	}
	known, err := catalogues(*files)
	if err != nil {
		return err
	}
	type finding struct {
		File    string `json:"file"`
		Line    int    `json:"line,omitempty"`
		Path    string `json:"path,omitempty"`
		Problem string `json:"problem"`
		Hint    string `json:"hint,omitempty"`
	}
	all := []finding{}
	for _, file := range rest {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
		for _, x := range playbook.LintSource(b, known) {
			all = append(all, finding{file, x.Line, x.Path, x.Problem, x.Hint})
		}
	}
	err = a.print(*format, all, func() {
		for _, x := range all {
			fmt.Fprintf(a.stdout, "%s:%d: %s: %s\n", x.File, x.Line, x.Path, x.Problem)
			if x.Hint != "" {
				fmt.Fprintf(a.stderr, "hint: %s\n", x.Hint)
			}
		}
		if len(all) == 0 {
			fmt.Fprintf(a.stdout, "✔ %d playbooks, nothing to say\n", len(rest))
		}
	})
	if err == nil && len(all) > 0 {
		err = &exitError{exitDiffers, ""}
	}
	return err
}
