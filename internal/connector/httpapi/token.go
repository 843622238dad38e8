package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"net/http/httptrace"

	"github.com/writ-dev/writ"
)

// Grant and token types on the wire.
const (
	wireExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	wireAccess   = "urn:ietf:params:oauth:token-type:access_token"
)

// lifeSlack is how much longer than asked a token may live: endpoints round.
const lifeSlack = 2 * time.Second

// readMargin is how long before its end the read-only token is replaced.
const readMargin = 10 * time.Second

// readLife is how long a read-only token is asked to live.
const readLife = 5 * time.Minute

// A minted is an access token with its life.
type minted struct {
	text    string
	expires time.Time
}

// tokenForm posts a form to an OAuth endpoint as client k and returns the status and the body.
func (x *Connector) tokenForm(ctx context.Context, endpoint string, k ClientConfig, form url.Values) (answer, error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, fmt.Errorf("%w: the request cannot be written", errNotSent)
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", jsonType)
	req.SetBasicAuth(url.QueryEscape(k.ID), url.QueryEscape(string(k.Secret))) // RFC 6749 section 2.3.1
	return x.exchange(req, &connected)
}

// mint asks the token endpoint for a token with exactly scopes. With a subject it exchanges that (RFC 8693). A token
// whose scope or life is more than asked for is revoked at once and refused.
func (x *Connector) mint(ctx context.Context, k ClientConfig, scopes []string, life time.Duration, subject string) (minted, error) {
	form := url.Values{"grant_type": {GrantClientCredentials}, "scope": {strings.Join(scopes, " ")}}
	if subject != "" {
		form.Set("grant_type", wireExchange)
		form.Set("subject_token", subject)
		form.Set("subject_token_type", wireAccess)
		form.Set("requested_token_type", wireAccess)
	}
	if x.token.LifeParameter != "" {
		form.Set(x.token.LifeParameter, strconv.Itoa(max(1, int(life/time.Second))))
	}
	began := x.now()
	a, err := x.tokenForm(ctx, x.token.Endpoint, k, form)
	if err != nil {
		return minted{}, &writ.Refusal{Code: writ.ReasonUnreachable, Detail: "the token endpoint: " + err.Error(), Kind: writ.ErrUnavailable}
	}
	if a.status != http.StatusOK {
		return minted{}, tokenRefusal(a)
	}
	var out struct {
		AccessToken string  `json:"access_token"`
		TokenType   string  `json:"token_type"`
		ExpiresIn   int64   `json:"expires_in"`
		Scope       *string `json:"scope"`
	}
	if err := json.Unmarshal(a.body, &out); err != nil || !isToken(out.AccessToken) {
		return minted{}, &writ.Refusal{Code: writ.ReasonForbidden, Detail: "the token endpoint's answer holds no access token"}
	}
	m := minted{text: out.AccessToken, expires: began.Add(time.Duration(out.ExpiresIn) * time.Second)}
	if problem := x.unwanted(out.TokenType, out.ExpiresIn, out.Scope, scopes, life); problem != "" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTime)
		defer cancel()
		return minted{}, errors.Join(&writ.Refusal{Code: writ.ReasonForbidden, Detail: problem}, x.revoke(ctx, k, m.text))
	}
	return m, nil
}

// unwanted says what is wrong with a token that was minted. A missing scope means the scope that was asked for (RFC
// 6749 section 5.1).
func (x *Connector) unwanted(typ string, seconds int64, got *string, want []string, life time.Duration) string {
	switch {
	case !strings.EqualFold(typ, "Bearer"):
		return "the token endpoint made a token that is not of type Bearer"
	case seconds < 1 || time.Duration(seconds)*time.Second > life+lifeSlack:
		return fmt.Sprintf("the token endpoint made a token of %d seconds where at most %d were asked for", seconds, int(life/time.Second))
	case got != nil && !sameWords(strings.Fields(*got), want):
		return "the token endpoint made a token of another scope than asked for"
	}
	return ""
}

func sameWords(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// isToken reports whether s can stand in an Authorization header (RFC 6750 section 2.1).
func isToken(s string) bool {
	return s != "" && len(s) <= 16<<10 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=") == ""
}

// tokenRefusal shows the error code of RFC 6749 section 5.2, which is from a closed set, and nothing else.
func tokenRefusal(a answer) error {
	var out struct {
		Error string `json:"error"`
	}
	code := "no error code"
	if json.Unmarshal(a.body, &out) == nil && writ.IsName(out.Error) {
		code = out.Error
	}
	return &writ.Refusal{Code: writ.ReasonForbidden, Detail: fmt.Sprintf("the token endpoint refused: status %d, %s", a.status, code)}
}

// revoke ends a token (RFC 7009). A token that is not alive is no error.
func (x *Connector) revoke(ctx context.Context, k ClientConfig, token string) error {
	a, err := x.tokenForm(ctx, x.token.Revocation, k, url.Values{"token": {token}, "token_type_hint": {"access_token"}})
	if err != nil {
		return fmt.Errorf("%w: the revocation endpoint: %v", writ.ErrUnavailable, err)
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%w: the revocation endpoint answers %d", writ.ErrUnavailable, a.status)
	}
	return nil
}

// readToken is the connector's own read-only token.
type readToken struct {
	mu sync.Mutex
	is minted
}

// reader returns a read-only token, a new one when the old one ends soon.
func (x *Connector) reader(ctx context.Context) (string, error) {
	r := &x.reading
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.is.text != "" && x.now().Add(readMargin).Before(r.is.expires) {
		return r.is.text, nil
	}
	m, err := x.mint(ctx, x.token.Reader, []string{x.token.Reader.Scope}, readLife, "")
	if err != nil {
		return "", err
	}
	r.is = m
	return m.text, nil
}

// forget drops a read-only token that the target refused, so that the next read asks for a new one.
func (r *readToken) forget(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.is.text == token {
		r.is = minted{}
	}
}
