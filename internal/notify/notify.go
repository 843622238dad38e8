// Package notify sends notices to people: to a webhook, to Slack, to ntfy and by mail. A channel sends a summary and a
// link, and reads no more of the answer than whether the notice was taken: a channel is told things and asked nothing.
//
// Addresses come from the configuration alone; nothing in a message chooses where it goes. TLS is verified, redirects are
// not followed, no proxy is taken from the environment, and each attempt ends within notice.SendLimit. Plain connections
// are for loopback addresses under --dev. Results are codes: neither an address, which may be a password, nor an answer is
// ever part of one.
package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

// A Channel tells people. Send makes one attempt and returns before ctx ends; to is an address of the channel's kind, or
// empty for the channel's own recipients. It may be called concurrently, and does not retry: whoever calls does, with the
// same message, whose key stays the same.
type Channel interface {
	Kind() string
	Personal() bool // takes addresses of people
	Send(ctx context.Context, to string, m notice.Message) notice.Result
}

// Options are what all channels share.
type Options struct {
	CAs   *x509.CertPool // nil means the system's
	Plain bool           // --dev: unencrypted connections to loopback addresses
	Now   func() time.Time
}

func (o Options) tls(name string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.CAs, ServerName: name}
}

// loopback reports whether a host without port is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// endpoint checks an address that a channel posts to. No error quotes it.
func (o Options) endpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "":
		return nil, fmt.Errorf("%w: the address is not a URL such as https://hooks.example/path, without user and fragment", writ.ErrInvalid)
	case u.Scheme == "https" || u.Scheme == "http" && o.Plain && loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("%w: the address must be https (http is for --dev on a loopback address)", writ.ErrInvalid)
}

// broken says why a connection gave no answer.
func broken(ctx context.Context, err error) notice.Result {
	var timeout interface{ Timeout() bool }
	var verification *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return notice.Result{Failure: writ.FailureTimeout}
	case errors.As(err, &verification), errors.As(err, &header), errors.As(err, &alert):
		return notice.Result{Failure: writ.FailureTLS}
	}
	return notice.Result{Failure: writ.FailureUnreachable}
}
