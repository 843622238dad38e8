// Package kubernetes is the connector of Kubernetes clusters: typed operations on workloads, pods and nodes, evidence
// readers, and leases.
//
// It speaks to the API server with plain JSON over client-go's transports and never through typed objects, for two
// reasons. The bytes that are sent must be the bytes that were approved, so nothing may be marshalled between plan and
// call. And an object is put back whole: a typed client would drop the fields of an API version newer than itself.
//
// A lease is a ServiceAccount made for one run, with a Role that names the objects of that run and only the verbs it
// needs, and a token of ten minutes, which is the least a Kubernetes API server issues. The binding, from which all of
// its power comes, is made last, when the runner can already revoke it, and is deleted first.
//
// Secrets are never read: no reader and no operation knows the kind.
package kubernetes

import (
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Plane is the plane of this connector's operations, readers and locations.
const Plane = "kubernetes"

// DefaultLeaseNamespace holds the ServiceAccounts of leases that write only cluster-scoped objects.
const DefaultLeaseNamespace = "writ-leases"

// Config is what a Connector is made from.
type Config struct {
	Target writ.Location // kubernetes://<target>

	// Mint is the runner's own credential, with which leases are made, ended and verified to be gone. It must be able
	// to create and delete ServiceAccounts, Roles and RoleBindings (for nodes: ClusterRoles and ClusterRoleBindings),
	// and to request tokens, in the namespaces it serves; and to hold or escalate to the rights it hands out.
	Mint *rest.Config

	// Read is a credential that can only get and list. Observe and Plan use no other.
	Read *rest.Config

	// LeaseNamespace is where the identity of a lease for cluster-scoped objects lives; DefaultLeaseNamespace if
	// empty. It is made when it is missing.
	LeaseNamespace string

	// Cell marks everything that is made for leases, as a label, so that it can be found without the journal that knew
	// it, and told from what other runners and other installations made on the same cluster. Processes that stand in
	// for one another have the same; without one nothing is marked.
	Cell string

	Now  func() time.Time
	Rand io.Reader // fresh salts
}

// A Connector serves one cluster. It is safe for concurrent use.
type Connector struct {
	target writ.Location
	leases string // LeaseNamespace
	cell   string
	read   *client
	mint   *client
	rest   *rest.Config // where leases connect to, without any credential
	now    func() time.Time

	saltMu sync.Mutex // rand need not be safe for concurrent use
	rand   io.Reader

	goneMu sync.Mutex
	gone   map[string]time.Time // leases whose identity was deleted or first refused, by name, until proven dead
}

var _ connector.Connector = (*Connector)(nil)

// New checks the configuration and contacts nobody.
func New(c Config) (*Connector, error) {
	bad := func(what string) error { return fmt.Errorf("%w: kubernetes connector: %s", writ.ErrInvalid, what) }
	target, err := writ.ParseLocation(string(c.Target))
	switch {
	case err != nil || target.Plane() != Plane || target != target.Target():
		return nil, bad("the target is kubernetes://<name>")
	case c.Mint == nil || c.Read == nil:
		return nil, bad("a credential to mint leases with and one to read with must be given")
	case c.Now == nil || c.Rand == nil:
		return nil, bad("clock and randomness must be given")
	case c.LeaseNamespace == "":
		c.LeaseNamespace = DefaultLeaseNamespace
	case !isLabel(c.LeaseNamespace):
		return nil, bad("the lease namespace is not a name")
	}
	if c.Cell != "" && !isLabel(c.Cell) {
		return nil, bad("the cell is not a label")
	}
	k := &Connector{target: target, leases: c.LeaseNamespace, cell: c.Cell, now: c.Now, rand: c.Rand, gone: map[string]time.Time{}}
	if k.read, err = newClient(c.Read); err != nil {
		return nil, bad(err.Error())
	}
	if k.mint, err = newClient(c.Mint); err != nil {
		return nil, bad(err.Error())
	}
	k.rest = rest.AnonymousClientConfig(c.Mint)
	if _, err := leaseClient(k.rest, "none"); err != nil {
		return nil, bad(err.Error())
	}
	return k, nil
}

// Target implements connector.Connector.
func (c *Connector) Target() writ.Location { return c.target }

// Catalogue implements connector.Connector.
func (c *Connector) Catalogue() connector.Catalogue { return Catalogue() }

// salt returns a fresh salt for one step.
func (c *Connector) salt() (salt [writ.SaltSize]byte, err error) {
	c.saltMu.Lock()
	defer c.saltMu.Unlock()
	if _, err := io.ReadFull(c.rand, salt[:]); err != nil {
		return salt, fmt.Errorf("%w: no randomness for a salt", writ.ErrUnavailable)
	}
	return salt, nil
}
