package server

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/passkey"
)

// site is where passkeys answer, as the configuration says; the zero Site where it says nothing.
func site(c config.Server) (passkey.Site, error) {
	if c.Approve == nil {
		return passkey.Site{}, nil
	}
	s := passkey.Site{Origin: c.Approve.Origin, RP: c.Approve.RP, Models: map[string]*x509.CertPool{}}
	if s.RP == "" {
		if u, err := url.Parse(s.Origin); err == nil {
			s.RP = u.Hostname()
		}
	}
	for _, m := range c.Approve.Models {
		b, err := os.ReadFile(c.Path(m.Roots))
		if err != nil {
			return passkey.Site{}, fmt.Errorf("%w: approve.models: %w", writ.ErrInvalid, err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(b) {
			return passkey.Site{}, fmt.Errorf("%w: approve.models: %s holds no certificate in PEM", writ.ErrInvalid, m.Roots)
		}
		if s.Models[m.AAGUID] != nil {
			return passkey.Site{}, fmt.Errorf("%w: approve.models: %s stands twice; put all its roots into one file", writ.ErrInvalid, writ.Printable(m.AAGUID, 60))
		}
		s.Models[m.AAGUID] = roots
	}
	if err := s.Check(); err != nil {
		return passkey.Site{}, fmt.Errorf("approve: %w", err)
	}
	return s, nil
}
