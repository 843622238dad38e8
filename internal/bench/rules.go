package bench

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/noop"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/policies"
)

// rules is the policy set of serve --dev with one more plane, the one that is none.
func rules(l control.Library) (*policy.Bundle, error) {
	const schema, before = "schema.cedarschema", "entity Plane enum ["
	set, sources := policies.Dev(), map[string][]byte{}
	err := fs.WalkDir(set, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sources[name], err = fs.ReadFile(set, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(sources[schema], []byte(before)) {
		return nil, fmt.Errorf("%w: bench: the schema does not list planes as it used to", writ.ErrInvalid)
	}
	sources[schema] = bytes.Replace(sources[schema], []byte(before), []byte(before+`"`+noop.Plane+`", `), 1)
	// A plane is a group of actions too.
	v := policy.Vocabulary{Planes: []string{noop.Plane}, Operations: []writ.OperationName{noop.Touch}, Readers: []writ.OperationName{noop.Status}}
	for name := range l {
		v.Playbooks = append(v.Playbooks, policy.Playbook{Name: name, Plane: noop.Plane})
	}
	return policy.LoadSources(sources, v)
}
