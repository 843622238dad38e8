package storefront

import (
	_ "embed" // the OpenAPI document
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
)

//go:embed openapi.json
var document []byte

// Document is the OpenAPI 3.0 document of the admin API; the API serves the same bytes at /openapi.json.
func Document() []byte { return append([]byte(nil), document...) }

func (s *Shop) adminHandler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /oauth/token", s.token)
	m.HandleFunc("POST /oauth/revoke", s.revoke)
	m.HandleFunc("POST /oauth/introspect", s.introspect)
	m.HandleFunc("GET /metrics", s.prometheus)
	m.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document)
	})
	m.HandleFunc("GET /services", s.read(s.listServices))
	m.HandleFunc("GET /services/{service}", s.read(s.getService))
	m.HandleFunc("GET /services/{service}/flags/{flag}", s.read(s.getFlag))
	m.HandleFunc("GET /services/{service}/metrics", s.read(s.getMetrics))
	m.HandleFunc("GET /services/{service}/logs", s.read(s.getLogs))
	m.HandleFunc("GET /services/{service}/releases", s.read(s.listReleases))
	m.HandleFunc("PUT /services/{service}/release", s.write("setRelease", s.putRelease))
	m.HandleFunc("PUT /services/{service}/replicas", s.write("setReplicas", s.putReplicas))
	m.HandleFunc("PUT /services/{service}/flags/{flag}", s.write("setFlag", s.putFlag))
	m.HandleFunc("POST /services/{service}/restart", s.write("restartService", s.postRestart))
	return m
}

// An admin operation answers with a value and the object's ETag, if it has one.
type readFunc func(r *http.Request) (body any, etag string, err error)

func (s *Shop) read(f readFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.permit(w, r, ScopeRead); !ok {
			return
		}
		body, etag, err := f(r)
		if err != nil {
			refuse(w, err)
			return
		}
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		answer(w, http.StatusOK, body)
	}
}

type writeFunc func(r *http.Request, t ticket, body []byte) error

// write demands the scope <operation>:<object>, an If-Match and honours Idempotency-Key: the same key with the same
// request gets the first answer again, whatever happened since.
func (s *Shop) write(operation string, f writeFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.writes.Add(1)
		object := r.PathValue("service")
		if flag := r.PathValue("flag"); flag != "" {
			object += "/" + flag
		}
		client, ok := s.permit(w, r, operation+":"+object)
		if !ok {
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			problem(w, http.StatusRequestEntityTooLarge, "the body is too large")
			return
		}
		key := r.Header.Get("Idempotency-Key")
		do := func() reply {
			match := r.Header.Get("If-Match")
			if match == "" || match == "*" {
				return replyProblem(http.StatusPreconditionRequired, "If-Match with the current ETag is required")
			}
			if err := f(r, ticket{by: client, key: key, match: match}, body); err != nil {
				return replyProblem(statusOf(err), err.Error())
			}
			s.changes.Add(1)
			if lost, ok := s.losing(r); ok {
				return lost
			}
			get := s.getService
			if r.PathValue("flag") != "" {
				get = s.getFlag
			}
			v, etag, err := get(r)
			if err != nil {
				return replyProblem(statusOf(err), err.Error())
			}
			return replyValue(http.StatusOK, v, etag)
		}
		s.keys.once(client, key, r.Method+" "+r.URL.Path+" "+r.Header.Get("If-Match")+" "+string(body), do).send(w)
	}
}

var errBody = errors.New("the body does not fit the document's schema")

func statusOf(err error) int {
	switch {
	case errors.Is(err, errNoService):
		return http.StatusNotFound
	case errors.Is(err, errStale):
		return http.StatusPreconditionFailed
	case errors.Is(err, errUnknown), errors.Is(err, errBound):
		return http.StatusUnprocessableEntity
	case errors.Is(err, errBody):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func refuse(w http.ResponseWriter, err error) { problem(w, statusOf(err), err.Error()) }

// problem answers as RFC 9457 says.
func problem(w http.ResponseWriter, status int, detail string) {
	replyProblem(status, detail).send(w)
}

func answer(w http.ResponseWriter, status int, v any) { replyValue(status, v, "").send(w) }

// A reply is an answer that can be sent more than once.
type reply struct {
	status            int
	contentType, etag string
	body              []byte
	again             bool
}

func replyValue(status int, v any, etag string) reply {
	b, err := json.Marshal(v)
	if err != nil {
		return replyProblem(http.StatusInternalServerError, "the answer cannot be written")
	}
	return reply{status: status, contentType: "application/json", etag: etag, body: b}
}

func replyProblem(status int, detail string) reply {
	b, _ := json.Marshal(map[string]any{"status": status, "title": http.StatusText(status), "detail": detail})
	return reply{status: status, contentType: "application/problem+json", body: b}
}

func (p reply) send(w http.ResponseWriter) {
	w.Header().Set("Content-Type", p.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(p.body)))
	if p.etag != "" {
		w.Header().Set("ETag", p.etag)
	}
	if p.again {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body)
}
