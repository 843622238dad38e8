package authn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/writ-dev/writ"
)

// A RunnerSVID is a runner's own X.509-SVID, as the SPIFFE Workload API of its host gives and renews it. While the Workload API
// is away the last one stays, until it ends by its own time. It is safe for concurrent use.
type RunnerSVID struct {
	api     *workloadAPI
	id      writ.RunnerID
	now     func() time.Time
	log     *slog.Logger
	strange atomic.Bool // the log has said that the Workload API gives another identity
}

// NewRunnerSVID returns the SVID of the runner with this id, from the Workload API at address. It asks nobody: Follow does.
func NewRunnerSVID(address string, id writ.RunnerID, now func() time.Time, log *slog.Logger) (*RunnerSVID, error) {
	api, err := newWorkloadAPI(address, false, log)
	if err != nil {
		return nil, err
	}
	return &RunnerSVID{api: api, id: id, now: now, log: log}, nil
}

// Follow keeps up with the Workload API until ctx ends. Its first failure of a row is logged.
func (r *RunnerSVID) Follow(ctx context.Context) { r.api.follow(ctx) }

// Certificate returns the newest SVID of this runner. It is an error, that matches writ.ErrUnavailable, while there is none that
// is good now: an SVID of another identity, be it of the same path in another trust domain, is never shown.
func (r *RunnerSVID) Certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c := r.api.x509.Load()
	if c == nil {
		return nil, fmt.Errorf("%w: X.509-SVID: %w", writ.ErrUnavailable, errNotYet)
	}
	out, err := ownSVID(c.SVIDs, r.id, r.now())
	if err != nil {
		if !r.strange.Swap(true) {
			r.log.Error("the runner has no X.509-SVID to connect with", "error", err)
		}
		return nil, err
	}
	r.strange.Store(false)
	return out, nil
}

// ownSVID finds the SVID whose SPIFFE ID is exactly the runner's.
func ownSVID(svids []*x509svid.SVID, id writ.RunnerID, now time.Time) (*tls.Certificate, error) {
	other := "none"
	for _, s := range svids {
		switch {
		case s.ID.String() != string(id):
			other = s.ID.String()
		case !now.Before(s.Certificates[0].NotAfter):
			return nil, fmt.Errorf("%w: X.509-SVID: it ended at %s and was not renewed", writ.ErrUnavailable, s.Certificates[0].NotAfter.UTC().Format(time.RFC3339))
		default:
			return certificate(s), nil
		}
	}
	return nil, fmt.Errorf("%w: X.509-SVID: the Workload API gives one of %s, and this runner is %s", writ.ErrUnavailable, writ.Printable(other, 200), id)
}

// certificate turns an SVID into what TLS takes.
func certificate(s *x509svid.SVID) *tls.Certificate {
	out := &tls.Certificate{PrivateKey: s.PrivateKey, Leaf: s.Certificates[0]}
	for _, c := range s.Certificates {
		out.Certificate = append(out.Certificate, (*x509.Certificate)(c).Raw)
	}
	return out
}

// FetchRunnerSVID asks the Workload API at address once, and returns the SVID of the runner with this id. ctx bounds the wait.
func FetchRunnerSVID(ctx context.Context, address string, id writ.RunnerID, now time.Time) (*tls.Certificate, error) {
	if err := workloadapi.ValidateAddress(address); err != nil {
		return nil, fmt.Errorf("%w: the Workload API is at unix:///path or tcp://ip:port", writ.ErrInvalid)
	}
	c, err := workloadapi.FetchX509Context(ctx, workloadapi.WithAddr(address))
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, errNotYet)
		}
		return nil, fmt.Errorf("%w: the SPIFFE Workload API: %s", writ.ErrUnavailable, writ.Printable(err.Error(), 300))
	}
	return ownSVID(c.SVIDs, id, now)
}
