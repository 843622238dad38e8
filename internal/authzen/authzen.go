// Package authzen is the door for programs that ask what policy would say: the OpenID AuthZEN Authorization API 1.0.
// Subjects are agents and people, actions are playbooks and operations, resources are services.
//
// What it answers is advice. It grants nothing and changes nothing: whoever wants a repair proposes it, and it is decided
// anew on the facts of that moment. What a caller sends only names things: context and properties never become facts.
// Members that it does not know are ignored, as the specification demands.
package authzen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/writ-dev/writ"
)

// Where the door stands.
const (
	Prefix          = "/access/v1/"
	PathEvaluation  = Prefix + "evaluation"
	PathEvaluations = Prefix + "evaluations"
	PathSearch      = Prefix + "search/" // subject, resource or action
	PathMetadata    = "/.well-known/authzen-configuration"
)

// Limits of the door. One evaluation is some hundred microseconds and reads the store.
const (
	maxBody      = 256 << 10 // a hundred evaluations with names of a kilobyte
	maxItems     = 100       // of one evaluations call
	maxRequestID = 128       // characters that are echoed
	soonSeconds  = 2         // when to come again, if a refusal does not say
)

// An Authenticator finds out who sends a request, or returns writ.ErrUnknownUser.
type Authenticator interface {
	Principal(ctx context.Context, r *http.Request) (writ.Principal, error)
}

// An Evaluator is all that this door can do. Both methods only read. A question about a name that is not known is answered
// with a deny; an error is about the call: writ.ErrDenied when this caller may not ask this.
type Evaluator interface {
	Evaluate(ctx context.Context, by writ.Principal, q writ.AccessQuestion) (writ.Decision, error)
	AccessNames(ctx context.Context, by writ.Principal) (writ.AccessNames, error)
}

// Config is what Handler needs. All members are required.
type Config struct {
	Authenticator Authenticator
	Evaluator     Evaluator
	Proposer      Proposer
	Idempotency   Idempotency
	BindingKey    []byte // 32 bytes, the same for all replicas; nothing else is signed with it
	ExternalURL   string // of the server, without a trailing slash: the identifier of this decision point
	Log           *slog.Logger
}

type door struct {
	Config
	terms
}

// Handler serves Prefix and PathMetadata.
func Handler(c Config) (http.Handler, error) { return handlerIn(ownTerms, c) }

func handlerIn(t terms, c Config) (http.Handler, error) {
	if c.Authenticator == nil || c.Evaluator == nil || c.Proposer == nil || c.Idempotency == nil || c.Log == nil || len(c.BindingKey) != 32 {
		return nil, fmt.Errorf("%w: AuthZEN: authenticator, evaluator, proposer, idempotency, a binding key of 32 bytes and log are needed", writ.ErrInvalid)
	}
	if u, err := url.Parse(c.ExternalURL); err != nil || u.Host == "" || strings.HasSuffix(c.ExternalURL, "/") {
		return nil, fmt.Errorf("%w: AuthZEN: the external URL is absolute and without a trailing slash", writ.ErrInvalid)
	}
	d := door{c, t}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathEvaluation, d.asked(d.evaluation))
	mux.HandleFunc("POST "+PathEvaluations, d.asked(d.evaluations))
	mux.HandleFunc("POST "+PathSearch+"{for}", d.asked(d.search))
	mux.HandleFunc("POST "+PathRequests, d.asked(d.once(d.request)))
	mux.HandleFunc("GET "+PathRequests+"/{id}", d.asked(d.requested))
	mux.HandleFunc("GET "+PathMetadata, d.metadata)
	return http.NewCrossOriginProtection().Handler(echo(mux)), nil
}

// echo gives X-Request-ID back, and keeps answers out of caches.
func echo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("X-Request-ID"); id != "" && len(id) <= maxRequestID && writ.Printable(id, maxRequestID) == id {
			w.Header().Set("X-Request-ID", id)
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// A handler answers one call of a known caller, whose body is an object.
type handler func(ctx context.Context, by writ.Principal, r *http.Request, in object) (any, error)

// asked finds out who calls and reads the body. Its statuses speak of the call; a decision is always a 200.
func (d door) asked(handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := d.Authenticator.Principal(r.Context(), r)
		if err == nil && !by.Valid() {
			err = writ.ErrUnknownUser
		}
		var in object
		if err == nil && r.Method == http.MethodPost {
			in, err = read(w, r)
		}
		var out any
		if err == nil {
			out, err = handle(r.Context(), by, r, in)
		}
		if err != nil {
			d.refuse(w, r, err)
			return
		}
		d.Log.InfoContext(r.Context(), "a question about access was answered", "by", writ.Printable(by.String(), 200), "call", r.Pattern)
		if c, ok := out.(created); ok {
			answer(w, http.StatusCreated, c.task)
			return
		}
		answer(w, http.StatusOK, out)
	}
}

func read(w http.ResponseWriter, r *http.Request) (object, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, form("the Content-Type must be application/json")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, form(fmt.Sprintf("the body must arrive whole and have at most %d bytes", maxBody))
	}
	return parseObject(b)
}

// form is an error about the form of a request.
func form(detail string) error {
	return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: detail}
}

// outcomes is the one table from kinds of error to statuses.
var outcomes = []struct {
	kind   error
	status int
	say    string // instead of the error's own text
}{
	{writ.ErrUnknownUser, http.StatusUnauthorized, "a valid bearer token is needed"},
	{writ.ErrDenied, http.StatusForbidden, ""},
	{writ.ErrNotFound, http.StatusNotFound, "there is no such call"},
	{writ.ErrFrozen, http.StatusForbidden, ""},
	{writ.ErrConflict, http.StatusConflict, ""},
	{writ.ErrInvalid, http.StatusBadRequest, ""},
	{writ.ErrBusy, http.StatusTooManyRequests, "a limit is reached"},
	{writ.ErrUnavailable, http.StatusServiceUnavailable, "a part of Writ cannot be reached"},
}

// failure is the status and the sentence of an error.
func failure(err error) (status int, say string) {
	for _, o := range outcomes {
		if !errors.Is(err, o.kind) {
			continue
		}
		if say = o.say; say == "" {
			say = writ.Printable(err.Error(), 300)
		}
		return o.status, say
	}
	return http.StatusInternalServerError, "something went wrong inside Writ"
}

func (d door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*requestError](err); ok {
		answer(w, e.status, map[string]string{"error": e.code, "error_description": e.detail})
		return
	}
	status, say := failure(err)
	if status >= 500 {
		d.Log.ErrorContext(r.Context(), "a question about access failed", "error", writ.Printable(err.Error(), 300))
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="writ"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(writ.AfterOf(err, soonSeconds)))
	}
	answer(w, status, map[string]string{"error": say})
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"something went wrong inside Writ"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

// metadata is the configuration document of section 9.
func (d door) metadata(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"policy_decision_point":       d.ExternalURL,
		"access_evaluation_endpoint":  d.ExternalURL + PathEvaluation,
		"access_evaluations_endpoint": d.ExternalURL + PathEvaluations,
		"search_subject_endpoint":     d.ExternalURL + PathSearch + "subject",
		"search_resource_endpoint":    d.ExternalURL + PathSearch + "resource",
		"search_action_endpoint":      d.ExternalURL + PathSearch + "action",
		"access_request_endpoint":     d.ExternalURL + PathRequests,
		"capabilities":                []string{"urn:openid:authzen:capability:access-request"},
	})
}
