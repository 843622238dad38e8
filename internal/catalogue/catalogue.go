// Package catalogue reads the service catalogue: Backstage catalog-info.yaml documents that say who owns a service,
// in which environment it runs, and which locations belong to it. It is where Writ takes owner, environment and scope
// from; an agent cannot assert any of them.
//
// Members that Backstage defines and Writ does not need are ignored; Writ's own annotations are checked strictly. The
// package is pure: bytes in, values out.
package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
)

// Annotations on a Component, in its metadata.
const (
	AnnotationEnvironment = "writ.dev/environment" // dev, staging or prod
	AnnotationLocations   = "writ.dev/locations"   // comma-separated location prefixes that belong to the service
	AnnotationStateful    = "writ.dev/stateful"    // "true" or "false"; default false
)

// MaxBytes bounds a catalogue file: 4 MiB hold about 5,000 services.
const MaxBytes = 4 << 20

// Environments is the closed list of environments.
var Environments = []string{"dev", "staging", "prod"}

// A Service is one Component of the catalogue.
type Service struct {
	Name        string
	Owner       string // team
	Environment string
	Stateful    bool
	Locations   []writ.Location
}

// A Catalogue maps names to services. It is read-only once parsed.
type Catalogue map[string]Service

type document struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name        string            `yaml:"name"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
	Spec struct {
		Owner string `yaml:"owner"`
	} `yaml:"spec"`
}

// Parse reads all documents of a catalog-info.yaml. Documents of other kinds than Component, and Components without
// Writ's annotations, are skipped: Writ does not act on them.
func Parse(b []byte) (Catalogue, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: service catalogue: larger than %d bytes", writ.ErrInvalid, MaxBytes)
	}
	out := Catalogue{}
	d := yaml.NewDecoder(bytes.NewReader(b))
	for n := 1; ; n++ {
		var doc document
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: service catalogue, document %d: %s", writ.ErrInvalid, n, writ.Printable(firstLine(err), 200))
		}
		if doc.Kind != "Component" || !doc.ours() {
			continue
		}
		s, err := doc.service()
		if err != nil {
			return nil, fmt.Errorf("service catalogue, document %d: %w", n, err)
		}
		if _, twice := out[s.Name]; twice {
			return nil, fmt.Errorf("%w: service catalogue: component %q appears twice", writ.ErrInvalid, s.Name)
		}
		out[s.Name] = s
	}
}

func firstLine(err error) string { s, _, _ := strings.Cut(err.Error(), "\n"); return s }

func (d document) ours() bool {
	for k := range d.Metadata.Annotations {
		if strings.HasPrefix(k, "writ.dev/") {
			return true
		}
	}
	return false
}

func (d document) service() (Service, error) {
	bad := func(format string, args ...any) (Service, error) {
		return Service{}, fmt.Errorf("%w: component %q: %s", writ.ErrInvalid, writ.Printable(d.Metadata.Name, 60), fmt.Sprintf(format, args...))
	}
	notes := d.Metadata.Annotations
	for _, k := range slices.Sorted(maps.Keys(notes)) {
		if strings.HasPrefix(k, "writ.dev/") && !slices.Contains([]string{AnnotationEnvironment, AnnotationLocations, AnnotationStateful}, k) {
			return bad("annotation %q is unknown; allowed: %s, %s, %s", writ.Printable(k, 60), AnnotationEnvironment, AnnotationLocations, AnnotationStateful)
		}
	}
	owner := d.Spec.Owner
	if _, name, ok := strings.Cut(owner, ":"); ok { // group:default/payments or group:payments
		owner = name
	}
	owner = strings.TrimPrefix(owner, "default/")
	stateful := notes[AnnotationStateful]
	switch {
	case !writ.IsName(d.Metadata.Name):
		return bad("metadata.name must be a plain lower-case name")
	case !writ.IsName(owner):
		return bad("spec.owner must name a team")
	case !slices.Contains(Environments, notes[AnnotationEnvironment]):
		return bad("annotation %s must be one of %s", AnnotationEnvironment, strings.Join(Environments, ", "))
	case stateful != "" && stateful != "true" && stateful != "false":
		return bad("annotation %s must be true or false", AnnotationStateful)
	}
	s := Service{Name: d.Metadata.Name, Owner: owner, Environment: notes[AnnotationEnvironment], Stateful: stateful == "true"}
	for part := range strings.SplitSeq(notes[AnnotationLocations], ",") {
		l, err := writ.ParseLocation(strings.TrimSpace(part))
		if err != nil || len(l.Segments()) == 0 {
			return bad("annotation %s: %q is not a location below a target, such as kubernetes://prod-eu1/shop/deployment/checkout",
				AnnotationLocations, writ.Printable(part, 80))
		}
		s.Locations = append(s.Locations, l)
	}
	return s, nil
}

// Find returns the service, or a refusal that lists a few names.
func (c Catalogue) Find(name string) (Service, error) {
	if s, ok := c[name]; ok {
		return s, nil
	}
	names := slices.Sorted(maps.Keys(c))
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return Service{}, &writ.Refusal{
		Code:   writ.ReasonUnknownService,
		Detail: fmt.Sprintf("the service catalogue has no service %q", writ.Printable(name, 60)),
		Hint:   "services: " + strings.Join(names, ", "),
		Kind:   writ.ErrInvalid,
	}
}

// Targets returns the targets that the service lives on, sorted.
func (s Service) Targets() []writ.Location {
	var out []writ.Location
	for _, l := range s.Locations {
		if !slices.Contains(out, l.Target()) {
			out = append(out, l.Target())
		}
	}
	slices.Sort(out)
	return out
}
