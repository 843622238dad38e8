package trust

import (
	"crypto/ed25519"
	"fmt"
	"net/url"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// Check refuses a trust file that is incomplete, contradicts itself, or asks less of people than a tier's meaning:
// one approval from T2 on, two from T3 on.
func (t Trust) Check() error {
	switch {
	case t.V != writ.FormatVersion:
		return bad("v must be %d", writ.FormatVersion)
	case t.Version < 1:
		return bad("version starts at 1")
	case t.Runner == "" || t.Expires.IsZero() || t.Issuer == "":
		return bad("runner, expires and issuer must be present")
	case !isURL(t.Presented):
		return bad("presented must be an http or https URL without query and fragment")
	}
	for _, check := range []func() error{t.checkKeys, t.checkPeople, t.checkPlaybooks, t.Ceiling.check, t.checkEmergency} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (t Trust) checkKeys() error {
	if _, err := t.GrantKeySet(); err != nil {
		return err
	}
	if len(t.Control) == 0 {
		return bad("control must name who signs for the control plane")
	}
	ids := map[string]bool{}
	for _, a := range t.Control {
		if !a.Principal.Valid() || a.KeyID == "" || len(a.Public) != ed25519.PublicKeySize || ids[a.KeyID] {
			return bad("an author of control is incomplete or stands twice")
		}
		ids[a.KeyID] = true
	}
	v, err := note.NewVerifier(t.Log.VKey)
	if err != nil || t.Log.Origin == "" || v.Name() != t.Log.Origin {
		return bad("log.vkey must be a verifier key of log.origin")
	}
	if t.Log.Next == "" {
		return nil
	}
	if next, err := note.NewVerifier(t.Log.Next); err != nil || next.Name() != t.Log.Origin || t.Log.Next == t.Log.VKey {
		return bad("log.next must be another verifier key of log.origin")
	}
	return nil
}

func (t Trust) checkPeople() error {
	if err := t.Approvers.Check(); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	services := map[string]bool{}
	for _, s := range t.Services {
		if !writ.IsName(s.Name) || services[s.Name] || len(s.Slots) == 0 {
			return bad("a service has no plain name or slot, or stands twice")
		}
		services[s.Name] = true
		for slot, group := range s.Slots {
			if !writ.IsName(slot) || !writ.IsName(group) {
				return bad("a slot or group of a service is not a plain name")
			}
		}
	}
	agents := map[writ.Person]bool{}
	for _, a := range t.AgentOwners {
		agent := writ.Person{Iss: a.Iss, Sub: a.Sub}
		if !agent.Principal().Valid() || !a.Owner.Principal().Valid() || agents[agent] {
			return bad("an agent's owner is incomplete or stands twice")
		}
		agents[agent] = true
	}
	return nil
}

func (t Trust) checkPlaybooks() error {
	if len(t.Playbooks) == 0 {
		return bad("no playbook is pinned")
	}
	seen := map[string]bool{}
	for _, p := range t.Playbooks {
		id := fmt.Sprintf("%s@%d", p.Name, p.Version)
		if !writ.IsName(p.Name) || p.Version < 1 || p.Digest.IsZero() || seen[id] {
			return bad("a pinned playbook is incomplete or stands twice")
		}
		seen[id] = true
	}
	return nil
}

func (t Trust) checkEmergency() error { return t.Ceiling.Emergency.check(t.Ceiling, t.Playbooks) }

func (c Ceiling) check() error {
	switch {
	case !c.MaxTier.Valid() || c.MaxTier == writ.T0 || !c.HandleMaxTier.Valid():
		return bad("max_tier is T1 to T4, handle_max_tier T0 to T4")
	case c.HandleMaxTier > c.MaxTier:
		return bad("handle_max_tier is above max_tier")
	case len(c.Targets) == 0 || len(c.Operations) == 0:
		return bad("targets and operations must be listed")
	case slices.Contains(c.Targets, ""), slices.Contains(c.Operations, ""):
		return bad("a target or operation is empty")
	case c.MaxObjects < 1 || c.MaxPermille < 1 || c.MaxPermille > 1000 || c.RunsPerHour < 1:
		return bad("max_objects and runs_per_hour start at 1, max_permille is 1 to 1000")
	case len(c.Hours) > maxHours:
		return bad("hours has more than %d members", maxHours)
	case len(c.Quorum) != int(c.MaxTier):
		return bad("quorum must list exactly T1 to %s", c.MaxTier)
	}
	for i, h := range c.Hours {
		if _, _, ok := h.minutes(); !ok {
			return bad("hours[%d] must have days from mon to sun, each once, and from before to, such as 07:30 and 19:00", i)
		}
	}
	for tier := writ.T1; tier <= c.MaxTier; tier++ {
		q, ok := c.Quorum[tier]
		switch {
		case !ok:
			return bad("quorum must list exactly T1 to %s", c.MaxTier)
		case q.Approvals < leastApprovals(tier):
			return bad("%s needs %d approvals or more", tier, leastApprovals(tier))
		case q.Approvals > 0 && q.Proof.Strength() == 0:
			return bad("the quorum of %s must say a proof from A to D", tier)
		case q.Approvals == 0 && q.Proof != "":
			return bad("the quorum of %s asks for proofs of nobody", tier)
		}
	}
	return nil
}

// leastApprovals is the meaning of the tiers, which no file can lower.
func leastApprovals(t writ.Tier) int { return approval.Least(t, false) }

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		u.RawQuery == "" && !u.ForceQuery && u.Fragment == "" && u.String() == s
}

func bad(format string, a ...any) error {
	return fmt.Errorf("%w: trust: %s", writ.ErrInvalid, fmt.Sprintf(format, a...))
}
