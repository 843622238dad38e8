package storefront

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Grant types of the token endpoint (RFC 6749 section 4.4, RFC 8693 section 2.1).
const (
	grantClient   = "client_credentials"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeAccess    = "urn:ietf:params:oauth:token-type:access_token"
)

// token answers POST /oauth/token.
func (s *Shop) token(w http.ResponseWriter, r *http.Request) {
	client, ok := s.form(w, r)
	if !ok {
		return
	}
	life := MaxTokenLife
	if x := r.PostForm.Get("lifetime"); x != "" {
		n, err := strconv.Atoi(x)
		if err != nil || n < 1 {
			oauthError(w, errRequest)
			return
		}
		life = min(life, time.Duration(n)*time.Second)
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	slices.Sort(scopes)
	subject := ""
	switch r.PostForm.Get("grant_type") {
	case grantClient:
	case grantExchange:
		subject = r.PostForm.Get("subject_token")
		if subject == "" || r.PostForm.Get("subject_token_type") != typeAccess {
			oauthError(w, errRequest)
			return
		}
	default:
		oauthError(w, errors.New("unsupported_grant_type"))
		return
	}
	text, life, err := s.auth.mint(client, scopes, life, subject)
	if err != nil {
		oauthError(w, err)
		return
	}
	out := map[string]any{"access_token": text, "token_type": "Bearer", "expires_in": int(life / time.Second), "scope": strings.Join(scopes, " ")}
	if subject != "" {
		out["issued_token_type"] = typeAccess
	}
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusOK, out)
}

// revoke answers POST /oauth/revoke (RFC 7009): 200 also for a token that is not alive.
func (s *Shop) revoke(w http.ResponseWriter, r *http.Request) {
	client, ok := s.form(w, r)
	if !ok {
		return
	}
	text := r.PostForm.Get("token")
	if text == "" {
		oauthError(w, errRequest)
		return
	}
	s.auth.revoke(client, text)
	w.WriteHeader(http.StatusOK)
}

// introspect answers POST /oauth/introspect (RFC 7662) about the client's own tokens.
func (s *Shop) introspect(w http.ResponseWriter, r *http.Request) {
	client, ok := s.form(w, r)
	if !ok {
		return
	}
	t, alive := s.auth.check(r.PostForm.Get("token"))
	if !alive || t.client != client {
		answer(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	answer(w, http.StatusOK, map[string]any{"active": true, "client_id": t.client, "scope": strings.Join(t.scopes, " "), "exp": t.expires.Unix()})
}

// form reads the form and authenticates the client (RFC 6749 section 2.3.1, Basic).
func (s *Shop) form(w http.ResponseWriter, r *http.Request) (client string, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	id, secret, ok := r.BasicAuth()
	if !ok || s.auth.authenticate(id, secret) != nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="shop"`)
		answer(w, http.StatusUnauthorized, map[string]any{"error": errClient.Error()})
		return "", false
	}
	if err := r.ParseForm(); err != nil {
		oauthError(w, errRequest)
		return "", false
	}
	return id, true
}

func oauthError(w http.ResponseWriter, err error) {
	status := http.StatusBadRequest
	if errors.Is(err, errFull) {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, map[string]any{"error": err.Error()})
}

// permit checks the bearer token of a request for one of the scopes, and answers 401 or 403 if it does not hold
// (RFC 6750 section 3.1).
func (s *Shop) permit(w http.ResponseWriter, r *http.Request, scope string) (client string, ok bool) {
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t, alive := s.auth.check(text)
	switch {
	case !alive:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		problem(w, http.StatusUnauthorized, "the access token is missing, expired or revoked")
		return "", false
	case !slices.Contains(t.scopes, scope):
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		problem(w, http.StatusForbidden, "the access token lacks the scope "+scope)
		return "", false
	}
	return t.client, true
}
