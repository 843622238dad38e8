package trust

import (
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// Emergency is the part of a ceiling that break-glass runs under: playbooks of its own, which nothing else can use, with a
// quorum and limits of their own. Without it there is no break-glass on this runner. Targets, operations and max_tier are
// the ceiling's: it widens nothing.
type Emergency struct {
	Playbooks   []writ.PlaybookRef   `json:"playbooks"`
	AskProof    writ.ProofLevel      `json:"ask_proof"` // of the signed ask: A, B or C
	Quorum      map[writ.Tier]Quorum `json:"quorum"`    // for each tier from T1 to max_tier; from T2 on never nobody
	MaxObjects  int                  `json:"max_objects"`
	MaxPermille int                  `json:"max_permille"`
	RunsPerHour int                  `json:"runs_per_hour"`
	Offline     *Offline             `json:"offline,omitempty"` // absent: nothing runs while the control plane is down
}

// Offline is what a runner that is cut off from its control plane may run on the word of people alone.
type Offline struct {
	Approvals int     `json:"approvals"` // different people, each with a hardware key, touch and PIN; two or more
	Scopes    []Scope `json:"scopes"`    // of the services that it may touch then
}

// A Scope is what of a service's catalogue entry a runner needs when nobody can tell it.
type Scope struct {
	Service     string          `json:"service"`
	Environment string          `json:"environment"`
	Locations   []writ.Location `json:"locations"`
}

// leastOffline is how many people must sign when no control plane decides, whatever a file says: nobody runs anything
// alone.
const leastOffline = 2

// check refuses an emergency section that asks nobody, or reaches beyond its ceiling.
func (e *Emergency) check(c Ceiling, pinned []writ.PlaybookRef) error {
	if e == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, p := range pinned {
		seen[p.Name] = true
	}
	for _, p := range e.Playbooks {
		if !writ.IsName(p.Name) || p.Version < 1 || p.Digest.IsZero() || seen[p.Name] {
			return bad("an emergency playbook is incomplete, stands twice, or stands among the others too")
		}
		seen[p.Name] = true
	}
	switch {
	case len(e.Playbooks) == 0:
		return bad("emergency must pin at least one playbook")
	case e.AskProof.Strength() < writ.ProofC.Strength():
		return bad("emergency.ask_proof is A, B or C")
	case e.MaxObjects < 1 || e.MaxObjects > c.MaxObjects || e.MaxPermille < 1 || e.MaxPermille > c.MaxPermille || e.RunsPerHour < 1 || e.RunsPerHour > c.RunsPerHour:
		return bad("emergency's limits start at 1 and lie within the ceiling's")
	case len(e.Quorum) != int(c.MaxTier):
		return bad("emergency.quorum must list exactly T1 to %s", c.MaxTier)
	}
	for tier := writ.T1; tier <= c.MaxTier; tier++ {
		q, ok := e.Quorum[tier]
		switch {
		case !ok:
			return bad("emergency.quorum must list exactly T1 to %s", c.MaxTier)
		case q.Approvals < leastEmergency(tier):
			return bad("emergency: %s needs %d approval or more", tier, leastEmergency(tier))
		case q.Approvals > 0 && q.Proof.Strength() == 0:
			return bad("emergency: the quorum of %s must say a proof from A to D", tier)
		case q.Approvals == 0 && q.Proof != "":
			return bad("emergency: the quorum of %s asks for proofs of nobody", tier)
		}
	}
	return e.Offline.check(c)
}

func (o *Offline) check(c Ceiling) error {
	if o == nil {
		return nil
	}
	if o.Approvals < leastOffline || o.Approvals > approval.MaxSigners {
		return bad("emergency.offline needs %d to %d approvals", leastOffline, approval.MaxSigners)
	}
	seen := map[string]bool{}
	for _, s := range o.Scopes {
		if !writ.IsName(s.Service) || !writ.IsName(s.Environment) || seen[s.Service] || len(s.Locations) == 0 {
			return bad("a scope of emergency.offline is incomplete or stands twice")
		}
		seen[s.Service] = true
		for _, l := range s.Locations {
			if !slices.ContainsFunc(c.Targets, l.Within) {
				return bad("a scope of emergency.offline lies outside the targets")
			}
		}
	}
	if len(o.Scopes) == 0 {
		return bad("emergency.offline must have at least one scope")
	}
	return nil
}

// leastEmergency is the least that a tier's meaning can be brought down to: two may become one, and one never nobody.
func leastEmergency(t writ.Tier) int { return approval.Least(t, true) }

// PinsEmergency reports whether exactly this playbook, by content, may run here as break-glass.
func (t Trust) PinsEmergency(ref writ.PlaybookRef) bool {
	e := t.Ceiling.Emergency
	return e != nil && slices.ContainsFunc(e.Playbooks, func(p writ.PlaybookRef) bool {
		return p.Name == ref.Name && p.Version == ref.Version && p.Digest.Equal(ref.Digest)
	})
}

// Pins reports whether a plan's playbook may run here as what the plan is: break-glass, or not. What break-glass has run
// may be put back in the ordinary way.
func (t Trust) Pins(ref writ.PlaybookRef, emergency *writ.Emergency, reverts writ.RunID) bool {
	if emergency != nil {
		return t.PinsEmergency(ref)
	}
	return t.PinsPlaybook(ref) || reverts != "" && t.PinsEmergency(ref)
}

// bounds are the limits and the quorum that a plan is held against.
func (t Trust) bounds(p writ.Plan, tier writ.Tier) (Ceiling, int) {
	c := t.Ceiling
	if p.Emergency == nil || c.Emergency == nil {
		return c, leastApprovals(tier)
	}
	e := c.Emergency
	c.Quorum, c.MaxObjects, c.MaxPermille, c.RunsPerHour = e.Quorum, e.MaxObjects, e.MaxPermille, e.RunsPerHour
	return c, leastEmergency(tier)
}

// QuorumFor returns what of people a plan's tier in force asks for, as what the plan is.
func (t Trust) QuorumFor(p writ.Plan, decided writ.Tier) Quorum {
	tier := p.InForce(decided)
	c, _ := t.bounds(p, tier)
	return c.Quorum[tier]
}

// Scope returns a service's scope while the control plane is down.
func (t Trust) Scope(service string) (Scope, error) {
	e := t.Ceiling.Emergency
	if e == nil || e.Offline == nil {
		return Scope{}, writ.Refuse(writ.ReasonOfflineMissing, "the trust file has no emergency.offline: nothing runs here while the control plane is down")
	}
	for _, s := range e.Offline.Scopes {
		if s.Service == service {
			return s, nil
		}
	}
	return Scope{}, &writ.Refusal{
		Code: writ.ReasonOutOfScope, Kind: writ.ErrDenied, Detail: fmt.Sprintf("the trust file has no scope for the service %q", writ.Printable(service, 60)),
		Hint: "services: " + names(e.Offline.Scopes),
	}
}

func names(all []Scope) string {
	out := ""
	for i, s := range all {
		if i > 0 {
			out += ", "
		}
		out += s.Service
	}
	return out
}

// AllowsOffline checks a plan that was made while the control plane was down against pins, ceiling and the signatures of
// people: as many different ones as emergency.offline asks for, of the groups that answer for the service. Refusals say
// offline_missing, playbook_unpinned, over_ceiling, offline_quorum, or what CountOffline says.
func (t Trust) AllowsOffline(p writ.Plan, statement []byte, signatures []string, runsLastHour int) ([]approval.Signer, error) {
	e := t.Ceiling.Emergency
	if e == nil || e.Offline == nil {
		return nil, writ.Refuse(writ.ReasonOfflineMissing, "the trust file has no emergency.offline: nothing runs here while the control plane is down")
	}
	if p.Emergency == nil || !p.Emergency.Offline || !t.PinsEmergency(p.Playbook) {
		return nil, writ.Refuse(writ.ReasonPlaybookUnpinned, fmt.Sprintf("%s@%d with this content is not pinned for emergencies", writ.Printable(p.Playbook.Name, 80), p.Playbook.Version))
	}
	var groups []string
	for _, g := range t.Slots(p.Service) {
		groups = append(groups, g)
	}
	signers, err := approval.CountOffline(statement, signatures, t.Approvers, groups)
	if err != nil {
		return nil, err
	}
	if need := max(e.Offline.Approvals, leastOffline); len(signers) < need {
		return nil, writ.Refuse(writ.ReasonOfflineQuorum, fmt.Sprintf("%d of %d people have signed", len(signers), need))
	}
	return signers, t.within(p, p.Tier, writ.ModeHandle, approval.Tally{People: len(signers), Proof: writ.ProofC}, runsLastHour)
}
