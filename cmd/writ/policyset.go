package main

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/playbooks"
	"github.com/writ-dev/writ/policies"
)

// policySet is what commands about a policy set share: which set, and what it can speak of.
type policySet struct {
	set, library, server string
	dev                  bool
}

func policyFlags(f *flags) *policySet {
	s := &policySet{}
	f.StringVar(&s.set, "set", "", "`directory` of the policy set; default the one that ships with Writ, or that of -c")
	f.StringVar(&s.library, "playbooks", "", "`directory` of the playbooks that the set speaks of; default the library, or those of -c")
	f.StringVar(&s.server, "c", "", "a server's configuration `file`: its set, catalogues and playbooks")
	f.BoolVar(&s.dev, "dev", false, "read the configuration as writ serve --dev does")
	return s
}

// load loads the set as a server would.
func (s *policySet) load() (*policy.Bundle, error) {
	if s.server != "" && s.set == "" {
		a, err := s.advice()
		return a.Set, err
	}
	v, err := s.vocabulary()
	if err == nil && s.set != "" {
		_, err = setIn(s.set)
	}
	if err != nil {
		return nil, err
	}
	return server.LoadPolicy(s.set, s.dev, v)
}

// setIn is the directory of a policy set, which must be one.
func setIn(dir string) (fs.FS, error) {
	if at, err := os.Stat(dir); err != nil || !at.IsDir() {
		return nil, &usageError{fmt.Sprintf("there is no directory %q with a policy set", writ.Printable(dir, 200)), "the first set begins as a copy of policies/default; writ policy fetch current DIR gets the one in force"}
	}
	return os.DirFS(dir), nil
}

// sources are the files of the set as they are.
func (s *policySet) sources() (map[string][]byte, error) {
	from := policies.Default()
	if s.dev {
		from = policies.Dev()
	}
	switch {
	case s.set != "":
		var err error
		if from, err = setIn(s.set); err != nil {
			return nil, err
		}
	case s.server != "":
		c, err := config.LoadServer(s.server, s.dev)
		if err != nil {
			return nil, err
		}
		if c.Policies != "" {
			from = os.DirFS(c.Path(c.Policies))
		}
	}
	sources, _, err := policy.ReadSources(from)
	return sources, err
}

// loadOther loads another directory with the same vocabulary.
func (s *policySet) loadOther(dir string) (*policy.Bundle, error) {
	v, err := s.vocabulary()
	if err == nil {
		_, err = setIn(dir)
	}
	if err != nil {
		return nil, err
	}
	b, err := server.LoadPolicy(dir, s.dev, v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return b, nil
}

// advice reads the server's configuration.
func (s *policySet) advice() (server.Advice, error) {
	c, err := config.LoadServer(s.server, s.dev)
	if err != nil {
		return server.Advice{}, err
	}
	return server.ReadAdvice(c, s.dev)
}

// vocabulary is what the set can speak of: that of the server, or what the Kubernetes connector can do and the library.
func (s *policySet) vocabulary() (policy.Vocabulary, error) {
	if s.server != "" {
		a, err := s.advice()
		return a.Vocabulary, err
	}
	v := policy.Vocabulary{Planes: []string{kubernetes.Plane}}
	c := kubernetes.Catalogue()
	for _, o := range c.Operations {
		v.Operations = append(v.Operations, o.Name)
	}
	for _, r := range c.Readers {
		v.Readers = append(v.Readers, r.Name)
	}
	var from fs.FS = playbooks.Library
	if s.library != "" {
		from = os.DirFS(s.library)
	}
	var err error
	v.Playbooks, err = names(from)
	return v, err
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
