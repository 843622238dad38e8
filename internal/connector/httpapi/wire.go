package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
)

// Bounds of one exchange. An answer that says how an object is has a few KiB; logs have at most some hundred.
const (
	maxAnswer  = 1 << 20
	maxHeaders = 64 << 10
	dialTime   = 5 * time.Second
	callTime   = 60 * time.Second // of one exchange whose caller set no limit
)

// newClient makes the client of a target. Keep-alive is off: no connection outlives its request, a probe always uses a
// new one, and net/http never sends a request twice, which it does on a kept connection (RFC 9110 section 9.2.2 permits
// that for what it believes idempotent; a repair is not sent twice).
func newClient(ca []byte) (*http.Client, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%w: ca holds no PEM certificate", writ.ErrInvalid)
		}
	}
	return &http.Client{
		Timeout: callTime,
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTime}).DialContext, TLSHandshakeTimeout: dialTime, TLSClientConfig: t,
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeaders,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// A request is one exchange with the target.
type request struct {
	method, path, query string
	body                []byte
	token               string
	match, key          string // If-Match and Idempotency-Key; empty: not sent
}

// An answer is what the target answered.
type answer struct {
	status int
	etag   string
	typ    string
	body   []byte
	cut    bool // the body was longer than maxAnswer
}

// errSent is wrapped by errors of exchanges that may have reached the target.
var errSent = errors.New("the answer did not arrive")

// errNotSent is wrapped by errors of exchanges that did not reach it.
var errNotSent = errors.New("it cannot be reached")

// send makes one exchange, once. On error it says whether the request may have reached the target: from the moment on
// that a connection is open, nobody can tell. Errors name neither token nor body.
func (x *Connector) send(ctx context.Context, q request) (answer, error) {
	u := *x.base
	u.Path, u.RawPath = "", ""
	target := u.String() + x.base.EscapedPath() + q.path
	if q.query != "" {
		target += "?" + q.query
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	var body io.Reader
	if len(q.body) > 0 {
		body = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, body)
	if err != nil {
		return answer{}, fmt.Errorf("%w: the request cannot be written", errNotSent)
	}
	req.GetBody = nil
	req.Header.Set("Authorization", "Bearer "+q.token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "writ")
	if len(q.body) > 0 {
		req.Header.Set("Content-Type", jsonType)
	}
	if q.match != "" {
		req.Header.Set("If-Match", q.match)
	}
	if q.key != "" {
		req.Header.Set("Idempotency-Key", q.key)
	}
	return x.exchange(req, &connected)
}

const jsonType = "application/json"

func (x *Connector) exchange(req *http.Request, connected *atomic.Bool) (answer, error) {
	res, err := x.http.Do(req)
	if err != nil {
		if connected.Load() {
			return answer{}, fmt.Errorf("%w: %s", errSent, why(err))
		}
		return answer{}, fmt.Errorf("%w: %s", errNotSent, why(err))
	}
	defer func() { _ = res.Body.Close() }()
	a := answer{status: res.StatusCode, etag: res.Header.Get("ETag"), typ: res.Header.Get("Content-Type")}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("%w: it broke off after status %d", errSent, res.StatusCode)
	}
	if len(a.body) > maxAnswer {
		a.body, a.cut = a.body[:maxAnswer], true
	}
	return a, nil
}

// why names the kind of a transport error without the address or anything that was sent.
func why(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		return "its certificate is not trusted"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was cut"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + " on the connection"
	}
	return "no valid HTTP answer"
}

// decode parses a JSON body, keeping numbers as they are written.
func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("%w: the answer is not JSON", writ.ErrInvalid)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the JSON answer", writ.ErrInvalid)
	}
	return v, nil
}

// path is the escaped path of a call, and its query.
func (e endpoint) call(with writ.Parameters) (path, query string) {
	q := url.Values{}
	for _, p := range e.params {
		if v, ok := with[p.spec.Name]; ok && p.in == inQuery {
			q.Set(p.document, plain(v))
		}
	}
	return e.path.expand(with, url.PathEscape), strings.TrimPrefix(q.Encode(), "?")
}
