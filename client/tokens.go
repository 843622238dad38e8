package client

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// renewBefore is how long before its end a token is renewed: longer than a call takes.
	renewBefore = time.Minute
	// maxTokenReply bounds an answer of the token endpoint: a token of 16 KiB and what is said of it.
	maxTokenReply = 64 << 10
)

// A Source is where an agent's control-plane tokens come from: its platform's credential is exchanged for one that its
// key holds, and again before that ends. See Config.Source.
//
//	key, err := client.NewKey()
//	c, err := client.New(address, client.Config{Source: &client.Source{Key: key, Assertion: read}})
//
// A Source belongs to one Client, and is not changed afterwards.
type Source struct {
	// Key signs the proof of each call. It may be kept for as long as the process lives, and must not leave it.
	Key *ecdsa.PrivateKey
	// Assertion returns the platform's credential of now; nil where HTTPClient comes with a client certificate.
	Assertion func(context.Context) (string, error)
	// SVID says that the assertion is a JWT-SVID.
	SVID bool
	// Now is the clock; nil means the machine's.
	Now func() time.Time

	nonce keptNonce // of the server's; the client asks for one by sending a proof without

	mu    sync.Mutex // held while a token is fetched, so that one is fetched for all
	token string
	until time.Time
}

func (s *Source) check() error {
	if s.Key == nil {
		return fmt.Errorf("%w: a Source needs a Key", writ.ErrInvalid)
	}
	if _, err := publicKey(&s.Key.PublicKey); err != nil {
		return err
	}
	if s.SVID && s.Assertion == nil {
		return fmt.Errorf("%w: a JWT-SVID is an assertion", writ.ErrInvalid)
	}
	return nil
}

func (s *Source) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// grantTypes and assertion types of the token endpoint (RFC 6749, 7523 and 8693; draft-ietf-oauth-spiffe-client-auth).
const (
	typeClient   = "client_credentials"
	typeJWT      = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	typeExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeSVID     = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
	typeAccess   = "urn:ietf:params:oauth:token-type:access_token"
)

// current returns a token that is good for a while.
func (c *Client) current(ctx context.Context) (string, error) {
	s := c.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != "" && s.now().Before(s.until) {
		return s.token, nil
	}
	form := url.Values{"grant_type": {typeClient}}
	if s.Assertion != nil {
		raw, err := s.Assertion(ctx)
		switch {
		case err != nil:
			return "", fmt.Errorf("%w: assertion: %w", writ.ErrUnknownUser, err)
		case s.SVID:
			form.Set("client_assertion_type", typeSVID)
			form.Set("client_assertion", raw)
		default:
			form = url.Values{"grant_type": {typeJWT}, "assertion": {raw}}
		}
	}
	got, err := c.askToken(ctx, form, "")
	if err != nil {
		return "", err
	}
	life := time.Duration(got.Seconds) * time.Second
	s.token, s.until = got.Token, s.now().Add(life-min(renewBefore, life/2))
	return s.token, nil
}

// forget drops a token that the server did not take, unless another has come meanwhile.
func (s *Source) forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.token = ""
	}
}

// A tokenReply is an answer of the token endpoint, good or bad.
type tokenReply struct {
	Token   string       `json:"access_token"`
	Type    string       `json:"token_type"`
	Seconds int64        `json:"expires_in"`
	Grant   writ.GrantID `json:"grant"`
	Plan    writ.PlanID  `json:"plan"`
	Run     writ.RunID   `json:"run"`
	Error   string       `json:"error"`
	Detail  string       `json:"error_description"`
	Code    writ.Reason  `json:"code"`
	Hint    string       `json:"hint"`
}

// askToken sends a form to the token endpoint, and once more where a nonce is all that the proof lacked. held is the token
// that rides along, or "".
func (c *Client) askToken(ctx context.Context, form url.Values, held string) (tokenReply, error) {
	nonce := c.source.nonce.get()
	got, err := c.askTokenWith(ctx, form, held, nonce)
	r, refused := errors.AsType[*writ.Refusal](err)
	next := c.source.nonce.get()
	switch {
	case refused && r.Code == errNonce && next != "" && next != nonce:
	case refused && r.Code == "invalid_dpop_proof" && nonce != "": // a server that takes none any more
		c.source.nonce.forget(nonce)
		next = c.source.nonce.get()
	default:
		return got, err
	}
	return c.askTokenWith(ctx, form, held, next)
}

func (c *Client) askTokenWith(ctx context.Context, form url.Values, held, nonce string) (tokenReply, error) {
	var got tokenReply
	proof, err := prove(c.source.Key, http.MethodPost, c.named+"/token", held, nonce, c.source.now())
	if err != nil {
		return got, err
	}
	u := *c.base
	u.Path += "/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return got, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("DPoP", proof)
	resp, err := c.http.Do(req)
	if err != nil {
		return got, &lostError{cause: fmt.Errorf("%w: %w", writ.ErrUnavailable, err)}
	}
	defer resp.Body.Close()
	c.source.nonce.take(resp)
	b, err := bounded(resp.Body, maxTokenReply)
	if err != nil {
		return got, err
	}
	if json.Unmarshal(b, &got) != nil || (resp.StatusCode == http.StatusOK) != (got.Token != "" && got.Error == "") {
		return got, fmt.Errorf("%w: the token endpoint answered %s, not of the expected form", writ.ErrUnavailable, resp.Status)
	}
	if resp.StatusCode == http.StatusOK {
		return got, nil
	}
	return tokenReply{}, tokenRefusal(got, retryAfter(resp))
}

// tokenKinds are what OAuth's errors mean in kinds of error; all others are denials.
var tokenKinds = map[string]error{
	"invalid_request": writ.ErrInvalid, "invalid_authorization_details": writ.ErrInvalid, "invalid_target": writ.ErrInvalid,
	"invalid_client": writ.ErrUnknownUser, "invalid_grant": writ.ErrUnknownUser, "invalid_dpop_proof": writ.ErrUnknownUser, errNonce: writ.ErrUnknownUser,
	"authorization_pending": writ.ErrBusy, "slow_down": writ.ErrBusy,
	"temporarily_unavailable": writ.ErrUnavailable, "server_error": writ.ErrUnavailable,
}

// tokenRefusal is what was refused. Its code is that of the control plane if there is one, and OAuth's error otherwise.
func tokenRefusal(got tokenReply, after time.Duration) error {
	code := got.Code
	if code == "" {
		code = writ.Reason(got.Error)
	}
	r := &writ.Refusal{
		Code: writ.Reason(writ.Printable(string(code), 80)), Detail: writ.Printable(got.Detail, maxText), Hint: writ.Printable(got.Hint, maxText),
		Kind: tokenKinds[got.Error], After: after,
	}
	if r.Kind == writ.ErrUnavailable {
		return &lostError{cause: r, after: after}
	}
	return r
}

// Exchange returns the grant of the caller's own plan, held by the source's key, which the proposal must have named. An
// error whose code is authorization_pending or slow_down matches writ.ErrBusy: ask again after its After. Asking again
// for a grant that lives returns the same one.
func (c *Client) Exchange(ctx context.Context, plan writ.PlanID, digest writ.Digest, runner writ.RunnerID) (writ.IssuedGrant, error) {
	if c.source == nil {
		return writ.IssuedGrant{}, fmt.Errorf("%w: an exchange needs a Source", writ.ErrInvalid)
	}
	details, err := json.Marshal([]any{map[string]any{"type": writ.AuthorizationType, "plan": plan, "plan_digest": digest}})
	if err != nil {
		return writ.IssuedGrant{}, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	held, err := c.current(ctx)
	if err != nil {
		return writ.IssuedGrant{}, err
	}
	got, err := c.askToken(ctx, url.Values{
		"grant_type": {typeExchange}, "subject_token": {held}, "subject_token_type": {typeAccess},
		"resource": {string(runner)}, "authorization_details": {string(details)},
	}, held)
	if err != nil {
		return writ.IssuedGrant{}, err
	}
	expires := c.source.now().Add(time.Duration(got.Seconds) * time.Second)
	return writ.IssuedGrant{Token: got.Token, Grant: got.Grant, Plan: got.Plan, Run: got.Run, Expires: expires}, nil
}
