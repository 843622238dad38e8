package authn

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/writ-dev/writ"
)

// fileRead is how old what was read from files may be. A removed authority is refused after that time at the latest;
// reading again costs less than a millisecond.
const fileRead = 5 * time.Second

// files are SVID and bundles in files that something else writes, by renaming whole files into place. A file that cannot
// be read or parsed vouches for nobody: taking a bundle away must not leave the old one in force.
type files struct {
	cert, key string
	bundles   map[spiffeid.TrustDomain]string
	now       func() time.Time

	mu   sync.Mutex
	svid reading[*x509svid.SVID]
	read map[spiffeid.TrustDomain]reading[*spiffebundle.Bundle]
}

// A reading is what a file held, or why it held nothing.
type reading[T any] struct {
	at    time.Time
	value T
	err   error
}

func newFiles(s SPIFFE, now func() time.Time) (*files, error) {
	f := &files{cert: s.Cert, key: s.Key, now: now, bundles: map[spiffeid.TrustDomain]string{}, read: map[spiffeid.TrustDomain]reading[*spiffebundle.Bundle]{}}
	if (s.Cert == "") != (s.Key == "") {
		return nil, fmt.Errorf("%w: SPIFFE: an SVID is a certificate and its key", writ.ErrInvalid)
	}
	for _, b := range s.Bundles {
		d, err := spiffeid.TrustDomainFromString(b.TrustDomain)
		if err != nil || b.File == "" {
			return nil, fmt.Errorf("%w: SPIFFE: each bundle needs a trust domain, such as corp.example, and a file", writ.ErrInvalid)
		}
		if _, twice := f.bundles[d]; twice {
			return nil, fmt.Errorf("%w: SPIFFE: trust domain %s has two bundles", writ.ErrInvalid, d)
		}
		f.bundles[d] = b.File
		if _, err := f.bundle(d); err != nil {
			return nil, fmt.Errorf("%w: SPIFFE: the bundle of %s: %w", writ.ErrInvalid, d, err)
		}
	}
	if f.cert != "" {
		if _, err := f.GetX509SVID(); err != nil {
			return nil, fmt.Errorf("%w: SPIFFE: the SVID: %w", writ.ErrInvalid, err)
		}
	}
	return f, nil
}

// follow has nothing to do: files are read when they are asked for.
func (f *files) follow(context.Context) {}

// stale reports whether something read at that time is to be read again.
func (f *files) stale(at time.Time) bool {
	age := f.now().Sub(at)
	return at.IsZero() || age < 0 || age >= fileRead
}

// GetX509SVID implements x509svid.Source.
func (f *files) GetX509SVID() (*x509svid.SVID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stale(f.svid.at) {
		svid, err := x509svid.Load(f.cert, f.key)
		f.svid = reading[*x509svid.SVID]{f.now(), svid, err}
	}
	return f.svid.value, f.svid.err
}

func (f *files) bundle(d spiffeid.TrustDomain) (*spiffebundle.Bundle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, ok := f.bundles[d]
	if !ok {
		return nil, fmt.Errorf("no bundle is configured for trust domain %s", d)
	}
	if f.stale(f.read[d].at) {
		b, err := spiffebundle.Load(d, name)
		f.read[d] = reading[*spiffebundle.Bundle]{f.now(), b, err}
	}
	return f.read[d].value, f.read[d].err
}

// GetX509BundleForTrustDomain implements x509bundle.Source.
func (f *files) GetX509BundleForTrustDomain(d spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	b, err := f.bundle(d)
	if err != nil {
		return nil, err
	}
	return b.X509Bundle(), nil
}

// GetJWTBundleForTrustDomain implements jwtbundle.Source.
func (f *files) GetJWTBundleForTrustDomain(d spiffeid.TrustDomain) (*jwtbundle.Bundle, error) {
	b, err := f.bundle(d)
	if err != nil {
		return nil, err
	}
	return b.JWTBundle(), nil
}
