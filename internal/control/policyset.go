package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// A PolicySet is a loaded set with what its owners signed. A Version of 0 is a set that nobody signed.
type PolicySet struct {
	Bundle           *policy.Bundle
	Version          int64
	Manifest         writ.Digest // of what was signed; zero when nobody did
	Signers          []string    // key ids
	writ.PolicyFiles             // that it was loaded from; none for the set that ships with Writ
}

// policyRow is what all replicas know of the set in force. Version never falls.
type policyRow struct {
	Version  int64               `json:"version"`
	Manifest writ.Digest         `json:"manifest,omitzero"`
	Policy   writ.Digest         `json:"policy"`           // the bundle's
	Files    string              `json:"files,omitempty"`  // row of its files, once changes are approved
	Change   writ.PolicyChangeID `json:"change,omitempty"` // that put it in force
	Since    time.Time           `json:"since,omitzero"`
}

// same reports whether two rows name one set.
func (r policyRow) same(o policyRow) bool {
	signed := r.Manifest.Equal(o.Manifest) || r.Manifest.IsZero() && o.Manifest.IsZero() // no digest equals the zero one
	return r.Version == o.Version && signed && r.Policy.Equal(o.Policy)
}

func (r policyRow) name() writ.PolicyName {
	return writ.PolicyName{Version: r.Version, Manifest: r.Manifest, Policy: r.Policy}
}

const policyRowID = "set"

// ErrPolicyPast refuses a set of a version below the one in force. It wraps writ.ErrConflict.
var ErrPolicyPast = fmt.Errorf("%w: policy", writ.ErrConflict)

// inForce is the set by which this process decides. It is replaced as a whole, so there is never none.
func (c *Control) inForce() *PolicySet { return c.set.Load() }

// AdoptPolicy puts a set in force. Version and digest are entered in the ledger and the row of all replicas in one
// transaction, and only then does this process decide by it; on any error the set before stays. Refused are a version
// below the highest that any replica has seen, another set under a version that was seen, and an unsigned set once a
// signed one was seen; where people approve changes, any other than the first one and the one in force. Errors wrap
// writ.ErrConflict for those, or are the store's. Adopting the set in force is free.
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
		if err := first(follows(was, s), c.unapproved(was, s)); err != nil {
			return err
		}
		next := policyRow{Version: s.Version, Manifest: s.Manifest, Policy: s.Bundle.Digest(), Files: was.Files, Change: was.Change, Since: was.Since}
		if next.same(was) && (c.PolicyGate == nil || was.Files != "") {
			return nil
		}
		if c.PolicyGate != nil && next.Files == "" {
			next.Since = c.now()
			if next.Files, err = keepFiles(tx, "first "+s.Manifest.String(), s.Version, s.PolicyFiles); err != nil {
				return err
			}
		}
		quiet := fresh && s.Version == 0 // the ledger begins, or is from before sets were recorded: genesis and decisions name it
		if !quiet && !next.same(was) {
			if _, err := c.append(tx, writ.EntryPolicy, "", writ.PolicyBody{Policy: next.Policy, Version: next.Version, Manifest: next.Manifest, Signers: s.Signers, Was: was.Policy}); err != nil {
				return err
			}
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
	for {
		mine := c.inForce()
		if mine.Version > s.Version || c.set.CompareAndSwap(mine, &s) {
			return nil
		}
	}
}

// follows refuses what would take the set back.
func follows(was policyRow, s PolicySet) error {
	switch {
	case s.Version < 0 || s.Version > 0 && s.Manifest.IsZero():
		return fmt.Errorf("%w: policy: a version needs its manifest", writ.ErrInvalid)
	case s.Version == 0 && was.Version > 0:
		return fmt.Errorf("%w: policy: a signed set of version %d was in force, and this one is not signed: configure policy_owners", writ.ErrConflict, was.Version)
	case s.Version < was.Version:
		return fmt.Errorf("%w: version %d is below version %d, which was in force already", ErrPolicyPast, s.Version, was.Version)
	case s.Version > 0 && s.Version == was.Version && !s.Manifest.Equal(was.Manifest):
		return fmt.Errorf("%w: policy: another set of version %d was in force already: raise the version", writ.ErrConflict, s.Version)
	}
	return nil
}

// PolicyProblem keeps why the newest set could not be put in force, for the status and the metrics; empty for none.
func (c *Control) PolicyProblem(why string) { c.problem.Store(&why) }

// policyProblem is why this server cannot load the set in force, or what PolicyProblem was last told.
func (c *Control) policyProblem() string {
	for _, p := range []*string{c.late.Load(), c.problem.Load()} {
		if p != nil && *p != "" {
			return *p
		}
	}
	return ""
}
