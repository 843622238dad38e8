package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// portAttempts is how often one piece is started with new ports because the ones before were taken meanwhile.
const portAttempts = 5

// A Cluster is a running Kubernetes control plane with three simulated nodes. Its methods may be called concurrently.
// It lives in memory and in Dir and keeps nothing after Stop: etcd runs without fsync.
type Cluster struct {
	Dir        string // everything the cluster writes, logs included
	Host       string // the API server, https://127.0.0.1:PORT
	CAFile     string // PEM file with the certificate to trust for Host
	AdminToken string // bearer token of a member of system:masters
	Kubeconfig string // file for the administrator
	AuditLog   string // one JSON object a line, written before the answer is sent; see yaml/audit.yaml

	binary    string
	podLog    string
	ports     func(n int) ([]int, error)
	logging   sync.Mutex // serialises WriteLog
	stopping  sync.Once
	running   sync.Mutex // guards processes while the cluster starts
	processes []*process // in the order they became ready
}

// Start builds kubebox if needed and starts a cluster whose files all lie in dir, which it makes and which must hold
// no other cluster. It returns when the three nodes are Ready: after 5 to 15 s. When ctx ends before, or a piece cannot
// be started, everything is stopped again and the error says what was tried. A cluster that has started lives until
// Stop, whatever becomes of ctx.
func Start(ctx context.Context, dir string) (*Cluster, error) {
	binary, err := Kubebox(ctx)
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, binary: binary, ports: freePorts}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, fmt.Errorf("test cluster in %s: %w", dir, err)
	}
	return c, nil
}

// Stop ends the processes, last started first, and returns when all are gone. It may be called more than once; every
// call waits. Dir stays.
func (c *Cluster) Stop() {
	c.stopping.Do(func() {
		for _, p := range slices.Backward(c.processes) {
			p.stop()
		}
	})
}

func (c *Cluster) start(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(c.Dir, "log"), 0o700); err != nil {
		return err
	}
	s, err := newSecrets(filepath.Join(c.Dir, "pki"))
	if err != nil {
		return err
	}
	etcd, err := c.startEtcd(ctx)
	if err != nil {
		return err
	}
	if err := c.startAPIServer(ctx, s, etcd); err != nil {
		return err
	}
	// The rest needs only the API server: together, since most of their start is waiting.
	var rest sync.WaitGroup
	errs := make([]error, 3)
	for i, start := range []func(context.Context, *secrets) error{c.startManager, c.startScheduler, c.startKwok} {
		rest.Go(func() { errs[i] = start(ctx, s) })
	}
	rest.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := c.makeNodes(ctx); err != nil {
		return err
	}
	for _, p := range c.processes {
		if p.dead() {
			return &diedError{p.name, tail(p.log)}
		}
	}
	return nil
}

// A piece is one program of kubebox with the arguments and the readiness check for the ports it was given.
type piece struct {
	name  string
	ports int
	args  func(ports []int) []string
	ready func(ctx context.Context, ports []int) error
	clean func() error // removes what a start before has left behind; may be nil
}

// run starts a piece and returns its ports once it is ready. A port can be taken between our choice and the bind, so a
// piece that dies of that is started again with others.
func (c *Cluster) run(ctx context.Context, p piece) ([]int, error) {
	var tried []string
	for range portAttempts {
		ports, err := c.ports(p.ports)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if p.clean != nil {
			if err := p.clean(); err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
		}
		proc, err := launch(p.name, filepath.Join(c.Dir, "log", p.name+".log"), c.binary, append([]string{p.name}, p.args(ports)...)...)
		if err != nil {
			return nil, err
		}
		err = proc.ready(ctx, func(ctx context.Context) error { return p.ready(ctx, ports) })
		if err == nil {
			c.keep(proc)
			return ports, nil
		}
		proc.stop()
		if !portTaken(err) {
			return nil, err
		}
		tried = append(tried, fmt.Sprint(ports))
	}
	return nil, fmt.Errorf("%s: no free port in %d attempts: %s", p.name, portAttempts, strings.Join(tried, ", "))
}

func (c *Cluster) keep(p *process) {
	c.running.Lock()
	defer c.running.Unlock()
	c.processes = append(c.processes, p)
}
