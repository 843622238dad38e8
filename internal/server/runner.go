package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/connector/postgres"
	"github.com/writ-dev/writ/internal/connector/prometheus"
	"github.com/writ-dev/writ/internal/enrol"
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
	console *console              // nil: there is none
	follow  func(context.Context) // keeps up with the Workload API; nil: there is nothing to keep up with
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
	var next []string
	if c.Control.NextKey != "" {
		next = append(next, c.Control.NextKey)
	}
	secure, err := pin.ClientTLS(key, c.Control.Key, next...)
	if err != nil {
		return nil, fmt.Errorf("control.key: %w", err)
	}
	svid, follow, err := svidOf(c, log)
	if err != nil {
		return nil, err
	}
	link, err := newLink(secure, svid, c.Control.URL, c.Control.URLs...)
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
	return &Runner{r, j, console, follow}, nil
}

// newLink connects with the key of secure or, where svid is not nil, with the X.509-SVID of the moment.
func newLink(secure *tls.Config, svid certificates, url string, more ...string) (*runner.Link, error) {
	var t http.RoundTripper = linkTransport(secure)
	if svid != nil {
		t = &renewing{secure: secure, source: svid}
	}
	return runner.NewLink(url, &http.Client{Transport: t, Timeout: linkTimeout}, more...)
}

// An Enrolment is a runner that asks to have a key of its own registered.
type Enrolment struct {
	URL    string // of the control plane's door for runners
	Server string // fingerprint of its key
	Runner writ.RunnerID
	Key    ed25519.PrivateKey // to be registered
	Code   string             // the secret of a code; empty where As or SVID gives the right
	As     ed25519.PrivateKey // the key to connect with, where it is another: one that is registered already
	SVID   *config.TLSFiles   // the X.509-SVID to connect with

	WorkloadAPI string // instead of SVID: where it is asked for
}

// link connects as the enrolment says.
func (e Enrolment) link() (*runner.Link, error) {
	as := e.As
	if as == nil {
		as = e.Key
	}
	secure, err := pin.ClientTLS(as, e.Server)
	if err != nil {
		return nil, err
	}
	var svid certificates
	switch {
	case e.WorkloadAPI != "":
		svid = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
			defer cancel()
			return authn.FetchRunnerSVID(ctx, e.WorkloadAPI, e.Runner, time.Now())
		}
	case e.SVID != nil:
		svid = authn.SVIDFiles(e.SVID.Cert, e.SVID.Key)
	}
	return newLink(secure, svid, e.URL)
}

// Enrol has the key registered and returns what the control plane says about itself.
func Enrol(ctx context.Context, e Enrolment, now time.Time) (assignment.Enrolled, error) {
	link, err := e.link()
	if err != nil {
		return assignment.Enrolled{}, err
	}
	at := writ.Instant(now)
	proof, err := enrol.Prove(e.Key, e.Runner, e.Server, at)
	if err != nil {
		return assignment.Enrolled{}, err
	}
	out, err := link.Enrol(ctx, assignment.Enrol{Runner: e.Runner, Code: e.Code, Public: e.Key.Public().(ed25519.PublicKey), At: at, Proof: proof})
	if err == nil && (out.Runner != e.Runner || out.Control != e.Server) {
		err = fmt.Errorf("%w: the control plane speaks of another runner or of another key of its own", writ.ErrUnavailable)
	}
	return out, err
}

// RetireKey takes back the key of that fingerprint, of the runner that connects with e.As.
func RetireKey(ctx context.Context, e Enrolment, fingerprint string) error {
	link, err := e.link()
	if err != nil {
		return err
	}
	return link.Retire(ctx, assignment.Retire{Key: fingerprint})
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
	var following sync.WaitGroup
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // what is in hand when ctx ends is still delivered
	if r.follow != nil {
		following.Go(func() { r.follow(life) })
	}
	err := r.runner.Serve(ctx)
	stop()
	following.Wait()
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
	beside := config.Dir(filepath.Dir(file))
	read := func(name string) ([]byte, error) {
		if strings.HasPrefix(name, "env:") {
			text, err := config.ReadSecret(beside, name, os.ReadFile)
			return []byte(text), err
		}
		return os.ReadFile(beside.Path(name))
	}
	if at.Plane() == prometheus.Plane {
		pc, err := prometheus.ParseConfig(b)
		if err != nil {
			return nil, err
		}
		if err := pc.Load(read); err != nil {
			return nil, err
		}
		return prometheus.New(pc, fault.Clock())
	}
	if at.Plane() == postgres.Plane {
		return database(b, read)
	}
	hc, err := httpapi.ParseConfig(b)
	if err != nil {
		return nil, err
	}
	if err := hc.Load(read); err != nil {
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

// ExamineTrust says everything for which the runner would refuse the trust file of that name. It knows what the runner has
// seen from the runner's journal or, while a running runner has that open, from the file in its place.
func ExamineTrust(ctx context.Context, c config.Runner, name string, now time.Time) (trust.Trust, []*writ.Refusal, error) {
	keys, err := owners(c)
	if err != nil {
		return trust.Trust{}, nil, err
	}
	highest, err := seenTrust(ctx, c, keys, now)
	if err != nil {
		return trust.Trust{}, nil, err
	}
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return trust.Trust{}, nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	t, refused := trust.Problems(b, keys, c.Trust.Threshold, highest, writ.RunnerID(c.ID), now)
	return t, refused, nil
}

// seenTrust is the largest version of a trust file that the runner is known to have seen; 0 for none.
func seenTrust(ctx context.Context, c config.Runner, keys []ed25519.PublicKey, now time.Time) (int64, error) {
	var highest int64
	b, err := os.ReadFile(c.Path(c.Trust.File))
	if err == nil {
		_, refused := trust.Problems(b, keys, c.Trust.Threshold, 0, writ.RunnerID(c.ID), now)
		if len(refused) == 0 || refused[0].Code == writ.ReasonTrustExpired { // it is signed
			if t, err := trust.Payload(b); err == nil {
				highest = t.Version
			}
		}
	}
	if _, err := os.Stat(c.Path(c.Journal)); err != nil {
		return highest, nil // it has not been started yet
	}
	j, err := journal.Open(ctx, c.Path(c.Journal))
	if errors.Is(err, journal.ErrHeld) {
		return highest, nil
	}
	if err != nil {
		return 0, err
	}
	seen, err := j.TrustVersion(ctx)
	return max(highest, seen), errors.Join(err, j.Close())
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
