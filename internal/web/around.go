package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
)

// contentPolicy is the whole of what a page may load and do: our style sheet, our one script through one policy of Trusted
// Types, drawings that are part of the page, forms to ourselves, and nothing else. See W3C CSP 3 and Trusted Types.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types live"

// answerTime bounds the making and sending of one answer.
const answerTime = 30 * time.Second

// around is what every answer gets: headers that keep browsers from guessing, framing and keeping it, and a page instead
// of a broken connection when the door panics.
func (d *door) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", d.policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin") // with no-referrer, a browser's forms would not name their origin
		h.Set("Cache-Control", "no-store")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // a stream sets its own
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				d.Log.Error("panic", "path", writ.Printable(r.URL.Path, 200), "value", writ.Printable(fmt.Sprint(v), maxDetail), "stack", string(debug.Stack()))
				d.fail(w, r, writ.Principal{}, errors.New("panic"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// maxDetail bounds what is shown of an error.
const maxDetail = 500

// An outcome is how one kind of error is shown.
type outcome struct {
	kind   error
	status int
	say    string // instead of the error's own text; empty shows that
}

// soonSeconds is when to come again, if a refusal does not say.
const soonSeconds = 5

// outcomes is the one table from kinds of error to statuses.
var outcomes = []outcome{
	{writ.ErrUnknownUser, http.StatusUnauthorized, "You are not logged in, or your session has ended."},
	{writ.ErrFrozen, http.StatusLocked, ""},
	{writ.ErrDenied, http.StatusForbidden, "You may not do this."},
	{writ.ErrNotFound, http.StatusNotFound, "There is no such page or object, or none that you may know of."},
	{writ.ErrStale, http.StatusPreconditionFailed, ""},
	{writ.ErrConflict, http.StatusConflict, ""},
	{writ.ErrInvalid, http.StatusUnprocessableEntity, ""},
	{writ.ErrBusy, http.StatusTooManyRequests, "A limit is reached; try again in a few seconds."},
	{writ.ErrUnavailable, http.StatusServiceUnavailable, "A part of Writ cannot be reached; nothing was done."},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "This took too long."},
	{context.Canceled, http.StatusServiceUnavailable, "The request was given up."},
}

// A failView is an error as a page.
type failView struct {
	Status            int
	Code              writ.Reason
	Say, Detail, Hint string
	Back              string // the page to go back to
	LogIn             string // where to log in; empty when that would not help
}

// fail answers with an error. Only refusals and errors about the request itself show their text.
func (d *door) fail(w http.ResponseWriter, r *http.Request, by writ.Principal, err error) {
	v := d.outcome(r, err)
	if v.Status == http.StatusTooManyRequests || v.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(writ.AfterOf(err, soonSeconds)))
	}
	d.show(w, r, by, v.Status, "fail", "", view{title: http.StatusText(v.Status), data: v})
}

// outcome is how an error is told, and has the log know of the door's own.
func (d *door) outcome(r *http.Request, err error) failView {
	o := outcome{nil, http.StatusInternalServerError, "Something went wrong inside Writ; its log says what."}
	for _, row := range outcomes {
		if errors.Is(err, row.kind) {
			o = row
			break
		}
	}
	v := failView{Status: o.status, Say: o.say, Back: "/"}
	if refused, ok := errors.AsType[*writ.Refusal](err); ok && o.kind != nil {
		v.Code, v.Say, v.Hint = refused.Code, refused.Detail, refused.Hint
	} else if v.Say == "" {
		v.Say = err.Error()
	}
	if v.Say == "" {
		v.Say = string(v.Code)
	}
	if o.status >= 500 && !errors.Is(err, context.Canceled) {
		d.Log.ErrorContext(r.Context(), "a page failed", "path", writ.Printable(r.URL.Path, 200), "status", o.status, "error", writ.Printable(err.Error(), maxDetail))
	}
	if o.status == http.StatusUnauthorized {
		v.LogIn = d.LoginPath
		if d.Dev && d.enter == "" {
			v.LogIn = PathDevLogin
		}
	}
	if from := parent(r.URL.Path); r.Method == http.MethodPost && from != "" {
		v.Back = from
	}
	return v
}
