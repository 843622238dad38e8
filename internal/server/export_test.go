package server

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/quorum"
)

// A Watched is a directory of policies that is looked at when the test says so.
type Watched struct {
	source policySource
	watch  *policyWatch
}

// WatchPolicy loads the set in dir as a server does at its start. Owners of none mean that it need not be signed.
func WatchPolicy(dir string, v policy.Vocabulary, threshold int, owners []ed25519.PublicKey, to adopter, log *slog.Logger) (*Watched, control.PolicySet, error) {
	p := policySource{dir: dir, words: v}
	if len(owners) > 0 {
		p.owners = &quorum.Owners{Keys: owners, Threshold: threshold}
	}
	set, name, err := p.load()
	return &Watched{p, &policyWatch{from: p, to: to, log: log, tried: name, seen: name}}, set, err
}

// Look looks at the directory once; told says that somebody sent SIGHUP.
func (w *Watched) Look(ctx context.Context, told bool) { w.watch.look(ctx, told) }

// Aged serves h over TLS on a free port of this machine until ctx ends, on connections that end at age.
func Aged(ctx context.Context, h http.Handler, secure *tls.Config, age time.Duration) (address string, done <-chan error, err error) {
	l, err := listen("a test", "127.0.0.1:0", h, secure, age)
	if err != nil {
		return "", nil, err
	}
	end := make(chan error, 1)
	go func() { end <- l.serve(ctx) }()
	return l.address(), end, nil
}

// JoinAs asks for the runner's cell over a connection as the enrolment says.
func JoinAs(ctx context.Context, e Enrolment, j assignment.Join) (assignment.Joined, error) {
	link, err := e.link()
	if err != nil {
		return assignment.Joined{}, err
	}
	return link.Join(ctx, j)
}

// MutualTLS is what the intake of events listens with.
var MutualTLS = mutualTLS
