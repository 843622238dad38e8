package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// testLimit is the -timeout of one go test. A test that hangs without its guard has noticed, too.
const testLimit = "5m"

// outputBytes is how much of a test's output goes into an error.
const outputBytes = 2000

// A checker runs tests with and without guards. passing must have returned before check is called; check may then be
// called concurrently.
type checker struct {
	root   string
	intact map[string]error // by package and test: nil if the test passes with every guard in place
}

func key(g Guard) string { return g.Package + " " + g.Test }

// passing runs each test that a guard names once, package by package, with nothing taken out.
func (c *checker) passing(ctx context.Context, guards []Guard) {
	c.intact = map[string]error{}
	tests := map[string][]string{}
	for _, g := range guards {
		if !slices.Contains(tests[g.Package], g.Test) {
			tests[g.Package] = append(tests[g.Package], g.Test)
		}
	}
	for pkg, names := range tests {
		var top []string // subtests run with their test
		for _, name := range names {
			first, _, _ := strings.Cut(name, "/")
			top = append(top, regexp.QuoteMeta(first))
		}
		began := time.Now()
		result, err := c.test(ctx, pkg, "^("+strings.Join(top, "|")+")$", "")
		fmt.Printf("intact   %5.1fs  %s, tests: %d\n", time.Since(began).Seconds(), pkg, len(names))
		for _, name := range names {
			switch action := result.actions[name]; {
			case err != nil:
			case action == "":
				c.intact[pkg+" "+name] = fmt.Errorf("there is no such test in %s", pkg)
				continue
			case action != "pass":
				c.intact[pkg+" "+name] = fmt.Errorf("the test does not pass even with the guard: %s\n%s", action, result.end())
				continue
			}
			c.intact[pkg+" "+name] = err
		}
	}
}

// check returns nil if the test passes with the guard and fails without it.
func (c *checker) check(ctx context.Context, g Guard) error {
	err, known := c.intact[key(g)]
	if !known {
		return errors.New("its test was not run with the guard in place")
	}
	if err != nil {
		return err
	}
	changed, err := g.without(c.root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "writ-guards-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, filepath.Join(c.root, filepath.FromSlash(g.File)), changed)
	if err != nil {
		return err
	}
	parts := strings.Split(g.Test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	result, err := c.test(ctx, g.Package, strings.Join(parts, "/"), overlay)
	switch {
	case err != nil:
		return err
	case result.unbuilt:
		return fmt.Errorf("without the guard it does not compile, which proves nothing:\n%s", result.end())
	case result.actions[g.Test] != "fail":
		return fmt.Errorf("the test does not fail without the guard: %s", result.actions[g.Test])
	}
	return nil
}

// writeOverlay makes the file for go test's -overlay that stands changed in for the file at path.
func writeOverlay(dir, path string, changed []byte) (string, error) {
	stand := filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(stand, changed, 0o600); err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]map[string]string{"Replace": {path: stand}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, b, 0o600)
}

// A result is what go test said.
type result struct {
	actions map[string]string // by test: pass, fail or skip
	unbuilt bool
	output  []byte
}

func (r *result) end() string {
	return string(bytes.TrimSpace(r.output[max(0, len(r.output)-outputBytes):]))
}

// test runs go test. A failing test is a result; an error means that nothing was learnt.
func (c *checker) test(ctx context.Context, pkg, pattern, overlay string) (result, error) {
	args := []string{"test", "-json", "-count=1", "-vet=off", "-timeout=" + testLimit, "-run=" + pattern}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = c.root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // go test then ends the test as well
	out, err := cmd.Output()
	r := result{actions: map[string]string{}}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case errors.As(err, &exit):
		r.output = exit.Stderr
	case err != nil:
		return r, fmt.Errorf("%s: %w", cmd, err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Action, Test, Output string }
		if err := d.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			return r, fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		switch e.Action {
		case "build-fail":
			r.unbuilt = true
		case "pass", "fail", "skip":
			r.actions[e.Test] = e.Action // of the whole package for the empty name
		case "output", "build-output":
			r.output = append(r.output, e.Output...)
		}
	}
	if exit != nil && !r.unbuilt && r.actions[""] != "fail" {
		return r, fmt.Errorf("%s: %w\n%s", cmd, err, r.end())
	}
	return r, nil
}
