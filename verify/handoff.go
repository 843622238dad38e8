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

// handedTier compares a plan's tier against the hand-off of its proposal.
func (s *chain) handedTier(asked *seen[writ.ProposalBody], b writ.PlanBody) {
	if h := s.hops[asked.body.HandOff]; h != nil && lineage.CoversTier(h.of, b.Tier) != nil {
		s.tooHigh[b.Plan] = true
	}
}

// grantedTier checks that no plan of a higher tier than was passed on is granted. It may be made: the control plane denies it.
func (s *chain) grantedTier(index int64, id writ.PlanID) {
	if s.tooHigh[id] {
		s.wrong(index, "handoff", "plan %s is granted, and its tier is above what was passed on", id)
	}
}
