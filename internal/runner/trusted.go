package runner

import (
	"bytes"
	"context"
	"crypto/ed25519"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/trust"
)

// trusted is a trust file that was verified, with its parsed keys.
type trusted struct {
	file   []byte
	trust  trust.Trust
	log    ledger.Verifier
	grants trust.KeySet
}

// author looks up who signs for the control plane.
func (t trusted) author(keyID string) ed25519.PublicKey {
	for _, a := range t.trust.Control {
		if a.KeyID == keyID {
			return a.Public
		}
	}
	return nil
}

// authored reports whether the key belongs to this principal.
func (t trusted) authored(keyID string, by writ.Principal) bool {
	for _, a := range t.trust.Control {
		if a.KeyID == keyID && a.Principal.Same(by) {
			return true
		}
	}
	return false
}

// loadTrust reads and verifies the trust file, and makes its version durable before it returns it.
func (r *Runner) loadTrust(ctx context.Context) (trusted, error) {
	file, err := r.TrustFile()
	if err != nil {
		return trusted{}, writ.Refuse(writ.ReasonTrustMissing, "the trust file cannot be read")
	}
	t := r.lastTrust()
	if len(file) > 0 && bytes.Equal(file, t.file) {
		return t, t.trust.Live(r.Now())
	}
	highest, err := r.Journal.TrustVersion(ctx)
	if err != nil {
		return trusted{}, err
	}
	t = trusted{file: bytes.Clone(file)}
	if t.trust, err = trust.Load(file, r.Owners, r.Threshold, highest, r.ID, r.Now()); err != nil {
		return trusted{}, err
	}
	if t.log, err = ledger.ParseVerifier(t.trust.Log.VKey); err != nil {
		return trusted{}, writ.Refuse(writ.ReasonTrustInvalid, "the log's key cannot be used")
	}
	if next := t.trust.Log.Next; next != "" {
		other, err := ledger.ParseVerifier(next)
		if err == nil {
			t.log, err = t.log.With(other)
		}
		if err != nil {
			return trusted{}, writ.Refuse(writ.ReasonTrustInvalid, "the log's next key cannot be used")
		}
	}
	if t.grants, err = t.trust.GrantKeySet(); err != nil {
		return trusted{}, writ.Refuse(writ.ReasonTrustInvalid, "a grant key cannot be used")
	}
	if err := r.Journal.RaiseTrustVersion(ctx, t.trust.Version); err != nil {
		return trusted{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fence = t
	return t, nil
}

// lastTrust returns the newest trust file that was verified, expired or not; the zero value when there is none.
func (r *Runner) lastTrust() trusted {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fence
}
