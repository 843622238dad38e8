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

// Text renders a trust file for people: it is what "writ ceiling show" prints before somebody signs it. The same
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
	if t.Log.Next != "" {
		fact("", "or %s", show(t.Log.Next))
	}
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
	name := "approver"
	for _, l := range memberLines(m) {
		fact(name, "%s", l)
		name = ""
	}
}

// memberLines say who somebody is, and with which accounts and keys.
func memberLines(m approval.Member) []string {
	var groups []string
	for _, g := range m.Groups {
		groups = append(groups, show(g))
	}
	since := ""
	if !m.Since.IsZero() {
		since = ", for plans made after " + m.Since.UTC().Format(time.RFC3339)
	}
	out := []string{fmt.Sprintf("%s (%s) in %s%s", show(m.Sub), show(m.Iss), strings.Join(groups, ", "), since)}
	for _, a := range m.Accounts {
		out = append(out, fmt.Sprintf("also %s (%s)", show(a.Sub), show(a.Iss)))
	}
	for _, line := range m.Keys {
		key, err := approval.ParseKey(line)
		if err != nil {
			out = append(out, "a key that cannot approve")
			continue
		}
		out = append(out, key.Type()+" "+ssh.FingerprintSHA256(key))
	}
	for _, c := range m.Passkeys {
		where := "on its device"
		if c.Synced {
			where = "synced"
		}
		out = append(out, fmt.Sprintf("passkey %s, level %s, %s, model %s, at %s, for plans made after %s", approval.Fingerprint(c.Key), show(string(c.Level)), where, show(c.AAGUID), show(c.Origin), c.Since.UTC().Format(time.RFC3339)))
	}
	return out
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
	for _, h := range c.Hours {
		fact("hours", "%s from %s to %s UTC", show(strings.Join(h.Days, " ")), show(h.From), show(h.To))
	}
	emergency(line, fact, c)
}

func emergency(line func(string, ...any), fact func(string, string, ...any), c Ceiling) {
	e := c.Emergency
	if e == nil {
		return
	}
	line("")
	line("Break-glass")
	for _, p := range e.Playbooks {
		fact("playbook", "%s@%d %s", show(p.Name), p.Version, p.Digest)
	}
	fact("asked for", "with a proof of level %s or stronger", e.AskProof)
	for tier := writ.T1; tier <= writ.T4; tier++ {
		if q, ok := e.Quorum[tier]; ok && q.Approvals > 0 {
			fact(tier.String(), "approved by %d or more, each with a proof of level %s or stronger", q.Approvals, q.Proof)
		} else if ok {
			fact(tier.String(), "no approval")
		}
	}
	fact("at once", "%d objects, %d permille of a service", e.MaxObjects, e.MaxPermille)
	fact("per hour", "%d runs", e.RunsPerHour)
	if o := e.Offline; o != nil {
		fact("cut off", "%d different people with security keys", o.Approvals)
		for _, s := range o.Scopes {
			fact("", "service %s in %s: %v", show(s.Service), show(s.Environment), s.Locations)
		}
	}
}

func show(s string) string { return writ.Printable(s, 200) }
