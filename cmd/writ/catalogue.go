package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/playbooks"
)

// catalogueFlag adds the flag that names further catalogues.
func catalogueFlag(f *flags) *words {
	files := &words{}
	f.Var(files, "catalogue", "a further catalogue, `file` (see writ runner catalogue); may be repeated")
	return files
}

// catalogues are that of the Kubernetes connector, which is built in, and those of files.
func catalogues(files words) ([]connector.Catalogue, error) {
	all := []connector.Catalogue{kubernetes.Catalogue()}
	for _, file := range files {
		c, err := server.ReadCatalogue(file)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// A capability is an operation or a reader, in one line.
type capability struct {
	Name    writ.OperationName `json:"name"`
	Plane   string             `json:"plane"`
	Tier    writ.Tier          `json:"tier"` // the least that it may run at; T0 reads
	Inverse writ.InverseKind   `json:"inverse,omitempty"`
	Title   string             `json:"title"`
}

func runCatalogueList(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "catalogue list", "[--catalogue file …]", "Lists the operations and readers of connectors: the Kubernetes connector's, and those of named catalogues.")
	format := f.String("o", "text", "output: text, json or jsonl")
	files := catalogueFlag(f)
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	all, err := catalogues(*files)
	if err != nil {
		return err
	}
	return printList(a, *format, func(yield func(capability, error) bool) {
		for _, c := range all {
			for _, o := range c.Operations {
				if !yield(capability{o.Name, c.Plane, o.Tier, o.Inverse, o.Title}, nil) {
					return
				}
			}
			for _, r := range c.Readers {
				if !yield(capability{Name: r.Name, Plane: c.Plane, Tier: writ.T0, Title: r.Title}, nil) {
					return
				}
			}
		}
	}, "NAME\tTIER\tUNDO\tWHAT", func(c capability) string {
		undo := string(c.Inverse)
		if c.Tier == writ.T0 {
			undo = "reads"
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s", c.Name, c.Tier, undo, writ.Printable(c.Title, 80))
	})
}

func runCatalogueShow(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "catalogue show", "<operation | reader> [--catalogue file …]", "Describes one operation or reader: its parameters and bounds, what its lease needs, how it is undone, or the facts that it reads.")
	format := f.String("o", "text", "output: text or json")
	files := catalogueFlag(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	all, err := catalogues(*files)
	if err != nil {
		return err
	}
	name := writ.OperationName(rest[0])
	for _, c := range all {
		if o, ok := c.Operation(name); ok {
			return a.print(*format, o, func() { a.showOperation(o) })
		}
		if r, ok := c.Reader(name); ok {
			return a.print(*format, r, func() { a.showReader(r) })
		}
	}
	return &usageError{fmt.Sprintf("no connector has %q", writ.Printable(rest[0], 60)), "writ catalogue list"}
}

func (a *app) showOperation(o connector.Operation) {
	fmt.Fprintf(a.stdout, "%s  at least %s, undo: %s\n  %s\n", o.Name, o.Tier, o.Inverse, writ.Printable(o.Title, 200))
	a.showParameters(o.Parameters)
	for _, r := range o.Rights {
		fmt.Fprintf(a.stdout, "  lease     %s\n", writ.Printable(r, 200))
	}
}

func (a *app) showReader(r connector.Reader) {
	fmt.Fprintf(a.stdout, "%s  reads\n  %s\n", r.Name, writ.Printable(r.Title, 200))
	a.showParameters(r.Parameters)
	for _, x := range r.Facts {
		fmt.Fprintf(a.stdout, "  fact      %-20s %-8s %s\n", writ.Printable(x.Name, 40), x.Type, writ.Printable(x.Title, 200))
	}
	if r.Writable {
		what := "all of it"
		if len(r.Fields) > 0 {
			what = strings.Join(r.Fields, ", ")
		}
		fmt.Fprintf(a.stdout, "  careful   users of the service can write %s\n", writ.Printable(what, 400))
	}
}

func (a *app) showParameters(list []connector.Parameter) {
	for _, p := range list {
		bound := string(p.Type)
		switch {
		case len(p.Values) > 0:
			bound = strings.Join(p.Values, ", ")
		case p.Type == connector.TypeInteger:
			bound = fmt.Sprintf("%d to %d", p.Min, p.Max)
		}
		if p.Optional {
			bound += ", optional"
		}
		fmt.Fprintf(a.stdout, "  parameter %-20s %s: %s\n", writ.Printable(p.Name, 40), writ.Printable(p.Title, 120), writ.Printable(bound, 200))
	}
}

// A covered operation with the playbooks that use it.
type covered struct {
	Name      writ.OperationName `json:"name"`
	Inverse   writ.InverseKind   `json:"inverse"`
	Playbooks []string           `json:"playbooks"`
}

func runCatalogueCoverage(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "catalogue coverage", "[--playbooks dir] [--catalogue file …]", "Says of each operation whether it can be undone and which playbooks use it. Without --playbooks it looks at the library that ships with Writ.")
	format := f.String("o", "text", "output: text or json")
	dir := f.String("playbooks", "", "`directory` of playbooks")
	files := catalogueFlag(f)
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	all, err := catalogues(*files)
	if err != nil {
		return err
	}
	var from fs.FS = playbooks.Library
	if *dir != "" {
		from = os.DirFS(*dir)
	}
	uses, err := used(from)
	if err != nil {
		return err
	}
	out, undone, idle := []covered{}, 0, 0
	for _, c := range all {
		for _, o := range c.Operations {
			out = append(out, covered{o.Name, o.Inverse, uses[o.Name]})
			if o.Inverse != writ.InverseNone {
				undone++
			}
			if len(uses[o.Name]) == 0 {
				idle++
			}
		}
	}
	return a.print(*format, out, func() {
		w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "OPERATION\tUNDO\tPLAYBOOKS")
		for _, c := range out {
			books := strings.Join(c.Playbooks, ", ")
			if books == "" {
				books = "none"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Name, c.Inverse, writ.Printable(books, 200))
		}
		_ = w.Flush()
		fmt.Fprintf(a.stdout, "\n%d of %d operations can be undone; %d are used by no playbook\n", undone, len(out), idle)
	})
}

// used lists for each operation the playbooks that have a step of it, sorted.
func used(from fs.FS) (map[writ.OperationName][]string, error) {
	found, err := fs.Glob(from, "*.yaml")
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: --playbooks: there is no *.yaml", writ.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	out := map[writ.OperationName][]string{}
	for _, file := range found {
		b, err := fs.ReadFile(from, file)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
		p, _, err := playbook.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, s := range p.Steps {
			if !slices.Contains(out[s.Operation], p.Name) {
				out[s.Operation] = append(out[s.Operation], p.Name)
			}
		}
	}
	return out, nil
}
