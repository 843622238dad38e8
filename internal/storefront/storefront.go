// Package storefront is a small real shop to try repairs on: four HTTP services with releases, replicas and feature
// flags, customers that send orders through them all the time, faults that really fail requests, an admin API with an
// OpenAPI document and an OAuth token endpoint, metrics, request logs and alerts.
//
// Nothing in it is simulated from the outside: error rates are counted from answers that replicas gave to requests that
// arrived over loopback sockets. It is a demonstration target and a test bed, not a shop: it sells nothing, keeps its
// state in memory, and listens on loopback only.
package storefront

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of Config.
const (
	// DefaultRate keeps one busy core below a tenth of its time and still fills a window in under a second.
	DefaultRate = 50
	// MaxRate bounds the customers: a demonstration must not become a load test of its machine.
	MaxRate = 400
)

// Config says how to start a shop. The zero Config is good.
type Config struct {
	Rate       int              // orders a second that the customers send; 0 means DefaultRate, -1 none
	AlertURL   string           // where alerts are posted; empty: nowhere, until SendAlertsTo
	AlertToken string           // bearer token of the alert source
	Now        func() time.Time // nil means time.Now
	Rand       io.Reader        // of tokens and secrets; nil means crypto/rand
	Log        *slog.Logger     // of the background loops; nil means none
}

// A Shop is a running shop. All methods may be called concurrently.
type Shop struct {
	now  func() time.Time
	rand io.Reader
	log  *slog.Logger

	mu       sync.RWMutex
	services []*service // those of the table in its order, then those of Open

	inner *http.Client
	admin *listener
	auth  *authority
	keys  *answers // of idempotent writes

	entrance string       // where customers order
	rate     atomic.Int64 // orders a second
	writes   atomic.Int64 // requests for a change that the admin API received
	changes  atomic.Int64 // those that it carried out
	lost     atomic.Bool  // the answer to the next change gets lost
	orders   orders
	alerts   *alerter

	stop    context.CancelFunc
	loops   sync.WaitGroup
	stopped sync.Once
}

// Start starts all services, the admin API, the customers and the alert sender on free loopback ports. They end when
// ctx ends or Stop is called; the caller calls Stop in either case.
func Start(ctx context.Context, c Config) (*Shop, error) {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	if c.Rate < -1 || c.Rate > MaxRate {
		return nil, fmt.Errorf("shop: rate %d: allowed are 1 to %d orders a second, or -1 for none", c.Rate, MaxRate)
	}
	s := &Shop{now: c.Now, rand: c.Rand, log: c.Log, keys: newAnswers()}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.inner = &http.Client{
		Timeout:       requestTime,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.rate.Store(int64(max(c.Rate, 0)))
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.start(ctx, c); err != nil {
		s.Stop()
		return nil, fmt.Errorf("shop: %w", err)
	}
	return s, nil
}

func (s *Shop) start(ctx context.Context, c Config) error {
	var err error
	if s.auth, err = newAuthority(s.rand, s.now); err != nil {
		return err
	}
	for _, p := range specs {
		v, err := s.startService(p)
		if err != nil {
			return err
		}
		s.services = append(s.services, v)
	}
	s.entrance = s.services[0].front.url
	if s.admin, err = listen(s.adminHandler()); err != nil {
		return err
	}
	s.alerts = &alerter{client: s.inner, now: s.now, log: s.log, state: map[string]*alertState{}}
	s.alerts.sendTo(c.AlertURL, c.AlertToken)
	s.loops.Go(func() { s.customers(ctx) })
	s.loops.Go(func() { s.alerts.loop(ctx, s.all) })
	return nil
}

// Stop ends everything that the shop started and waits for it. It may be called more than once.
func (s *Shop) Stop() {
	s.stopped.Do(func() {
		s.stop()
		s.loops.Wait()
		if s.admin != nil {
			s.admin.close()
		}
		for _, v := range s.all() {
			v.close()
		}
		s.inner.CloseIdleConnections()
	})
}

// AdminURL is the base URL of the admin API, without a slash at the end.
func (s *Shop) AdminURL() string { return s.admin.url }

// ServiceURL is where customers reach a service; empty if there is none of that name.
func (s *Shop) ServiceURL(name string) string {
	if v, err := s.service(name); err == nil {
		return v.front.url
	}
	return ""
}

// Services lists the names of the services, from the customer inwards.
func (s *Shop) Services() []string {
	var out []string
	for _, v := range s.all() {
		out = append(out, v.name)
	}
	return out
}

// SetRate changes how many orders a second the customers send: a surge, or silence.
func (s *Shop) SetRate(perSecond int) error {
	if perSecond < 0 || perSecond > MaxRate {
		return fmt.Errorf("shop: rate %d: allowed are 0 to %d orders a second", perSecond, MaxRate)
	}
	s.rate.Store(int64(perSecond))
	return nil
}

// SendAlertsTo changes where alerts are posted, with which bearer token. An empty URL stops them.
func (s *Shop) SendAlertsTo(url, token string) { s.alerts.sendTo(url, token) }

// Client returns the identifier and the secret of one OAuth client of the token endpoint: ClientReader, ClientT1 or
// ClientT2.
func (s *Shop) Client(id string) (secret []byte, err error) { return s.auth.secret(id) }

// WriteRequests counts the requests for a change that the admin API has received, allowed or not; tokens are not
// counted.
func (s *Shop) WriteRequests() int { return int(s.writes.Load()) }

// Changes is how many requests for a change had an effect: neither refused, as probes of a dead lease are, nor repeated
// under the same key.
func (s *Shop) Changes() int { return int(s.changes.Load()) }

// Open adds a service that no customer uses, with the releases v1 to v3, two replicas and the flag dark-mode: an
// object to try things on. The name must be new and a DNS label.
func (s *Shop) Open(name string) error {
	if !label.MatchString(name) {
		return fmt.Errorf("shop: %q is not a DNS label", name)
	}
	v, err := s.startService(spec{
		name: name, release: "v2", replicas: 2, slots: 4, releases: []Release{{Name: "v1"}, {Name: "v2"}, {Name: "v3"}},
		flags: []flagSpec{{name: "dark-mode", title: "dark pages"}},
	})
	if err != nil {
		return fmt.Errorf("shop: %w", err)
	}
	s.mu.Lock()
	taken := slices.ContainsFunc(s.services, func(o *service) bool { return o.name == name })
	if !taken {
		s.services = append(s.services, v)
	}
	s.mu.Unlock()
	if taken {
		v.close()
		return fmt.Errorf("shop: there is a service %q", name)
	}
	return nil
}

// A View is what a service is set to.
type View struct {
	Release  string
	Replicas int
	Flags    map[string]bool
	By       string // who changed release or replicas last
}

// Look returns what a service is set to, past the admin API.
func (s *Shop) Look(service string) (View, error) {
	v, err := s.service(service)
	if err != nil {
		return View{}, fmt.Errorf("shop: %s: %w", service, err)
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	out := View{Release: v.release, Replicas: len(v.replicas), Flags: map[string]bool{}, By: v.by}
	for name, f := range v.flags {
		out.Flags[name] = f.on
	}
	return out, nil
}

// label is the form of a service's name; the OpenAPI document repeats it.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

var errNoService = errors.New("no such service")

func (s *Shop) service(name string) (*service, error) {
	all := s.all()
	i := slices.IndexFunc(all, func(v *service) bool { return v.name == name })
	if i < 0 {
		return nil, errNoService
	}
	return all[i], nil
}

// all returns the services as they are now; the slice is never changed in place.
func (s *Shop) all() []*service {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clip(s.services)
}
