package testbed

import (
	"context"
	"path/filepath"
)

// StartWithPorts is Start with another way to choose ports.
func StartWithPorts(ctx context.Context, dir string, ports func(n int) ([]int, error)) (*Cluster, error) {
	binary, err := Kubebox(ctx)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, binary: binary, ports: ports}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// PIDs returns the cluster's processes by name.
func (c *Cluster) PIDs() map[string]int {
	pids := map[string]int{}
	for _, p := range c.processes {
		pids[p.name] = p.pid
	}
	return pids
}

var (
	BuildKey      = buildKey
	BuildFlags    = buildFlags
	FreePorts     = freePorts
	KubeboxSource = kubeboxSource
	Lock          = lock
)

// LaunchAndForget starts a program as a piece of a cluster is started and returns its pid.
func LaunchAndForget(dir, bin string, args ...string) (pid int, err error) {
	p, err := launch("program", filepath.Join(dir, "program.log"), bin, args...)
	if err != nil {
		return 0, err
	}
	return p.pid, nil
}
