package verify

import (
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/lineage"
)

// This file follows hand-offs: each hop lies within the one before it, and each proposal within its hop (invariant I11).

// A hop is one hand-off as its entry tells.
type hop struct {
	of    writ.HandOff
	ended bool
}

func (s *chain) handOff(index int64, e ledger.Entry, b writ.HandOffBody) {
	if s.hops[b.HandOff] != nil {
		s.wrong(index, "twice", "hand-off %s is made twice", b.HandOff)
		return
	}
	h := writ.HandOff{
		ID: b.HandOff, Incident: e.Record.Task, From: b.From, To: b.To, Parent: b.Parent, Lineage: b.Lineage, Playbooks: b.Playbooks, MaxTier: b.MaxTier,
		At: e.Record.Time, Expires: b.Expires,
	}
	s.hops[b.HandOff] = &hop{of: h}
	var before *writ.HandOff
	if b.Parent != "" {
		parent := s.hops[b.Parent]
		if parent == nil {
			s.absent(index, "no_handoff", "hand-off %s goes on from %s, which no earlier entry makes", b.HandOff, b.Parent)
			return
		}
		if parent.ended {
			s.wrong(index, "handoff", "hand-off %s goes on from %s, which was revoked", b.HandOff, b.Parent)
		}
		before = &parent.of
	}
	want, err := lineage.Extend(before, h)
	if err != nil {
		s.wrong(index, "handoff", "%s", writ.Printable(err.Error(), 200))
	} else if !slices.Equal(want, b.Lineage) {
		s.wrong(index, "handoff", "hand-off %s states another lineage than the hops before it make", b.HandOff)
	}
}

func (s *chain) handOffEnd(index int64, b writ.HandOffEndBody) {
	h := s.hops[b.HandOff]
	if h == nil {
		s.absent(index, "no_handoff", "hand-off %s is revoked, and no earlier entry makes it", b.HandOff)
		return
	}
	h.ended = true
}

// handed checks that a proposal lies within the hand-off that it names.
func (s *chain) handed(index int64, e ledger.Entry, b writ.ProposalBody) {
	if b.HandOff == "" {
		return
	}
	h := s.hops[b.HandOff]
	if h == nil {
		s.absent(index, "no_handoff", "plan %s is proposed under hand-off %s, which no earlier entry makes", b.Plan, b.HandOff)
		return
	}
	if h.ended {
		s.wrong(index, "handoff", "plan %s is proposed under hand-off %s, which was revoked", b.Plan, b.HandOff)
	}
	if err := lineage.Covers(h.of, b.By, e.Record.Task, b.Playbook.Name, e.Record.Time); err != nil {
		s.wrong(index, "handoff", "plan %s: %s", b.Plan, writ.Printable(err.Error(), 200))
	}
}

// handedTier checks that no plan is granted whose tier in force is above what was passed on. It may be made: the control plane
// denies it.
func (s *chain) handedTier(index int64, g *grant) {
	asked := s.proposals[g.body.Plan]
	if asked == nil {
		return
	}
	if h := s.hops[asked.body.HandOff]; h != nil && lineage.CoversTier(h.of, g.tier) != nil {
		s.wrong(index, "handoff", "plan %s is granted as %s, and what was passed on ends at %s", g.body.Plan, g.tier, h.of.MaxTier)
	}
}
