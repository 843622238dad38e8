package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// A PolicySet is a loaded set with what its owners signed. A Version of 0 is a set that nobody signed.
type PolicySet struct {
	Bundle   *policy.Bundle
	Version  int64
	Manifest writ.Digest // of what was signed; zero when nobody did
	Signers  []string    // key ids
}

// policyRow is what all replicas know of the set in force. Version never falls.
type policyRow struct {
	Version  int64       `json:"version"`
	Manifest writ.Digest `json:"manifest,omitzero"`
	Policy   writ.Digest `json:"policy"` // the bundle's
}

const policyRowID = "set"

// inForce is the set by which this process decides. It is replaced as a whole, so there is never none.
func (c *Control) inForce() *PolicySet { return c.set.Load() }

// AdoptPolicy puts a set in force. Version and digest are entered in the ledger and the row of all replicas in one
// transaction, and only then does this process decide by it; on any error the set before stays. Refused are a version
// below the highest that any replica has seen, another set under a version that was seen, and an unsigned set once a
// signed one was seen. Errors wrap writ.ErrConflict for those, or are the store's. Adopting the set in force is free.
func (c *Control) AdoptPolicy(ctx context.Context, s PolicySet) error {
	if s.Bundle == nil || len(s.Bundle.Rules()) == 0 {
		return fmt.Errorf("%w: policy: there is no set to adopt", writ.ErrInvalid)
	}
	if err := c.Notices.reachable(s.Bundle); err != nil {
		return err
	}
	c.adopting.Lock()
	defer c.adopting.Unlock()
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		was, row, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
		fresh := errors.Is(err, writ.ErrNotFound)
		if err != nil && !fresh {
			return err
		}
		if err := follows(was, s); err != nil {
			return err
		}
		next := policyRow{Version: s.Version, Manifest: s.Manifest, Policy: s.Bundle.Digest()}
		if next == was {
			return nil
		}
		if fresh && s.Version == 0 { // the ledger begins, or is from before sets were recorded: genesis and decisions name it
			return store.Create(tx, store.PolicySets, store.Row{ID: policyRowID}, next)
		}
		if _, err := c.append(tx, writ.EntryPolicy, "", writ.PolicyBody{Policy: next.Policy, Version: next.Version, Manifest: next.Manifest, Signers: s.Signers, Was: was.Policy}); err != nil {
			return err
		}
		if fresh {
			return store.Create(tx, store.PolicySets, store.Row{ID: policyRowID}, next)
		}
		return store.Save(tx, store.PolicySets, row, row.State, next)
	})
	if err != nil {
		return err
	}
	// Committed: whoever starts now decides by this set or a later one.
	c.set.Store(&s)
	return nil
}

// follows refuses what would take the set back.
func follows(was policyRow, s PolicySet) error {
	switch {
	case s.Version < 0 || s.Version > 0 && s.Manifest.IsZero():
		return fmt.Errorf("%w: policy: a version needs its manifest", writ.ErrInvalid)
	case s.Version == 0 && was.Version > 0:
		return fmt.Errorf("%w: policy: a signed set of version %d was in force, and this one is not signed: configure policy_owners", writ.ErrConflict, was.Version)
	case s.Version < was.Version:
		return fmt.Errorf("%w: policy: version %d is below version %d, which was in force already", writ.ErrConflict, s.Version, was.Version)
	case s.Version > 0 && s.Version == was.Version && !s.Manifest.Equal(was.Manifest):
		return fmt.Errorf("%w: policy: another set of version %d was in force already: raise the version", writ.ErrConflict, s.Version)
	}
	return nil
}

// behind reports whether another replica has put a newer set in force. Until this process has it too, it decides nothing
// for anybody.
func (c *Control) behind(tx *store.Tx) (bool, error) {
	mine := c.inForce().Version
	if mine == 0 {
		return false, nil
	}
	row, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
	if errors.Is(err, writ.ErrNotFound) {
		return false, nil
	}
	return row.Version > mine, err
}

// PolicyProblem keeps why the newest set could not be put in force, for the status and the metrics; empty for none.
func (c *Control) PolicyProblem(why string) { c.problem.Store(&why) }

// policyProblem is what PolicyProblem was last told.
func (c *Control) policyProblem() string {
	if p := c.problem.Load(); p != nil {
		return *p
	}
	return ""
}
