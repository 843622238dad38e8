package connectortest

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// A Fixture is one connector on the real thing, and what the suite needs to be the rest of the world: the
// administrator, the third party and the network.
type Fixture struct {
	// Upstream is the host and port on which the target listens.
	Upstream string

	// Connect makes a connector of the target, reached through addr instead of Upstream. Each call is like a new
	// process: nothing is shared with connectors made before.
	Connect func(t *testing.T, addr string) connector.Connector

	// Fresh makes a new object that nothing else uses and that has come to rest, and a draft that changes it.
	Fresh func(t *testing.T) Subject

	// Queries are readings that the connector must be able to make, all within their own scope.
	Queries func(t *testing.T) []connector.Query

	// Writes counts the requests, other than reads, that connectors made by Connect have sent to the target.
	Writes func(t *testing.T) int

	// Secrets were planted where the queries read, in the forms in which people leave them lying about.
	Secrets []string
}

// A Subject is one object, seen by the administrator.
type Subject struct {
	// Draft is one operation on this object alone, with an inverse that restores it (replace or call).
	Draft connector.Draft

	// State renders all of the object that the target's own controllers do not keep for themselves: two equal states
	// are field by field the same. The suite compares states only for equality.
	State func(t *testing.T) string

	// Meddle is a third party: it changes a field of the object other than those that the draft changes.
	Meddle func(t *testing.T)

	// Elsewhere is a location that does not contain the object.
	Elsewhere writ.Location
}
