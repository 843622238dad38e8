package oauth

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// maxBody bounds a request: two tokens of at most 16 KiB each, authorization details, and percent signs.
	maxBody = 64 << 10
	// bodyTime is how long a client may take to send one: it is a few packets.
	bodyTime = 10 * time.Second
	// answerTime bounds the answer: one transaction, and a fetch of an issuer's keys.
	answerTime = 30 * time.Second
)

// A form is a request whose parameters stand once each.
type form map[string]string

// one returns a parameter that must be there.
func (f form) one(name string) (string, error) {
	if v := f[name]; v != "" {
		return v, nil
	}
	return "", &fault{Name: "invalid_request", Description: name + " is missing"}
}

// read takes the parameters from the body alone: a query ends up in logs, and a DPoP proof does not name it.
func read(w http.ResponseWriter, r *http.Request, now time.Time) (form, error) {
	bad := func(what string) (form, error) { return nil, &fault{Name: "invalid_request", Description: what} }
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return bad("the body must be application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return bad("parameters belong into the body")
	}
	wire := http.NewResponseController(w)
	// Recorders have no deadlines; the server's own then apply.
	_ = wire.SetWriteDeadline(now.Add(answerTime))
	_ = wire.SetReadDeadline(now.Add(bodyTime))
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	_ = wire.SetReadDeadline(time.Time{})
	if err != nil {
		return bad("the body is too long, or came too slowly")
	}
	values, err := url.ParseQuery(string(b))
	if err != nil {
		return bad("the body is not form-encoded")
	}
	f := form{}
	for name, all := range values {
		if len(all) != 1 { // RFC 6749 section 3.2
			return bad("a parameter stands twice: " + writ.Printable(name, 40))
		}
		f[name] = all[0]
	}
	return f, nil
}

// posted reads the form, calls serve, and writes what it returns as JSON.
func (e *Endpoint) posted(serve func(context.Context, *http.Request, form) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		quiet(w)
		f, err := read(w, r, time.Now()) // of socket deadlines alone, which are the machine's
		var out any
		if err == nil {
			out, err = serve(r.Context(), r, f)
		}
		if err != nil {
			e.refuse(w, r, err)
			return
		}
		write(w, http.StatusOK, out)
	}
}

// said serves a fixed document.
func (e *Endpoint) said(document any) http.HandlerFunc {
	b, err := json.Marshal(document)
	if err != nil { // only of strings and lists
		panic("oauth: metadata: " + err.Error())
	}
	return e.answered("application/json", b)
}

func (e *Endpoint) answered(kind string, b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		quiet(w)
		w.Header().Set("Content-Type", kind)
		w.Write(b)
	}
}

// quiet sets what every answer has (RFC 6749 section 5.1).
func quiet(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}
