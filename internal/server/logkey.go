package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/verify"
)

// A logKey is what the control plane knows of the key that signs the ledger.
type logKey struct {
	verifier   ledger.Verifier
	vkey       string                   // what new runners are told
	succession *ledger.SignedSuccession // nil: nothing follows the key
}

// loadLogKey reads the key, and the succession where the configuration names one. It refuses a succession that auditors would
// not believe: entered in the ledger, it would stand there for ever.
func loadLogKey(c config.Server) (k logKey, err error) {
	if k.verifier, err = ledger.ParseVerifier(c.Signer.VKey); err != nil {
		return k, fmt.Errorf("signer.vkey: %w", err)
	}
	k.vkey = c.Signer.VKey
	if c.Signer.Succession == "" {
		return k, nil
	}
	bad := func(format string, a ...any) (logKey, error) {
		return logKey{}, fmt.Errorf("%w: signer.succession: %s", writ.ErrInvalid, fmt.Sprintf(format, a...))
	}
	s, err := rotate.ReadSuccession(c.Path(c.Signer.Succession))
	if err != nil {
		return bad("%v", err)
	}
	file, err := os.ReadFile(c.Path(c.Signer.Auditors))
	if err != nil {
		return bad("signer.auditors: %v", err)
	}
	auditors, err := verify.ParseTrust(file)
	if err != nil {
		return bad("signer.auditors: %v", err)
	}
	switch {
	case s.Origin != c.Origin || c.Signer.VKey != s.Old && c.Signer.VKey != s.New:
		return bad("it is about neither signer.vkey nor this ledger")
	case auditors.Roots == nil:
		return bad("the auditors' trust file names no roots who could have signed it")
	case s.Endorsed(auditors.Roots.Public()) < auditors.Roots.Threshold:
		return bad("%d of %d roots have signed it", s.Endorsed(auditors.Roots.Public()), auditors.Roots.Threshold)
	}
	other := s.Old
	if c.Signer.VKey == s.Old {
		other = s.New
	}
	o, err := ledger.ParseVerifier(other)
	if err != nil {
		return bad("%v", err)
	}
	if k.verifier, err = k.verifier.With(o); err != nil {
		return bad("%v", err)
	}
	k.vkey, k.succession = s.New, &s
	return k, nil
}

// succeedPause is how often the signer is asked whether it signs with the new key yet: a person restarts it meanwhile.
const succeedPause = 5 * time.Second

// succeed enters the succession in the ledger as soon as the signer signs with the new key.
func (s *Server) succeed(ctx context.Context) {
	if s.succession == nil {
		return
	}
	for said := false; ; said = true {
		err := s.Control.Succeed(ctx, *s.succession)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !said || !errors.Is(err, writ.ErrStale) {
			s.log.Warn("the ledger does not tell of its new key yet, trying again", "error", err)
		}
		select {
		case <-time.After(succeedPause):
		case <-ctx.Done():
			return
		}
	}
}
