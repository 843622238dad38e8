package server

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/writ-dev/writ/internal/config"
)

// Processes are what Start has started.
type Processes struct {
	Server *Server
	group  *errgroup.Group
}

// Start starts the control plane and, under dev, the signer and the runner that its configuration names, in this
// process but over their network interfaces. It returns when all are ready to serve; Wait waits for their end.
func Start(ctx context.Context, c config.Server, version string, dev bool, log *slog.Logger) (*Processes, error) {
	g, ctx := errgroup.WithContext(ctx)
	p := &Processes{group: g}
	// Whatever was started ends when a later part fails to start.
	fail := func(err error) (*Processes, error) {
		g.Go(func() error { return err })
		g.Wait()
		return nil, err
	}
	if dev && c.Dev != nil {
		sc, err := config.LoadSigner(c.Path(c.Dev.Signer))
		if err != nil {
			return nil, err
		}
		s, err := NewSigner(sc, log)
		if err != nil {
			return nil, err
		}
		// The signer outlives the server, which signs its last entries while it closes.
		life, end := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan error, 1)
		go func() { done <- s.Serve(life) }()
		stop := func() error { end(); return <-done }
		srv, err := New(ctx, c, version, dev, log)
		if err != nil {
			stop()
			return fail(err)
		}
		p.Server = srv
		g.Go(func() error {
			err := srv.Serve(ctx)
			if serr := stop(); err == nil {
				err = serr
			}
			return err
		})
		rc, err := config.LoadRunner(c.Path(c.Dev.Runner))
		if err != nil {
			return fail(err)
		}
		r, err := NewRunner(ctx, rc, log)
		if err != nil {
			return fail(err)
		}
		g.Go(func() error { return r.Serve(ctx) })
		return p, nil
	}
	srv, err := New(ctx, c, version, dev, log)
	if err != nil {
		return nil, err
	}
	p.Server = srv
	g.Go(func() error { return srv.Serve(ctx) })
	return p, nil
}

// Wait returns when all have ended: after ctx was cancelled, or when one failed, which ends the others.
func (p *Processes) Wait() error { return p.group.Wait() }
