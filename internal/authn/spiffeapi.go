package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/writ-dev/writ"
)

// A workloadAPI is what the SPIFFE Workload API said last: Writ's own X.509-SVID, and the bundles of its own and of
// federated trust domains. Unlike go-spiffe's sources it does not wait for the first answer, so that Writ starts while
// the agent of its node is down; until then nobody is vouched for. While the socket is gone the last answer stays: SVIDs
// end by their own time.
type workloadAPI struct {
	address string
	jwts    bool // JWT bundles are wanted
	log     *slog.Logger
	x509    atomic.Pointer[workloadapi.X509Context]
	jwt     atomic.Pointer[jwtbundle.Set]
	failing atomic.Bool // the log has said so
}

func newWorkloadAPI(address string, jwts bool, log *slog.Logger) (*workloadAPI, error) {
	if err := workloadapi.ValidateAddress(address); err != nil {
		return nil, fmt.Errorf("%w: SPIFFE: the Workload API is at unix:///path or tcp://ip:port", writ.ErrInvalid)
	}
	return &workloadAPI{address: address, jwts: jwts, log: log}, nil
}

// watchAgain is how long a watch rests that the Workload API ended for good, such as by InvalidArgument. Other failures
// are retried by go-spiffe itself, after 1 to 30 s.
const watchAgain = 30 * time.Second

// follow keeps up with the Workload API until ctx ends.
func (w *workloadAPI) follow(ctx context.Context) {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(w.address))
	if err != nil {
		w.failed(err)
		return
	}
	defer client.Close()
	var watches sync.WaitGroup
	keep := func(watch func() error) {
		watches.Go(func() {
			for ctx.Err() == nil {
				w.failed(watch())
				select {
				case <-time.After(watchAgain):
				case <-ctx.Done():
				}
			}
		})
	}
	keep(func() error { return client.WatchX509Context(ctx, w) })
	if w.jwts {
		keep(func() error { return client.WatchJWTBundles(ctx, w) })
	}
	watches.Wait()
}

// failed logs the first failure of a row.
func (w *workloadAPI) failed(err error) {
	if err == nil || errors.Is(err, context.Canceled) || w.failing.Swap(true) {
		return
	}
	w.log.Warn("the SPIFFE Workload API cannot be asked; its last answer stays", "address", w.address, "error", writ.Printable(err.Error(), 300))
}

// OnX509ContextUpdate implements workloadapi.X509ContextWatcher.
func (w *workloadAPI) OnX509ContextUpdate(c *workloadapi.X509Context) {
	w.x509.Store(c)
	w.failing.Store(false)
}

// OnX509ContextWatchError implements workloadapi.X509ContextWatcher.
func (w *workloadAPI) OnX509ContextWatchError(err error) { w.failed(err) }

// OnJWTBundlesUpdate implements workloadapi.JWTBundleWatcher.
func (w *workloadAPI) OnJWTBundlesUpdate(s *jwtbundle.Set) { w.jwt.Store(s) }

// OnJWTBundlesWatchError implements workloadapi.JWTBundleWatcher.
func (w *workloadAPI) OnJWTBundlesWatchError(err error) { w.failed(err) }

var errNotYet = errors.New("the Workload API has not answered yet")

// GetX509SVID implements x509svid.Source.
func (w *workloadAPI) GetX509SVID() (*x509svid.SVID, error) {
	c := w.x509.Load()
	if c == nil || len(c.SVIDs) == 0 {
		return nil, errNotYet
	}
	return c.DefaultSVID(), nil
}

// GetX509BundleForTrustDomain implements x509bundle.Source.
func (w *workloadAPI) GetX509BundleForTrustDomain(d spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	c := w.x509.Load()
	if c == nil {
		return nil, errNotYet
	}
	return c.Bundles.GetX509BundleForTrustDomain(d)
}

// GetJWTBundleForTrustDomain implements jwtbundle.Source.
func (w *workloadAPI) GetJWTBundleForTrustDomain(d spiffeid.TrustDomain) (*jwtbundle.Bundle, error) {
	s := w.jwt.Load()
	if s == nil {
		return nil, errNotYet
	}
	return s.GetJWTBundleForTrustDomain(d)
}
