package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
)

// readDuties reads what a grant's annotations put on whoever uses it.
func readDuties(d *writ.Duties, seen map[string]string) error {
	var err error
	if d.VerifyWithin, err = within(keyVerifyWithin, seen, writ.MaxVerifyWithin); err != nil {
		return err
	}
	if d.ReviewWithin, err = within(keyReviewWithin, seen, writ.MaxReviewWithin); err != nil {
		return err
	}
	if channel, ok := seen[keyNotify]; ok {
		if !writ.IsName(channel) {
			return fmt.Errorf("@%s names one channel of notify.channels, such as team-chat", keyNotify)
		}
		d.Notify = []string{channel}
	}
	return nil
}

// within reads a duration of whole seconds; 0 when the key is not there.
func within(key string, seen map[string]string, most time.Duration) (int, error) {
	v, ok := seen[key]
	if !ok {
		return 0, nil
	}
	t, err := time.ParseDuration(v)
	if err != nil || t < time.Second || t > most || t%time.Second != 0 {
		return 0, fmt.Errorf("@%s is a duration of whole seconds, at most %s, such as 5m", key, most)
	}
	return int(t / time.Second), nil
}

// dutiesOf joins what the grants among these rules demand. Every grant that speaks for an ask puts its own on it, so that
// one more rule never makes a grant freer of duties.
func (b *Bundle) dutiesOf(ids []string) writ.Duties {
	var out writ.Duties
	for _, id := range ids {
		out = out.Join(b.rules[id].duties)
	}
	return out
}

// Channels are all channels that the bundle's grants name, sorted: each must be there when the set is put in force.
func (b *Bundle) Channels() []string {
	var out []string
	if b != nil {
		for _, r := range b.rules {
			out = append(out, r.duties.Notify...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
