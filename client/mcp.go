package client

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/writ-dev/writ"
)

// pathMCP is the agents' door.
const pathMCP = "/mcp"

// MCP sends one message of the Model Context Protocol to the agents' door with the client's credential, and returns the
// response whatever its status; the caller closes its body. It is for bridges: agents use an MCP client. A token of a source that is
// refused is replaced, and the message sent again, once: nothing was done. So it is with a nonce that a proof lacked. It returns an error that matches ErrUnavailable when no answer came.
func (c *Client) MCP(ctx context.Context, header http.Header, message []byte) (*http.Response, error) {
	for again, nonced := false, false; ; {
		held, nonce := "", ""
		if c.source != nil {
			var err error
			if held, err = c.current(ctx); err != nil {
				return nil, err
			}
			nonce = c.source.nonce.get()
		}
		u := *c.base
		u.Path += pathMCP
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(message))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
		req.Header = header.Clone()
		if err := c.sign(ctx, req, pathMCP, held, nonce); err != nil {
			return nil, err
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, &lostError{cause: fmt.Errorf("%w: %w", writ.ErrUnavailable, err)}
		}
		if c.source == nil {
			return resp, nil
		}
		took := c.source.nonce.take(resp)
		switch {
		case resp.StatusCode != http.StatusUnauthorized:
			return resp, nil
		case took && !nonced && wantsNonce(resp):
			nonced = true
		case again:
			return resp, nil
		default:
			c.source.nonce.forget(nonce)
			c.source.forget(held)
			again = true
		}
		resp.Body.Close()
	}
}
