package trust

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/quorum"
)

// Load verifies a trust file and returns its contents. At least threshold different owners must have signed it, of the
// 1 ≤ threshold ≤ len(owners) pinned ones; it must be for this runner, not expired, and of a version not below
// highest, the largest that this runner has ever loaded. The caller keeps Version durably before it acts on the
// result. Refusals say ceiling_missing, ceiling_invalid, ceiling_expired or ceiling_rollback.
func Load(file []byte, owners []ed25519.PublicKey, threshold int, highest int64, runner writ.RunnerID, now time.Time) (Trust, error) {
	invalid := func(what string) (Trust, error) { return Trust{}, writ.Refuse(writ.ReasonTrustInvalid, what) }
	if len(file) == 0 {
		return Trust{}, writ.Refuse(writ.ReasonTrustMissing, "there is no trust file")
	}
	e, err := quorum.Open(file, PayloadType, MaxFile)
	if err != nil {
		return invalid(err.Error())
	}
	if _, err := (quorum.Owners{Keys: owners, Threshold: threshold}).Signed(e); err != nil {
		return invalid(err.Error())
	}
	t, err := Parse(e.Payload)
	if err != nil {
		return invalid(writ.Printable(err.Error(), 300))
	}
	switch {
	case t.Runner != runner:
		return invalid(elsewhere)
	case t.Version < highest:
		return Trust{}, writ.Refuse(writ.ReasonTrustRollback, past(t.Version, highest))
	}
	if err := t.Live(now); err != nil {
		return Trust{}, err
	}
	return t, nil
}

// Live checks that the file has not expired. A long-lived runner asks before every run.
func (t Trust) Live(now time.Time) error {
	if now.IsZero() || !now.Before(t.Expires) {
		return writ.Refuse(writ.ReasonTrustExpired, expired(t))
	}
	return nil
}

// Parse reads the canonical payload of a trust file, without its signatures, and checks it. Errors wrap
// writ.ErrInvalid or canon.ErrForm.
func Parse(payload []byte) (Trust, error) {
	var t Trust
	if err := canon.Parse(payload, &t); err != nil {
		return Trust{}, fmt.Errorf("trust: %w", err)
	}
	if err := t.Check(); err != nil {
		return Trust{}, err
	}
	return t, nil
}

// ParseDraft reads a trust file as a person writes it, in any order and with white space, and checks it.
func ParseDraft(b []byte) (Trust, error) {
	var t Trust
	if err := canon.ParseLoose(b, &t); err != nil {
		return Trust{}, fmt.Errorf("trust: %w", err)
	}
	if err := t.Check(); err != nil {
		return Trust{}, err
	}
	return t, nil
}

// Bytes returns the canonical form, checked.
func (t Trust) Bytes() ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	return canon.Marshal(t)
}

// Digest is taken over the canonical form.
func (t Trust) Digest() (writ.Digest, error) {
	b, err := t.Bytes()
	if err != nil {
		return writ.Digest{}, err
	}
	return writ.DigestOf(b), nil
}
