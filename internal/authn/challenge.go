package authn

import (
	"context"
	"net/http"
)

// headerNonce carries a server's nonce to the holder of a key (RFC 9449 section 8.1).
const headerNonce = "DPoP-Nonce"

// challengeNonce is what a resource says with it (RFC 9449 section 9).
const challengeNonce = `DPoP realm="writ", error="use_dpop_nonce", error_description="this server asks for its nonce in the DPoP proof", algs="ES256"`

// Challenges gives next's answers the nonces that became due while it found out who calls: the header DPoP-Nonce, and where a
// nonce is all that was missing, the challenge that says so, in front of the one that next makes. Without nonces it is next.
func (a *Authenticator) Challenges(next http.Handler) http.Handler {
	if a.nonces == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &challenge{ResponseWriter: w}
		next.ServeHTTP(c, r.WithContext(context.WithValue(r.Context(), challengeKey{}, c)))
	})
}

type challengeKey struct{}

// A challenge is the answer to a request, and what it tells of nonces. Like the answer, it belongs to the request's goroutine.
type challenge struct {
	http.ResponseWriter
	nonce  string
	wanted bool
	said   bool
}

// noteNonce remembers a nonce for the answer to the request of ctx.
func noteNonce(ctx context.Context, nonce string, wanted bool) {
	if c, ok := ctx.Value(challengeKey{}).(*challenge); ok {
		c.nonce, c.wanted = nonce, c.wanted || wanted
	}
}

// WriteHeader adds the nonce before the first header goes out.
func (c *challenge) WriteHeader(status int) {
	if h := c.Header(); !c.said && status >= http.StatusOK && c.nonce != "" {
		h.Set(headerNonce, c.nonce)
		h.Set("Cache-Control", "no-store") // RFC 9449 section 8.2
		if status == http.StatusUnauthorized && c.wanted {
			h["Www-Authenticate"] = append([]string{challengeNonce}, h.Values("WWW-Authenticate")...)
		}
	}
	c.said = c.said || status >= http.StatusOK
	c.ResponseWriter.WriteHeader(status)
}

// Write writes the header first, as every ResponseWriter does.
func (c *challenge) Write(b []byte) (int, error) {
	if !c.said {
		c.WriteHeader(http.StatusOK)
	}
	return c.ResponseWriter.Write(b)
}

// Flush is for streams of events, whose writers look for it.
func (c *challenge) Flush() {
	if !c.said {
		c.WriteHeader(http.StatusOK)
	}
	_ = http.NewResponseController(c.ResponseWriter).Flush() // a writer that cannot has nothing to flush
}

// Unwrap is for http.ResponseController.
func (c *challenge) Unwrap() http.ResponseWriter { return c.ResponseWriter }
