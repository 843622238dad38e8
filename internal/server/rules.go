package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/calendar"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/policies"
)

// rules are what the control plane decides by.
type rules struct {
	services catalogue.Catalogue
	targets  []control.Target
	library  control.Library
	source   policySource
	loaded   writ.Digest // contents of the policies' directory, zero without one
	policy   control.PolicySet
	calendar calendar.Set
}

// loadRules reads services, targets, playbooks and policies, and refuses what does not fit together. Where changes of the
// set are approved, the one in force comes from the state, whatever is in the directory.
func loadRules(c config.Server, dev bool, inForce *keptSet) (rules, error) {
	var r rules
	b, err := os.ReadFile(c.Path(c.Services))
	if err != nil {
		return r, fmt.Errorf("%w: services: %w", writ.ErrInvalid, err)
	}
	if r.services, err = catalogue.Parse(b); err != nil {
		return r, err
	}
	for _, t := range c.Targets {
		cat, err := ReadCatalogue(c.Path(t.Catalogue))
		if err != nil {
			return r, fmt.Errorf("target %s: %w", t.Location, err)
		}
		r.targets = append(r.targets, control.Target{Location: writ.Location(t.Location), Runner: writ.RunnerID(t.Runner), Catalogue: cat})
	}
	if r.library, err = loadLibrary(c, r.targets); err != nil {
		return r, err
	}
	if r.calendar, err = loadCalendars(c, r.services); err != nil {
		return r, err
	}
	if r.source, err = newPolicySource(c, dev, fronted(vocabulary(r), c)); err != nil {
		return r, err
	}
	if inForce != nil {
		r.policy, err = r.source.loadKept(*inForce)
		return r, err
	}
	r.policy, r.loaded, err = r.source.load()
	return r, err
}

// ReadCatalogue reads a file that writ runner catalogue printed.
func ReadCatalogue(file string) (connector.Catalogue, error) {
	var c connector.Catalogue
	b, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("%w: catalogue: %w", writ.ErrInvalid, err)
	}
	if err := canon.Check(b); err != nil {
		return c, fmt.Errorf("%w: catalogue %s: %w", writ.ErrInvalid, file, err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%w: catalogue %s: %w", writ.ErrInvalid, file, err)
	}
	return c, c.Check()
}

// loadLibrary reads every playbook and lints those whose plane has a target. A playbook for a plane without a target
// cannot run and is left out.
func loadLibrary(c config.Server, targets []control.Target) (control.Library, error) {
	var catalogues []connector.Catalogue
	planes := map[string]bool{}
	for _, t := range targets {
		catalogues = append(catalogues, t.Catalogue)
		planes[t.Catalogue.Plane] = true
	}
	out := control.Library{}
	for _, p := range c.Playbooks {
		files, err := yamlFiles(c.Path(p))
		if err != nil {
			return nil, fmt.Errorf("%w: playbooks: %w", writ.ErrInvalid, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return nil, fmt.Errorf("%w: playbooks: %w", writ.ErrInvalid, err)
			}
			pb, _, err := playbook.Parse(b)
			if err != nil {
				return nil, fmt.Errorf("playbook %s: %w", f, err)
			}
			if !planes[pb.Plane] {
				continue
			}
			if found := playbook.Lint(pb, catalogues); len(found) > 0 {
				return nil, fmt.Errorf("%w: playbook %s: %s (writ playbook lint tells more)", writ.ErrInvalid, f, found[0])
			}
			if err := out.Add(b); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func yamlFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".yaml") {
			out = append(out, filepath.Join(path, e.Name()))
		}
	}
	return out, nil
}

// vocabulary is what policies can speak of.
func vocabulary(r rules) policy.Vocabulary {
	var v policy.Vocabulary
	for _, t := range r.targets {
		if !slices.Contains(v.Planes, t.Catalogue.Plane) {
			v.Planes = append(v.Planes, t.Catalogue.Plane)
		}
		for _, o := range t.Catalogue.Operations {
			if !slices.Contains(v.Operations, o.Name) {
				v.Operations = append(v.Operations, o.Name)
			}
		}
		for _, x := range t.Catalogue.Readers {
			if !slices.Contains(v.Readers, x.Name) {
				v.Readers = append(v.Readers, x.Name)
			}
		}
	}
	for name, p := range r.library {
		v.Playbooks = append(v.Playbooks, policy.Playbook{Name: name, Plane: p.Playbook.Plane})
	}
	return v
}

// LoadPolicy loads the policy set in dir, or the one that ships with Writ when dir is empty. The shipped set takes plain
// SSH keys up to tier 2 under dev only.
func LoadPolicy(dir string, dev bool, v policy.Vocabulary) (*policy.Bundle, error) {
	switch {
	case dir != "":
		return policy.Load(os.DirFS(dir), v)
	case dev:
		return policy.Load(policies.Dev(), v)
	}
	return policy.Load(policies.Default(), v)
}

// fronted adds the tools of upstreams, which policies can speak of whether or not they are approved yet.
func fronted(v policy.Vocabulary, c config.Server) policy.Vocabulary {
	for _, u := range c.Upstreams {
		for _, t := range u.Tools {
			v.Upstreams = append(v.Upstreams, writ.UpstreamToolName{Upstream: u.Name, Tool: t.Name}.Action())
		}
	}
	return v
}
