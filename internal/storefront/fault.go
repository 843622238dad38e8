package storefront

import (
	"fmt"
	"time"
)

// A Fault is what the outside world does to a service: no release of ours repairs it. The zero Fault is none.
type Fault struct {
	Errors int           // permille of requests that fail
	Delay  time.Duration // added to each request
}

// SetFault puts a fault of the outside world on a service, or takes it away with the zero Fault. A flag of the service
// may shield it.
func (s *Shop) SetFault(service string, f Fault) error {
	v, err := s.service(service)
	if err != nil {
		return fmt.Errorf("shop: %s: %w", service, err)
	}
	if f.Errors < 0 || f.Errors > 1000 || f.Delay < 0 || f.Delay > time.Second {
		return fmt.Errorf("shop: a fault fails 0 to 1000 permille and delays up to a second")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fault = f
	return nil
}

// Wedge makes the replicas that run now fail half of their requests until each is started again.
func (s *Shop) Wedge(service string) error {
	v, err := s.service(service)
	if err != nil {
		return fmt.Errorf("shop: %s: %w", service, err)
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, p := range v.replicas {
		p.wedged.Store(true)
	}
	return nil
}

// Deploy sets a service's release past the admin API, as a delivery pipeline or another person would; by is recorded,
// and how many requests failed right before: a symptom that is older than a release is not its doing.
func (s *Shop) Deploy(service, release, by string) error {
	v, err := s.service(service)
	before := s.Rates(service).ErrorPermille
	if err == nil {
		err = v.setRelease(ticket{by: by}, release)
	}
	if err != nil {
		return fmt.Errorf("shop: deploy %s %s: %w", service, release, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.before = before
	return nil
}

// Scale sets a service's replicas past the admin API; by is recorded.
func (s *Shop) Scale(service string, replicas int, by string) error {
	v, err := s.service(service)
	if err == nil {
		err = v.setReplicas(ticket{by: by}, replicas)
	}
	if err != nil {
		return fmt.Errorf("shop: scale %s: %w", service, err)
	}
	return nil
}

// Switch sets a service's flag past the admin API; by is recorded.
func (s *Shop) Switch(service, flag string, on bool, by string) error {
	v, err := s.service(service)
	if err == nil {
		err = v.setFlag(ticket{by: by}, flag, on)
	}
	if err != nil {
		return fmt.Errorf("shop: switch %s/%s: %w", service, flag, err)
	}
	return nil
}

// outside is the fault that reaches the service now.
func (v *service) outside() Fault {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, f := range v.flags {
		if f.on && f.spec.shields {
			return Fault{}
		}
	}
	return v.fault
}
