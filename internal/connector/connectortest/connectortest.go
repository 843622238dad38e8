// Package connectortest is the conformance suite of connectors. Every connector passes it against the real thing, not
// against a copy of it: a control plane is believed only where it was asked.
//
// The suite holds what the contract promises: a plan writes nothing, a call is made once and exactly as planned, an
// object that moved is left alone, an undo is exact or refuses, a cut wire gives Unknown, a lease can do its calls and
// nothing else, and after Revoke it is proven dead.
package connectortest

import "testing"

// Run holds the connector of f to the contract. Its subtests are named for the invariant they guard.
func Run(t *testing.T, f Fixture) {
	t.Run("I07 the catalogue is bounded", f.catalogue)
	t.Run("I07 parameters", f.parameters)
	t.Run("plan", f.plan)
	t.Run("readers", f.readers)
	t.Run("do", f.do)
	t.Run("undo", f.undo)
	t.Run("revert", f.revert)
	t.Run("wire", f.wire)
	t.Run("lease", f.lease)
}
