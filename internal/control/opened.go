package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
)

// OpenedEvidence returns one reading with what opens its commitment: to whoever may read the bytes, and as long as they are
// kept.
func (c *Control) OpenedEvidence(ctx context.Context, by writ.Principal, id writ.EvidenceID) (writ.EvidenceContent, error) {
	e, _, err := c.Evidence(ctx, by, id)
	if err != nil {
		return writ.EvidenceContent{}, err
	}
	gone := fmt.Errorf("%w: the bytes of evidence %s have been erased, and its salt with them; its entry stays", writ.ErrNotFound, id)
	if !e.Erased.IsZero() {
		return writ.EvidenceContent{}, gone
	}
	b, salt, _, err := c.Store.Blob(ctx, e.Commitment)
	switch {
	case errors.Is(err, writ.ErrNotFound): // erased just now
		return writ.EvidenceContent{}, gone
	case err != nil:
		return writ.EvidenceContent{}, err
	}
	return writ.EvidenceContent{Evidence: e, Bytes: b, Salt: salt[:]}, nil
}
