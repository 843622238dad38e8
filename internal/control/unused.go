package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// Bounds of the report. What nobody used for a day says nothing, and after a year nobody asks. Opening an entry takes some
// 50 µs, so that a hundred thousand of them are five seconds; they are read in pages, and hold up nobody.
const (
	minUnused     = 24 * time.Hour
	maxUnused     = 366 * 24 * time.Hour
	unusedPage    = 500
	maxUnusedRead = 100_000
)

// used is what the ledger tells of power that was used.
type used struct {
	grants    map[string]bool
	playbooks map[string]bool
	asked     map[writ.Principal]bool // for a repair
	read      map[writ.Principal]bool
}

// Unused reports which grants of the policy set in force, which playbooks and which roles of agents nobody used within a
// window that ends now. People only.
func (c *Control) Unused(ctx context.Context, by writ.Principal, window time.Duration) (writ.Unused, error) {
	if err := person(by); err != nil {
		return writ.Unused{}, err
	}
	if window < minUnused || window > maxUnused {
		return writ.Unused{}, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("the window is %d to %d days", minUnused/(24*time.Hour), maxUnused/(24*time.Hour)), Hint: "days=30"}
	}
	bundle := c.inForce().Bundle
	now := c.now()
	out := writ.Unused{From: now.Add(-window), To: now, Policy: bundle.Digest(), Grants: []writ.UnusedGrant{}, Playbooks: []writ.UnusedPlaybook{}, Roles: []writ.UnusedRole{}}
	u := used{map[string]bool{}, map[string]bool{}, map[writ.Principal]bool{}, map[writ.Principal]bool{}}
	if err := c.readBack(ctx, &out, u); err != nil {
		return writ.Unused{}, err
	}
	for _, r := range bundle.Rules() {
		if r.Folder == policy.Grants && !u.grants[r.ID] {
			out.Grants = append(out.Grants, writ.UnusedGrant{ID: r.ID, Reason: r.Reason})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Library)) {
		if p := c.Library[name].Playbook; !u.playbooks[name] {
			out.Playbooks = append(out.Playbooks, writ.UnusedPlaybook{Name: name, Owner: p.Owner, Tier: p.Tier})
		}
	}
	agents, err := c.allAgents(ctx)
	for _, a := range agents {
		for _, r := range a.Roles {
			did := u.asked
			if r == writ.RoleDiagnose {
				did = u.read
			}
			if a.State != writ.AgentRemoved && !did[a.Principal()] {
				out.Roles = append(out.Roles, writ.UnusedRole{Agent: a.Name, Team: a.Team, Role: r})
			}
		}
	}
	return out, err
}

// readBack reads the ledger from its end back to the beginning of the window, page by page.
func (c *Control) readBack(ctx context.Context, out *writ.Unused, u used) error {
	var upto int64
	if err := c.Store.View(ctx, func(tx *store.Tx) error { upto = tx.Head(); return nil }); err != nil {
		return err
	}
	for upto > 0 && out.Entries < maxUnusedRead {
		from := max(0, upto-unusedPage)
		var leaves [][]byte
		err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
			leaves, err = tx.Leaves(from, int(upto-from))
			return err
		})
		if err != nil {
			return err
		}
		before := false
		for _, leaf := range slices.Backward(leaves) {
			e, err := ledger.Open(leaf)
			if err != nil {
				return err
			}
			out.Entries++
			if before = before || e.Record.Time.Before(out.From.Add(-clockSpread)); !e.Record.Time.Before(out.From) {
				u.take(e)
			}
		}
		if upto = from; before {
			out.Complete = true
			return nil
		}
	}
	out.Complete = upto == 0
	return nil
}

// clockSpread is how far entries of different authors may stand out of the order of their times.
const clockSpread = time.Hour

func (u used) take(e ledger.Entry) {
	switch b := e.Body.(type) {
	case *writ.DecisionBody:
		for _, id := range b.Policies {
			if b.Verdict != writ.Deny {
				u.grants[id] = true
			}
		}
		if b.Verdict != writ.Deny && b.Playbook != "" {
			u.playbooks[b.Playbook] = true
		}
	case *writ.ProposalBody:
		u.playbooks[b.Playbook.Name] = true
		u.asked[b.By] = true
	case *writ.OfflineBody:
		u.playbooks[b.Playbook.Name] = true
	case *writ.EvidenceBody:
		u.read[b.AskedBy] = true
	}
}
