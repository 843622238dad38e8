package api

import (
	"bytes"
	"net/http"
)

// A recorder holds an answer back until it is whole. Until then it is a failure.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func newRecorder(w http.ResponseWriter) *recorder {
	return &recorder{header: w.Header().Clone(), status: http.StatusInternalServerError}
}

// send passes the answer on.
func (r *recorder) send(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	w.Write(r.body.Bytes())
}

func (r *recorder) answer() answer {
	a := answer{Status: r.status, Header: map[string]string{}, Body: r.body.Bytes()}
	for _, name := range kept {
		if v := r.header.Get(name); v != "" {
			a.Header[name] = v
		}
	}
	return a
}
