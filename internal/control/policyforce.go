package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// A PolicyGate says how policy sets come into force where people approve their changes: what is in the state counts, on all
// replicas, and a set from elsewhere is the first one at most.
type PolicyGate struct {
	// Group of the roster, whose people approve.
	Group string
	// Load checks the owners' signatures on files and loads the set. It is pure, and safe for concurrent use. Errors wrap
	// writ.ErrInvalid.
	Load func(writ.PolicyFiles) (PolicySet, error)
}

// unapproved refuses a set that nobody has approved.
func (c *Control) unapproved(was policyRow, s PolicySet) error {
	if c.PolicyGate == nil || was.Version == 0 || s.Version == was.Version && s.Manifest.Equal(was.Manifest) {
		return nil
	}
	return fmt.Errorf("%w: policy: version %d was approved by nobody, and version %d is in force: propose it with writ policy publish", writ.ErrConflict, s.Version, was.Version)
}

// keepFiles writes the files of a set down and returns the id of their row. Key is the version of a set that was in force.
func keepFiles(tx *store.Tx, id string, version int64, files writ.PolicyFiles) (string, error) {
	row := store.Row{ID: id}
	if version > 0 {
		row.Key = versionKey(version)
	}
	err := store.Create(tx, store.PolicyFiles, row, files)
	if errors.Is(err, writ.ErrConflict) {
		return id, nil // one replica has kept the same before
	}
	return id, err
}

func versionKey(version int64) string { return "v" + strconv.FormatInt(version, 10) }

// setOf is the set by which this transaction decides: that of the row of all replicas, so that every question of one
// transaction is asked of one set. When another replica has put a newer set in force, it is loaded here and now; when that
// cannot be done, late is true, and nothing is decided for anybody until it can.
func (c *Control) setOf(tx *store.Tx) (set *PolicySet, late bool, err error) {
	mine := c.inForce()
	if mine.Version == 0 {
		return mine, false, nil
	}
	row, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
	if errors.Is(err, writ.ErrNotFound) {
		return mine, false, nil
	}
	if err != nil || row.Version <= mine.Version {
		return mine, false, err
	}
	if c.PolicyGate == nil || row.Files == "" {
		return mine, true, nil
	}
	next, err := c.stored(tx, row)
	if errors.Is(err, writ.ErrInvalid) {
		why := fmt.Sprintf("version %d is in force, and this server cannot load it: %s", row.Version, writ.Printable(err.Error(), 300))
		c.late.Store(&why)
		return mine, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	c.follow(next)
	c.late.Store(nil)
	return next, false, nil
}

// stored loads the set that a row names from its files.
func (c *Control) stored(tx *store.Tx, row policyRow) (*PolicySet, error) {
	files, _, err := store.Load[writ.PolicyFiles](tx, store.PolicyFiles, row.Files)
	if err != nil {
		return nil, err
	}
	set, err := c.PolicyGate.Load(files)
	if err == nil && (set.Version != row.Version || !set.Manifest.Equal(row.Manifest)) {
		err = fmt.Errorf("%w: policy: the files of version %d are those of another set", writ.ErrInvalid, row.Version)
	}
	return &set, err
}

// follow has this process decide by a set that is in force already, unless it has a newer one.
func (c *Control) follow(next *PolicySet) {
	for {
		mine := c.inForce()
		if next.Version <= mine.Version {
			return
		}
		if c.set.CompareAndSwap(mine, next) {
			return
		}
	}
}

// asking is the digest of the set that answers to plans are given to. While this process is late it is that of the set in
// force, so that no answer to the one before counts.
func (c *Control) asking(tx *store.Tx) (writ.Digest, error) {
	set, late, err := c.setOf(tx)
	if err != nil {
		return writ.Digest{}, err
	}
	if late {
		row, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
		return row.Policy, err
	}
	return set.Bundle.Digest(), nil
}

// FollowPolicy loads the set that another replica has put in force, if there is one. Errors wrap writ.ErrInvalid when it
// cannot be loaded here, and are the store's otherwise.
func (c *Control) FollowPolicy(ctx context.Context) error {
	if c.PolicyGate == nil {
		return nil
	}
	return c.Store.View(ctx, func(tx *store.Tx) error {
		_, _, err := c.setOf(tx)
		return err
	})
}

// StoredPolicy returns the files of the set in force where its changes are approved, and whether there is one. A server
// reads them at its start, before there is a Control.
func StoredPolicy(ctx context.Context, st *store.Store) (files writ.PolicyFiles, name writ.PolicyName, ok bool, err error) {
	err = st.View(ctx, func(tx *store.Tx) error {
		row, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
		if errors.Is(err, writ.ErrNotFound) || err == nil && row.Files == "" {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok = row.name(), true
		files, _, err = store.Load[writ.PolicyFiles](tx, store.PolicyFiles, row.Files)
		return err
	})
	return files, name, ok, err
}
