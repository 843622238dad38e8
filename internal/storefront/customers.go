package storefront

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// maxOpen bounds the orders under way: when the shop is slow, customers stay away instead of piling up.
const maxOpen = 64

// orders counts what customers saw.
type orders struct{ sent, ok, failed, kept atomic.Int64 }

// Orders is what customers have seen since the start.
type Orders struct {
	Sent, OK, Failed int64
	StayedAway       int64 // not sent, since maxOpen were under way
}

// Orders returns what customers have seen so far.
func (s *Shop) Orders() Orders {
	return Orders{Sent: s.orders.sent.Load(), OK: s.orders.ok.Load(), Failed: s.orders.failed.Load(), StayedAway: s.orders.kept.Load()}
}

// customers sends orders at the rate that is set, evenly spread, until ctx ends.
func (s *Shop) customers(ctx context.Context) {
	open := make(chan struct{}, maxOpen)
	var under sync.WaitGroup
	defer under.Wait()
	next := time.Now()
	t := time.NewTimer(0)
	defer t.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		rate := s.rate.Load()
		if rate == 0 {
			next = time.Now().Add(20 * time.Millisecond)
			t.Reset(time.Until(next))
			continue
		}
		// The next order is due a period after this one was, so that a late timer does not lower the rate; what is more
		// than a few periods late is not made up for.
		period := time.Second / time.Duration(rate)
		if next = next.Add(period); time.Since(next) > 4*period {
			next = time.Now()
		}
		t.Reset(time.Until(next))
		select {
		case open <- struct{}{}:
			under.Go(func() {
				s.order(ctx, n)
				<-open
			})
		default:
			s.orders.kept.Add(1)
		}
	}
}

// order sends one order as a browser would.
func (s *Shop) order(ctx context.Context, n int) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/order?item=%d", s.entrance, n%97), nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (customer)")
	s.orders.sent.Add(1)
	res, err := s.inner.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			s.orders.failed.Add(1)
		}
		return
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	if res.StatusCode >= http.StatusBadRequest {
		s.orders.failed.Add(1)
		return
	}
	s.orders.ok.Add(1)
}
