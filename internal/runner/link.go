package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

// Limits of what travels. The control plane's door takes at most 4 MiB; a bundle of the largest plan with its
// approvals, or the receipts of a whole delivery, stay below that too.
const (
	maxSent     = 4 << 20
	maxReceived = 4 << 20
	maxProblem  = 16 << 10
)

// Link is the Control of a control plane that is reached over HTTP. The connection's security is its client's
// transport: mutual TLS with pinned keys (internal/pin). It follows no redirect and reads no more than it must.
//
// The control plane may have several replicas. A Link stays with one while it answers. When a connection cannot be made
// the call goes to the next one; when a call failed later the next call does, since this one may have arrived.
type Link struct {
	bases  []string
	at     atomic.Uint32 // index of the replica, modulo their number
	client *http.Client
}

// NewLink returns a Link to the runner URL of a control plane, or of each of its replicas: scheme, host and perhaps a
// path, nothing else.
func NewLink(base string, client *http.Client, more ...string) (*Link, error) {
	if client == nil {
		return nil, errors.New("runner: a link needs an HTTP client")
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	l := &Link{client: &own}
	for _, b := range append([]string{base}, more...) {
		u, err := url.Parse(b)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%w: the control plane's URL is http or https, a host and a path", writ.ErrInvalid)
		}
		l.bases = append(l.bases, strings.TrimSuffix(b, "/"))
	}
	return l, nil
}

// Join implements Control.
func (l *Link) Join(ctx context.Context, j assignment.Join) (assignment.Joined, error) {
	var out assignment.Joined
	some, err := l.post(ctx, assignment.PathJoin, j, &out)
	if err == nil && !some {
		err = fmt.Errorf("%w: the control plane answered nothing", writ.ErrUnavailable)
	}
	return out, err
}

// send sends one call to the replica that answered last, or to the next ones while no connection can be made.
func (l *Link) send(ctx context.Context, path string, body []byte) (*http.Response, uint32, error) {
	at := l.at.Load()
	for tries := 1; ; tries++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.bases[int(at)%len(l.bases)]+path, bytes.NewReader(body))
		if err != nil {
			return nil, at, fmt.Errorf("%w: %s", writ.ErrInvalid, path)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, application/problem+json")
		resp, err := l.client.Do(req)
		if err == nil {
			return resp, at, nil
		}
		l.leave(at)
		dial, ok := errors.AsType[*net.OpError](err)
		if tries == len(l.bases) || !ok || dial.Op != "dial" || ctx.Err() != nil {
			return nil, at, fmt.Errorf("%w: %s: %w", writ.ErrUnavailable, path, err)
		}
		at = l.at.Load()
	}
}

// leave turns to the next replica, unless another call has done so already.
func (l *Link) leave(at uint32) { l.at.CompareAndSwap(at, at+1) }

// Next implements Control.
func (l *Link) Next(ctx context.Context, ask assignment.Ask) (*assignment.Assignment, error) {
	var a assignment.Assignment
	some, err := l.post(ctx, assignment.PathNext, ask, &a)
	if err != nil || !some {
		return nil, err
	}
	return &a, nil
}

// Answer implements Control.
func (l *Link) Answer(ctx context.Context, a assignment.Answer) error {
	_, err := l.post(ctx, assignment.PathAnswer, a, nil)
	return err
}

// Deliver implements Control.
func (l *Link) Deliver(ctx context.Context, d assignment.Delivery) (assignment.Delivered, error) {
	var out assignment.Delivered
	some, err := l.post(ctx, assignment.PathEntries, d, &out)
	if err == nil && !some {
		err = fmt.Errorf("%w: the control plane answered nothing", writ.ErrUnavailable)
	}
	return out, err
}

// Feed implements Control.
func (l *Link) Feed(ctx context.Context, ask assignment.Listen) (assignment.Told, error) {
	var out assignment.Told
	some, err := l.post(ctx, assignment.PathFeed, ask, &out)
	if err == nil && !some {
		err = fmt.Errorf("%w: the control plane answered nothing", writ.ErrUnavailable)
	}
	return out, err
}

// Enrol has a key registered for a runner.
func (l *Link) Enrol(ctx context.Context, e assignment.Enrol) (assignment.Enrolled, error) {
	var out assignment.Enrolled
	some, err := l.post(ctx, assignment.PathEnrol, e, &out)
	if err == nil && !some {
		err = fmt.Errorf("%w: the control plane answered nothing", writ.ErrUnavailable)
	}
	return out, err
}

// Retire takes back a key of this runner.
func (l *Link) Retire(ctx context.Context, r assignment.Retire) error {
	_, err := l.post(ctx, assignment.PathRetire, r, nil)
	return err
}

// post sends in and decodes the answer into out; false when there was none (204).
func (l *Link) post(ctx context.Context, path string, in, out any) (bool, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, fmt.Errorf("%w: %s: %v", writ.ErrInvalid, path, err)
	}
	if len(body) > maxSent {
		return false, fmt.Errorf("%w: %s: %d bytes to send; %d are allowed", writ.ErrInvalid, path, len(body), maxSent)
	}
	resp, at, err := l.send(ctx, path, body)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		l.leave(at) // it cannot, another one may
	}
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return false, nil
	case resp.StatusCode != http.StatusOK:
		return false, problem(path, resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReceived+1))
	switch {
	case err != nil:
		l.leave(at)
		return false, fmt.Errorf("%w: %s: %w", writ.ErrUnavailable, path, err)
	case len(text) > maxReceived:
		return false, fmt.Errorf("%w: %s: the answer has more than %d bytes", writ.ErrUnavailable, path, maxReceived)
	case out == nil:
		return true, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return false, fmt.Errorf("%w: %s: the answer is not of the wanted form", writ.ErrUnavailable, path)
	}
	return true, nil
}

// kinds turns a status back into the kind of error that the control plane's door made it from.
var kinds = map[int]error{
	http.StatusBadRequest: writ.ErrInvalid, http.StatusUnauthorized: writ.ErrUnknownUser, http.StatusForbidden: writ.ErrDenied,
	http.StatusNotFound: writ.ErrNotFound, http.StatusConflict: writ.ErrConflict, http.StatusPreconditionFailed: writ.ErrStale,
	http.StatusRequestEntityTooLarge: writ.ErrInvalid, http.StatusUnprocessableEntity: writ.ErrInvalid,
	http.StatusLocked: writ.ErrFrozen, http.StatusTooManyRequests: writ.ErrBusy,
}

// problem reads a problem (RFC 9457). Anything else, a redirect among it, is as if nobody had answered.
func problem(path string, resp *http.Response) error {
	kind, ok := kinds[resp.StatusCode]
	if !ok {
		return fmt.Errorf("%w: %s: status %d", writ.ErrUnavailable, path, resp.StatusCode)
	}
	var p struct {
		Code   writ.Reason `json:"code"`
		Detail string      `json:"detail"`
		Hint   string      `json:"hint"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil || json.Unmarshal(text, &p) != nil || p.Code == "" {
		return fmt.Errorf("%w: %s: status %d", kind, path, resp.StatusCode)
	}
	return &writ.Refusal{
		Code: writ.Reason(writ.Printable(string(p.Code), 40)), Detail: writ.Printable(p.Detail, maxDetail), Hint: writ.Printable(p.Hint, maxDetail), Kind: kind,
	}
}
