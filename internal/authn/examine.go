package authn

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/writ-dev/writ"
)

// Examine asks each issuer for its keys and the Workload API for its bundles, one by one, and says what came of it. It
// is for people who set Writ up; nothing that it hears is kept.
func (a *Authenticator) Examine(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, url := range slices.Sorted(maps.Keys(a.issuers)) {
			if !yield("keys of issuer "+writ.Printable(url, 120), a.issuers[url].examine(ctx)) {
				return
			}
		}
		if a.spiffe == nil {
			return
		}
		bundles, err := a.spiffe.bundles(ctx)
		if !yield("SPIFFE bundles", err) || err != nil {
			return
		}
		for _, p := range a.spiffe.agents {
			_, err := bundles.GetX509BundleForTrustDomain(p.domain)
			if err != nil {
				err = fmt.Errorf("there is no bundle of it: federate it, or take its agents out")
			}
			if !yield("trust domain "+p.domain.Name(), err) {
				return
			}
		}
	}
}

// examine reports whether the issuer has a key of an algorithm that is pinned for it.
func (i *issuer) examine(ctx context.Context) error {
	keys, err := i.keys.load(ctx)
	if err != nil {
		return err
	}
	var seen []string
	for _, k := range keys {
		if k.Algorithm == "" || slices.Contains(i.config.Algorithms, k.Algorithm) {
			return nil
		}
		seen = append(seen, writ.Printable(k.Algorithm, 20))
	}
	return fmt.Errorf("%w: it signs with %v, and algorithms names %v", writ.ErrInvalid, seen, i.config.Algorithms)
}

// bundles asks the Workload API, within fetchTime, or returns those of the files.
func (s *spiffe) bundles(ctx context.Context) (x509bundle.Source, error) {
	w, ok := s.trust.(*workloadAPI)
	if !ok {
		return s.trust, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	got, err := workloadapi.FetchX509Context(ctx, workloadapi.WithAddr(w.address))
	if err != nil {
		return nil, fmt.Errorf("the Workload API at %s cannot be asked: %w", w.address, err)
	}
	return got.Bundles, nil
}
