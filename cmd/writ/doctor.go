package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/runner/journal"
	"github.com/writ-dev/writ/internal/server"
)

// doctorTimeout bounds each check that asks something over the network.
const doctorTimeout = 5 * time.Second

func runDoctor(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "doctor", "[-c writ.yaml] [--runner runner.yaml] [--dev]", "Checks configuration, keys, policies, playbooks, trust file and targets, and says what to mend. It changes nothing.")
	file := f.String("c", "", "the control plane's configuration `file`")
	runnerFile := f.String("runner", "", "a runner's configuration `file`")
	dev := f.Bool("dev", false, "the configuration is for --dev")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if *file == "" && *runnerFile == "" {
		return &usageError{"name what to examine", "writ doctor -c writ.yaml --runner runner.yaml --dev"}
	}
	d := doctor{a: a}
	if *file != "" {
		d.server(ctx, *file, *dev)
	}
	if *runnerFile != "" {
		d.runner(ctx, *runnerFile)
	}
	if d.sick > 0 {
		return &exitError{exitFailed, fmt.Sprintf("%d of %d checks failed", d.sick, d.done)}
	}
	fmt.Fprintf(a.stdout, "%d checks, all well\n", d.done)
	return nil
}

type doctor struct {
	a          *app
	done, sick int
}

// check prints one line, and the error with what to do.
func (d *doctor) check(what string, err error) bool {
	d.done++
	if err == nil {
		fmt.Fprintf(d.a.stdout, "✔ ok    %s\n", what)
		return true
	}
	d.sick++
	fmt.Fprintf(d.a.stdout, "✗ wrong %s: %s\n", what, writ.Printable(err.Error(), 400))
	return false
}

func (d *doctor) server(ctx context.Context, file string, dev bool) {
	c, err := config.LoadServer(file, dev)
	if !d.check("configuration "+file, err) {
		return
	}
	for name, err := range server.Examine(ctx, c, dev) {
		d.check(name, err)
	}
	d.check("the server answers at "+c.ExternalURL+" (start it if not)", reachable(ctx, c.ExternalURL))
}

func (d *doctor) runner(ctx context.Context, file string) {
	c, err := config.LoadRunner(file)
	if !d.check("configuration "+file, err) {
		return
	}
	d.journal(ctx, c.Path(c.Journal))
	t, err := server.CheckTrust(c, time.Now())
	if d.check("trust file "+c.Trust.File, err) && time.Until(t.Expires) < 14*24*time.Hour {
		d.check("trust file is good for two weeks more", fmt.Errorf("it expires at %s: sign a new one", t.Expires.Format(time.RFC3339)))
	}
	if c.SPIFFE != nil {
		asked, cancel := context.WithTimeout(ctx, doctorTimeout)
		d.check("the SPIFFE Workload API at "+c.SPIFFE.WorkloadAPI+" gives the runner's X.509-SVID", server.CheckSVID(asked, c, time.Now()))
		cancel()
	}
	conns, err := server.Connectors(c)
	if !d.check("connectors", err) {
		return
	}
	for _, conn := range conns {
		d.check("target "+string(conn.Target())+" answers", probe(ctx, conn))
	}
}

// journal looks at every page of a runner's journal, which a start does only while it is small. A runner that is running
// holds it.
func (d *doctor) journal(ctx context.Context, file string) {
	err := journal.Check(ctx, file)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it has not been started yet
	case errors.Is(err, journal.ErrHeld):
		fmt.Fprintf(d.a.stdout, "  note  the journal %s is in use: stop the runner to have every page of it checked\n", file)
	default:
		d.check("every page of the journal "+file, err)
	}
}

// probe asks a target for something that cannot exist and takes "no such object" for an answer.
func probe(ctx context.Context, conn connector.Connector) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	scope := []writ.Location{conn.Target()}
	for _, r := range conn.Catalogue().Readers {
		with, ok := example(r)
		if !ok {
			continue
		}
		_, err := conn.Observe(ctx, connector.Query{Reader: r.Name, With: with, Scope: scope, Limit: 1 << 10})
		if code := writ.ReasonOf(err); code == writ.ReasonUnreachable || code == writ.ReasonForbidden {
			return err
		}
		if err != nil && writ.ReasonOf(err) == "" {
			return err
		}
		return nil
	}
	return nil
}

// example fills a reader's parameters with harmless values.
func example(r connector.Reader) (writ.Parameters, bool) {
	out := writ.Parameters{}
	for _, p := range r.Parameters {
		switch {
		case p.Optional:
		case p.Type == connector.TypeName:
			out[p.Name] = writ.String("writ-doctor")
		case p.Type == connector.TypeEnum:
			out[p.Name] = writ.String(p.Values[0])
		case p.Type == connector.TypeInteger:
			out[p.Name] = writ.Int(p.Min)
		default:
			return nil, false
		}
	}
	return out, true
}

func reachable(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/v1/status", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	if err == nil {
		resp.Body.Close()
	}
	return err
}
