package trust

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

// Problems is Load for people: it returns the contents, and everything for which Load would refuse the file, its first
// reason first. The contents are to be shown and not acted on unless there is no problem.
func Problems(file []byte, owners []ed25519.PublicKey, threshold int, highest int64, runner writ.RunnerID, now time.Time) (Trust, []*writ.Refusal) {
	t, err := Load(file, owners, threshold, highest, runner, now)
	if err == nil {
		return t, nil
	}
	var out []*writ.Refusal
	add := func(code writ.Reason, detail string) {
		for _, r := range out {
			if r.Code == code && r.Detail == detail {
				return
			}
		}
		out = append(out, &writ.Refusal{Code: code, Detail: detail})
	}
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		add(r.Code, r.Detail)
	}
	if t, err = Payload(file); err != nil {
		return Trust{}, out
	}
	if t.Runner != runner {
		add(writ.ReasonTrustInvalid, elsewhere)
	}
	if t.Version < highest {
		add(writ.ReasonTrustRollback, past(t.Version, highest))
	}
	if err := t.Live(now); err != nil {
		add(writ.ReasonTrustExpired, expired(t))
	}
	return t, out
}

// What Load says too.
const elsewhere = "it is for another runner"

func past(version, highest int64) string {
	return fmt.Sprintf("version %d; this runner has seen %d", version, highest)
}

func expired(t Trust) string {
	return "the trust file expired at " + t.Expires.UTC().Format(time.RFC3339)
}
