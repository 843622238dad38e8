package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/playbooks"
)

func runPolicyTest(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "policy test", "[--set dir] [--playbooks dir]", "Loads a policy set as the server would and runs its tests: the set that ships with Writ, or the one in a directory. Exit 5 on any difference.")
	set := f.String("set", "", "`directory` of the policy set")
	library := f.String("playbooks", "", "`directory` of the playbooks that the set speaks of; default the library")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	v := policy.Vocabulary{Planes: []string{kubernetes.Plane}}
	c := kubernetes.Catalogue()
	for _, o := range c.Operations {
		v.Operations = append(v.Operations, o.Name)
	}
	for _, r := range c.Readers {
		v.Readers = append(v.Readers, r.Name)
	}
	var err error
	if *library == "" {
		v.Playbooks, err = names(playbooks.Library)
	} else {
		v.Playbooks, err = names(os.DirFS(*library))
	}
	if err != nil {
		return err
	}
	b, err := server.LoadPolicy(*set, false, v)
	if err != nil {
		return err
	}
	report, err := policy.Test(b)
	if err != nil {
		return err
	}
	for _, x := range report.Failures {
		fmt.Fprintln(a.stdout, x)
	}
	for _, id := range report.NotAlone {
		fmt.Fprintf(a.stdout, "%s decides alone in no case: it could be lost unnoticed\n", id)
	}
	for _, id := range report.NotUsed {
		fmt.Fprintf(a.stdout, "%s is needed by no case\n", id)
	}
	if !report.OK() {
		return &exitError{exitDiffers, ""}
	}
	fmt.Fprintf(a.stdout, "✔ %d cases, %d rules, each decides alone somewhere\n", report.Cases, len(b.Rules()))
	return nil
}

// names reads the names and planes of a directory of playbooks.
func names(files fs.FS) ([]policy.Playbook, error) {
	found, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var out []policy.Playbook
	for _, name := range found {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
		pb, _, err := playbook.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, policy.Playbook{Name: pb.Name, Plane: pb.Plane})
	}
	return out, nil
}
