package control

import (
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/store"
)

// tellChange tells the people who approve policy sets that a change of theirs waits. What it changes stays out of the
// channel: people read that where they sign.
func (c *Control) tellChange(tx *store.Tx, change writ.PolicyChange) error {
	return c.tell(tx, notice.Fact{
		Event: writ.NoticePolicyWaiting, Change: change.ID, Team: change.Needs.Group, Subject: "policy change " + string(change.ID), Until: change.NotAfter,
		Sentence: fmt.Sprintf("Version %d of the policy set, proposed by %s, waits for %d people of %s; silence means no. writ policy show %s",
			change.Next.Version, name(change.Proposer.Principal()), change.Needs.Approvals, notice.Name(change.Needs.Group), change.ID),
	})
}
