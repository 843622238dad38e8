package control

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// Prove returns the proof that an entry stands in the log under a signed checkpoint, for which it waits while ctx lasts;
// people only.
func (c *Control) Prove(ctx context.Context, by writ.Principal, index int64) (ledger.Receipt, error) {
	if err := person(by); err != nil {
		return ledger.Receipt{}, err
	}
	return c.Store.Receipt(ctx, index, 0)
}
