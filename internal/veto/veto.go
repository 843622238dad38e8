// Package veto asks an external policy decision point over AuthZEN 1.0 whether it permits what Writ's own policy allows: an
// OPA, a Cerbos or another that the customer runs. Only one answer permits: status 200 and a JSON object whose decision is
// true, in time, without an obligation, since Writ could not promise to keep one that it does not know.
//
// It is told names and the facts that policy saw, never a credential of a target, a grant or a token of a caller.
package veto

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// Limits.
const (
	DefaultTimeout = 500 * time.Millisecond
	MaxTimeout     = 5 * time.Second // the runner's call and the approver's wait for it
	maxReply       = 64 << 10
)

// A Config is one decision point.
type Config struct {
	URL     string         // of its access evaluation endpoint
	Roots   *x509.CertPool // nil: the system's
	Token   string         // bearer token for it; empty for none
	Timeout time.Duration  // 0: DefaultTimeout
}

// A Client asks. It is safe for concurrent use.
type Client struct {
	Config
	http *http.Client
}

// New returns a client. It follows no redirect and keeps no cookie.
func New(c Config) *Client {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	return &Client{c, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// A Question is one access evaluation.
type Question struct {
	Subject  Entity         `json:"subject"`
	Action   Action         `json:"action"`
	Resource Entity         `json:"resource"`
	Context  map[string]any `json:"context,omitempty"`
}

// An Entity is a subject or a resource.
type Entity struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// An Action is what would be done.
type Action struct {
	Name string `json:"name"`
}

// Permits reports whether the decision point permits. Its no is false without an error; whatever else it does is an error,
// which wraps writ.ErrUnavailable and shows nothing of what it sent.
func (c *Client) Permits(ctx context.Context, q Question) (bool, error) {
	bad := func(what string) (bool, error) {
		return false, fmt.Errorf("%w: external decision point: %s", writ.ErrUnavailable, what)
	}
	b, err := json.Marshal(q)
	if err != nil {
		return bad("the question has no form")
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(b))
	if err != nil {
		return bad("its URL has no form")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return bad("no answer in time, or no connection")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return bad(fmt.Sprintf("status %d", resp.StatusCode))
	}
	if t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return bad("its answer is no JSON")
	}
	b, err = io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil || len(b) > maxReply {
		return bad("its answer did not arrive whole, or is too large")
	}
	return parse(b)
}

// parse reads an answer. A member twice, or in other letters, is no answer: another reader could take the other one.
func parse(b []byte) (bool, error) {
	bad := func(what string) (bool, error) {
		return false, fmt.Errorf("%w: external decision point: %s", writ.ErrUnavailable, what)
	}
	if err := canon.Check(b); err != nil {
		return bad("its answer is not one JSON object that all readers agree on")
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(b, &answer); err != nil {
		return bad("its answer is no object")
	}
	said := string(answer["decision"])
	if said != "true" && said != "false" {
		return bad("its answer has no decision")
	}
	if said == "false" {
		return false, nil
	}
	var about map[string]json.RawMessage
	if raw, ok := answer["context"]; ok {
		if err := json.Unmarshal(raw, &about); err != nil {
			return bad("the context of its answer is no object")
		}
	}
	if raw, ok := about["obligations"]; ok && string(raw) != "[]" {
		return bad("it permits under an obligation, and Writ knows none")
	}
	return true, nil
}
