package storefront

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Errors of a change; the admin API turns each into its status.
var (
	errUnreachable = errors.New("cannot be reached")
	errStale       = errors.New("the object has changed")
	errUnknown     = errors.New("no such release or flag")
	errBound       = errors.New("outside the bounds")
)

// A service is one deployment of the shop: a front that balances over its replicas.
type service struct {
	name  string
	spec  spec
	uid   string
	shop  *Shop
	front *listener

	number                                          atomic.Int64 // of the last replica started
	releaseShare, flagShare, faultShare, wedgeShare share
	window                                          window
	lines                                           lines
	total, failed, passedOn                         atomic.Int64 // requests since the start, for Prometheus
	draining                                        sync.WaitGroup
	change                                          sync.Mutex // held by whoever changes the service, while replicas come and go

	mu       sync.RWMutex // guards what follows
	revision int64
	release  string
	replicas []*replica // ready ones
	flags    map[string]*flag
	fault    Fault
	by, key  string // who changed it last, under which idempotency key
	before   int    // permille that it failed right before its last roll-out by Deploy
	closed   bool
}

// A flag is an object of its own, with its own identity and version.
type flag struct {
	spec     flagSpec
	uid      string
	revision int64
	on       bool
	by, key  string
}

func (s *Shop) startService(p spec) (*service, error) {
	v := &service{name: p.name, spec: p, shop: s, release: p.release, revision: 1, flags: map[string]*flag{}, by: "start"}
	var err error
	if v.uid, err = randomID(s.rand); err != nil {
		return nil, err
	}
	for _, f := range p.flags {
		uid, err := randomID(s.rand)
		if err != nil {
			return nil, err
		}
		v.flags[f.name] = &flag{spec: f, uid: uid, revision: 1, on: f.initial, by: "start"}
	}
	if v.front, err = listen(v); err != nil {
		return nil, err
	}
	if err := v.scale(p.replicas); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// A change to one object of the shop: who asks, under which key, and the version it must have; empty: any.
type ticket struct{ by, key, match string }

// scale brings the number of ready replicas to n.
func (v *service) scale(n int) error {
	if n < MinReplicas || n > MaxReplicas {
		return fmt.Errorf("%w: replicas must be %d to %d", errBound, MinReplicas, MaxReplicas)
	}
	r, _ := v.spec.find(v.current())
	for v.ready() < n {
		p, err := v.startReplica(r)
		if err != nil {
			return err
		}
		v.mu.Lock()
		v.replicas = append(v.replicas, p)
		v.mu.Unlock()
	}
	for v.ready() > n {
		v.mu.Lock()
		last := v.replicas[len(v.replicas)-1]
		v.replicas = slices.Clone(v.replicas[:len(v.replicas)-1])
		v.mu.Unlock()
		v.draining.Go(last.http.drain)
	}
	return nil
}

// roll replaces each replica by a new one of release r, one at a time.
func (v *service) roll(r Release) error {
	for i := range v.ready() {
		p, err := v.startReplica(r)
		if err != nil {
			return err
		}
		v.mu.Lock()
		old := v.replicas[i]
		v.replicas = slices.Clone(v.replicas)
		v.replicas[i] = p
		v.mu.Unlock()
		v.draining.Go(old.http.drain)
	}
	return nil
}

// alter runs one change under the ticket's conditions and then gives the service a new version.
func (v *service) alter(t ticket, f func() error) error {
	v.change.Lock()
	defer v.change.Unlock()
	v.mu.RLock()
	stale := t.match != "" && t.match != v.etagLocked()
	v.mu.RUnlock()
	if stale {
		return errStale
	}
	if err := f(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revision++
	v.by, v.key = t.by, t.key
	return nil
}

func (v *service) setRelease(t ticket, name string) error {
	r, ok := v.spec.find(name)
	if !ok {
		return errUnknown
	}
	return v.alter(t, func() error {
		if err := v.roll(r); err != nil {
			return err
		}
		v.mu.Lock()
		v.release = r.Name
		v.mu.Unlock()
		return nil
	})
}

func (v *service) setReplicas(t ticket, n int) error {
	return v.alter(t, func() error { return v.scale(n) })
}

func (v *service) restart(t ticket) error {
	r, _ := v.spec.find(v.current())
	return v.alter(t, func() error { return v.roll(r) })
}

func (v *service) setFlag(t ticket, name string, on bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	f, ok := v.flags[name]
	switch {
	case !ok:
		return errUnknown
	case t.match != "" && t.match != f.etag():
		return errStale
	}
	f.on, f.by, f.key = on, t.by, t.key
	f.revision++
	return nil
}

func (v *service) etagLocked() string { return fmt.Sprintf(`"%s.%d"`, v.uid, v.revision) }
func (f *flag) etag() string          { return fmt.Sprintf(`"%s.%d"`, f.uid, f.revision) }

func (v *service) current() string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.release
}

func (v *service) ready() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.replicas)
}

func (v *service) flagErrors() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	sum := 0
	for _, f := range v.flags {
		if f.on {
			sum += f.spec.errors
		}
	}
	return sum
}

// close ends the service at once.
func (v *service) close() {
	v.mu.Lock()
	replicas := v.replicas
	v.replicas, v.closed = nil, true
	v.mu.Unlock()
	v.front.close()
	for _, p := range replicas {
		p.http.close()
	}
	v.draining.Wait()
}
