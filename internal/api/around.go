package api

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"

	"github.com/writ-dev/writ"
)

// around is what every answer gets: a trace id, headers that keep browsers from guessing or keeping it, and a problem
// instead of a broken connection when the door panics.
func (d *door) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r = d.trace(w, r)
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				d.Log.Error("panic", "trace_id", traceOf(r.Context()), "value", writ.Printable(fmt.Sprint(v), maxDetail), "stack", string(debug.Stack()))
				problem(r.Context(), fmt.Errorf("panic")).write(w)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// known answers paths and methods that do not exist with a problem, as everything else.
func (d *door) known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		var allowed []string
		for _, m := range []string{http.MethodGet, http.MethodPost} {
			other := r.Clone(r.Context())
			other.Method = m
			if _, pattern := mux.Handler(other); pattern != "" {
				allowed = append(allowed, m)
			}
		}
		if len(allowed) == 0 {
			d.refuse(w, r, writ.ErrNotFound)
			return
		}
		slices.Sort(allowed)
		for _, m := range allowed {
			w.Header().Add("Allow", m)
		}
		p := &Problem{Status: http.StatusMethodNotAllowed, Code: codeMethod, Retry: retryNever, Detail: "this path takes another method"}
		p.complete(r.Context()).write(w)
	})
}
