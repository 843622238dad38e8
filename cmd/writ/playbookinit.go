package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/playbooks"
)

// Lines of a playbook that name it and its owner. A playbook has each once, at the left.
var (
	nameLine    = regexp.MustCompile(`(?m)^name: .*$`)
	versionLine = regexp.MustCompile(`(?m)^version: .*$`)
	ownerLine   = regexp.MustCompile(`(?m)^owner: .*$`)
)

func runPlaybookInit(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook init", "<name> --from <playbook> --owner TEAM [-f file]", "Writes a playbook of your own, version 1, from one of the library that works. Change its bounds, guards and checks, then run writ playbook lint.")
	from := f.String("from", "", "the `playbook` of the library to begin with")
	owner := f.String("owner", "", "the `team` that answers for it")
	file := f.String("f", "", "`file` to write; default <name>.yaml. One that is there is left alone")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	name := rest[0]
	switch {
	case !writ.IsName(name):
		return &usageError{fmt.Sprintf("%q is no name of a playbook: lower-case letters, digits and hyphens", writ.Printable(name, 60)), "writ playbook init scale-checkout --from scale-workload --owner shop"}
	case *from == "":
		return &usageError{"--from is missing", "the library has " + strings.Join(library(), ", ")}
	case !writ.IsName(*owner):
		return &usageError{"--owner is missing, or no team's name", "--owner shop"}
	}
	src, err := playbooks.Library.ReadFile(*from + ".yaml")
	if err != nil {
		return &usageError{fmt.Sprintf("the library has no playbook %q", writ.Printable(*from, 60)), "it has " + strings.Join(library(), ", ")}
	}
	out := nameLine.ReplaceAll(src, []byte("name: "+name))
	out = versionLine.ReplaceAll(out, []byte("version: 1"))
	out = ownerLine.ReplaceAll(out, []byte("owner: "+*owner))
	p, _, err := playbook.Parse(out)
	if err != nil {
		return err
	}
	if p.Name != name || p.Owner != *owner || p.Version != 1 {
		return fmt.Errorf("%w: playbook %s: it does not name itself and its owner on lines of their own", writ.ErrInvalid, *from)
	}
	to := *file
	if to == "" {
		to = name + ".yaml"
	}
	h, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: -f: %s is there already and was left alone", writ.ErrInvalid, writ.Printable(to, 200))
	}
	if err != nil {
		return fmt.Errorf("%w: -f: %w", writ.ErrInvalid, err)
	}
	_, err = h.Write(out)
	if err = errors.Join(err, h.Close()); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "✔ wrote %s: %s@1, %s, owner %s\n", writ.Printable(to, 200), p.Name, p.Tier, p.Owner)
	fmt.Fprintf(a.stderr, "hint: change its bounds, guards and checks, then run writ playbook lint %s\n", writ.Printable(to, 200))
	return nil
}

// library names the playbooks that ship with Writ.
func library() []string {
	found, _ := fs.Glob(playbooks.Library, "*.yaml")
	for i, f := range found {
		found[i] = strings.TrimSuffix(f, ".yaml")
	}
	return found
}
