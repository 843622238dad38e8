package config

import (
	"github.com/writ-dev/writ"
)

// ownNamespaces are where Writ lives on a Kubernetes target: the runner's accounts, and the identities of leases.
var ownNamespaces = []string{"writ-system", "writ-leases"}

// protected checks a list of what Writ rests on.
func (c *checks) protected(list []string) {
	for i, p := range list {
		l, err := writ.ParseLocation(p)
		c.want(err == nil && len(l.Segments()) > 0, "protected[%d] must be a location below a target, such as kubernetes://prod-eu1/writ", i)
	}
}

// ProtectedLocations are what no agent may change: what protected names, and Writ's own namespaces.
func (s Server) ProtectedLocations() []writ.Location {
	out := locations(s.Protected)
	for _, t := range s.Targets {
		out = append(out, own(writ.Location(t.Location), ownNamespaces...)...)
	}
	return out
}

// ProtectedLocations are what no agent may change: what protected names, and Writ's own namespaces.
func (r Runner) ProtectedLocations() []writ.Location {
	out := locations(r.Protected)
	for _, t := range r.Targets {
		names := ownNamespaces
		if t.Namespace != "" {
			names = append([]string{t.Namespace}, names...)
		}
		out = append(out, own(writ.Location(t.Location), names...)...)
	}
	return out
}

func locations(list []string) []writ.Location {
	var out []writ.Location
	for _, p := range list {
		out = append(out, writ.Location(p))
	}
	return out
}

func own(target writ.Location, namespaces ...string) []writ.Location {
	if target.Plane() != "kubernetes" {
		return nil
	}
	var out []writ.Location
	for _, n := range namespaces {
		out = append(out, target+writ.Location("/"+n))
	}
	return out
}
