package notify

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
)

// Bounds of an answer. Its body is read only so far that the connection ends in order.
const (
	maxHeader = 16 << 10
	maxAnswer = 4 << 10
	maxAfter  = time.Hour // of Retry-After: what asks for more is asked again in an hour
)

// HeaderKey carries a message's key: the draft-ietf-httpapi-idempotency-key-header name.
const HeaderKey = "Idempotency-Key"

// A poster posts to one address.
type poster struct {
	to     *url.URL
	client *http.Client
}

func (o Options) poster(address string) (poster, error) {
	u, err := o.endpoint(address)
	if err != nil {
		return poster{}, err
	}
	return poster{u, &http.Client{
		Timeout:       notice.SendLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig: o.tls(""), ForceAttemptHTTP2: true, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
			TLSHandshakeTimeout: notice.SendLimit, ResponseHeaderTimeout: notice.SendLimit,
		},
	}}, nil
}

// post makes one attempt. Errors of the HTTP client quote the address, so they end here.
func (p poster) post(ctx context.Context, key string, body []byte, headers map[string]string) notice.Result {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.to.String(), bytes.NewReader(body))
	if err != nil {
		return notice.Result{Failure: writ.FailureRefused, Final: true}
	}
	r.Header.Set("User-Agent", "writ")
	r.Header.Set(HeaderKey, key)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return broken(ctx, err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	return judge(answer.StatusCode, answer.Header.Get("Retry-After"))
}

// judge reads what an HTTP status means for a notice.
func judge(code int, after string) notice.Result {
	out := notice.Result{Status: code}
	switch {
	case code >= 200 && code < 300:
	case code >= 300 && code < 400:
		out.Failure, out.Final = writ.FailureRedirect, true
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		out.Failure, out.Final = writ.FailureAuth, true
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		out.Failure, out.After = writ.FailureBusy, retryAfter(after)
	default:
		out.Failure, out.Final = writ.FailureRefused, true
	}
	return out
}

// retryAfter reads the seconds of a Retry-After header (RFC 9110 section 10.2.3); a date, which would rest on another's
// clock, counts as nothing said.
func retryAfter(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxAfter)
}
