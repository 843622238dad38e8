package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
)

// A problem is what the server answers instead of a result (RFC 9457).
type problem struct {
	Detail string      `json:"detail"`
	Code   writ.Reason `json:"code"`
	Hint   string      `json:"hint"`
	Retry  string      `json:"retry"`
	Trace  string      `json:"trace_id"`
}

// kinds turns statuses into the root's kinds of error.
var kinds = map[int]error{
	http.StatusBadRequest:            writ.ErrInvalid,
	http.StatusUnauthorized:          writ.ErrUnknownUser,
	http.StatusForbidden:             writ.ErrDenied,
	http.StatusNotFound:              writ.ErrNotFound,
	http.StatusConflict:              writ.ErrConflict,
	http.StatusPreconditionFailed:    writ.ErrStale,
	http.StatusRequestEntityTooLarge: writ.ErrInvalid,
	http.StatusUnsupportedMediaType:  writ.ErrInvalid,
	http.StatusUnprocessableEntity:   writ.ErrInvalid,
	http.StatusLocked:                writ.ErrFrozen,
	http.StatusTooManyRequests:       writ.ErrBusy,
	http.StatusBadGateway:            writ.ErrUnavailable,
	http.StatusServiceUnavailable:    writ.ErrUnavailable,
	http.StatusGatewayTimeout:        writ.ErrUnavailable,
}

// errUnexpected is the kind of answers that no kind of the root fits, such as a failure inside the server: whether
// something was done is not known.
var errUnexpected = errors.New("unexpected answer")

const (
	maxProblem = 64 << 10
	maxText    = 500              // characters of a problem's text
	maxAfter   = 30 * time.Second // the longest Retry-After that a call waits by itself; a longer one is the caller's to wait
)

// refusal makes the error of an answer that is not a success. The text is somebody else's and made printable.
func refusal(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem)) // what is missing of it is not needed
	var p problem
	if json.Unmarshal(b, &p) != nil || p.Code == "" {
		p = problem{Code: "status_" + writ.Reason(strconv.Itoa(resp.StatusCode)), Detail: "the answer is not one of Writ's; is this its address?"}
	}
	kind, ok := kinds[resp.StatusCode]
	if !ok {
		kind = errUnexpected
		if p.Trace != "" {
			p.Detail = fmt.Sprintf("%s (trace %s)", p.Detail, p.Trace)
		}
	}
	r := &writ.Refusal{Code: writ.Reason(writ.Printable(string(p.Code), 80)), Detail: writ.Printable(p.Detail, maxText), Hint: writ.Printable(p.Hint, maxText), Kind: kind}
	if kind != writ.ErrUnavailable && kind != writ.ErrBusy {
		return r
	}
	if r.After = retryAfter(resp); r.After > maxAfter {
		return r // such as a cooldown: the caller has better things to do than to wait
	}
	return &lostError{cause: r, after: r.After}
}

// retryAfter is how long the server asks to wait, or 0.
func retryAfter(resp *http.Response) time.Duration {
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
