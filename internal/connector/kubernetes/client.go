package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"

	"k8s.io/client-go/rest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/redact"
)

// maxAnswer bounds what is read of one answer: etcd keeps no object above 1.5 MiB, and a list that is longer is cut by
// its limit parameter long before.
const maxAnswer = 16 << 20

// userAgent names Writ in the cluster's audit log; managers see "writ" (see fieldManager).
const userAgent = "writ"

// fieldManager owns the fields that Writ changes; conflicts name managers.
const fieldManager = "writ"

// A client speaks to one API server under one credential.
type client struct {
	base  *url.URL
	http  *http.Client
	token string // a lease's; empty when the transport authenticates
}

// newClient makes a client of a runner's own credential, which may come from a file, a certificate or a helper.
func newClient(c *rest.Config) (*client, error) {
	c = rest.CopyConfig(c)
	c.UserAgent = userAgent
	base, _, err := rest.DefaultServerUrlFor(c)
	if err != nil {
		return nil, errors.New("the API server's address is not a URL")
	}
	h, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("credential: %w", err)
	}
	return &client{base: base, http: plain(h)}, nil
}

// leaseClient makes a client of a lease's token, on a transport of its own. Each request has a new connection, which
// is closed after it: none outlives the lease, and none was authenticated before it.
func leaseClient(anonymous *rest.Config, token string) (*client, error) {
	base, _, err := rest.DefaultServerUrlFor(anonymous)
	if err != nil {
		return nil, errors.New("the API server's address is not a URL")
	}
	tls, err := rest.TLSConfigFor(anonymous)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	proxy := anonymous.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	t := &http.Transport{TLSClientConfig: tls, Proxy: proxy, DialContext: anonymous.Dial, DisableKeepAlives: true}
	return &client{base: base, token: token, http: plain(&http.Client{Transport: t})}, nil
}

// plain makes h follow no redirect: a request is answered by whom it was sent to.
func plain(h *http.Client) *http.Client {
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return h
}

// A request is one call to the API server.
type request struct {
	method, path, query string
	contentType         string
	body                []byte
}

// An answer is what the API server said, and what went out to it.
type answer struct {
	status int
	body   []byte
	sent   bool   // the request, or part of it, may have left this process
	wire   []byte // the bytes of the body that were put on the wire
}

// do sends r. An error means that there is no complete answer; sent and wire are set all the same, and status if it
// came.
func (c *client) do(ctx context.Context, r request) (answer, error) {
	var out answer
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	u := c.base.JoinPath(r.path)
	u.RawQuery = r.query
	wire := &recorder{from: bytes.NewReader(r.body)}
	var body io.Reader
	if len(r.body) > 0 {
		body = wire
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return out, errors.New("the request has no valid form")
	}
	req.ContentLength = int64(len(r.body))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	out.sent, out.wire = sent.Load(), wire.bytes()
	if err != nil {
		return out, unreached(err)
	}
	defer resp.Body.Close()
	out.status = resp.StatusCode
	out.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	out.wire = wire.bytes()
	switch {
	case err != nil:
		return out, unreached(err)
	case len(out.body) > maxAnswer:
		return out, writ.Refuse(writ.ReasonTooLarge, "the target's answer is too long")
	}
	return out, nil
}

// get reads one object. Refusals say no_object, forbidden or unreachable.
func (c *client) get(ctx context.Context, p place) (object, []byte, error) {
	o, b, err := c.read(ctx, p.path(), "")
	if writ.ReasonOf(err) == writ.ReasonNoObject {
		err = writ.Refuse(writ.ReasonNoObject, fmt.Sprintf("there is no %s", p))
	}
	return o, b, err
}

// read gets one JSON document.
func (c *client) read(ctx context.Context, path, query string) (object, []byte, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query})
	if err != nil {
		return nil, nil, err
	}
	if a.status != http.StatusOK {
		return nil, nil, a.refusal()
	}
	o, err := parseObject(a.body)
	return o, a.body, err
}

// refusal says why the target did not do as asked.
func (a answer) refusal() error {
	code := writ.ReasonUnreachable
	switch {
	case a.status == http.StatusNotFound:
		code = writ.ReasonNoObject
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		code = writ.ReasonForbidden
	case a.status == http.StatusConflict:
		code = writ.ReasonWorldMoved
	case a.status < 500 && a.status != http.StatusTooManyRequests:
		code = writ.ReasonStepFailed
	}
	return writ.Refuse(code, a.says())
}

// says is the target's answer in one printable sentence without secrets.
func (a answer) says() string {
	text := ""
	if o, err := parseObject(a.body); err == nil {
		text, _ = redact.Text(o.str("message"))
	}
	return fmt.Sprintf("the target answered %d %s", a.status, writ.Printable(text, 300))
}

// unreached hides an error's URL, which says nothing that people need here, and keeps why.
func unreached(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	text, _ := redact.Text(err.Error())
	return &writ.Refusal{Code: writ.ReasonUnreachable, Detail: "the target cannot be reached: " + writ.Printable(text, 200), Kind: writ.ErrUnavailable}
}

// A recorder is a request body that remembers what was read of it. It has no way back to its beginning, so the
// transport cannot send it twice.
type recorder struct {
	mu   sync.Mutex
	from *bytes.Reader
	sent []byte
}

// Read implements io.Reader for the transport.
func (r *recorder) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.from.Read(p)
	r.sent = append(r.sent, p[:n]...)
	return n, err
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.sent)
}
