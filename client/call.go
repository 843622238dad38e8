package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// maxReply bounds one reply: the largest list of plans is some megabytes.
	maxReply = 16 << 20
	// maxBundle bounds an export: a ledger of some hundred thousand entries.
	maxBundle = 1 << 30
	// tries of a creating call, and the pause before the second; it doubles.
	tries = 3
	pause = 250 * time.Millisecond
)

// A call is one request that can be sent again.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	body         any // marshalled as JSON; json.RawMessage goes as it is
	creates      bool
}

// do sends c and decodes the reply into to.
func (c *Client) do(ctx context.Context, k call, to any) error {
	resp, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := bounded(resp.Body, maxReply)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%w: the reply to %s %s is not of the expected form: %w", writ.ErrUnavailable, k.method, k.path, err)
	}
	return nil
}

// send returns the response of a call that succeeded; the caller closes its body. A creating call is tried again, under
// the same key, when it may have got lost.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	var body []byte
	if k.body != nil {
		var err error
		if body, err = json.Marshal(k.body); err != nil {
			return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
	}
	header := k.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if k.creates {
		key, ok := ctx.Value(keyOf{}).(string)
		if !ok {
			key = rand.Text() // 26 characters, 128 random bits
		}
		header.Set("Idempotency-Key", key)
	}
	wait := pause
	for n := 1; ; n++ {
		resp, err := c.once(ctx, k, header, body)
		if err == nil {
			return resp, nil
		}
		again, ok := errors.AsType[*lostError](err)
		if !k.creates || !ok || n == tries || ctx.Err() != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(max(wait, again.after)):
			wait *= 2
		}
	}
}

// A lostError is a failure after which the same call may succeed: nothing was answered, or the server said so.
type lostError struct {
	cause error
	after time.Duration
}

func (e *lostError) Error() string { return e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// once sends k. With a source, a token that is refused is replaced and the call sent again: nothing was done.
func (c *Client) once(ctx context.Context, k call, header http.Header, body []byte) (*http.Response, error) {
	if c.source == nil {
		return c.sendAs(ctx, k, header, body, "")
	}
	for again := false; ; again = true {
		token, err := c.current(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := c.sendAs(ctx, k, header, body, token)
		if again || !errors.Is(err, writ.ErrUnknownUser) {
			return resp, err
		}
		c.source.forget(token)
	}
}

// sendAs sends k, with a token that the source's key holds if there is one; and once more where a nonce is all that the proof
// lacked: nothing was done.
func (c *Client) sendAs(ctx context.Context, k call, header http.Header, body []byte, held string) (*http.Response, error) {
	if held == "" {
		resp, err := c.sendWith(ctx, k, header, body, "", "")
		return success(resp, err)
	}
	nonce := c.source.nonce.get()
	resp, err := c.sendWith(ctx, k, header, body, held, nonce)
	if err != nil {
		return nil, err
	}
	took := c.source.nonce.take(resp)
	switch {
	case took && wantsNonce(resp):
		resp.Body.Close()
		if resp, err = c.sendWith(ctx, k, header, body, held, c.source.nonce.get()); err == nil {
			c.source.nonce.take(resp)
		}
	case nonce != "" && resp.StatusCode == http.StatusUnauthorized: // a server that takes none any more
		c.source.nonce.forget(nonce)
	}
	return success(resp, err)
}

// success returns an answer that is one, and makes an error of any other.
func success(resp *http.Response, err error) (*http.Response, error) {
	if err != nil || resp.StatusCode/100 == 2 {
		return resp, err
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

// sendWith sends k once; the caller closes the answer's body, whatever it says. nonce goes into the proof that comes with held.
func (c *Client) sendWith(ctx context.Context, k call, header http.Header, body []byte, held, nonce string) (*http.Response, error) {
	u := *c.base
	u.Path += k.path
	u.RawQuery = k.query.Encode()
	var reader io.Reader
	if k.body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), reader)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	req.Header = header.Clone()
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if err := c.sign(ctx, req, k.path, held, nonce); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &lostError{cause: fmt.Errorf("%w: %w", writ.ErrUnavailable, err)}
	}
	return resp, nil
}

// sign adds the caller's credential to a request of path: held with a proof of the source's key, or the bearer token.
func (c *Client) sign(ctx context.Context, req *http.Request, path, held, nonce string) error {
	if held != "" {
		proof, err := prove(c.source.Key, req.Method, c.named+(&url.URL{Path: path}).EscapedPath(), held, nonce, c.source.now())
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "DPoP "+held)
		req.Header.Set("DPoP", proof)
	}
	if c.token != nil {
		token, err := c.token(ctx)
		if err != nil {
			return fmt.Errorf("%w: token: %w", writ.ErrUnknownUser, err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// bounded reads all of r, and refuses more than limit bytes.
func bounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the reply broke off: %w", writ.ErrUnavailable, err)
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%w: the reply has more than %d bytes", writ.ErrUnavailable, limit)
	}
	return b, nil
}
