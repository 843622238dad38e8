package server

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/gateway"
	"github.com/writ-dev/writ/internal/pin"
)

// changedSoon is how many notices of upstreams wait to be looked at. More are dropped: a look is due anyway.
const changedSoon = 16

// newGateway makes the gateway to the configured upstreams, or nil without any, and the channel on which upstreams say that
// their tools have changed.
func newGateway(c config.Server, version string, log *slog.Logger) (*gateway.Gateway, <-chan string, error) {
	if len(c.Upstreams) == 0 {
		return nil, nil, nil
	}
	var all []gateway.Upstream
	for _, u := range c.Upstreams {
		out := gateway.Upstream{
			Name: u.Name, URL: u.URL, Command: u.Command, Timeout: time.Duration(u.Timeout), ListLife: cmp.Or(time.Duration(u.ListLife), gateway.DefaultListLife), Team: u.Team, Agents: u.Agents, Tools: map[string][]string{},
		}
		for _, t := range u.Tools {
			out.Tools[t.Name] = t.Facts
		}
		if u.CA != "" {
			b, err := os.ReadFile(c.Path(u.CA))
			if err != nil {
				return nil, nil, fmt.Errorf("%w: upstream %s: ca: %w", writ.ErrInvalid, u.Name, err)
			}
			if out.Transport.Roots = x509.NewCertPool(); !out.Transport.Roots.AppendCertsFromPEM(b) {
				return nil, nil, fmt.Errorf("%w: upstream %s: ca must hold certificates in PEM", writ.ErrInvalid, u.Name)
			}
		}
		if u.ReadCredential != "" {
			// Read for each connection, so that a rotated one is taken without a restart; a missing one is told at the start.
			out.Credential = func() (string, error) { return config.ReadSecret(c.Dir, u.ReadCredential, pin.ReadFile) }
			if _, err := out.Credential(); err != nil {
				return nil, nil, fmt.Errorf("upstream %s: read_credential: %w", u.Name, err)
			}
		}
		if len(u.Command) > 0 {
			out.Environ = []string{"PATH=/usr/local/bin:/usr/bin:/bin"} // nothing of the server's own environment
			if u.CredentialAs != "" {
				out.Environ = append(out.Environ, gateway.CredentialVariable(u.CredentialAs))
			}
		}
		all = append(all, out)
	}
	changed := make(chan string, changedSoon)
	g, err := gateway.New(all, version, log, func(upstream string) {
		select {
		case changed <- upstream:
		default:
		}
	})
	return g, changed, err
}
