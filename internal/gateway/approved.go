package gateway

import (
	"sync"

	"github.com/writ-dev/writ"
)

// An Approved is a definition that a person has approved, ready to hold arguments against.
type Approved struct {
	upstream string
	digest   writ.Digest
	schema   *schema
}

// Is reports whether this is the definition of that digest, of a tool of that upstream.
func (a *Approved) Is(upstream string, pinned writ.Digest) bool {
	return a.upstream == upstream && a.digest.Equal(pinned)
}

// Check is Definition.Check.
func (a *Approved) Check(b []byte) (Arguments, error) { return a.schema.arguments(b) }

// Approvals parses approved definitions, and remembers what it made of which bytes: a pure function of them, so that nothing
// depends on what is remembered. The zero Approvals remembers nothing yet. It is safe for concurrent use.
type Approvals struct {
	mu sync.Mutex
	m  map[string]*Approved // guarded by mu; by the bytes
}

// maxApprovals bounds what is remembered, at some KiB each: as many as one upstream may offer. Beyond it everything is forgotten.
const maxApprovals = MaxOffered

// Parse is ParseDefinition.
func (s *Approvals) Parse(b []byte) (*Approved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.m[string(b)]; ok {
		return a, nil
	}
	d, err := ParseDefinition(b)
	if err != nil {
		return nil, err
	}
	schema, err := d.schema()
	if err != nil {
		return nil, err
	}
	if s.m == nil || len(s.m) >= maxApprovals {
		s.m = map[string]*Approved{}
	}
	a := &Approved{d.Upstream, d.Digest(), schema}
	s.m[string(b)] = a
	return a, nil
}
