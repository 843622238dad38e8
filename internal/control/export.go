package control

import (
	"context"

	"github.com/writ-dev/writ"
)

// Export writes a bundle for offline verification: all entries under the newest checkpoint, or one incident's with
// the entries they refer to and a proof for each; people only.
func (c *Control) Export(ctx context.Context, by writ.Principal, incident writ.IncidentID) ([]byte, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	b, err := c.Store.Export(ctx, incident)
	if err != nil {
		return nil, notFound(err, "incident", string(incident))
	}
	return b.Bytes()
}
