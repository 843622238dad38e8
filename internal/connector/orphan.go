package connector

import (
	"context"
	"time"
)

// A Reclaimer is a Connector that finds credentials on its target without the journal that knew them: by their name,
// and by the mark that all of its cell's credentials bear. A connector whose target keeps no such marks is none; there
// the life that a token was asked to have bounds what a lost journal leaves behind.
type Reclaimer interface {
	// Reclaim returns the lease of a name for Revoke and Probe. It contacts nobody. Revoke removes everything of that
	// name that bears the cell's mark, and nothing else. Probe holds no credential: it reports a flag when nothing that
	// would give it exists, and for the identity also that the target's memory of it is over.
	Reclaim(name string) (Lease, error)

	// Orphans lists what stands on the target with the cell's mark, oldest first. Which of it is wanted is the
	// caller's knowledge.
	Orphans(ctx context.Context) ([]Orphan, error)
}

// An Orphan is a credential on the target that bears the cell's mark.
type Orphan struct {
	Name string
	Run  string // as its mark says; for people
	Made time.Time
}
