package trust

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// Text renders a trust file for people: it is what "writ runner trust show" prints before somebody signs it. The same
// file gives the same text, and all of its text goes through writ.Printable.
func Text(t Trust) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	fact := func(name, format string, a ...any) { line("  %-10s %s", name, fmt.Sprintf(format, a...)) }

	line("trust of %s, version %d, until %s", show(string(t.Runner)), t.Version, t.Expires.UTC().Format(time.RFC3339))
	line("")
	line("Believes")
	fact("issuer", "%s", show(t.Issuer))
	for _, k := range t.GrantKeys {
		fact("grant key", "%s", show(k.Kid))
	}
	fact("presented", "%s", show(t.Presented))
	for _, a := range t.Control {
		fact("author", "%s with key %s", show(a.Principal.String()), show(a.KeyID))
	}
	fact("ledger", "%s", show(t.Log.VKey))
	line("")
	line("Asks")
	for _, m := range t.Approvers {
		member(fact, m)
	}
	for _, s := range t.Services {
		var slots []string
		for _, k := range slices.Sorted(maps.Keys(s.Slots)) {
			slots = append(slots, show(k)+" = "+show(s.Slots[k]))
		}
		fact("service", "%s: %s", show(s.Name), strings.Join(slots, ", "))
	}
	for _, a := range t.AgentOwners {
		fact("agent", "%s (%s) is owned by %s (%s)", show(a.Sub), show(a.Iss), show(a.Owner.Sub), show(a.Owner.Iss))
	}
	line("")
	line("Runs")
	for _, p := range t.Playbooks {
		fact("playbook", "%s@%d %s", show(p.Name), p.Version, p.Digest)
	}
	ceiling(line, fact, t.Ceiling)
	if d, err := t.Digest(); err == nil {
		line("")
		line("Digest %s", d)
	}
	return b.String()
}

func member(fact func(string, string, ...any), m approval.Member) {
	var groups []string
	for _, g := range m.Groups {
		groups = append(groups, show(g))
	}
	since := ""
	if !m.Since.IsZero() {
		since = ", for plans made after " + m.Since.UTC().Format(time.RFC3339)
	}
	fact("approver", "%s (%s) in %s%s", show(m.Sub), show(m.Iss), strings.Join(groups, ", "), since)
	for _, a := range m.Accounts {
		fact("", "also %s (%s)", show(a.Sub), show(a.Iss))
	}
	for _, line := range m.Keys {
		key, err := approval.ParseKey(line)
		if err != nil {
			fact("", "a key that cannot approve")
			continue
		}
		fact("", "%s %s", key.Type(), ssh.FingerprintSHA256(key))
	}
	for _, c := range m.Passkeys {
		where := "on its device"
		if c.Synced {
			where = "synced"
		}
		fact("", "passkey %s, level %s, %s, model %s, at %s, for plans made after %s", approval.Fingerprint(c.Key), show(string(c.Level)), where, show(c.AAGUID), show(c.Origin), c.Since.UTC().Format(time.RFC3339))
	}
}

func ceiling(line func(string, ...any), fact func(string, string, ...any), c Ceiling) {
	line("")
	line("Never beyond")
	fact("tier", "%s; %s when nobody approved and the agent holds no key", c.MaxTier, c.HandleMaxTier)
	for tier := writ.T1; tier <= writ.T4; tier++ {
		if q, ok := c.Quorum[tier]; ok && q.Approvals > 0 {
			fact(tier.String(), "approved by %d or more, each with a proof of level %s or stronger", q.Approvals, q.Proof)
		} else if ok {
			fact(tier.String(), "no approval")
		}
	}
	for _, l := range c.Targets {
		fact("target", "%s", show(string(l)))
	}
	for _, o := range c.Operations {
		fact("operation", "%s", show(string(o)))
	}
	fact("at once", "%d objects, %d permille of a service", c.MaxObjects, c.MaxPermille)
	fact("per hour", "%d runs", c.RunsPerHour)
}

func show(s string) string { return writ.Printable(s, 200) }
