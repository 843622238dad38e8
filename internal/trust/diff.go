package trust

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// A Change is one way in which a trust file differs from the one before it.
type Change struct {
	Raises bool   `json:"raises"` // it gives somebody or something more than before
	What   string `json:"what"`   // one sentence without a full stop, safe to print
}

// Diff compares two trust files: what the second one gives that the first one did not, and what it takes away, each
// list in a fixed order, raises first. The time of the end, the version and the runner are told too, as changes that raise
// when they are later, or another's.
func Diff(was, is Trust) []Change {
	var d changes
	d.that(was.Runner != is.Runner, true, "it is for %s; it was for %s", show(string(is.Runner)), show(string(was.Runner)))
	d.number("version", int(was.Version), int(is.Version))
	d.that(!was.Expires.Equal(is.Expires), is.Expires.After(was.Expires), "it ends at %s; it ended at %s", is.Expires.UTC().Format(time.RFC3339), was.Expires.UTC().Format(time.RFC3339))
	d.that(was.Issuer != is.Issuer, true, "issuer %s; it was %s", show(is.Issuer), show(was.Issuer))
	d.that(was.Presented != is.Presented, true, "presented %s; it was %s", show(is.Presented), show(was.Presented))
	d.set(was.held(), is.held())
	a, b := was.Ceiling, is.Ceiling
	d.that(a.MaxTier != b.MaxTier, b.MaxTier > a.MaxTier, "max_tier %s; it was %s", b.MaxTier, a.MaxTier)
	d.that(a.HandleMaxTier != b.HandleMaxTier, b.HandleMaxTier > a.HandleMaxTier, "handle_max_tier %s; it was %s", b.HandleMaxTier, a.HandleMaxTier)
	d.number("max_objects", a.MaxObjects, b.MaxObjects)
	d.number("max_permille", a.MaxPermille, b.MaxPermille)
	d.number("runs_per_hour", a.RunsPerHour, b.RunsPerHour)
	for tier := writ.T1; tier <= writ.T4; tier++ {
		p, q := a.Quorum[tier], b.Quorum[tier]
		d.that(p.Approvals != q.Approvals, q.Approvals < p.Approvals, "%s asks for %d approvals; it asked for %d", tier, q.Approvals, p.Approvals)
		d.that(p.Proof != q.Proof, q.Proof.Strength() < p.Proof.Strength(), "%s asks for proofs of level %s; it asked for %s", tier, none(string(q.Proof)), none(string(p.Proof)))
	}
	slices.SortStableFunc(d.all, func(x, y Change) int {
		return cmp.Compare(fmt.Sprint(!x.Raises), fmt.Sprint(!y.Raises))
	})
	return d.all
}

func none(s string) string { return cmp.Or(show(s), "none") }

// held is what the file pins, as sentences that say it in full: one more of them is more power. Hours are told as a whole,
// since without any there is no limit.
func (t Trust) held() map[string]bool {
	out := map[string]bool{}
	put := func(format string, a ...any) { out[fmt.Sprintf(format, a...)] = true }
	for _, k := range t.GrantKeys {
		put("grant key %s %s", show(k.Kid), writ.DigestOf([]byte(k.PEM)))
	}
	for _, a := range t.Control {
		put("author %s with key %s %s", show(a.Principal.String()), show(a.KeyID), writ.DigestOf(a.Public))
	}
	put("ledger %s", show(t.Log.VKey))
	if t.Log.Next != "" {
		put("ledger %s", show(t.Log.Next))
	}
	for _, m := range t.Approvers {
		put("approver %s", strings.Join(memberLines(m), "; "))
	}
	for _, s := range t.Services {
		for slot, group := range s.Slots {
			put("slot %s of service %s is filled by %s", show(slot), show(s.Name), show(group))
		}
	}
	for _, a := range t.AgentOwners {
		put("agent %s (%s) is owned by %s (%s)", show(a.Sub), show(a.Iss), show(a.Owner.Sub), show(a.Owner.Iss))
	}
	for _, p := range t.Playbooks {
		put("playbook %s@%d %s", show(p.Name), p.Version, p.Digest)
	}
	for _, l := range t.Ceiling.Targets {
		put("target %s", show(string(l)))
	}
	for _, o := range t.Ceiling.Operations {
		put("operation %s", show(string(o)))
	}
	for _, h := range t.Ceiling.Hours {
		put("hours %s from %s to %s UTC", show(strings.Join(h.Days, " ")), show(h.From), show(h.To))
	}
	if len(t.Ceiling.Hours) == 0 {
		put("hours: at any time")
	}
	return out
}

type changes struct{ all []Change }

func (d *changes) that(differs, raises bool, format string, a ...any) {
	if differs {
		d.all = append(d.all, Change{raises, fmt.Sprintf(format, a...)})
	}
}

func (d *changes) number(name string, was, is int) {
	d.that(was != is, is > was, "%s %d; it was %d", name, is, was)
}

func (d *changes) set(was, is map[string]bool) {
	for _, k := range slices.Sorted(maps.Keys(is)) {
		d.that(!was[k], true, "%s is new", k)
	}
	for _, k := range slices.Sorted(maps.Keys(was)) {
		d.that(!is[k], false, "%s is gone", k)
	}
}
