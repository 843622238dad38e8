package connector

import (
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
)

// Check refuses a catalogue in which something could not be bounded, limited or undone as declared.
func (c Catalogue) Check() error {
	seen := map[writ.OperationName]bool{}
	for _, o := range c.Operations {
		if err := checkEntry(c.Plane, o.Name, o.Title, o.Parameters, seen); err != nil {
			return err
		}
		switch o.Inverse {
		case writ.InverseReplace, writ.InverseCall, writ.InverseRecreated:
		case writ.InverseNone:
			if o.Tier <= writ.T1 {
				return fmt.Errorf("%w: operation %s has no inverse and so cannot be %s", writ.ErrInvalid, o.Name, o.Tier)
			}
		default:
			return fmt.Errorf("%w: operation %s: inverse is replace, call, recreated or none", writ.ErrInvalid, o.Name)
		}
		if !o.Tier.Valid() || o.Tier == writ.T0 {
			return fmt.Errorf("%w: operation %s: an operation that writes is T1 to T4", writ.ErrInvalid, o.Name)
		}
		if len(o.Rights) == 0 {
			return fmt.Errorf("%w: operation %s does not say which rights its lease needs", writ.ErrInvalid, o.Name)
		}
	}
	for _, r := range c.Readers {
		if err := checkEntry(c.Plane, r.Name, r.Title, r.Parameters, seen); err != nil {
			return err
		}
		if err := r.checkFields(); err != nil {
			return err
		}
	}
	return nil
}

func checkEntry(plane string, name writ.OperationName, title string, ps []Parameter, seen map[writ.OperationName]bool) error {
	if name.Plane() != plane || seen[name] || title == "" {
		return fmt.Errorf("%w: catalogue entry %q must be unique, of plane %q, and have a title", writ.ErrInvalid, name, plane)
	}
	seen[name] = true
	for _, p := range ps {
		if err := p.check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p Parameter) check() error {
	switch {
	case !writ.IsName(p.Name):
		return fmt.Errorf("%w: parameter name %q", writ.ErrInvalid, writ.Printable(p.Name, 40))
	case p.Type == TypeEnum && len(p.Values) == 0:
		return fmt.Errorf("%w: parameter %q lists no values", writ.ErrInvalid, p.Name)
	case p.Type == TypeInteger && p.Min >= p.Max:
		return fmt.Errorf("%w: parameter %q has no bounds", writ.ErrInvalid, p.Name)
	}
	switch p.Type {
	case TypeName, TypeInteger, TypeBool, TypeEnum, TypeQuantity:
		return nil
	}
	return fmt.Errorf("%w: parameter %q has the unknown type %q", writ.ErrInvalid, p.Name, p.Type)
}

// Operation returns the named operation.
func (c Catalogue) Operation(name writ.OperationName) (Operation, bool) {
	i := slices.IndexFunc(c.Operations, func(o Operation) bool { return o.Name == name })
	if i < 0 {
		return Operation{}, false
	}
	return c.Operations[i], true
}

// Reader returns the named reader.
func (c Catalogue) Reader(name writ.OperationName) (Reader, bool) {
	i := slices.IndexFunc(c.Readers, func(r Reader) bool { return r.Name == name })
	if i < 0 {
		return Reader{}, false
	}
	return c.Readers[i], true
}
