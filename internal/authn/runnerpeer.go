package authn

import (
	"crypto/tls"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/writ-dev/writ"
)

// RunnerPeers finds out which runner's X.509-SVID a connection came with. It is safe for concurrent use.
type RunnerPeers struct{ a *Authenticator }

// RunnerPeers returns what judges runners' SVIDs, or an error if SPIFFE is not configured.
func (a *Authenticator) RunnerPeers() (*RunnerPeers, error) {
	if a.spiffe == nil {
		return nil, fmt.Errorf("%w: runners' SVIDs need SPIFFE", writ.ErrInvalid)
	}
	return &RunnerPeers{a}, nil
}

// Runner returns the SPIFFE ID of the peer if a bundle of now vouches for it and it has the form of a runner's id. Call it for
// every request: a certificate ends, and authorities are taken away, while a connection stays.
func (p *RunnerPeers) Runner(s tls.ConnectionState) (writ.RunnerID, bool) {
	if s.Version != tls.VersionTLS13 || s.DidResume || len(s.PeerCertificates) == 0 {
		return "", false
	}
	id, _, err := x509svid.Verify(s.PeerCertificates, p.a.spiffe.trust, x509svid.WithTime(p.a.now()))
	if err != nil {
		return "", false
	}
	runner, err := writ.ParseRunnerID(id.String())
	return runner, err == nil
}

// SVIDFiles reads an X.509-SVID from files anew for every connection: something else renews them.
func SVIDFiles(cert, key string) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		svid, err := x509svid.Load(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%w: X.509-SVID: %w", writ.ErrUnavailable, err)
		}
		return certificate(svid), nil
	}
}
