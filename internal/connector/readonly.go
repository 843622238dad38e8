package connector

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

// ReadOnly is embedded by a connector without operations: it refuses each, as out_of_scope, with this sentence, and mints
// nothing.
type ReadOnly string

func (r ReadOnly) refused() error { return writ.Refuse(writ.ReasonOutOfScope, string(r)) }

// Plan implements Connector; it always refuses.
func (r ReadOnly) Plan(context.Context, Draft) (Prepared, error) { return Prepared{}, r.refused() }

// Revert implements Connector; it always refuses.
func (r ReadOnly) Revert(context.Context, Reversal) (Prepared, error) { return Prepared{}, r.refused() }

// Lease implements Connector; it always refuses. The credential of a reading is its connector's own affair.
func (r ReadOnly) Lease(context.Context, LeaseRequest, func([]byte) error) (Lease, error) {
	return nil, r.refused()
}

// Reopen implements Connector; it always refuses.
func (r ReadOnly) Reopen(LeaseRequest, []byte) (Lease, error) { return nil, r.refused() }

// UnknownReader refuses a reader that a target does not have.
func UnknownReader(target writ.Location, name writ.OperationName) error {
	return &writ.Refusal{Code: writ.ReasonUnknownReader, Detail: fmt.Sprintf("%s has no reader %q", target, writ.Printable(string(name), 80)), Kind: writ.ErrInvalid}
}
