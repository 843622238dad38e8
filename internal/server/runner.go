package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/runner"
	"github.com/writ-dev/writ/internal/runner/journal"
	"github.com/writ-dev/writ/internal/trust"
)

// linkTimeout bounds one call of a runner: a long poll and a margin.
const linkTimeout = 60 * time.Second

// handshakeTimeout bounds the making of a connection: a replica that has stopped still accepts them.
const handshakeTimeout = 5 * time.Second

// A Runner is the process that acts.
type Runner struct {
	runner  *runner.Runner
	journal *journal.Journal
	console *console // nil: there is none
}

// NewRunner opens a runner's key, journal and connectors. It contacts nobody.
func NewRunner(ctx context.Context, c config.Runner, log *slog.Logger) (*Runner, error) {
	key, err := pin.Load(c.Path(c.Key))
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	author, err := ledger.NewAuthor(key)
	if err != nil {
		return nil, err
	}
	secure, err := pin.ClientTLS(key, c.Control.Key)
	if err != nil {
		return nil, fmt.Errorf("control.key: %w", err)
	}
	link, err := runner.NewLink(c.Control.URL, &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: secure, MaxIdleConnsPerHost: runner.MaxConcurrent, TLSHandshakeTimeout: handshakeTimeout,
			DialContext: (&net.Dialer{Timeout: handshakeTimeout}).DialContext,
		}, Timeout: linkTimeout,
	}, c.Control.URLs...)
	if err != nil {
		return nil, err
	}
	conns, err := Connectors(c)
	if err != nil {
		return nil, err
	}
	owners, err := owners(c)
	if err != nil {
		return nil, err
	}
	limits, err := cutOff(c)
	if err != nil {
		return nil, err
	}
	emergency, err := emergencies(c)
	if err != nil {
		return nil, err
	}
	j, err := journal.Open(ctx, c.Path(c.Journal))
	if errors.Is(err, journal.ErrHeld) {
		return nil, inUse(err)
	}
	if err != nil {
		return nil, err
	}
	r, err := runner.New(runner.Config{
		ID: writ.RunnerID(c.ID), Connectors: conns, Control: link, TrustFile: func() ([]byte, error) { return os.ReadFile(c.Path(c.Trust.File)) },
		Owners: owners, Threshold: c.Trust.Threshold, Author: author, Journal: j, Protected: c.ProtectedLocations(), Limits: limits, Emergency: emergency, Now: fault.Clock(), Rand: rand.Reader, Log: log,
	})
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	console, err := newConsole(c, r, log)
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return &Runner{r, j, console}, nil
}

// cutOff reads how long the runner goes on without the control plane.
func cutOff(c config.Runner) (runner.Limits, error) {
	var l runner.Limits
	if o := c.CutOff; o != nil {
		l = runner.Limits{FeedAge: time.Duration(o.FeedAge), FeedAgeT1: time.Duration(o.FeedAgeT1), Wait: time.Duration(o.Wait)}
	}
	return l.Check()
}

// Serve runs until ctx ends and what is in hand has moved to safety.
func (r *Runner) Serve(ctx context.Context) error {
	end := r.console.serve()
	err := r.runner.Serve(ctx)
	end()
	return errors.Join(err, r.journal.Close())
}

// Connectors makes the connectors that a runner's configuration names.
func Connectors(c config.Runner) ([]connector.Connector, error) {
	var out []connector.Connector
	for _, t := range c.Targets {
		conn, err := connect(c, t)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Location, err)
		}
		if string(conn.Target()) != t.Location {
			return nil, fmt.Errorf("%w: target %s: its file is for %s", writ.ErrInvalid, t.Location, conn.Target())
		}
		out = append(out, conn)
	}
	return out, nil
}

func connect(c config.Runner, t config.RunnerTarget) (connector.Connector, error) {
	at := writ.Location(t.Location)
	if at.Plane() == "kubernetes" {
		read := t.ReadKubeconfig
		if read == "" {
			read = t.Kubeconfig
		}
		return kubernetes.NewFromKubeconfig(kubernetes.Config{Target: at, LeaseNamespace: t.Namespace, Cell: mark(c), Now: fault.Clock(), Rand: rand.Reader}, c.Path(t.Kubeconfig), c.Path(read))
	}
	file := c.Path(t.Connector)
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	hc, err := httpapi.ParseConfig(b)
	if err != nil {
		return nil, err
	}
	beside := config.Dir(filepath.Dir(file))
	if err := hc.Load(func(name string) ([]byte, error) { return os.ReadFile(beside.Path(name)) }); err != nil {
		return nil, err
	}
	return httpapi.New(hc, httpapi.Options{Now: fault.Clock(), Rand: rand.Reader})
}

func owners(c config.Runner) ([]ed25519.PublicKey, error) {
	var out []ed25519.PublicKey
	for _, o := range c.Trust.Owners {
		key, err := loadPublic(c.Path(o))
		if err != nil {
			return nil, fmt.Errorf("trust.owners: %w", err)
		}
		out = append(out, key)
	}
	return out, nil
}

// CheckTrust reads and checks a runner's trust file as the runner would, without its memory of the highest version.
func CheckTrust(c config.Runner, now time.Time) (trust.Trust, error) {
	keys, err := owners(c)
	if err != nil {
		return trust.Trust{}, err
	}
	b, err := os.ReadFile(c.Path(c.Trust.File))
	if err != nil {
		return trust.Trust{}, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return trust.Load(b, keys, c.Trust.Threshold, 0, writ.RunnerID(c.ID), now)
}

// mark is what a runner's credentials bear on a target: derived from its key, which no other runner and no other
// installation has, and which the processes of one cell share. A runner whose key cannot be read does not start.
func mark(c config.Runner) string {
	key, err := pin.Load(c.Path(c.Key))
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return hex.EncodeToString(sum[:16])
}
