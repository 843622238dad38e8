// Package rota asks outside sources who is on call: a calendar in iCalendar form, in a file or behind a URL, and an on-call
// tool with PagerDuty's API. It translates the names that they use into people of the roster, and leaves everybody else out.
//
// What a source answers decides who may approve, so each part of an answer that cannot be read exactly makes it no answer:
// the caller then believes the last one until it is too old. Errors wrap writ.ErrUnavailable or writ.ErrInvalid and show
// neither a URL, which may be a password, nor a token, nor what the source sent beyond a calendar's line number.
package rota

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Limits of one question.
const (
	askTimeout = 10 * time.Second // of one request: a source that takes longer is down
	maxAnswer  = 4 << 20          // bytes of one answer: a year of a team's calendar has some hundred kilobytes
)

// People translate a source's names: mail addresses in lower case, an on-call tool's user ids, or the words of an event.
type People map[string]writ.Person

// of returns the person that a name stands for.
func (p People) of(name string) (writ.Person, bool) {
	who, ok := p[strings.ToLower(strings.TrimSpace(name))]
	return who, ok
}

// A Web is how a source behind a URL is asked.
type Web struct {
	Roots  *x509.CertPool // nil: the system's
	Header http.Header    // with its credential
}

// client follows no redirect, since a credential goes along, and keeps no cookie.
func (w Web) client() *http.Client {
	return &http.Client{
		Timeout:       askTimeout,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.Roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get fetches one answer whole.
func get(ctx context.Context, c *http.Client, url string, header http.Header) ([]byte, error) {
	bad := func(what string) ([]byte, error) {
		return nil, fmt.Errorf("%w: on-call source: %s", writ.ErrUnavailable, what)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return bad("its URL has no form")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := c.Do(req)
	if err != nil {
		return bad("no answer in time, or no connection")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return bad(fmt.Sprintf("status %d", resp.StatusCode))
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(b) > maxAnswer {
		return bad("its answer did not arrive whole, or is too large")
	}
	return b, nil
}
