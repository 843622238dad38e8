package server

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"github.com/writ-dev/writ/internal/assignment"
)

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
