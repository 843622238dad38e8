package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/runner"
)

// A certificates is where a runner's X.509-SVID comes from, asked anew each time.
type certificates func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

// svidOf is what the runner's configuration says of its SVID: nil for none. follow, where it is not nil, is to run as long as the
// runner does.
func svidOf(c config.Runner, log *slog.Logger) (source certificates, follow func(context.Context), err error) {
	switch {
	case c.SPIFFE != nil:
		s, err := authn.NewRunnerSVID(c.SPIFFE.WorkloadAPI, writ.RunnerID(c.ID), fault.Clock(), log)
		if err != nil {
			return nil, nil, fmt.Errorf("spiffe.workload_api: %w", err)
		}
		return s.Certificate, s.Follow, nil
	case c.Control.SVID != nil:
		return authn.SVIDFiles(c.Path(c.Control.SVID.Cert), c.Path(c.Control.SVID.Key)), nil, nil
	}
	return nil, nil, nil
}

// CheckSVID asks the runner's Workload API for its SVID, for writ doctor. Without spiffe in its configuration it is nothing.
func CheckSVID(ctx context.Context, c config.Runner, now time.Time) error {
	if c.SPIFFE == nil {
		return nil
	}
	_, err := authn.FetchRunnerSVID(ctx, c.SPIFFE.WorkloadAPI, writ.RunnerID(c.ID), now)
	return err
}

// idleLink is how long a connection that nothing is asked over is kept: longer than a runner's pauses, and no longer than an SVID.
const idleLink = time.Minute

func linkTransport(secure *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig: secure, MaxIdleConnsPerHost: runner.MaxConcurrent, TLSHandshakeTimeout: handshakeTimeout, IdleConnTimeout: idleLink,
		DialContext: (&net.Dialer{Timeout: handshakeTimeout}).DialContext,
	}
}

// A renewing transport makes its connections with the newest SVID: the server judges the one of the connection at each request, so
// a connection is worth no more than the SVID it was made with. When another SVID has come, calls under way end on their
// connections, and the next ones are made on new ones.
type renewing struct {
	secure *tls.Config
	source certificates

	mu   sync.Mutex
	leaf []byte          // guarded by mu; of the SVID of now
	now  *http.Transport // guarded by mu
}

// RoundTrip implements http.RoundTripper. It fails without a call while there is no SVID to connect with.
func (r *renewing) RoundTrip(req *http.Request) (*http.Response, error) {
	t, err := r.transport()
	if err != nil {
		return nil, err
	}
	return t.RoundTrip(req)
}

func (r *renewing) transport() (*http.Transport, error) {
	cert, err := r.source(nil)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now != nil && bytes.Equal(r.leaf, cert.Certificate[0]) {
		return r.now, nil
	}
	if r.now != nil {
		r.now.CloseIdleConnections()
	}
	secure := r.secure.Clone()
	secure.Certificates, secure.GetClientCertificate = nil, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	r.leaf, r.now = cert.Certificate[0], linkTransport(secure)
	return r.now, nil
}
